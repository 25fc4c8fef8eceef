//! The body of a request on its way upstream: counted, streamed as the child sends it, never held whole.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http::header::PROXY_AUTHORIZATION;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::tasks::Tasks;

/// How long a body with `Expect: 100-continue` waits for upstream's word (RFC 9110 §10.1.1: a client does not wait
/// for ever; curl waits as long).
const PATIENCE: Duration = Duration::from_secs(1);

/// How much of a dropped body is read off, and for how long.
const DRAINED: usize = 64 << 20;
const DRAINED_FOR: Duration = Duration::from_secs(5);

/// What is sent upstream.
pub(super) enum RequestBody {
    Empty,
    Stream(Box<Streamed>),
}

/// A body that the child streams.
pub(super) struct Streamed {
    /// `None` once it has ended or is being drained.
    incoming: Option<Incoming>,
    sent: Arc<AtomicU64>,
    gate: Option<Gate>,
    /// Where the rest of an HTTP/1 body is read off to.
    drain: Option<Tasks>,
}

/// Closed until upstream says `100 Continue` or patience ends. Until then the child's body is not asked for, so the
/// child itself is not told to continue either.
pub(super) struct Gate {
    opened: Pin<Box<dyn Future<Output = ()> + Send>>,
    patience: Pin<Box<Sleep>>,
}

/// Opens a [`Gate`].
#[derive(Clone)]
pub(super) struct Opener(watch::Sender<bool>);

impl Opener {
    pub(super) fn open(&self) {
        self.0.send_replace(true);
    }
}

/// A closed gate and what opens it.
pub(super) fn gate() -> (Opener, Gate) {
    let (sender, mut receiver) = watch::channel(false);
    let opened = async move {
        // An opener that is gone will never open: then patience decides.
        if receiver.wait_for(|open| *open).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let patience = Box::pin(sleep_until(Instant::now() + PATIENCE));
    (Opener(sender), Gate { opened: Box::pin(opened), patience })
}

impl RequestBody {
    /// Streams `incoming`, adding what passes to `sent`.
    ///
    /// A body that is dropped before its end, because it was refused or answered early, is read off for a while, as
    /// RFC 9112 §9.6 advises: closing a socket on unread bytes resets it, and the child would lose its answer. HTTP/2 has
    /// a frame for that.
    pub(super) fn new(incoming: Incoming, version: Version, sent: &Arc<AtomicU64>, tasks: &Tasks) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        let drain = (version < Version::HTTP_2).then(|| tasks.clone());
        Self::Stream(Box::new(Streamed { incoming: Some(incoming), sent: Arc::clone(sent), gate: None, drain }))
    }

    /// Holds the body back until `gate` opens.
    pub(super) fn close(&mut self, gate: Gate) {
        if let Self::Stream(streamed) = self {
            streamed.gate = Some(gate);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        let (Some(incoming), Some(tasks), None) = (self.incoming.take(), &self.drain, &self.gate) else { return };
        if incoming.is_end_stream() {
            return;
        }
        tasks.spawn(async move {
            let mut rest = Limited::new(incoming, DRAINED);
            // The end, the limit, the child's departure: whichever comes first.
            let _ = timeout(DRAINED_FOR, async { while let Some(Ok(_)) = rest.frame().await {} }).await;
        });
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self::Stream(streamed) = self.get_mut() else { return Poll::Ready(None) };
        if let Some(gate) = &mut streamed.gate {
            if gate.opened.as_mut().poll(context).is_pending() && gate.patience.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            streamed.gate = None;
        }
        let Some(incoming) = &mut streamed.incoming else { return Poll::Ready(None) };
        let mut polled = Pin::new(incoming).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &mut polled {
            if let Some(data) = frame.data_ref() {
                streamed.sent.fetch_add(data.len() as u64, Ordering::Relaxed);
            }
            if let Some(trailers) = frame.trailers_mut() {
                // The run's token stays here, wherever the child puts it.
                trailers.remove(PROXY_AUTHORIZATION);
            }
        }
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            streamed.incoming = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(streamed) => streamed.incoming.as_ref().is_none_or(Body::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(streamed) => {
                streamed.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
            }
        }
    }
}
