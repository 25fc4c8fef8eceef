//! A response body that a task feeds piece by piece, with back-pressure, and that can break.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

use super::record::Record;

/// What comes next in a body.
pub(crate) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    /// The connection or stream ends here, without the proper end.
    Break,
}

/// The receiving end, given to hyper.
pub(crate) struct Fed {
    pieces: mpsc::Receiver<Piece>,
    /// Bytes still owed, where the length is known: hyper stops asking when it has them all.
    owed: Option<usize>,
    finished: bool,
    watch: Option<(Arc<Record>, usize)>,
}

/// A body and the sender that feeds it. `Content-Length` is the response's own affair; `length` says when it is whole.
pub(crate) fn fed(length: Option<usize>) -> (mpsc::Sender<Piece>, Fed) {
    let (sender, pieces) = mpsc::channel(1);
    (sender, Fed { pieces, owed: length, finished: length == Some(0), watch: None })
}

/// A body of one piece.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Fed {
    let bytes = bytes.into();
    let (sender, body) = fed(Some(bytes.len()));
    if !bytes.is_empty() {
        sender.try_send(Piece::Data(bytes)).unwrap_or_else(|_| unreachable!("the channel is new"));
    }
    body
}

impl Fed {
    /// Notes in the record when the client goes before the end.
    pub(crate) fn watched(mut self, record: &Arc<Record>, index: usize) -> Self {
        self.watch = Some((Arc::clone(record), index));
        self
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        if let Some((record, index)) = self.watch.take().filter(|_| !self.finished) {
            record.cancelled(index);
        }
    }
}

impl Body for Fed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = std::task::ready!(self.pieces.poll_recv(context));
        if let (Some(Piece::Data(bytes)), Some(owed)) = (&piece, &mut self.owed) {
            *owed = owed.saturating_sub(bytes.len());
        }
        self.finished = !matches!(piece, Some(Piece::Data(_))) || self.owed == Some(0);
        Poll::Ready(match piece {
            Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Piece::Break) => Some(Err(io::Error::other("the test breaks the body here"))),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.finished
    }
}
