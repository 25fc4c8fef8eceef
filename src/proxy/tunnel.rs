//! A closed tunnel: bytes both ways, untouched.
//!
//! **Invariants.** An idle tunnel holds no buffer. One side's end is passed on as an end; one side's reset as a reset,
//! so that no truncation looks like an end (L3). Where the target may be the one to speak first, what it says is passed
//! on at once, and what the child says only after its beginning was judged.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::hello::{self, Opening};
use super::record::Record;

/// What is read at once; enough for four TLS records.
const CHUNK: usize = 64 * 1024;
/// How long a beginning may take from its first byte on.
const PATIENCE: Duration = Duration::from_mins(1);

/// A tunnel that must not stay closed.
pub(super) struct Diverted {
    pub(super) opening: Opening,
    pub(super) child: TcpStream,
    pub(super) record: Record,
    /// Whether the target said something before.
    pub(super) is_answered: bool,
}

/// Passes bytes until both sides have ended or one has broken off. `ahead` was read from the child already.
pub(super) async fn splice(ahead: Bytes, child: TcpStream, upstream: TcpStream, record: Record) {
    relay(Start::Judged(ahead), child, upstream, record, |_, _| true).await;
}

/// As [`splice`], but how the child begins must be fit to be passed on: `fits` sees that, and whether the target has
/// said something already.
pub(super) async fn listen(
    ahead: Bytes,
    child: TcpStream,
    upstream: TcpStream,
    record: Record,
    fits: impl Fn(&Opening, bool) -> bool,
) -> Option<Diverted> {
    relay(Start::Unjudged(ahead), child, upstream, record, fits).await
}

/// What was read from the child already.
enum Start {
    Judged(Bytes),
    Unjudged(Bytes),
}

async fn relay(
    start: Start,
    mut child: TcpStream,
    mut upstream: TcpStream,
    mut record: Record,
    fits: impl Fn(&Opening, bool) -> bool,
) -> Option<Diverted> {
    let received = AtomicU64::new(0);
    let sent = record.sent().clone();
    let ended = {
        let (mut child_read, mut child_write) = child.split();
        let (upstream_read, mut upstream_write) = upstream.split();
        let up = async {
            let ahead = match start {
                Start::Judged(ahead) => ahead,
                Start::Unjudged(ahead) => match hear(ahead, &mut child_read).await? {
                    opening if !fits(&opening, received.load(Ordering::Relaxed) > 0) => return Ok(Some(opening)),
                    opening => opening.into_ahead(),
                },
            };
            pass(ahead, &child_read, &mut upstream_write, &sent).await.map(|()| None)
        };
        let down = pass(Bytes::new(), &upstream_read, &mut child_write, &received);
        let (mut up, mut down) = (std::pin::pin!(up), std::pin::pin!(down));
        tokio::select! {
            up = &mut up => match up {
                Ok(None) => down.await.map(|()| None),
                ended => ended,
            },
            down = &mut down => match down {
                Ok(()) => up.await,
                Err(broken) => Err(broken),
            },
        }
    };
    let received = received.into_inner();
    if let Ok(Some(opening)) = ended {
        return Some(Diverted { opening, child, record, is_answered: received > 0 });
    }
    if ended.is_err() {
        // SO_LINGER 0 (socket(7)): the close that follows sends a reset.
        let _ = child.set_zero_linger();
        let _ = upstream.set_zero_linger();
    }
    record.add(usize::try_from(received).unwrap_or(usize::MAX));
    record.finish(None, ended.is_err().then_some("broken off"));
    None
}

/// How the child begins, however long it waits for the target to speak first.
async fn hear(ahead: Bytes, child: &mut ReadHalf<'_>) -> io::Result<Opening> {
    if ahead.is_empty() {
        child.readable().await?;
    }
    timeout(PATIENCE, hello::read_any(ahead, child)).await?
}

/// Passes bytes one way until the end, and ends the other side.
async fn pass(ahead: Bytes, from: &ReadHalf<'_>, to: &mut WriteHalf<'_>, count: &AtomicU64) -> io::Result<()> {
    if !ahead.is_empty() {
        count.fetch_add(ahead.len() as u64, Ordering::Relaxed);
        to.write_all(&ahead).await?;
        drop(ahead);
    }
    loop {
        from.readable().await?;
        let mut buffer = BytesMut::with_capacity(CHUNK);
        loop {
            match from.try_read_buf(&mut buffer) {
                Ok(0) => return to.shutdown().await,
                Ok(length) => {
                    count.fetch_add(length as u64, Ordering::Relaxed);
                    to.write_all(&buffer).await?;
                    buffer.clear();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
    }
}
