//! Requests of our own, without a child: the same judging, injecting, sending, redacting and recording, and no listener.
//!
//! **Invariants.** A request goes nowhere that a child's would not go, and its answer comes back as scrubbed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Version};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use zeroize::Zeroizing;

use super::answer::Answer;
use super::exchange;
use super::refusal::Refused;
use super::request_body::RequestBody;
use super::route::Security;
use super::rulebook::Site;
use super::shared::Shared;
use super::tasks::Tasks;
use super::totals::Counters;
use super::upstream::Case;
use super::{ProxyError, Settings, Totals};
use crate::policy::Authority;
use crate::secret::Table;

/// Sends requests of our own.
pub struct Client {
    shared: Arc<Shared>,
    tasks: Tasks,
    counters: Arc<Counters>,
    secrets: Arc<Table>,
}

/// What is sent.
pub enum Content {
    /// No body.
    Empty,
    /// A body that is there whole, which a value can be put into.
    Whole(Zeroizing<Vec<u8>>),
    /// A body that is streamed.
    Stream(UnsyncBoxBody<Bytes, io::Error>),
}

/// A request, with placeholders where values go.
pub struct Message {
    /// Whether it goes over TLS.
    pub is_secure: bool,
    /// Where it goes.
    pub authority: Authority,
    /// Method, origin-form target and headers.
    pub head: Request<()>,
    /// The names of its headers as they are to be written.
    pub names: Vec<String>,
    /// Its body.
    pub content: Content,
}

/// Why a request was not sent, or its answer is not shown. Holds no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Refusal {
    /// Stable, for programs.
    pub code: &'static str,
    /// One sentence for people.
    pub sentence: String,
    /// What to do about it, in words that suit every command; none where only the code tells.
    pub hint: Option<String>,
}

/// The head of an answer, and its body as it comes.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The protocol.
    pub version: Version,
    /// The headers, values replaced by placeholders.
    pub headers: HeaderMap,
    body: Answer,
}

impl Client {
    /// Made on the current tokio runtime.
    pub fn new(settings: Settings) -> Result<Self, ProxyError> {
        let (tasks, counters) = (Tasks::default(), Arc::new(Counters::default()));
        let secrets = Arc::clone(&settings.secrets);
        let shared = Arc::new(Shared::new(settings, &tasks, &counters, Vec::new())?);
        Ok(Self { shared, tasks, counters, secrets })
    }

    /// Sends a message and waits for the head of its answer.
    pub async fn send(&self, message: Message) -> Result<Reply, Refusal> {
        let case = Case::of(message.names.iter().map(String::as_str)).await;
        let sent = Arc::new(AtomicU64::new(0));
        let (site, security, mut request) = self.request(message, &sent);
        if let Some(case) = case {
            request.extensions_mut().insert(case);
        }
        let answered = exchange::send(&self.shared, &site, security, request, sent).await;
        let (parts, body) = answered.map_err(Refusal::from)?.into_parts();
        Ok(Reply { status: parts.status, version: parts.version, headers: parts.headers, body })
    }

    /// Judges a message as [`send`](Self::send) would, and neither sends nor records it.
    pub async fn judge(&self, message: Message) -> Result<(), Refusal> {
        let (site, security, request) = self.request(message, &Arc::default());
        exchange::may_go(&self.shared, &site, security, request).await.map_err(Refusal::from)
    }

    fn request(&self, message: Message, sent: &Arc<AtomicU64>) -> (Arc<Site>, Security, Request<RequestBody>) {
        let site = Arc::new(self.shared.book.site(message.authority));
        let security = if message.is_secure { Security::Tls } else { Security::Plain };
        let body = match message.content {
            Content::Empty => RequestBody::Empty,
            Content::Whole(bytes) => RequestBody::of(bytes, sent),
            Content::Stream(body) => RequestBody::own(body, sent),
        };
        let mut request = message.head.map(|()| body);
        // Both protocols are offered.
        *request.version_mut() = Version::HTTP_2;
        (site, security, request)
    }

    /// Ends every connection and says what was done.
    pub async fn close(self) -> Totals {
        self.tasks.close().await;
        self.counters.totals(&self.secrets)
    }
}

impl Reply {
    /// The next bytes of the body, as they come; `None` at its end. An error is a body that was broken off (L3).
    pub async fn next(&mut self) -> Result<Option<Bytes>, BrokenOff> {
        loop {
            let frame = std::future::poll_fn(|context: &mut Context<'_>| -> Poll<Option<Result<Frame<Bytes>, _>>> {
                Pin::new(&mut self.body).poll_frame(context)
            });
            match frame.await {
                None => return Ok(None),
                Some(Err(_)) => return Err(BrokenOff),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

/// An answer that ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer was broken off: what came of it is not all of it")]
pub struct BrokenOff;

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        // Those for a run's command line name `agentsecrets run`; another command has its own words.
        let hint = refused.hint.filter(|hint| !hint.starts_with("agentsecrets run"));
        Self { code: refused.code, sentence: refused.sentence, hint }
    }
}
