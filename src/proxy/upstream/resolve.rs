//! Names to addresses, by the system's own resolver, remembered for a short while.
//!
//! **Invariants.** At most [`AT_ONCE`] look-ups run, whatever the child asks for; the memory is bounded.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::UpstreamError;

/// Threads of the blocking pool that look-ups may take.
const AT_ONCE: usize = 16;
const REMEMBERED: usize = 2048;
/// getaddrinfo tells no time to live; thirty seconds is what browsers use at least.
const FOUND_FOR: Duration = Duration::from_secs(30);
const MISSING_FOR: Duration = Duration::from_secs(5);

/// Looks names up.
#[derive(Debug)]
pub(in crate::proxy) struct Resolver {
    remembered: Mutex<HashMap<String, Answer>>,
    permits: Semaphore,
}

#[derive(Debug, Clone)]
struct Answer {
    /// Empty where the name does not exist.
    addresses: Arc<[IpAddr]>,
    until: Instant,
}

impl Resolver {
    pub(super) fn new() -> Self {
        Self { remembered: Mutex::default(), permits: Semaphore::new(AT_ONCE) }
    }

    /// The addresses of `name`, in the system's order; never empty.
    pub(in crate::proxy) async fn resolve(&self, name: &str) -> Result<Arc<[IpAddr]>, UpstreamError> {
        if let Some(addresses) = self.recall(name) {
            return existing(addresses);
        }
        let _permit = self.permits.acquire().await;
        if let Some(addresses) = self.recall(name) {
            return existing(addresses);
        }
        let addresses: Arc<[IpAddr]> = match tokio::net::lookup_host((name, 0)).await {
            Ok(addresses) => distinct(addresses.map(|address| address.ip())).into(),
            Err(error) if means_missing(&error) => Arc::new([]),
            Err(error) => return Err(UpstreamError::Lookup(error)),
        };
        self.remember(name, &addresses);
        existing(addresses)
    }

    fn recall(&self, name: &str) -> Option<Arc<[IpAddr]>> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(name).filter(|answer| answer.until > Instant::now()).map(|answer| Arc::clone(&answer.addresses))
    }

    fn remember(&self, name: &str, addresses: &Arc<[IpAddr]>) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        let until = Instant::now() + if addresses.is_empty() { MISSING_FOR } else { FOUND_FOR };
        remembered.insert(name.to_owned(), Answer { addresses: Arc::clone(addresses), until });
    }
}

fn existing(addresses: Arc<[IpAddr]>) -> Result<Arc<[IpAddr]>, UpstreamError> {
    if addresses.is_empty() { Err(UpstreamError::NoSuchName) } else { Ok(addresses) }
}

fn distinct(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut seen = Vec::new();
    for address in addresses.map(|address| address.to_canonical()) {
        if !seen.contains(&address) {
            seen.push(address);
        }
    }
    seen
}

/// Whether the resolver said that the name has no address, rather than that it could not ask. The standard library
/// gives getaddrinfo's code as text only (`EAI_NONAME`, `EAI_NODATA` in `gai_strerror(3)`); the process sets no locale.
fn means_missing(error: &io::Error) -> bool {
    let text = error.to_string();
    text.contains("Name or service not known") || text.contains("No address associated with hostname")
        // musl's words.
        || text.contains("Name does not resolve") || text.contains("Name has no usable address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn looks_up_and_remembers() {
        let resolver = Resolver::new();
        let addresses = resolver.resolve("localhost").await.unwrap();
        assert!(addresses.iter().all(IpAddr::is_loopback));
        assert!(Arc::ptr_eq(&addresses, &resolver.resolve("localhost").await.unwrap()));
    }

    #[test]
    fn a_missing_name_is_not_a_broken_resolver() {
        let error = |text: &str| io::Error::other(format!("failed to lookup address information: {text}"));
        assert!(means_missing(&error("Name or service not known")));
        assert!(means_missing(&error("No address associated with hostname")));
        assert!(!means_missing(&error("Temporary failure in name resolution")));
    }

    #[tokio::test]
    async fn the_memory_is_bounded_and_says_when_a_name_is_missing() {
        let resolver = Resolver::new();
        let none: Arc<[IpAddr]> = Arc::new([]);
        for number in 0..=REMEMBERED {
            resolver.remember(&format!("h{number}.example"), &none);
        }
        assert!(resolver.remembered.lock().unwrap().len() <= REMEMBERED);
        let last = format!("h{REMEMBERED}.example");
        assert!(matches!(resolver.resolve(&last).await, Err(UpstreamError::NoSuchName)));
    }
}
