//! From a query's bytes to its answer's: policy, look-ups shared by those who wait for them, and their limit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OnceCell, Semaphore};

use super::message::{self, Question, Reading};
use super::{Existence, Lookup, Names};
use crate::policy::Host;

/// How many look-ups may be under way. A query beyond fails at once, and the client asks again.
const LOOKUPS_AT_ONCE: usize = 256;

/// Answers queries.
pub(super) struct Resolver<L> {
    names: Arc<Names>,
    lookup: L,
    under_way: Mutex<HashMap<Host, Arc<OnceCell<Existence>>>>,
    leave: Semaphore,
}

impl<L: Lookup> Resolver<L> {
    pub(super) fn new(names: Arc<Names>, lookup: L) -> Self {
        Self { names, lookup, under_way: Mutex::default(), leave: Semaphore::new(LOOKUPS_AT_ONCE) }
    }

    /// What can be said without looking anything up.
    pub(super) fn read(&self, query: &[u8]) -> Reading {
        match message::read(query, &self.names) {
            Reading::Ask(question) if !self.lookup.may_look_up(&question.name) => {
                Reading::Answer(question.answer(Existence::Exists, &self.names))
            }
            reading => reading,
        }
    }

    /// Looks up what a question asks.
    pub(super) async fn answer(&self, question: Question) -> Vec<u8> {
        let existence = self.existence(&question.name).await;
        question.answer(existence, &self.names)
    }

    /// Everybody who asks for one name at one time (A and AAAA come together) waits for one look-up.
    async fn existence(&self, name: &Host) -> Existence {
        let Ok(_leave) = self.leave.try_acquire() else { return Existence::Failed };
        let shared = Arc::clone(self.under_way().entry(name.clone()).or_default());
        let existence = *shared.get_or_init(|| self.lookup.exists(name)).await;
        self.under_way().remove(name);
        existence
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Host, Arc<OnceCell<Existence>>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
