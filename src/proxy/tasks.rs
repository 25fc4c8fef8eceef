//! The broker's tasks: every one belongs to the run and ends with it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

/// A shared set of tasks; a clone spawns into the same set.
#[derive(Debug, Clone, Default)]
pub(super) struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    /// Starts `future`, and forgets the tasks that have ended.
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while set.try_join_next().is_some() {}
        set.spawn(future);
    }

    /// Ends every task where it stands and waits until each is dropped.
    pub(super) async fn close(&self) {
        let mut set = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        set.shutdown().await;
    }
}

/// hyper starts a task for each HTTP/2 stream and connection through this.
impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, future: F) {
        self.spawn(future);
    }
}
