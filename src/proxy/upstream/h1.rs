//! One HTTP/1.1 connection to upstream, driven by whoever uses it.
//!
//! **Invariants.** A connection has one user at a time and no task of its own: while a request or its answer is polled,
//! so is the connection, and dropping the answer drops the connection. So a child that goes away cancels the request
//! upstream at once, and no task is woken between the two sides.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;

use crate::proxy::request_body::RequestBody;
use crate::proxy::wire::Wire;

/// The longest head that upstream may send.
const LONGEST_HEAD: usize = 256 * 1024;

/// HTTP/1 as it is spoken with upstream.
pub(in crate::proxy) fn http1_builder(keeps_case: bool) -> Builder {
    let mut builder = Builder::new();
    builder.max_buf_size(LONGEST_HEAD).preserve_header_case(keeps_case);
    builder
}

/// A connection.
pub(super) struct Http1 {
    sender: SendRequest<RequestBody>,
    /// `None` once it has ended.
    connection: Option<Connection<TokioIo<Wire>, RequestBody>>,
}

/// A request that did not get its answer.
pub(super) struct Failed {
    pub(super) error: hyper::Error,
    /// The request, where no byte of it was sent.
    pub(super) unsent: Option<Request<RequestBody>>,
}

impl Http1 {
    pub(super) async fn over(wire: Wire, keeps_case: bool) -> Result<Box<Self>, hyper::Error> {
        let (sender, connection) = http1_builder(keeps_case).handshake(TokioIo::new(wire)).await?;
        Ok(Box::new(Self { sender, connection: Some(connection) }))
    }

    /// Drives the connection as far as it goes now.
    pub(super) fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(context).is_ready()
        {
            // An error shows at the sender and the body, which know what it broke.
            self.connection = None;
        }
    }

    /// Whether another request can be sent: the one before is over on both sides, and upstream is still there.
    pub(super) fn is_ready(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.connection.is_none()
    }

    /// Ready when another request can be sent, or never again.
    pub(super) fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.drive(context);
        if self.is_over() || self.sender.is_ready() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Sends `request` and waits for the head of its answer.
    pub(super) async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, Failed> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let connection = &mut self.connection;
        let answered = poll_fn(|context| {
            if let Poll::Ready(answered) = answer.as_mut().poll(context) {
                return Poll::Ready(answered);
            }
            if let Some(driven) = connection
                && Pin::new(driven).poll(context).is_ready()
            {
                *connection = None;
            }
            answer.as_mut().poll(context)
        });
        answered.await.map_err(|mut failed| Failed { unsent: failed.take_message(), error: failed.into_error() })
    }

    /// Sends a request that asks for an upgrade; with `101` comes the wire and what was read ahead on it.
    pub(super) async fn upgrade(
        self,
        request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Upgraded), hyper::Error> {
        let Self { mut sender, connection } = self;
        let Some(mut connection) = connection else { return Ok((sender.send_request(request).await?, Upgraded::Gone)) };
        let mut is_over = false;
        let response = {
            let mut answer = pin!(sender.send_request(request));
            let answered = poll_fn(|context| {
                if !is_over {
                    is_over = connection.poll_without_shutdown(context).is_ready();
                }
                answer.as_mut().poll(context)
            });
            answered.await?
        };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let connection = (!is_over).then_some(connection);
            return Ok((response, Upgraded::Refused(Box::new(Self { sender, connection }))));
        }
        if !is_over {
            poll_fn(|context| connection.poll_without_shutdown(context)).await?;
        }
        let parts = connection.into_parts();
        Ok((response, Upgraded::Switched(Box::new(parts.io.into_inner()), parts.read_buf)))
    }
}

/// What became of a connection that an upgrade was asked on.
pub(super) enum Upgraded {
    /// It speaks the new protocol now; the bytes were read ahead.
    Switched(Box<Wire>, Bytes),
    /// It speaks HTTP still.
    Refused(Box<Http1>),
    /// It ended.
    Gone,
}
