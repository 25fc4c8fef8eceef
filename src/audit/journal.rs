//! The one file of a run and what may be done to it, under one lock.
//!
//! **Invariants.** Records are numbered, chained and written in one order. The first failure, of a write or of an fsync,
//! breaks the log for good: after a failed fsync the kernel may have dropped the pages (fsync(2), NOTES).
//!
//! **Trade-off.** Records are durable within a second, not at once: a power cut may lose the last second of decisions,
//! a death of the process none. A run without requests is not made durable at all: an fsync costs more than such a run.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;

use super::chain::{self, GENESIS, Hash};
use super::disk::{Disk, append_all};
use super::{AuditError, Closed, Event, Kind, RunId, Verdict};

/// How long a record may wait for its fsync.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// The log of one run.
pub(super) struct Journal {
    pub(super) path: PathBuf,
    disk: Box<dyn Disk>,
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    run: String,
    condition: Condition,
    number: u64,
    previous: Hash,
    length: u64,
    requests: u64,
    refused: u64,
    is_dirty: bool,
    line: Vec<u8>,
}

enum Condition {
    Open,
    Broken(String),
    Closed,
}

impl Journal {
    /// An empty log on `disk`.
    pub(super) fn new(disk: Box<dyn Disk>, path: PathBuf, run: &RunId) -> Self {
        let state = State {
            run: run.to_string(),
            condition: Condition::Open,
            number: 0,
            previous: GENESIS,
            length: 0,
            requests: 0,
            refused: 0,
            is_dirty: false,
            line: Vec::with_capacity(1024),
        };
        Self { path, disk, state: Mutex::new(state), wake: Condvar::new() }
    }

    /// Writes a record; gives its number after write(2) took the whole of it.
    pub(super) fn record(&self, event: Event) -> Result<u64, AuditError> {
        let mut state = self.lock()?;
        self.write(&mut state, event)
    }

    /// The state of an open log.
    fn lock(&self) -> Result<MutexGuard<'_, State>, AuditError> {
        let path = || self.path.clone();
        // A panic under the lock may have left half a record: as bad as a failed write.
        let state = self
            .state
            .lock()
            .map_err(|_| AuditError::Broken { path: path(), reason: "a thread panicked while writing".into() })?;
        match &state.condition {
            Condition::Open => Ok(state),
            Condition::Broken(reason) => Err(AuditError::Broken { path: path(), reason: reason.clone() }),
            Condition::Closed => Err(AuditError::Closed { path: path() }),
        }
    }

    fn write(&self, state: &mut State, mut event: Event) -> Result<u64, AuditError> {
        let (is_decision, is_refusal) = (event.kind == Kind::Decision, event.decision == Some(Verdict::Refused));
        event.seq = state.number + 1;
        event.run.clone_from(&state.run);
        event.time = format!("{:.6}", Timestamp::now());
        state.line.clear();
        serde_json::to_writer(&mut state.line, &event)
            .map_err(|source| AuditError::Encode { path: self.path.clone(), source })?;
        let hash = chain::seal(&mut state.line, &state.previous);
        if let Err(source) = append_all(&*self.disk, &state.line, state.length) {
            state.condition = Condition::Broken(source.to_string());
            return Err(AuditError::Write { path: self.path.clone(), source });
        }
        state.number = event.seq;
        state.previous = hash;
        state.length += state.line.len() as u64;
        state.requests += u64::from(is_decision);
        state.refused += u64::from(is_decision && is_refusal);
        if !state.is_dirty && !matches!(event.kind, Kind::Start | Kind::Close) {
            state.is_dirty = true;
            self.wake.notify_all();
        }
        Ok(event.seq)
    }

    /// Writes the close record and makes the log durable where it holds more than the run's start and end; it takes
    /// nothing after that.
    pub(super) fn close(&self, exit: Option<u8>) -> Result<Closed, AuditError> {
        let mut state = self.lock()?;
        let is_idle = state.number <= 1;
        let (requests, refused) = (state.requests, state.refused);
        let close =
            Event { kind: Kind::Close, exit, requests: Some(requests), refused: Some(refused), ..Event::default() };
        self.write(&mut state, close)?;
        state.condition = Condition::Closed;
        let hash = chain::hex(&state.previous);
        drop(state);
        self.wake.notify_all();
        if !is_idle {
            self.disk.sync().map_err(|source| AuditError::Write { path: self.path.clone(), source })?;
        }
        Ok(Closed { requests, refused, hash })
    }

    /// Ends a log that was not closed, without a close record: it says that the run was killed, which is what it looks
    /// like from here.
    pub(super) fn abandon(&self) {
        if let Ok(mut state) = self.state.lock()
            && matches!(state.condition, Condition::Open)
        {
            state.condition = Condition::Closed;
            let _ = self.disk.sync();
        }
        self.wake.notify_all();
    }

    /// Makes durable what was written so far; records go on being written meanwhile.
    fn flush(&self) -> Result<(), AuditError> {
        self.lock()?.is_dirty = false;
        self.disk.sync().map_err(|source| {
            if let Ok(mut state) = self.state.lock() {
                state.condition = Condition::Broken(source.to_string());
            }
            AuditError::Write { path: self.path.clone(), source }
        })
    }

    /// The flusher thread: sleeps while there is nothing to do, ends when the log closes or breaks.
    pub(super) fn flush_while_open(&self) {
        loop {
            let Ok(state) = self.lock() else { return };
            let wait = |state: &mut State| !state.is_dirty && matches!(state.condition, Condition::Open);
            let Ok(state) = self.wake.wait_while(state, wait) else { return };
            let is_open = |state: &mut State| matches!(state.condition, Condition::Open);
            if self.wake.wait_timeout_while(state, FLUSH_EVERY, is_open).is_err() {
                return;
            }
            if self.flush().is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, mpsc};

    use super::super::{Decision, Start};
    use super::*;

    /// A disk with room for so many bytes, that takes at most seven at a time.
    struct SmallDisk {
        bytes: Mutex<Vec<u8>>,
        room: usize,
        synced: mpsc::Sender<()>,
        sync_fails: bool,
    }

    impl Disk for Arc<SmallDisk> {
        fn append(&self, bytes: &[u8]) -> io::Result<usize> {
            let mut held = self.bytes.lock().unwrap();
            let taken = bytes.len().min(self.room - held.len()).min(7);
            if taken == 0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            held.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn cut(&self, length: u64) -> io::Result<()> {
            self.bytes.lock().unwrap().truncate(usize::try_from(length).unwrap());
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            let _ = self.synced.send(());
            if self.sync_fails { Err(io::Error::other("no disk")) } else { Ok(()) }
        }
    }

    fn over(room: usize, sync_fails: bool) -> (Arc<SmallDisk>, mpsc::Receiver<()>, Arc<Journal>) {
        let (synced, syncs) = mpsc::channel();
        let disk = Arc::new(SmallDisk { bytes: Mutex::default(), room, synced, sync_fails });
        let run = RunId::mint(Timestamp::now()).unwrap();
        let journal = Arc::new(Journal::new(Box::new(Arc::clone(&disk)), "log".into(), &run));
        (disk, syncs, journal)
    }

    fn event() -> Event {
        Event::from(Decision { host: "a.example".into(), ..Decision::default() })
    }

    #[test]
    fn a_full_disk_breaks_the_log_for_good_and_leaves_whole_lines() {
        for room in 0..1500 {
            let (disk, _syncs, journal) = over(room, false);
            let failure = loop {
                if let Err(error) = journal.record(event()) {
                    break error;
                }
            };
            assert!(matches!(failure, AuditError::Write { .. }), "{failure}");
            assert!(matches!(journal.record(event()), Err(AuditError::Broken { .. })));
            assert!(matches!(journal.close(None), Err(AuditError::Broken { .. })), "the end tells");
            let bytes = disk.bytes.lock().unwrap();
            assert!(bytes.is_empty() || bytes.ends_with(b"\"}\n"), "room for {room} bytes");
        }
    }

    #[test]
    fn a_failed_fsync_breaks_the_log() {
        let (_disk, _syncs, journal) = over(10_000, true);
        journal.record(event()).unwrap();
        assert!(matches!(journal.flush(), Err(AuditError::Write { .. })));
        assert!(matches!(journal.record(event()), Err(AuditError::Broken { .. })));
        assert!(matches!(journal.close(None), Err(AuditError::Broken { .. })));
    }

    #[test]
    fn a_close_that_is_not_durable_is_an_error() {
        let (_disk, _syncs, journal) = over(10_000, true);
        journal.record(event()).unwrap();
        journal.record(event()).unwrap();
        assert!(matches!(journal.close(None), Err(AuditError::Write { .. })));
    }

    #[test]
    fn a_run_without_requests_waits_for_no_disk() {
        let (_disk, syncs, journal) = over(10_000, true);
        journal.record(Start::default().into()).unwrap();
        journal.close(Some(0)).unwrap();
        assert!(syncs.try_iter().next().is_none());
    }

    #[test]
    fn what_is_written_is_flushed_without_being_asked() {
        let (_disk, syncs, journal) = over(10_000, false);
        std::thread::scope(|scope| {
            scope.spawn(|| journal.flush_while_open());
            for _ in 0..2 {
                journal.record(event()).unwrap();
                syncs.recv_timeout(Duration::from_secs(30)).unwrap();
            }
            journal.abandon();
        });
    }
}
