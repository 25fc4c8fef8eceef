//! The writing side of a run's log.
//!
//! **Invariants.** Records are numbered, chained and written under one lock, so the file's order is the order of
//! decisions. A [`Ticket`] is given after write(2) took the whole record; it writes an end record when it is dropped
//! unused, so that a cancelled request has its second record too. The first failure, of a write or of an fsync, breaks
//! the log for good: after a failed fsync the kernel may have dropped the pages (fsync(2), NOTES).
//!
//! **Trade-off.** Records are durable within a second, not at once: a power cut may lose the last second of decisions,
//! a death of the process none.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::chain::{self, GENESIS, Hash};
use super::directory::Directory;
use super::disk::{Disk, append_all};
use super::{AuditError, Decision, Event, Fetch, Kind, Outcome, RunId, Start, Verdict};

/// How long a record may wait for its fsync.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// The log of one run, shared by all that record.
pub struct Sink {
    shared: Arc<Shared>,
    flusher: Option<JoinHandle<()>>,
}

/// Leave to send one request: its decision is in the log. Spent by [`Sink::end`].
#[must_use = "a ticket that is dropped records its request as cancelled"]
pub struct Ticket {
    shared: Arc<Shared>,
    number: u64,
    since: Instant,
    is_spent: bool,
}

/// What a closed log holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// How many decisions were recorded.
    pub requests: u64,
    /// How many of them refused.
    pub refused: u64,
    /// The hash of the last record, in hex: noted elsewhere, it shows any later edit.
    pub hash: String,
}

struct Shared {
    path: PathBuf,
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

impl Sink {
    /// Creates `<directory>/<run>.jsonl` and records the start of the run, durably.
    pub fn create(directory: &Path, run: &RunId, start: Start) -> Result<Self, AuditError> {
        let file_name = format!("{run}.jsonl");
        let path = directory.join(&file_name);
        let failed = |source: io::Error| AuditError::Create { path: path.clone(), source };
        let directory = Directory::open(directory)?;
        let file: File = directory.create(&file_name).map_err(failed)?;
        // Held for the life of the run: readers tell by it a run that goes on from one that was killed.
        file.lock().map_err(failed)?;
        directory.sync().map_err(failed)?;
        Self::over(Box::new(file), path, run, start)
    }

    fn over(disk: Box<dyn Disk>, path: PathBuf, run: &RunId, start: Start) -> Result<Self, AuditError> {
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
        let shared = Arc::new(Shared { path, disk, state: Mutex::new(state), wake: Condvar::new() });
        shared.record(start.into())?;
        shared.flush()?;
        let flushed = Arc::clone(&shared);
        let flusher = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || flushed.flush_while_open())
            .map_err(|source| AuditError::Flusher { source })?;
        Ok(Self { shared, flusher: Some(flusher) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Records a decision; nothing of the request may be sent before this has returned a ticket.
    pub fn decision(&self, decision: Decision) -> Result<Ticket, AuditError> {
        let since = Instant::now();
        let number = self.shared.record(decision.into())?;
        Ok(Ticket { shared: Arc::clone(&self.shared), number, since, is_spent: false })
    }

    /// Records how the request of `ticket` ended. An error here has broken the log: the next decision tells.
    pub fn end(&self, ticket: Ticket, outcome: Outcome) -> Result<(), AuditError> {
        ticket.spend(outcome)
    }

    /// Records that a value was fetched from its source.
    pub fn fetch(&self, fetch: Fetch) -> Result<(), AuditError> {
        self.shared.record(fetch.into()).map(|_| ())
    }

    /// Records the end of the run, durably; the log takes nothing after it. Where the log broke earlier, this is the
    /// error that tells.
    pub fn close(&self, exit: Option<u8>) -> Result<Closed, AuditError> {
        let mut state = self.shared.lock()?;
        let (requests, refused) = (Some(state.requests), Some(state.refused));
        self.shared.write(&mut state, Event { kind: Kind::Close, exit, requests, refused, ..Event::default() })?;
        state.condition = Condition::Closed;
        let closed = Closed { requests: state.requests, refused: state.refused, hash: chain::hex(&state.previous) };
        drop(state);
        self.shared.wake.notify_all();
        self.shared.disk.sync().map_err(|source| AuditError::Write { path: self.shared.path.clone(), source })?;
        Ok(closed)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Ok(mut state) = self.shared.state.lock()
            && matches!(state.condition, Condition::Open)
        {
            // Without a close record the log says that the run was killed, which is what it looks like from here.
            state.condition = Condition::Closed;
        }
        self.shared.wake.notify_all();
        if let Some(flusher) = self.flusher.take() {
            let _ = flusher.join();
        }
    }
}

impl Ticket {
    /// The number of the decision's record.
    pub fn number(&self) -> u64 {
        self.number
    }

    fn spend(mut self, outcome: Outcome) -> Result<(), AuditError> {
        self.is_spent = true;
        self.record(outcome)
    }

    fn record(&self, outcome: Outcome) -> Result<(), AuditError> {
        self.shared.record(outcome.into_event(self.number, self.since.elapsed())).map(|_| ())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_spent {
            let _ = self.record(Outcome { error: Some("cancelled".into()), ..Outcome::default() });
        }
    }
}

impl Shared {
    fn record(&self, event: Event) -> Result<u64, AuditError> {
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
        if !state.is_dirty {
            state.is_dirty = true;
            self.wake.notify_all();
        }
        Ok(event.seq)
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
    fn flush_while_open(&self) {
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
