//! Whether a log is as it was written.

use std::path::Path;

use super::chain;
use super::read::{Reader, Record, State, state};
use super::{AuditError, Event, Kind};

/// A log whose chain holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The run that it is the log of.
    pub run: String,
    /// How many records it holds.
    pub records: u64,
    /// Complete, or without its end: still running, or killed, which no one can tell from a cut at a line's end.
    pub state: State,
    /// The hash of the last record, in hex.
    pub hash: String,
}

/// The first place where a log is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong there.
    pub why: Why,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// The file holds no record.
    #[error("the log is empty")]
    Empty,
    /// The line has not the form of a record.
    #[error("this is not a record: the line was edited")]
    Form,
    /// The last line ends in its middle.
    #[error("the record ends in its middle: the file was cut")]
    Torn,
    /// The record's own hash does not fit its bytes.
    #[error("the record was edited: its bytes do not have the hash that it states")]
    Edited,
    /// The number is higher than expected.
    #[error("record {expected} is missing: this is record {found}")]
    Missing {
        /// The number that should stand here.
        expected: u64,
        /// The number that stands here.
        found: u64,
    },
    /// The number is lower than expected.
    #[error("record {found} stands where record {expected} should: it was moved or repeated")]
    Moved {
        /// The number that should stand here.
        expected: u64,
        /// The number that stands here.
        found: u64,
    },
    /// The number is right and the chain is not.
    #[error("the record does not follow the one before it: one of the two was replaced")]
    Unlinked,
    /// The record belongs to another run.
    #[error("the record belongs to run `{run}`")]
    Foreign {
        /// That run, control characters escaped.
        run: String,
    },
    /// The first record is not a start record, or a later one is.
    #[error("a start record must be the first record, and only the first")]
    Start,
    /// A record follows the close record.
    #[error("a record follows the close record")]
    AfterClose,
}

/// Checks the log at `path`, which may still be written.
pub fn verify(path: &Path) -> Result<Result<Verified, Break>, AuditError> {
    let read = |source| AuditError::Read { path: path.to_owned(), source };
    // Asked first: a run that ends while we read then counts as running, never as killed.
    let state_before = state(path, false)?;
    let mut walk = Walk::default();
    for record in Reader::open(path)? {
        if let Err(found) = walk.step(&record.map_err(read)?, state_before == State::Running) {
            return Ok(Err(found));
        }
    }
    Ok(walk.finish(state_before))
}

/// The chain as far as it was walked.
#[derive(Default)]
struct Walk {
    run: String,
    records: u64,
    previous: chain::Hash,
    is_closed: bool,
}

impl Walk {
    fn step(&mut self, record: &Record, is_running: bool) -> Result<(), Break> {
        if !record.is_whole && is_running {
            return Ok(());
        }
        self.check(record).map_err(|why| Break { line: record.line, why })
    }

    fn check(&mut self, record: &Record) -> Result<(), Why> {
        if !record.is_whole {
            return Err(Why::Torn);
        }
        let sealed = record.sealed().ok_or(Why::Form)?;
        if chain::hash(&sealed.previous, sealed.body) != sealed.hash {
            return Err(Why::Edited);
        }
        let event = record.event.as_ref().ok_or(Why::Form)?;
        let expected = self.records + 1;
        self.check_place(event, expected)?;
        if sealed.previous != self.previous {
            return Err(Why::Unlinked);
        }
        self.is_closed = event.kind == Kind::Close;
        self.records = expected;
        self.previous = sealed.hash;
        Ok(())
    }

    fn check_place(&mut self, event: &Event, expected: u64) -> Result<(), Why> {
        if expected == 1 && event.seq == 1 {
            self.run.clone_from(&event.run);
        } else if expected > 1 && event.run != self.run {
            return Err(Why::Foreign { run: event.run.escape_debug().to_string() });
        }
        match event.seq {
            found if found > expected => Err(Why::Missing { expected, found }),
            found if found < expected => Err(Why::Moved { expected, found }),
            _ if self.is_closed => Err(Why::AfterClose),
            _ if (event.kind == Kind::Start) != (expected == 1) => Err(Why::Start),
            _ => Ok(()),
        }
    }

    fn finish(self, state_before: State) -> Result<Verified, Break> {
        if self.records == 0 && state_before != State::Running {
            return Err(Break { line: 1, why: Why::Empty });
        }
        let state = if self.is_closed { State::Complete } else { state_before };
        Ok(Verified { run: self.run, records: self.records, state, hash: chain::hex(&self.previous) })
    }
}
