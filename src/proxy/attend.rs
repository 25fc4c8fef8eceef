//! Hears that the child has gone while its connection is not being read.
//!
//! hyper reads no further while a pipelined request lies in its buffer or nobody takes the body that comes. An end of the
//! connection behind those bytes would be heard when they are read: too late to call the request back.
//!
//! **Trade-off.** The runtime tells of a socket's end only together with bytes that wait there, so while they wait it is
//! asked again and again. A connection that is being read costs one look at memory.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Interval, interval};

use super::wire::Watch;

/// How long a departure may stay unheard.
const GLANCE: Duration = Duration::from_millis(25);

/// Drives `connection` to its end; `None` when the child went away before.
pub(super) async fn attend<C: Future>(connection: C, watch: Watch) -> Option<C::Output> {
    let mut connection = pin!(connection);
    let mut glances = None;
    poll_fn(|context| match connection.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => poll_gone(&watch, &mut glances, context).map(|()| None),
    })
    .await
}

/// Ready when the other side has ended the connection, however much of what it sent before is unread.
fn poll_gone(watch: &Watch, glances: &mut Option<Pin<Box<Interval>>>, context: &mut Context<'_>) -> Poll<()> {
    loop {
        if ready!(watch.poll_waiting(context)) {
            return Poll::Ready(());
        }
        let glances = glances.get_or_insert_with(|| Box::pin(interval(GLANCE)));
        ready!(glances.poll_tick(context));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::super::wire::Rewind;
    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let child = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        child.set_nonblocking(true).unwrap();
        (TcpStream::from_std(child).unwrap(), listener.accept().await.unwrap().0)
    }

    /// Whether `attend` hears a departure behind `sent`, of which the connection has read `read` bytes.
    async fn hears(sent: &[u8], read: usize, is_reset: bool) -> bool {
        let (mut child, stream) = pair().await;
        let mut rewind = Rewind::new(Bytes::new(), stream);
        let watch = rewind.watch();
        child.write_all(sent).await.unwrap();
        rewind.read_exact(&mut vec![0; read]).await.unwrap();
        let mut attended = pin!(attend(std::future::pending::<()>(), watch));
        timeout(4 * GLANCE, attended.as_mut()).await.unwrap_err();
        if is_reset {
            child.set_zero_linger().unwrap();
        }
        drop(child);
        timeout(Duration::from_secs(10), attended).await.is_ok_and(|ended| ended.is_none())
    }

    #[tokio::test]
    async fn a_departure_is_heard_whatever_lies_unread() {
        for is_reset in [false, true] {
            assert!(hears(b"", 0, is_reset).await, "nothing sent");
            assert!(hears(b"GET / HTTP/1.1\r\n", 16, is_reset).await, "all read");
            assert!(hears(b"GET / HTTP/1.1\r\n", 4, is_reset).await, "some read");
            assert!(hears(&vec![b'x'; 60_000], 0, is_reset).await, "none read");
        }
    }

    #[tokio::test]
    async fn a_connection_ends_by_itself() {
        let (_child, stream) = pair().await;
        let watch = Rewind::new(Bytes::new(), stream).watch();
        assert_eq!(attend(std::future::ready(7), watch).await, Some(7));
    }
}
