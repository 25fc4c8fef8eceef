//! Names the program behind a connection, for the hint that follows when it does not trust the run's authority.
//!
//! **Trade-off.** To look costs a millisecond, and can only be done while the handshake waits: a client that gives up is
//! gone at once. So only the first handshakes of a run are looked at, and the next ones after each that failed unseen.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::LoopbackSockets;

/// How many handshakes are looked at in a row.
const LOOKS: u32 = 8;

pub(super) struct Programs {
    child: Option<Arc<dyn LoopbackSockets>>,
    left: AtomicU32,
}

impl Programs {
    pub(super) fn new(child: Option<Arc<dyn LoopbackSockets>>) -> Self {
        Self { child, left: AtomicU32::new(LOOKS) }
    }

    /// The program at `address`, where this handshake is one that is looked at.
    pub(super) async fn behind(&self, address: Option<SocketAddr>) -> Option<String> {
        let take = |left: u32| left.checked_sub(1);
        let (child, address) = (self.child.clone()?, address?);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        tokio::task::spawn_blocking(move || child.program(address)).await.ok().flatten()
    }

    /// A handshake failed whose program is not known: the next ones are looked at.
    pub(super) fn missed(&self) {
        self.left.store(LOOKS, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::fd::OwnedFd;

    use super::*;

    #[derive(Debug)]
    struct Child;

    impl LoopbackSockets for Child {
        fn socket(&self, _: bool) -> io::Result<OwnedFd> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn program(&self, address: SocketAddr) -> Option<String> {
            Some(format!("program-{}", address.port()))
        }
    }

    #[tokio::test]
    async fn looks_at_the_first_and_again_after_a_miss() {
        let programs = Programs::new(Some(Arc::new(Child)));
        let address = || Some("127.0.0.1:7".parse().unwrap());
        for _ in 0..LOOKS {
            assert_eq!(programs.behind(address()).await.as_deref(), Some("program-7"));
        }
        assert_eq!(programs.behind(address()).await, None);
        programs.missed();
        assert!(programs.behind(address()).await.is_some());
        assert_eq!(Programs::new(None).behind(address()).await, None);
    }
}
