//! Watching a child: its end, signals to us, and what the broker has to tell, whichever comes first.

use std::os::fd::{AsFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::RunError;
use super::told::{Heard, Told};
use crate::supervise::{Received, Signals};

/// What is being watched: a seal or a bare process.
pub(super) trait Child {
    /// How it ends.
    type Ended;
    /// Readable when there may be an answer of [`try_wait`](Self::try_wait).
    fn readiness(&self) -> std::io::Result<OwnedFd>;
    /// How it ended, if it has; never blocks.
    fn try_wait(&mut self) -> Result<Option<Self::Ended>, RunError>;
    /// Whether a signal that arrived here has to be passed on, and passes it on.
    fn pass_on(&self, signal: Received) -> Result<(), RunError>;
}

/// Returns when the child has ended.
pub(super) async fn watch<C: Child>(
    child: &mut C,
    signals: &Signals,
    heard: &mut Heard,
    told: &mut Told,
) -> Result<C::Ended, RunError> {
    let ended = readable(child.readiness().map_err(RunError::Watch)?)?;
    let arrived = readable(signals.as_fd().try_clone_to_owned().map_err(RunError::Watch)?)?;
    loop {
        tokio::select! {
            ready = ended.readable() => {
                let mut ready = ready.map_err(RunError::Watch)?;
                // Cleared first: an answer that comes while we look must wake us again.
                ready.clear_ready();
                if let Some(ended) = child.try_wait()? {
                    return Ok(ended);
                }
            }
            ready = arrived.readable() => {
                ready.map_err(RunError::Watch)?.clear_ready();
                while let Some(signal) = signals.take().map_err(RunError::Signals)? {
                    child.pass_on(signal)?;
                }
            }
            Some(notice) = heard.notices.recv() => told.hear(&notice),
            Some(news) = heard.news.recv() => told.learn(&news),
        }
    }
}

#[expect(
    deprecated,
    reason = "an OwnedFd keeps its descriptor open and the same, which is all that the unsafe successor asks"
)]
fn readable(descriptor: OwnedFd) -> Result<AsyncFd<OwnedFd>, RunError> {
    AsyncFd::with_interest(descriptor, Interest::READABLE).map_err(RunError::Watch)
}
