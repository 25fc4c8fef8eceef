//! Links that the child wants opened in the user's browser, as logins do.
//!
//! **Invariants.** A link is opened only if it is one of the web ([`Link`]), policy lets the child reach its host
//! anyway, and there are not too many. One to a loopback is opened only when the child's own port is behind it. Each is
//! in the log before it is opened. What is started is the user's own opener with the link as one argument, see
//! [`Opener`].
//!
//! **Trade-off.** The browser resolves the host itself, so a name that leads to a private address is not found out.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::opener::Opener;
use super::{Order, ci};
use crate::audit::{self, Decision, Outcome, Sink};
use crate::plan::Plan;
use crate::policy::{Egress, Host, LONGEST_LINK, Link, Verdict};
use crate::proxy;
use crate::supervise::News;
use crate::supervise::ports::Callbacks;
use crate::world::World;

/// Where the child reaches the bridge.
pub const BROWSER_SOCKET: &str = "/run/agentsecrets/browser.sock";
/// The directory of our programs inside, which stands first in its PATH.
pub(super) const PROGRAMS: &str = "/run/agentsecrets/bin";
/// The program that sends a link over the bridge; what BROWSER names.
pub const BROWSER_PROGRAM: &str = "agentsecrets-open";
/// Names under which programs call it without asking BROWSER.
pub const BROWSER_NAMES: [&str; 6] =
    ["xdg-open", "open", "sensible-browser", "www-browser", "x-www-browser", "gnome-open"];

/// So many links in so long a time; beyond it a child is running wild.
const MOST: usize = 5;
const WINDOW: Duration = Duration::from_secs(30);
/// How long the child may take to say what it wants, and to hear the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause after an error of accept(2), such as EMFILE.
const PAUSE: Duration = Duration::from_millis(20);
/// What is shown of a text that is no link.
const SHOWN: usize = 120;

/// The bridge as it was asked for.
pub(super) struct Asked {
    listener: OwnedFd,
    policy: Egress,
    opener: Result<Opener, &'static str>,
}

impl Asked {
    /// Takes over the listener inside, and finds what opens links.
    pub(super) fn new(listener: OwnedFd, world: &World, order: &Order, plan: &Plan) -> Self {
        let writable: Vec<PathBuf> = std::iter::once(&plan.project).chain(&plan.writable).cloned().collect();
        let opener = Opener::find(world, &writable, ci::is_ci(world, order));
        Self { listener, policy: plan.egress.clone(), opener }
    }

    /// The bridge, on the current runtime.
    pub(super) fn start(self, callbacks: Callbacks, log: Arc<Sink>, news: mpsc::Sender<News>) -> io::Result<Bridge> {
        let listener = std::os::unix::net::UnixListener::from(self.listener);
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let (policy, opener) = (self.policy, self.opener);
        Ok(Bridge { listener, policy, opener, callbacks, log, news, recent: VecDeque::new() })
    }
}

/// The parent's end.
pub(super) struct Bridge {
    listener: UnixListener,
    policy: Egress,
    opener: Result<Opener, &'static str>,
    callbacks: Callbacks,
    log: Arc<Sink>,
    news: mpsc::Sender<News>,
    recent: VecDeque<Instant>,
}

/// What the child's program is told: a word and a sentence.
enum Answer {
    Opened,
    Shown(String),
    Refused(String),
}

impl Bridge {
    /// Serves one link after the other: a child that dawdles hinders itself alone.
    pub(super) async fn serve(mut self) {
        loop {
            let Ok((mut stream, _)) = self.listener.accept().await else {
                sleep(PAUSE).await;
                continue;
            };
            let Ok(Ok(bytes)) = timeout(PATIENCE, read(&mut stream)).await else { continue };
            let answer = match self.answer(&bytes).await {
                Answer::Opened => "opened".to_owned(),
                Answer::Shown(reason) => format!("shown {reason}"),
                Answer::Refused(reason) => format!("refused {reason}"),
            };
            // A child that does not listen has heard enough.
            let _ = timeout(PATIENCE, stream.write_all(answer.as_bytes())).await;
        }
    }

    async fn answer(&mut self, bytes: &[u8]) -> Answer {
        if !self.is_in_time() {
            return Answer::Refused(format!("more than {MOST} links in {} seconds", WINDOW.as_secs()));
        }
        let link = match Link::parse(bytes) {
            Ok(link) => link,
            Err(error) => {
                let shown: String = String::from_utf8_lossy(bytes).chars().take(SHOWN).collect();
                self.tell(News::LinkRefused { link: shown, reason: error.to_string() });
                return Answer::Refused(error.to_string());
            }
        };
        for port in link.callbacks() {
            // A login that cannot come back is told of by whoever cannot publish its port.
            self.callbacks.publish(*port).await;
        }
        let judged = self.judge(&link).await;
        let opened = match (judged, &self.opener) {
            (Err(reason), _) => Err(reason),
            (Ok(()), Err(reason)) => Err((*reason).to_owned()),
            (Ok(()), Ok(opener)) => self.record(&link, audit::Verdict::Allowed).and_then(|()| {
                opener.open(&link).map_err(|error| format!("your browser could not be started: {error}"))
            }),
        };
        match opened {
            Ok(()) => {
                self.tell(News::LinkOpened { link: link.to_string() });
                Answer::Opened
            }
            Err(reason) => {
                self.tell(News::LinkShown { link: link.to_string(), reason: reason.clone() });
                Answer::Shown(reason)
            }
        }
    }

    /// Whether policy lets the child reach the link's host, so that the browser is no way around it.
    async fn judge(&self, link: &Link) -> Result<(), String> {
        if let Some(port) = link.local_port() {
            if self.callbacks.publish(port).await {
                return Ok(());
            }
            return Err(format!("the child's port {port} cannot be reached from here"));
        }
        let authority = link.authority();
        let verdict = self.policy.judge(authority);
        let reason = match (verdict, &authority.host) {
            (Verdict::Host | Verdict::Port, _) => Some(format!("`--allow {authority}` would let it")),
            (_, Host::Address(address)) => refusal(*address, verdict),
            (_, Host::Name(_)) => None,
        };
        let Some(reason) = reason else { return Ok(()) };
        self.record(link, audit::Verdict::Refused)?;
        Err(reason)
    }

    /// Puts what was decided into the log; nothing is opened that is not in it.
    fn record(&self, link: &Link, verdict: audit::Verdict) -> Result<(), String> {
        let authority = link.authority();
        let decision = Decision {
            method: "OPEN".into(),
            scheme: "browser".into(),
            host: authority.host.to_string(),
            port: authority.port,
            verdict,
            rule: (verdict == audit::Verdict::Refused).then(|| "link_not_allowed".into()),
            ..Decision::default()
        };
        let broken = |_| "the log cannot be written".to_owned();
        let ticket = self.log.decision(decision).map_err(broken)?;
        self.log.end(ticket, Outcome::default()).map_err(broken)
    }

    /// Counts a link; false when there were too many.
    fn is_in_time(&mut self) -> bool {
        let now = Instant::now();
        self.recent.retain(|time| now.duration_since(*time) < WINDOW);
        let is_in_time = self.recent.len() < MOST;
        if is_in_time {
            self.recent.push_back(now);
        }
        is_in_time
    }

    fn tell(&self, news: News) {
        // A full channel means that nobody reads them as fast as they come.
        let _ = self.news.try_send(news);
    }
}

fn refusal(address: IpAddr, verdict: Verdict) -> Option<String> {
    proxy::judge(address, verdict == Verdict::Named, false).err().map(|refusal| refusal.to_string())
}

/// What the child sends until it ends, one byte more than a link has at most.
async fn read(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let longest = u64::try_from(LONGEST_LINK + 1).map_err(io::Error::other)?;
    stream.take(longest).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
