//! The broker's life: start with settings and listeners, close with totals.

use std::sync::Arc;

use super::tasks::Tasks;
use super::totals::Counters;
use super::{Listeners, ProxyError, Settings, Totals};
use crate::secret::Table;

/// A running broker. Dropped without [`close`](Self::close) it ends with its runtime.
#[derive(Debug)]
pub struct Broker {
    tasks: Tasks,
    counters: Arc<Counters>,
    secrets: Arc<Table>,
}

impl Broker {
    /// Starts it on the current tokio runtime.
    pub fn start(settings: Settings, listeners: Listeners) -> Result<Self, ProxyError> {
        let tasks = Tasks::default();
        let counters = Arc::new(Counters::default());
        drop(listeners);
        Ok(Self { tasks, counters, secrets: settings.secrets })
    }

    /// Ends every connection at once and says what the run did.
    pub async fn close(self) -> Totals {
        self.tasks.close().await;
        self.counters.totals(&self.secrets)
    }
}
