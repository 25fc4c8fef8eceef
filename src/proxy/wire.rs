//! Byte streams to the child and to upstream: TCP, with bytes that were read ahead put back, and TLS over it.

use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// What is read at once while much comes; enough for four TLS records.
const CHUNK: usize = 64 * 1024;

/// A TCP stream in front of which some bytes wait that were read already.
///
/// The TLS library asks for four kilobytes at a time. Once a read has filled what was asked for, the next one takes more
/// off the socket than it was asked for: a long body costs a quarter of a system call a record and not five. A stream
/// that rests holds no buffer.
#[derive(Debug)]
pub(super) struct Rewind {
    ahead: BytesMut,
    /// Whether the last read got all that it had room for.
    is_busy: bool,
    socket: Socket,
}

/// A socket that its reader shares with whoever watches for its end.
#[derive(Debug, Clone)]
struct Socket(Arc<Mutex<TcpStream>>);

impl Socket {
    fn lock(&self) -> MutexGuard<'_, TcpStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sees how a stream's socket stands, whoever reads it.
pub(super) struct Watch(Socket);

impl Watch {
    /// Ready once something waits to be read: whether the other side has ended the connection behind it.
    pub(super) fn poll_waiting(&self, context: &mut Context<'_>) -> Poll<bool> {
        let stream = self.0.lock();
        // An error shows at the next read.
        let _ = ready!(stream.poll_read_ready(context));
        let ready = pin!(stream.ready(Interest::READABLE)).poll(&mut Context::from_waker(Waker::noop()));
        Poll::Ready(matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed()))
    }
}

impl Rewind {
    pub(super) fn new(ahead: Bytes, stream: TcpStream) -> Self {
        Self { ahead: ahead.into(), is_busy: false, socket: Socket(Arc::new(Mutex::new(stream))) }
    }

    /// The bytes that were read ahead, and the stream behind them; `None` while it is watched.
    pub(super) fn into_parts(self) -> Option<(Bytes, TcpStream)> {
        let stream = Arc::into_inner(self.socket.0)?.into_inner().unwrap_or_else(PoisonError::into_inner);
        Some((self.ahead.freeze(), stream))
    }

    pub(super) fn watch(&self) -> Watch {
        Watch(self.socket.clone())
    }

    /// Reads as much as there is, up to [`CHUNK`], for a reader that asks for `wanted` bytes.
    fn poll_fill(&mut self, context: &mut Context<'_>, wanted: usize) -> Poll<io::Result<()>> {
        self.ahead.reserve(CHUNK);
        let polled = pin!(self.socket.lock().read_buf(&mut self.ahead)).poll(context);
        if polled.is_pending() {
            self.ahead = BytesMut::new();
        } else {
            self.is_busy = self.ahead.len() > wanted;
        }
        polled.map_ok(|_| ())
    }
}

impl AsyncRead for Rewind {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wanted = buffer.remaining();
        if self.ahead.is_empty() {
            if !self.is_busy || wanted >= CHUNK {
                ready!(Pin::new(&mut *self.socket.lock()).poll_read(context, buffer))?;
                self.is_busy = buffer.remaining() == 0;
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_fill(context, wanted))?;
        }
        let length = self.ahead.len().min(wanted);
        buffer.put_slice(&self.ahead[..length]);
        self.ahead.advance(length);
        if self.ahead.is_empty() && !self.is_busy {
            self.ahead = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewind {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.socket.lock()).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.socket.lock()).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.lock().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket.lock()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket.lock()).poll_shutdown(context)
    }
}

/// A stream to speak HTTP over, to either side.
#[derive(Debug)]
pub(super) enum Wire {
    Plain(Rewind),
    Tls(Box<TlsStream<Rewind>>),
}

impl Wire {
    /// Sees how the socket below stands.
    pub(super) fn watch(&self) -> Watch {
        match self {
            Self::Plain(stream) => stream.watch(),
            Self::Tls(stream) => stream.get_ref().0.watch(),
        }
    }
}

/// Runs one method on whichever stream it is.
macro_rules! either {
    ($wire:expr, $stream:ident => $call:expr) => {
        match $wire.get_mut() {
            Wire::Plain($stream) => $call,
            Wire::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(context))
    }
}
