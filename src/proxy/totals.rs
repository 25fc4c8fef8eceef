//! What a run did, in numbers: the line that the user reads at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::policy::Host;
use crate::secret::{SecretId, SecretName, Table};

/// Hosts told apart; beyond them only the requests are counted.
const HOSTS: usize = 4096;

/// The sums of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests judged, refused ones included; an opaque tunnel counts as one.
    pub requests: u64,
    /// Different hosts that something was sent to.
    pub hosts: u64,
    /// Requests refused.
    pub refused: u64,
    /// Secrets injected at least once, by name.
    pub secrets: Vec<SecretName>,
    /// Requests in which a placeholder went out inert.
    pub inert: u64,
}

/// The running sums.
#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    refused: AtomicU64,
    inert: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// With the number of requests.
    hosts: BTreeMap<Host, u64>,
    secrets: BTreeSet<SecretId>,
}

impl Counters {
    pub(super) fn allowed(&self, host: &Host, secrets: impl IntoIterator<Item = SecretId>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = seen.hosts.get_mut(host) {
            *count += 1;
        } else if seen.hosts.len() < HOSTS {
            seen.hosts.insert(host.clone(), 1);
        }
        seen.secrets.extend(secrets);
    }

    pub(super) fn refused(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// One that was allowed by its name turned out to lead where none may go: nothing was sent.
    pub(super) fn turned_back(&self, host: &Host) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = seen.hosts.get_mut(host) {
            *count -= 1;
            if *count == 0 {
                seen.hosts.remove(host);
            }
        }
    }

    pub(super) fn inert(&self) {
        self.inert.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn totals(&self, table: &Table) -> Totals {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Totals {
            requests: self.requests.load(Ordering::Relaxed),
            hosts: seen.hosts.len() as u64,
            refused: self.refused.load(Ordering::Relaxed),
            secrets: seen.secrets.iter().filter_map(|id| table.get(*id)).map(|held| held.name.clone()).collect(),
            inert: self.inert.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_turned_back_at_its_address_is_refused_and_reached_no_host() {
        let counters = Counters::default();
        let (inner, outer) = (Host::parse("inner.example").unwrap(), Host::parse("outer.example").unwrap());
        for host in [&inner, &outer, &outer] {
            counters.allowed(host, []);
        }
        counters.turned_back(&inner);
        counters.turned_back(&outer);
        counters.refused();
        let totals = counters.totals(&Table::default());
        assert_eq!((totals.requests, totals.hosts, totals.refused), (4, 1, 3));
    }
}
