//! The body of an answer as it comes from upstream, together with the connection that it comes over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::h1::Http1;
use super::pool::{Key, Pool};

/// An answer's body.
pub(in crate::proxy) struct UpstreamBody {
    incoming: Incoming,
    lease: Option<Lease>,
    /// A frame that was looked at before its time.
    peeked: Option<Result<Frame<Bytes>, hyper::Error>>,
}

/// An HTTP/1.1 connection in use, and where it goes afterwards.
pub(super) struct Lease {
    pub(super) connection: Box<Http1>,
    pub(super) pool: Arc<Pool>,
    pub(super) key: Key,
    pub(super) idle: Option<Duration>,
}

impl Lease {
    fn release(self) {
        self.pool.put(self.key, self.connection, self.idle);
    }
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, lease: Option<Lease>) -> Self {
        let mut body = Self { incoming, lease, peeked: None };
        if body.incoming.is_end_stream() {
            body.release();
        }
        body
    }

    /// The whole body, where all of it is there already. Never waits.
    pub(in crate::proxy) fn take_whole(&mut self) -> Option<Bytes> {
        let mut context = Context::from_waker(Waker::noop());
        let frame = match Pin::new(&mut *self).poll_frame(&mut context) {
            Poll::Ready(Some(frame)) => frame,
            Poll::Ready(None) => return Some(Bytes::new()),
            Poll::Pending => return None,
        };
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) if self.incoming.is_end_stream() => return Some(data),
            Ok(Ok(data)) => self.peeked = Some(Ok(Frame::data(data))),
            Ok(Err(frame)) => self.peeked = Some(Ok(frame)),
            Err(error) => self.peeked = Some(Err(error)),
        }
        None
    }

    fn release(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release();
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let body = self.get_mut();
        if let Some(frame) = body.peeked.take() {
            return Poll::Ready(Some(frame));
        }
        let mut polled = Pin::new(&mut body.incoming).poll_frame(context);
        if polled.is_pending()
            && let Some(lease) = &mut body.lease
        {
            lease.connection.drive(context);
            polled = Pin::new(&mut body.incoming).poll_frame(context);
        }
        match &polled {
            Poll::Ready(Some(Ok(_))) if body.incoming.is_end_stream() => body.release(),
            Poll::Ready(Some(Err(_))) => body.lease = None,
            Poll::Ready(None) => body.release(),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.peeked.is_none() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = match &self.peeked {
            Some(Ok(frame)) => frame.data_ref().map_or(0, |data| data.len() as u64),
            _ => 0,
        };
        match self.incoming.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(rest + ahead),
            None => SizeHint::default(),
        }
    }
}
