//! Upstream connections kept for the next request, shared by all of the child's processes.
//!
//! **Invariants.** Only a connection whose last exchange ended cleanly is kept; it is looked at again before it is
//! used. The number of idle connections is bounded.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::client::conn::http2::SendRequest;
use tokio::time::timeout;

use super::h1::Http1;
use super::tls::Offer;
use crate::policy::Authority;
use crate::proxy::request_body::RequestBody;
use crate::proxy::route::Security;
use crate::proxy::tasks::Tasks;

/// Idle connections kept for one target.
const KEPT: usize = 32;
/// How long one waits for its next request; servers close at 5 s (Node) to 75 s (nginx).
const IDLE: Duration = Duration::from_mins(1);

/// What connections are told apart by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) authority: Authority,
    pub(super) security: Security,
    /// Which protocols were offered.
    pub(super) offer: Offer,
}

/// A connection to use.
pub(super) enum Connection {
    Http1(Box<Http1>),
    Http2(SendRequest<RequestBody>),
}

pub(super) struct Pool {
    entries: Mutex<HashMap<Key, Entry>>,
    tasks: Tasks,
}

#[derive(Default)]
struct Entry {
    idle: Vec<Idle>,
    shared: Option<SendRequest<RequestBody>>,
    /// Known after the first dial.
    speaks_http1: bool,
    /// Held by whoever dials a target that may speak HTTP/2, so that one connection is made and not one a request.
    dialling: Arc<tokio::sync::Mutex<()>>,
}

struct Idle {
    connection: Box<Http1>,
    until: Instant,
}

impl Pool {
    pub(super) fn new(tasks: Tasks) -> Self {
        Self { entries: Mutex::default(), tasks }
    }

    /// A kept connection that is still good.
    pub(super) fn take(&self, key: &Key) -> Option<Connection> {
        loop {
            let mut idle = {
                let mut entries = self.lock();
                let entry = entries.get_mut(key)?;
                match &entry.shared {
                    Some(shared) if !shared.is_closed() => return Some(Connection::Http2(shared.clone())),
                    _ => entry.shared = None,
                }
                entry.idle.pop()?
            };
            if idle.until > Instant::now() && idle.connection.is_ready() {
                return Some(Connection::Http1(idle.connection));
            }
        }
    }

    /// The lock to hold while dialling, unless the target is known to speak HTTP/1.1 only.
    pub(super) fn gate(&self, key: &Key) -> Option<Arc<tokio::sync::Mutex<()>>> {
        let mut entries = self.lock();
        let entry = entries.entry(key.clone()).or_default();
        (!entry.speaks_http1).then(|| Arc::clone(&entry.dialling))
    }

    /// Notes what a dial found.
    pub(super) fn dialled(&self, key: &Key, shared: Option<&SendRequest<RequestBody>>) {
        let mut entries = self.lock();
        let entry = entries.entry(key.clone()).or_default();
        entry.speaks_http1 = shared.is_none();
        entry.shared = shared.cloned();
    }

    /// Keeps a connection whose exchange is over, for as long as upstream said it would (`Keep-Alive: timeout=5`).
    pub(super) fn put(self: &Arc<Self>, key: Key, mut connection: Box<Http1>, hint: Option<Duration>) {
        if !connection.is_ready() {
            if !connection.is_over() {
                self.finish(key, connection, hint);
            }
            return;
        }
        let idle = hint.map_or(IDLE, |hint| hint.saturating_sub(Duration::from_secs(1)).min(IDLE));
        let mut entries = self.lock();
        let entry = entries.entry(key).or_default();
        if entry.idle.len() < KEPT {
            entry.idle.push(Idle { connection, until: Instant::now() + idle });
        }
    }

    /// Upstream answered before it had read the whole request: what is left of it still goes there.
    fn finish(self: &Arc<Self>, key: Key, mut connection: Box<Http1>, hint: Option<Duration>) {
        let pool = Arc::clone(self);
        self.tasks.spawn(async move {
            let _ = timeout(IDLE, poll_fn(|context| connection.poll_idle(context))).await;
            if connection.is_ready() {
                pool.put(key, connection, hint);
            }
        });
    }

    /// Drops what has waited too long or was closed by upstream.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        self.lock().retain(|_, entry| {
            entry.idle.retain_mut(|idle| idle.until > now && idle.connection.is_ready());
            if entry.shared.as_ref().is_some_and(SendRequest::is_closed) {
                entry.shared = None;
            }
            !entry.idle.is_empty() || entry.shared.is_some() || Arc::strong_count(&entry.dialling) > 1
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
