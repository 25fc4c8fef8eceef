//! The body of a request on its way upstream: counted, and streamed as the child sends it. It is held whole, within a
//! limit, only where a value can be put into it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http::header::PROXY_AUTHORIZATION;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use zeroize::Zeroizing;

use super::memory::{Memory, Share};
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
    /// All of it, until it is sent.
    Whole(Option<Gathered>, Arc<AtomicU64>),
    Stream(Box<Streamed>),
}

/// A body that is there whole, with what it takes of the run's memory.
pub(super) struct Gathered {
    bytes: Zeroizing<Vec<u8>>,
    _share: Option<Share>,
}

impl AsRef<[u8]> for Gathered {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error(transparent)]
    Child(hyper::Error),
    #[error("the body cannot be read")]
    Own(#[source] io::Error),
}

/// Why a body is not there whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ungathered {
    TooLarge,
    Broken,
    /// The run's memory is spent.
    Spent,
}

/// Where a body comes from.
enum Origin {
    Child(Incoming),
    Own(UnsyncBoxBody<Bytes, io::Error>),
}

/// A body that is streamed.
pub(super) struct Streamed {
    /// `None` once it has ended or is being drained.
    incoming: Option<Origin>,
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
        let incoming = Some(Origin::Child(incoming));
        Self::Stream(Box::new(Streamed { incoming, sent: Arc::clone(sent), gate: None, drain }))
    }

    /// Streams a body of our own.
    pub(super) fn own(body: UnsyncBoxBody<Bytes, io::Error>, sent: &Arc<AtomicU64>) -> Self {
        let incoming = Some(Origin::Own(body));
        Self::Stream(Box::new(Streamed { incoming, sent: Arc::clone(sent), gate: None, drain: None }))
    }

    /// A body that is there whole.
    pub(super) fn of(bytes: Zeroizing<Vec<u8>>, sent: &Arc<AtomicU64>) -> Self {
        Self::Whole(Some(Gathered { bytes, _share: None }), Arc::clone(sent))
    }

    /// All of the body, where it is there whole.
    pub(super) fn whole(&mut self) -> Option<&mut Zeroizing<Vec<u8>>> {
        match self {
            Self::Whole(gathered, _) => gathered.as_mut().map(|gathered| &mut gathered.bytes),
            Self::Empty | Self::Stream(_) => None,
        }
    }

    /// Reads the child's body off until it is there whole, so that a value can be put into it. Trailers are no part of it.
    pub(super) async fn gather(&mut self, most: usize, memory: &Memory) -> Result<(), Ungathered> {
        let Self::Stream(streamed) = self else { return Ok(()) };
        // Whoever waits for upstream's word before it sends is told to go on: the decision needs the body.
        streamed.gate = None;
        let Some(incoming) = &mut streamed.incoming else { return Ok(()) };
        let mut is_too_large = incoming.size_hint().lower() > most as u64;
        let upper = incoming.size_hint().upper().and_then(|upper| usize::try_from(upper).ok());
        // What holds it grows in steps: it is twice as large at most.
        let needed = if is_too_large { 0 } else { 2 * upper.unwrap_or(most).min(most) };
        let share = memory.share(needed).await.map_err(|_| Ungathered::Spent)?;
        let mut whole = Zeroizing::new(Vec::new());
        while !is_too_large && let Some(frame) = incoming.frame().await {
            let Ok(data) = frame.map_err(|_| Ungathered::Broken)?.into_data() else { continue };
            is_too_large = data.len() > most - whole.len();
            if !is_too_large {
                whole.extend_from_slice(&data);
            }
        }
        if is_too_large {
            // A client that is still sending over HTTP/2 would see its stream reset and not the answer.
            if let Some(incoming) = streamed.incoming.take_if(|_| streamed.drain.is_none()) {
                read_off(incoming).await;
            }
            return Err(Ungathered::TooLarge);
        }
        streamed.incoming = None;
        let gathered = Gathered { bytes: whole, _share: Some(share) };
        *self = Self::Whole(Some(gathered), Arc::clone(&streamed.sent));
        Ok(())
    }

    /// Holds the body back until `gate` opens.
    pub(super) fn close(&mut self, gate: Gate) {
        if let Self::Stream(streamed) = self {
            streamed.gate = Some(gate);
        }
    }

    pub(super) fn is_streamed(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        let (Some(Origin::Child(incoming)), Some(tasks), None) = (self.incoming.take(), &self.drain, &self.gate) else {
            return;
        };
        if incoming.is_end_stream() {
            return;
        }
        tasks.spawn(read_off(incoming));
    }
}

/// Reads a body off to its end, the limit or the child's departure: whichever comes first.
async fn read_off<B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin>(body: B) {
    let mut rest = Limited::new(body, DRAINED);
    let _ = timeout(DRAINED_FOR, async { while let Some(Ok(_)) = rest.frame().await {} }).await;
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let streamed = match self.get_mut() {
            Self::Empty => return Poll::Ready(None),
            Self::Whole(bytes, sent) => return Poll::Ready(bytes.take().map(|bytes| Ok(whole_frame(bytes, sent)))),
            Self::Stream(streamed) => streamed,
        };
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
            Self::Whole(bytes, _) => bytes.is_none(),
            Self::Stream(streamed) => streamed.incoming.as_ref().is_none_or(Body::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes, _) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |gathered| gathered.bytes.len() as u64))
            }
            Self::Stream(streamed) => {
                streamed.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
            }
        }
    }
}

/// The bytes as one frame; they are wiped when the connection has sent them.
fn whole_frame(gathered: Gathered, sent: &AtomicU64) -> Frame<Bytes> {
    sent.fetch_add(gathered.bytes.len() as u64, Ordering::Relaxed);
    Frame::data(Bytes::from_owner(gathered))
}

impl Body for Origin {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Child(body) => Pin::new(body).poll_frame(context).map_err(BodyError::Child),
            Self::Own(body) => Pin::new(body).poll_frame(context).map_err(BodyError::Own),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Child(body) => body.is_end_stream(),
            Self::Own(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Child(body) => body.size_hint(),
            Self::Own(body) => body.size_hint(),
        }
    }
}
