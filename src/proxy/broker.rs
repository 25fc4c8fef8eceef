//! The broker's life: start with settings and listeners, close with totals.

use std::sync::Arc;

use super::dns::Server;
use super::listener::{self, Purpose, adopt};
use super::lookup::PolicyLookup;
use super::shared::Shared;
use super::tasks::Tasks;
use super::totals::Counters;
use super::{Listeners, Notice, ProxyError, Settings, Totals, refusals};
use crate::secret::Table;
use crate::source::Deferred;

/// A running broker. Dropped without [`close`](Self::close) it ends with its runtime.
#[derive(Debug)]
pub struct Broker {
    tasks: Tasks,
    counters: Arc<Counters>,
    secrets: Arc<Table>,
    deferred: Vec<Arc<Deferred>>,
}

impl Broker {
    /// Starts it on the current tokio runtime.
    pub fn start(settings: Settings, listeners: Listeners) -> Result<Self, ProxyError> {
        let tasks = Tasks::default();
        let counters = Arc::new(Counters::default());
        let secrets = Arc::clone(&settings.secrets);
        let deferred = settings.deferred.values().cloned().collect();
        let explicit: Vec<_> =
            listeners.explicit.into_iter().map(|listener| adopt("explicit", listener)).collect::<Result<_, _>>()?;
        let transparent: Vec<_> = listeners
            .transparent
            .into_iter()
            .map(|(_, listener)| adopt("transparent", listener))
            .collect::<Result<_, _>>()?;
        let addresses = explicit.iter().map(|(_, address)| *address).collect();
        let shared = Arc::new(Shared::new(settings, &tasks, &counters, addresses)?);
        let lookup = PolicyLookup(Arc::clone(&shared));
        let names = Arc::clone(&shared.names);
        let dns = Server::new(listeners.dns_udp, listeners.dns_tcp, names, lookup)
            .map_err(|source| ProxyError::Listener { what: "name server", source })?;
        tasks.spawn(dns.run());
        for segments in listeners.refusals {
            let told = Arc::clone(&shared);
            tasks.spawn(async move {
                let tell = |authority| told.notices.tell(Notice::PortRefused { authority });
                // Without it the run goes on as well; the user only hears less.
                let _ = refusals::watch(segments, &told.names, tell).await;
            });
        }
        let permits = listener::permits();
        let of_purpose = |purpose| move |(listener, _)| (listener, purpose);
        let explicit = explicit.into_iter().map(of_purpose(Purpose::Explicit));
        for (listener, purpose) in explicit.chain(transparent.into_iter().map(of_purpose(Purpose::Transparent))) {
            tasks.spawn(listener::run(Arc::clone(&shared), listener, purpose, Arc::clone(&permits)));
        }
        Ok(Self { tasks, counters, secrets, deferred })
    }

    /// Ends every connection at once and says what the run did.
    pub async fn close(self) -> Totals {
        for deferred in &self.deferred {
            deferred.give_up();
        }
        self.tasks.close().await;
        self.counters.totals(&self.secrets)
    }
}
