//! The writing side of a run's log.
//!
//! **Invariants.** A [`Ticket`] is given after write(2) took the whole decision; it writes an end record when it is
//! dropped unused, so that a cancelled request has its second record too.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;
use std::{fmt, io};

use super::directory::Directory;
use super::disk::LogFile;
use super::journal::Journal;
use super::{AuditError, Decision, Fetch, Masked, Outcome, RunId, Start};

/// The log of one run, shared by all that record.
pub struct Sink {
    journal: Arc<Journal>,
    flusher: Option<JoinHandle<()>>,
}

/// Leave to send one request: its decision is in the log. Spent by [`Sink::end`].
#[must_use = "a ticket that is dropped records its request as cancelled"]
pub struct Ticket {
    journal: Arc<Journal>,
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

impl Sink {
    /// Creates `<directory>/<run>.jsonl` and records the start of the run.
    pub fn create(directory: &Path, run: &RunId, start: Start) -> Result<Self, AuditError> {
        let file_name = format!("{run}.jsonl");
        let path = directory.join(&file_name);
        let failed = |source: io::Error| AuditError::Create { path: path.clone(), source };
        let directory = Directory::open(directory)?;
        let file = directory.create(&file_name).map_err(failed)?;
        // Readers tell by this lock a run that goes on from one that was killed. Where a file system has no locks the
        // run shows as killed while it goes on, which is no reason to refuse it.
        let _ = file.lock();
        let journal = Arc::new(Journal::new(Box::new(LogFile::new(file, directory)), path, run));
        journal.record(start.into())?;
        let shared = Arc::clone(&journal);
        let flusher = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || shared.flush_while_open())
            .map_err(|source| AuditError::Flusher { source })?;
        Ok(Self { journal, flusher: Some(flusher) })
    }

    /// Removes the file of a run that never began.
    pub fn discard(&self) {
        // One that stays says that the run was killed.
        let _ = std::fs::remove_file(&self.journal.path);
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.journal.path
    }

    /// Records a decision; nothing of the request may be sent before this has returned a ticket.
    pub fn decision(&self, decision: Decision) -> Result<Ticket, AuditError> {
        let since = Instant::now();
        let number = self.journal.record(decision.into())?;
        Ok(Ticket { journal: Arc::clone(&self.journal), number, since, is_spent: false })
    }

    /// Records how the request of `ticket` ended. An error here has broken the log: the next decision tells.
    pub fn end(&self, ticket: Ticket, outcome: Outcome) -> Result<(), AuditError> {
        ticket.spend(outcome)
    }

    /// Records that a value was fetched from its source.
    pub fn fetch(&self, fetch: Fetch) -> Result<(), AuditError> {
        self.journal.record(fetch.into()).map(|_| ())
    }

    /// Records that a file was masked while the command ran.
    pub fn masked(&self, masked: Masked) -> Result<(), AuditError> {
        self.journal.record(masked.into()).map(|_| ())
    }

    /// Records the end of the run, durably; the log takes nothing after it. Where the log broke earlier, this is the
    /// error that tells.
    pub fn close(&self, exit: Option<u8>) -> Result<Closed, AuditError> {
        self.journal.close(exit)
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sink").field("path", &self.journal.path).finish_non_exhaustive()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.journal.abandon();
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
        self.journal.record(outcome.into_event(self.number, self.since.elapsed())).map(|_| ())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_spent {
            let _ = self.record(Outcome { error: Some("cancelled".into()), ..Outcome::default() });
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::{Event, Kind, State as RunState, Verdict, Verified, Why, verify};
    use super::*;

    fn run_id() -> RunId {
        RunId::mint(Timestamp::now()).unwrap()
    }

    fn decision(host: &str) -> Decision {
        Decision { method: "GET".into(), host: host.into(), port: 443, path: "/v1".into(), ..Decision::default() }
    }

    fn records(path: &Path) -> Vec<Event> {
        super::super::Reader::open(path).unwrap().map(|record| record.unwrap().event.unwrap()).collect()
    }

    fn verified(path: &Path) -> Verified {
        verify(path).unwrap().unwrap()
    }

    #[test]
    fn a_run_is_recorded_from_start_to_close() {
        let place = tempfile::tempdir().unwrap();
        let run = run_id();
        let start = Start { command: "claude".into(), ..Start::default() };
        let sink = Sink::create(&place.path().join("runs"), &run, start).unwrap();
        assert_eq!(verified(sink.path()).state, RunState::Running);
        let ticket = sink.decision(decision("a.example")).unwrap();
        assert_eq!(records(sink.path()).last().unwrap().host.as_deref(), Some("a.example"), "before anything is sent");
        sink.end(ticket, Outcome { status: Some(200), ..Outcome::default() }).unwrap();
        let _ = sink.decision(Decision { verdict: Verdict::Refused, ..decision("b.example") }).unwrap();
        sink.fetch(Fetch { secret: "KEY".into(), source: "env".into(), error: None }).unwrap();
        let closed = sink.close(Some(3)).unwrap();
        assert_eq!((closed.requests, closed.refused), (2, 1));

        let events = records(sink.path());
        let kinds: Vec<Kind> = events.iter().map(|event| event.kind).collect();
        let expected = [Kind::Start, Kind::Decision, Kind::End, Kind::Decision, Kind::End, Kind::Fetch, Kind::Close];
        assert_eq!(kinds, expected);
        assert_eq!((events[2].request, events[2].status), (Some(2), Some(200)));
        assert_eq!((events[4].request, events[4].error.as_deref()), (Some(4), Some("cancelled")));
        assert_eq!((events[6].exit, events[6].requests, events[6].refused), (Some(3), Some(2), Some(1)));
        assert!(events.iter().all(|event| event.run == run.as_str() && event.time.ends_with('Z')));
        let expected = Verified { run: run.to_string(), records: 7, state: RunState::Complete, hash: closed.hash };
        assert_eq!(verified(sink.path()), expected);
        assert!(matches!(sink.decision(decision("late.example")), Err(AuditError::Closed { .. })));
    }

    #[test]
    fn a_run_that_did_not_close_was_killed() {
        let place = tempfile::tempdir().unwrap();
        let sink = Sink::create(place.path(), &run_id(), Start::default()).unwrap();
        let ticket = sink.decision(decision("a.example")).unwrap();
        let path = sink.path().to_owned();
        drop(sink);
        assert_eq!(verified(&path).state, RunState::Running, "a request still holds the log");
        drop(ticket);
        assert_eq!((verified(&path).state, verified(&path).records), (RunState::Killed, 2));
    }

    #[test]
    fn many_threads_make_one_chain() {
        let place = tempfile::tempdir().unwrap();
        let sink = Sink::create(place.path(), &run_id(), Start::default()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let sink = &sink;
                scope.spawn(move || {
                    for request in 0..100 {
                        let ticket = sink.decision(decision(&format!("{thread}-{request}.example"))).unwrap();
                        sink.end(ticket, Outcome::default()).unwrap();
                    }
                });
            }
        });
        assert_eq!(sink.close(None).unwrap().requests, 800);
        assert_eq!(verified(sink.path()).records, 1602);
    }

    #[test]
    fn a_log_in_another_place_than_its_run_is_told() {
        let place = tempfile::tempdir().unwrap();
        let one = Sink::create(place.path(), &run_id(), Start::default()).unwrap();
        let other = Sink::create(place.path(), &run_id(), Start::default()).unwrap();
        drop(other.decision(decision("a.example")).unwrap());
        let mut text = std::fs::read(one.path()).unwrap();
        let foreign = std::fs::read(other.path()).unwrap();
        text.extend(foreign.split_inclusive(|byte| *byte == b'\n').nth(1).unwrap());
        let mixed = place.path().join("mixed.jsonl");
        std::fs::write(&mixed, text).unwrap();
        assert!(matches!(verify(&mixed).unwrap().unwrap_err().why, Why::Foreign { .. }));
    }
}
