//! The reading side: records of a log, one at a time, while it may still be written.
//!
//! **Invariants.** Memory is bounded whatever the file holds: a line longer than any that the sink writes is skipped
//! and reported, not kept.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::chain::{self, Sealed};
use super::{AuditError, Event};

/// Longer than any line that the sink writes.
pub(super) const LONGEST_LINE: usize = 256 * 1024;

/// What a log says of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The run goes on.
    Running,
    /// The run ended without a close record.
    Killed,
    /// The run ended and said so.
    Complete,
}

/// Whether the run of a log goes on; `is_closed` says whether its last record is the close record.
///
/// The parent holds an exclusive flock(2) on the file as long as it lives.
pub fn state(path: &Path, is_closed: bool) -> Result<State, AuditError> {
    if is_closed {
        return Ok(State::Complete);
    }
    let file = File::open(path).map_err(|source| AuditError::Read { path: path.to_owned(), source })?;
    match file.try_lock_shared() {
        Ok(()) => Ok(State::Killed),
        Err(_) => Ok(State::Running),
    }
}

/// One line of a log.
#[derive(Debug)]
pub struct Record {
    /// Its number in the file, from 1.
    pub line: u64,
    /// The line without its newline; cut where it was too long.
    pub text: Vec<u8>,
    /// The event, where the line holds one.
    pub event: Option<Event>,
    /// Whether the line ended with a newline: the last one may be in the middle of being written.
    pub is_whole: bool,
    /// Whether the line was longer than any the sink writes.
    pub is_too_long: bool,
}

impl Record {
    /// The line taken apart into body and hashes; `None` when it has not the form of a sealed line.
    pub(super) fn sealed(&self) -> Option<Sealed<'_>> {
        chain::open(&self.text).filter(|_| self.is_whole && !self.is_too_long)
    }
}

/// Reads a log record by record.
pub struct Reader<R> {
    input: R,
    line: u64,
}

impl Reader<BufReader<File>> {
    /// Opens a log.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let file = File::open(path).map_err(|source| AuditError::Read { path: path.to_owned(), source })?;
        Ok(Self::new(BufReader::with_capacity(64 * 1024, file)))
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads from `input`.
    pub fn new(input: R) -> Self {
        Self { input, line: 0 }
    }

    fn read(&mut self) -> io::Result<Option<Record>> {
        let mut text = Vec::new();
        let (mut is_whole, mut is_too_long, mut is_empty) = (false, false, true);
        while !is_whole {
            let buffer = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() {
                break;
            }
            is_empty = false;
            let end = memchr::memchr(b'\n', buffer);
            is_whole = end.is_some();
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let room = LONGEST_LINE - text.len();
            is_too_long |= part.len() > room;
            text.extend_from_slice(&part[..part.len().min(room)]);
            let used = part.len() + usize::from(is_whole);
            self.input.consume(used);
        }
        if is_empty {
            return Ok(None);
        }
        self.line += 1;
        let event = serde_json::from_slice(&text).ok().filter(|_| !is_too_long);
        Ok(Some(Record { line: self.line, text, event, is_whole, is_too_long }))
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
