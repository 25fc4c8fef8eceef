//! Bounded waits for events. A test waits for what happens, never for time to pass.

use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long an event may take before the test fails: far above what a loaded machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A value that one thread changes and another waits on.
#[derive(Debug, Default)]
pub(crate) struct Watched<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Watched<T> {
    pub(crate) fn change<R>(&self, edit: impl FnOnce(&mut T) -> R) -> R {
        let result = edit(&mut self.value.lock().unwrap());
        self.changed.notify_all();
        result
    }

    /// Waits until `look` finds something; `None` when `patience` ends first.
    pub(crate) fn wait<R>(&self, patience: Duration, mut look: impl FnMut(&T) -> Option<R>) -> Option<R> {
        let end = Instant::now() + patience;
        let mut value = self.value.lock().unwrap();
        loop {
            if let Some(found) = look(&value) {
                return Some(found);
            }
            let left = end.checked_duration_since(Instant::now())?;
            value = self.changed.wait_timeout(value, left).unwrap().0;
        }
    }
}

/// Waits for something that announces itself to nobody (a vanished mount, an entry of /proc): asks again and again.
pub(crate) fn poll<R>(what: &str, mut look: impl FnMut() -> Option<R>) -> R {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain for {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}
