//! What the bodies of a run may hold in memory together: windows of decoders, and request bodies that are gathered whole.
//!
//! **Invariants.** No more than the budget is held. Whoever finds it spent waits for what others give back, and after a
//! while gets nothing: the request is refused, and the log has it (L3).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// What the budget is counted in, so that it fits a semaphore.
const UNIT: usize = 1 << 10;

/// How long a share is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The budget of a run.
pub(super) struct Memory {
    units: Arc<Semaphore>,
    most: u32,
    patience: Duration,
}

/// A part of the budget; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    _permit: OwnedSemaphorePermit,
}

/// The budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spent;

impl Memory {
    /// A budget of `bytes`.
    pub(super) fn new(bytes: usize) -> Self {
        Self::with_patience(bytes, PATIENCE)
    }

    fn with_patience(bytes: usize, patience: Duration) -> Self {
        let units = (bytes / UNIT).min(Semaphore::MAX_PERMITS);
        Self { units: Arc::new(Semaphore::new(units)), most: u32::try_from(units).unwrap_or(u32::MAX), patience }
    }

    /// Takes `bytes` of it, when they are there. First come, first served.
    pub(super) async fn share(&self, bytes: usize) -> Result<Share, Spent> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).map_err(|_| Spent)?;
        if units > self.most {
            return Err(Spent);
        }
        let acquired = timeout(self.patience, Arc::clone(&self.units).acquire_many_owned(units)).await;
        let permit = acquired.map_err(|_| Spent)?.map_err(|_| Spent)?;
        Ok(Share { _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_spent_is_waited_for_and_what_is_too_much_is_not() {
        let memory = Memory::with_patience(10 << 10, Duration::from_mins(10));
        assert!(memory.share(11 << 10).await.is_err());
        let first = memory.share(6 << 10).await.unwrap();
        let second = memory.share(1).await.unwrap();
        let mut third = Box::pin(memory.share(4 << 10));
        tokio::select! {
            biased;
            _ = &mut third => unreachable!("nothing was given back"),
            () = tokio::task::yield_now() => {}
        }
        drop(first);
        let third = third.await.unwrap();
        drop((second, third));
        assert!(memory.share(10 << 10).await.is_ok());
    }

    #[tokio::test]
    async fn patience_ends() {
        let memory = Memory::with_patience(1 << 10, Duration::ZERO);
        let held = memory.share(1 << 10).await.unwrap();
        assert_eq!(memory.share(1).await.unwrap_err(), Spent);
        drop(held);
        assert!(memory.share(1).await.is_ok());
    }
}
