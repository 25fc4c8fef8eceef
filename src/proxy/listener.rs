//! Takes connections in, as many as the descriptors allow.
//!
//! **Invariants.** The child cannot take the last descriptor from the parent: past the limit connections wait in the
//! kernel's queue. An error of accept(2) pauses, it does not spin.

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nix::sys::resource::{Resource, getrlimit};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::shared::Shared;
use super::{ProxyError, explicit, transparent};

/// The most connections served at once.
const MOST: u64 = 8192;
/// Descriptors left to the rest of the parent.
const SPARE: u64 = 64;
/// The pause after an error of accept(2), such as EMFILE.
const PAUSE: Duration = Duration::from_millis(20);

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Explicit,
    Transparent,
}

/// Each connection takes two descriptors, its own and upstream's.
pub(super) fn permits() -> Arc<Semaphore> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let connections = (limit.saturating_sub(SPARE) / 2).clamp(16, MOST);
    Arc::new(Semaphore::new(usize::try_from(connections).unwrap_or(16)))
}

/// Takes a listener into the runtime, with its address.
pub(super) fn adopt(what: &'static str, listener: StdTcpListener) -> Result<(TcpListener, SocketAddr), ProxyError> {
    let failed = |source: io::Error| ProxyError::Listener { what, source };
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((TcpListener::from_std(listener).map_err(failed)?, address))
}

/// Accepts connections for ever, each in a task of its own.
pub(super) async fn run(shared: Arc<Shared>, listener: TcpListener, purpose: Purpose, permits: Arc<Semaphore>) {
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        // A socket that is gone already fails at its first read.
        let _ = stream.set_nodelay(true);
        let held = Arc::clone(&shared);
        shared.tasks.spawn(async move {
            match purpose {
                Purpose::Explicit => explicit::serve(&held, Bytes::new(), stream, false).await,
                Purpose::Transparent => transparent::run(&held, stream).await,
            }
            drop(permit);
        });
    }
}
