//! A value that is fetched when it is used, and used as long as policy says.
//!
//! **Invariants.** Its source is asked by one at a time, however many want it, and who waited while that went on takes
//! what a question gave that began after he came: never an older value than he could have had himself. A failure is
//! shared in the same way and never kept.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::{Key, Source, SourceError};
use crate::secret::Secret;

/// A value that is not fetched yet, or again.
#[derive(Debug)]
pub struct Deferred {
    key: Key,
    source: Arc<dyn Source>,
    /// How long a value is used; `None` for as long as this lives.
    lifetime: Option<Duration>,
    last: Mutex<Option<Last>>,
}

/// What the source gave last.
#[derive(Debug)]
struct Last {
    began: Instant,
    ended: Instant,
    outcome: Outcome,
}

type Outcome = Result<Arc<Secret>, Arc<SourceError>>;

/// What somebody gets who asks.
#[derive(Debug)]
pub struct Taken {
    /// The value.
    pub outcome: Outcome,
    /// Whether the source was asked for it now.
    pub is_new: bool,
}

impl Deferred {
    /// The value of `key` in `source`, used for `lifetime`; without one it is fetched once.
    pub fn new(key: Key, source: Arc<dyn Source>, lifetime: Option<Duration>) -> Self {
        Self { key, source, lifetime, last: Mutex::new(None) }
    }

    /// What people call its source.
    pub fn title(&self) -> String {
        self.source.title()
    }

    /// The value, where it need not be fetched. Waits for nobody.
    pub fn ready(&self) -> Option<Arc<Secret>> {
        let last = match self.last.try_lock() {
            Ok(last) => last,
            Err(TryLockError::Poisoned(last)) => last.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        last.as_ref().filter(|last| last.is_fresh(self.lifetime))?.outcome.clone().ok()
    }

    /// The value, fetched where it has to be. Blocks as long as its source does.
    pub fn take(&self) -> Taken {
        let asked = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last.as_ref().filter(|last| last.began >= asked || last.is_fresh(self.lifetime)) {
            return Taken { outcome: last.outcome.clone(), is_new: false };
        }
        let began = Instant::now();
        let outcome = self.source.fetch(&self.key).map(|value| Arc::new(value.protected())).map_err(Arc::new);
        *last = Some(Last { began, ended: Instant::now(), outcome: outcome.clone() });
        Taken { outcome, is_new: true }
    }

    /// Ends what is being asked: nobody waits for it any more.
    pub fn give_up(&self) {
        self.source.give_up();
    }
}

impl Last {
    fn is_fresh(&self, lifetime: Option<Duration>) -> bool {
        self.outcome.is_ok() && lifetime.is_none_or(|lifetime| self.ended.elapsed() < lifetime)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::conformance::key;
    use super::*;

    /// Gives another value each time; fails where its number says so.
    #[derive(Debug, Default)]
    struct Counting {
        asked: AtomicUsize,
        fails_first: bool,
        /// Who asks the first time meets the test here twice: when it has begun, and when it may end.
        gate: Option<Barrier>,
    }

    impl Source for Counting {
        fn title(&self) -> String {
            "a counter".into()
        }

        fn fetch(&self, key: &Key) -> Result<Secret, SourceError> {
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            if let Some(gate) = self.gate.as_ref().filter(|_| number == 0) {
                gate.wait();
                gate.wait();
            }
            if self.fails_first && number == 0 {
                return Err(SourceError::Missing { name: key.name.to_string(), place: self.title() });
            }
            Ok(Secret::new(format!("value {number}").into_bytes()))
        }
    }

    fn deferred(source: &Arc<Counting>, lifetime: Option<Duration>) -> Deferred {
        Deferred::new(key("w", "KEY"), Arc::clone(source) as Arc<dyn Source>, lifetime)
    }

    fn value(taken: &Taken) -> String {
        String::from_utf8(taken.outcome.as_ref().unwrap().expose().to_vec()).unwrap()
    }

    #[test]
    fn a_value_is_used_as_long_as_it_lives() {
        let hour = Some(Duration::from_hours(1));
        for (lifetime, second) in [(None, "value 0"), (hour, "value 0"), (Some(Duration::ZERO), "value 1")] {
            let deferred = deferred(&Arc::default(), lifetime);
            assert!(deferred.ready().is_none(), "nothing is fetched before it is used");
            assert_eq!(value(&deferred.take()), "value 0");
            assert_eq!(deferred.ready().is_some(), second == "value 0");
            assert_eq!(value(&deferred.take()), second, "{lifetime:?}");
        }
    }

    #[test]
    fn a_failure_is_not_kept() {
        let source = Arc::new(Counting { fails_first: true, ..Counting::default() });
        let deferred = deferred(&source, None);
        assert!(deferred.take().outcome.is_err() && deferred.ready().is_none());
        assert_eq!(value(&deferred.take()), "value 1");
        assert_eq!(value(&deferred.take()), "value 1");
    }

    #[test]
    fn many_at_once_share_one_question_that_began_after_they_came() {
        let source = Arc::new(Counting { gate: Some(Barrier::new(2)), ..Counting::default() });
        let deferred = deferred(&source, Some(Duration::ZERO));
        let (here, gone) = (Barrier::new(9), Barrier::new(9));
        let values = std::thread::scope(|scope| {
            let first = scope.spawn(|| deferred.take());
            source.gate.as_ref().unwrap().wait();
            let wait = || {
                here.wait();
                let taken = deferred.take();
                gone.wait();
                (value(&taken), taken.is_new)
            };
            let others: Vec<_> = (0..8).map(|_| scope.spawn(wait)).collect();
            assert!(deferred.ready().is_none(), "who only looks does not wait");
            here.wait();
            source.gate.as_ref().unwrap().wait();
            gone.wait();
            assert_eq!(value(&first.join().unwrap()), "value 0");
            others.into_iter().map(|other| other.join().unwrap()).collect::<Vec<_>>()
        });
        // How many of them came before the first question ended is the scheduler's affair; none got its value.
        assert!(values.iter().all(|(value, _)| value != "value 0"), "{values:?}");
        assert!(values.iter().any(|(_, is_new)| *is_new), "{values:?}");
    }

    #[test]
    fn a_kept_value_is_on_pages_of_its_own_and_shows_in_no_debug_text() {
        let deferred = deferred(&Arc::default(), None);
        let taken = deferred.take();
        assert!(!format!("{deferred:?} {taken:?}").contains("value 0"));
    }
}
