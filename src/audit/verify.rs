//! Whether a log is as it was written.

use std::io;
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
    verify_records(Reader::open(path)?, state_before).map_err(read)
}

fn verify_records(
    records: impl Iterator<Item = io::Result<Record>>,
    state_before: State,
) -> io::Result<Result<Verified, Break>> {
    let mut walk = Walk::default();
    for record in records {
        if let Err(found) = walk.step(&record?, state_before == State::Running) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A complete log of seven records, line by line.
    fn log() -> Vec<Vec<u8>> {
        let kinds = [Kind::Start, Kind::Decision, Kind::End, Kind::Decision, Kind::Fetch, Kind::End, Kind::Close];
        let mut previous = chain::GENESIS;
        let line = |(seq, kind): (u64, Kind)| {
            let run = "20261103-101530482-abcdefgh".to_owned();
            let event = Event { run, seq, kind, path: Some(format!("/v1/{seq}\"é")), ..Event::default() };
            let mut line = serde_json::to_vec(&event).unwrap();
            previous = chain::seal(&mut line, &previous);
            line
        };
        (1..).zip(kinds).map(line).collect()
    }

    fn check(text: &[u8], state: State) -> Result<Verified, Break> {
        verify_records(Reader::new(text), state).unwrap()
    }

    fn why(lines: &[Vec<u8>]) -> Why {
        check(&lines.concat(), State::Killed).unwrap_err().why
    }

    #[test]
    fn a_log_as_written_holds() {
        let verified = check(&log().concat(), State::Killed).unwrap();
        assert_eq!((verified.records, verified.state), (7, State::Complete));
    }

    #[test]
    fn a_missing_end_is_said_apart_and_is_no_break() {
        let text = log()[..6].concat();
        for state in [State::Running, State::Killed] {
            assert_eq!(check(&text, state).unwrap().state, state);
        }
    }

    #[test]
    fn the_middle_of_a_record_is_a_cut_unless_it_is_being_written() {
        let text = log()[..3].concat();
        for length in text.len() - log()[2].len() + 1..text.len() {
            assert_eq!(check(&text[..length], State::Killed).unwrap_err(), Break { line: 3, why: Why::Torn });
            assert_eq!(check(&text[..length], State::Running).unwrap().records, 2);
        }
    }

    #[test]
    fn cuts_moves_and_repeats_are_named() {
        let without = |index: usize| {
            let mut lines = log();
            lines.remove(index);
            lines
        };
        for index in 1..6 {
            let expected = index as u64 + 1;
            assert_eq!(why(&without(index)), Why::Missing { expected, found: expected + 1 });
        }
        let mut repeated = log();
        repeated.insert(3, repeated[2].clone());
        assert_eq!(why(&repeated), Why::Moved { expected: 4, found: 3 });
        let mut moved = log();
        moved.swap(2, 4);
        assert_eq!(why(&moved), Why::Missing { expected: 3, found: 5 });
        assert_eq!(why(&without(0)), Why::Missing { expected: 1, found: 2 });
        assert_eq!(why(&[]), Why::Empty);
        assert_eq!(why(&[b"not a record\n".to_vec()]), Why::Form);
    }

    #[test]
    fn a_record_made_anew_does_not_fit_between_the_others() {
        let mut lines = log();
        let forged = Event { run: "20261103-101530482-abcdefgh".into(), seq: 3, kind: Kind::End, ..Event::default() };
        let mut line = serde_json::to_vec(&forged).unwrap();
        let before = chain::open(lines[1].strip_suffix(b"\n").unwrap()).unwrap().hash;
        chain::seal(&mut line, &before);
        lines[2] = line.clone();
        assert_eq!(check(&lines.concat(), State::Killed).unwrap_err(), Break { line: 4, why: Why::Unlinked });
        let mut after_close = log();
        let mut late = Event { seq: 8, ..forged };
        late.run = "20261103-101530482-abcdefgh".into();
        line = serde_json::to_vec(&late).unwrap();
        let before = chain::open(after_close[6].strip_suffix(b"\n").unwrap()).unwrap().hash;
        chain::seal(&mut line, &before);
        after_close.push(line);
        assert_eq!(why(&after_close), Why::AfterClose);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_edit_of_one_byte_is_found(place: usize, byte: u8) {
            let mut text = log().concat();
            let place = place % text.len();
            prop_assume!(text[place] != byte);
            text[place] = byte;
            prop_assert!(check(&text, State::Killed).is_err());
        }

        #[test]
        fn any_byte_taken_out_or_put_in_is_found(place: usize, byte: u8, is_put_in: bool) {
            let mut text = log().concat();
            let place = place % text.len();
            let before = text.clone();
            if is_put_in { text.insert(place, byte) } else { text.remove(place); }
            prop_assume!(text != before);
            prop_assert!(check(&text, State::Killed).is_err());
        }

        #[test]
        fn no_bytes_panic(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert!(check(&text, State::Killed).is_err());
        }
    }
}
