//! What a run was, at a glance: its first and last record, and its counts.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::read::{LONGEST_LINE, Reader, State, state};
use super::{AuditError, Event, Kind, Verdict};

/// A run at a glance. The chain is not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The start record, where the first line holds one.
    pub start: Option<Event>,
    /// The close record, where the last line holds one.
    pub close: Option<Event>,
    /// How many decisions there were.
    pub requests: u64,
    /// How many of them refused.
    pub refused: u64,
    /// Running, killed or complete.
    pub state: State,
}

/// Reads the log at `path` at a glance: two lines where it is closed, all of it where not.
pub fn overview(path: &Path) -> Result<Overview, AuditError> {
    let read = |source| AuditError::Read { path: path.to_owned(), source };
    let mut records = Reader::open(path)?;
    let first = records.next().transpose().map_err(read)?.and_then(|record| record.event);
    let start = first.filter(|event| event.kind == Kind::Start);
    let close = last_event(path)?.filter(|event| event.kind == Kind::Close);
    let state = state(path, close.is_some())?;
    let said = close.as_ref().and_then(|close| Some((close.requests?, close.refused?)));
    let (requests, refused) = match said {
        Some(counts) => counts,
        None => count(records).map_err(read)?,
    };
    Ok(Overview { start, close, requests, refused, state })
}

fn count(records: Reader<impl std::io::BufRead>) -> std::io::Result<(u64, u64)> {
    let (mut requests, mut refused) = (0, 0);
    for record in records {
        if let Some(event) = record?.event
            && event.kind == Kind::Decision
        {
            requests += 1;
            refused += u64::from(event.decision == Some(Verdict::Refused));
        }
    }
    Ok((requests, refused))
}

/// The event of the last whole line.
fn last_event(path: &Path) -> Result<Option<Event>, AuditError> {
    let read = |source| AuditError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(read)?;
    let length = file.metadata().map_err(read)?.len();
    let tail = length.min(LONGEST_LINE as u64);
    file.seek(SeekFrom::Start(length - tail)).map_err(read)?;
    let mut text = Vec::new();
    file.take(tail).read_to_end(&mut text).map_err(read)?;
    let Some(text) = text.strip_suffix(b"\n") else { return Ok(None) };
    let begin = memchr::memrchr(b'\n', text).map_or(0, |end| end + 1);
    Ok(serde_json::from_slice(&text[begin..]).ok())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::{Decision, RunId, Sink, Start};
    use super::*;

    fn sink(place: &Path) -> Sink {
        let run = RunId::mint(Timestamp::now()).unwrap();
        let sink = Sink::create(place, &run, Start { command: "claude".into(), ..Start::default() }).unwrap();
        for verdict in [Verdict::Allowed, Verdict::Refused, Verdict::Injected] {
            drop(sink.decision(Decision { verdict, ..Decision::default() }).unwrap());
        }
        sink
    }

    #[test]
    fn tells_running_killed_and_complete_apart() {
        let place = tempfile::tempdir().unwrap();
        let sink = sink(place.path());
        let path = sink.path().to_owned();
        let seen = overview(&path).unwrap();
        assert_eq!((seen.requests, seen.refused, seen.state), (3, 1, State::Running));
        assert_eq!(seen.start.unwrap().command.as_deref(), Some("claude"));
        sink.close(Some(1)).unwrap();
        let seen = overview(&path).unwrap();
        assert_eq!((seen.requests, seen.refused, seen.state), (3, 1, State::Complete));
        assert_eq!(seen.close.unwrap().exit, Some(1));

        let killed = self::sink(place.path());
        let path = killed.path().to_owned();
        drop(killed);
        assert_eq!(overview(&path).unwrap().state, State::Killed);
    }

    #[test]
    fn what_is_no_log_is_no_trouble() {
        let place = tempfile::tempdir().unwrap();
        for text in [&b""[..], b"\n\n", b"{", b"null\n", &vec![b'x'; 3 * LONGEST_LINE]] {
            let path = place.path().join("log");
            std::fs::write(&path, text).unwrap();
            let seen = overview(&path).unwrap();
            assert_eq!((seen.start, seen.close, seen.requests, seen.state), (None, None, 0, State::Killed));
        }
    }
}
