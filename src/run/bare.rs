//! A run without a seal: environment and broker only, said loudly by the banner.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use tokio::sync::mpsc;

use super::base_urls;
use super::broking::{self, Credentials, Supplies, Wires};
use super::hooks::{self, Hook};
use super::told::{Heard, Told};
use super::trust::{self, Certificates};
use super::watch::{Child, watch};
use super::{Order, Outcome, RunError, ci, keep};
use crate::exit::Exit;
use crate::plan::Planned;
use crate::policy;
use crate::proxy::{Broker, Listeners};
use crate::report::Terminal;
use crate::scrub::{self, Wiring};
use crate::supervise::{Bare, Folder, Received, Signals, Streams, spawn};
use crate::world::World;

/// Runs the command with the environment that was decided, and nothing around it.
pub(super) fn run(
    world: &World,
    order: &Order,
    streams: Streams,
    mut planned: Planned,
    supplies: Supplies,
    terminal: Terminal,
) -> Result<Outcome, RunError> {
    let signals = Signals::block().map_err(RunError::Signals)?;
    let credentials = Credentials::mint()?;
    let rules = policy::trust_rules();
    let certificates = trust::certificates(world, &planned.plan, rules, credentials.authority.certificate_pem());
    let files = CertificateFiles::write(world, &certificates, &order.hooks).map_err(RunError::Certificates)?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(RunError::Watch)?;
    listener.set_nonblocking(true).map_err(RunError::Watch)?;
    let port = listener.local_addr().map_err(RunError::Watch)?.port();
    let log = broking::open_log(world, &planned)?;

    let wiring = files.wiring(credentials.token.proxy_url(port));
    base_urls::add(order, &mut planned, port);
    hooks::add(&order.hooks, &mut planned, files.0.path());
    let environment = scrub::environment(std::mem::take(&mut planned.environment), &wiring, rules);
    let (sender, notices) = mpsc::channel(256);
    // Nothing crosses a seal that is not there.
    let mut heard = Heard { notices, news: mpsc::channel(1).1 };
    let wires = Wires { loopback: None, log: std::sync::Arc::clone(&log), notices: sender, supplies };
    let arguments = std::mem::take(&mut planned.arguments);
    let settings = broking::settings(world, order, planned, credentials, wires)?;
    let mut told = Told::new(terminal, !world.terminal.error || ci::is_ci(world, order));

    let runtime = broking::runtime()?;
    let (ended, totals) = runtime.block_on(async {
        let listeners = Listeners { explicit: vec![listener], ..Listeners::default() };
        let broker = Broker::start(settings, listeners)?;
        let child = spawn::bare(&arguments, &environment, &streams);
        let shown = streams.show().map_err(RunError::Terminal)?;
        let ended = match child {
            Ok(mut child) => watch(&mut child, &signals, &mut heard, &mut told).await,
            Err(error) => Err(error.into()),
        };
        shown.finish(&signals);
        Ok::<_, RunError>((ended, broker.close().await))
    })?;
    // A source that does not answer holds nobody up.
    runtime.shutdown_background();
    told.finish(&mut heard);
    let exit = ended.as_ref().map_or_else(RunError::exit, |exit| *exit);
    log.close(Some(exit.code()))?;
    ended?;
    Ok(Outcome { exit, totals, left: keep::Outcome::default(), merged: Vec::new(), watched_changes: Vec::new() })
}

/// The run's certificates as files of a private temporary directory, which goes with this process; public keys only.
struct CertificateFiles(Folder);

impl CertificateFiles {
    fn write(world: &World, certificates: &Certificates, hooks: &[Hook]) -> io::Result<Self> {
        let base = world.variable("TMPDIR").filter(|base| !base.is_empty()).unwrap_or(OsStr::new("/tmp"));
        let files = Self(Folder::make(&world.current_directory.join(base))?);
        let write = |name: &str, bytes: &[u8]| std::fs::File::create_new(files.path(name))?.write_all(bytes);
        write("ca-bundle.pem", &certificates.bundle)?;
        write("ca.pem", &certificates.authority)?;
        write("wgetrc", format!("ca_certificate = {}\n", files.path("ca-bundle.pem").display()).as_bytes())?;
        for (path, text) in hooks::files(hooks, files.0.path()) {
            std::fs::create_dir_all(path.parent().unwrap_or(files.0.path()))?;
            std::fs::write(&path, text)?;
        }
        Ok(files)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn wiring(&self, proxy_url: String) -> Wiring {
        Wiring {
            proxy_url: Some(proxy_url),
            bundle: Some(self.path("ca-bundle.pem")),
            certificate: Some(self.path("ca.pem")),
            wgetrc: Some(self.path("wgetrc")),
            ..Wiring::default()
        }
    }
}

impl Child for Bare {
    type Ended = Exit;

    fn readiness(&self) -> io::Result<OwnedFd> {
        Bare::readiness(self)
    }

    fn try_wait(&mut self) -> Result<Option<Exit>, RunError> {
        Bare::try_wait(self).map_err(RunError::Watch)
    }

    fn hear(&mut self, signal: Received) -> Result<(), RunError> {
        if !signal.from_terminal {
            self.signal(signal.number).map_err(RunError::Watch)?;
        }
        Ok(())
    }

    /// The command has the user's own terminal.
    fn terminal_is_gone(&self) -> io::Result<Option<OwnedFd>> {
        Ok(None)
    }

    fn hang_up(&mut self) -> Result<(), RunError> {
        Ok(())
    }
}
