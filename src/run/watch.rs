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
    /// Acts on a signal that arrived here: most are passed on.
    fn hear(&mut self, signal: Received) -> Result<(), RunError>;
    /// Readable when the terminal that the child shows itself on is gone; none where that is not ours to watch.
    fn terminal_is_gone(&self) -> std::io::Result<Option<OwnedFd>>;
    /// Tells the child that its terminal is gone.
    fn hang_up(&mut self) -> Result<(), RunError>;
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
    let mut gone = child.terminal_is_gone().map_err(RunError::Watch)?.map(readable).transpose()?;
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
                    child.hear(signal)?;
                }
                // What was told meanwhile makes nothing readable any more.
                if let Some(ended) = child.try_wait()? {
                    return Ok(ended);
                }
            }
            () = becomes_readable(gone.as_ref()) => {
                gone = None;
                child.hang_up()?;
            }
            Some(notice) = heard.notices.recv() => told.hear(&notice),
            Some(news) = heard.news.recv() => told.learn(&news),
        }
    }
}

/// Never returns where there is nothing to wait for.
async fn becomes_readable(descriptor: Option<&AsyncFd<OwnedFd>>) {
    match descriptor {
        // One that cannot be watched is as good as gone.
        Some(descriptor) => drop(descriptor.readable().await),
        None => std::future::pending().await,
    }
}

#[expect(
    deprecated,
    reason = "an OwnedFd keeps its descriptor open and the same, which is all that the unsafe successor asks"
)]
fn readable(descriptor: OwnedFd) -> Result<AsyncFd<OwnedFd>, RunError> {
    AsyncFd::with_interest(descriptor, Interest::READABLE).map_err(RunError::Watch)
}
