//! An opaque tunnel: bytes both ways, untouched.
//!
//! **Invariants.** An idle tunnel holds no buffer. One side's end is passed on as an end; one side's reset as a reset,
//! so that no truncation looks like an end (L3).

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::record::Record;

/// What is read at once; enough for four TLS records.
const CHUNK: usize = 64 * 1024;

/// Passes bytes until both sides have ended or one has broken off. `ahead` was read from the child already.
pub(super) async fn splice(ahead: Bytes, child: TcpStream, upstream: TcpStream, mut record: Record) {
    let received = AtomicU64::new(0);
    let (child_read, child_write) = child.into_split();
    let (upstream_read, upstream_write) = upstream.into_split();
    let sent = record.sent().clone();
    let up = pass(ahead, child_read, upstream_write, &sent);
    let down = pass(Bytes::new(), upstream_read, child_write, &received);
    let (mut up, mut down) = (std::pin::pin!(up), std::pin::pin!(down));
    let ended = tokio::select! {
        up = &mut up => match up {
            Ok(()) => down.await,
            Err(broken) => Err(broken),
        },
        down = &mut down => match down {
            Ok(()) => up.await,
            Err(broken) => Err(broken),
        },
    };
    record.add(usize::try_from(received.load(Ordering::Relaxed)).unwrap_or(usize::MAX));
    record.finish(None, ended.is_err().then_some("broken off"));
}

/// Passes bytes one way until the end, and ends the other side. Both halves are reset when it fails.
async fn pass(ahead: Bytes, from: OwnedReadHalf, mut to: OwnedWriteHalf, count: &AtomicU64) -> io::Result<()> {
    let result = pump(ahead, &from, &mut to, count).await;
    if result.is_err() {
        // SO_LINGER 0 (socket(7)): the close that follows sends a reset.
        let _ = to.as_ref().set_zero_linger();
        let _ = from.as_ref().set_zero_linger();
    }
    result
}

async fn pump(ahead: Bytes, from: &OwnedReadHalf, to: &mut OwnedWriteHalf, count: &AtomicU64) -> io::Result<()> {
    if !ahead.is_empty() {
        to.write_all(&ahead).await?;
        count.fetch_add(ahead.len() as u64, Ordering::Relaxed);
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
