//! `log follow`: requests as they end.
//!
//! **Trade-off.** Files are looked at five times a second: a watch would have to be made anew for each new file, and
//! nobody reads faster.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::filter::{Filter, Pairs};
use super::show::{End, line};
use super::{LogError, all, find, path_of};
use crate::audit::{AuditError, Kind, Reader, State, state};
use crate::exit::Exit;

const PAUSE: Duration = Duration::from_millis(200);

/// A log that is followed.
struct Followed {
    path: PathBuf,
    /// The whole lines before it have been read.
    at: u64,
    pairs: Pairs,
    is_over: bool,
}

/// Shows requests until the run ends that the filter names; without one until the reader goes away.
pub(super) fn follow(
    runs: &Path,
    filter: &Filter,
    json: bool,
    zone: &TimeZone,
    output: &mut dyn Write,
) -> Result<Exit, LogError> {
    let mut followed = HashMap::new();
    let named = filter.run.as_ref().map(|run| find(runs, run)).transpose()?;
    match &named {
        Some(run) => {
            followed.insert(run.clone(), Followed::new(path_of(runs, run), 0));
        }
        None => {
            // What lies there already is old.
            for run in all(runs)? {
                let path = path_of(runs, &run);
                let length = path.metadata().map_or(0, |metadata| metadata.len());
                followed.insert(run, Followed::new(path, length));
            }
        }
    }
    loop {
        if named.is_none() {
            for run in all(runs)? {
                followed.entry(run.clone()).or_insert_with(|| Followed::new(path_of(runs, &run), 0));
            }
        }
        for log in followed.values_mut().filter(|log| !log.is_over) {
            // Looked at before it is read: what a run wrote before its end is read in any case.
            let state = state(&log.path, false)?;
            log.read(filter, json, zone, output)?;
            log.is_over |= state != State::Running;
        }
        output.flush().map_err(LogError::Output)?;
        if named.is_some() && followed.values().all(|log| log.is_over) {
            return Ok(Exit::Success);
        }
        sleep(PAUSE);
    }
}

impl Followed {
    fn new(path: PathBuf, at: u64) -> Self {
        Self { path, at, pairs: Pairs::default(), is_over: false }
    }

    /// Reads and shows what is new.
    fn read(&mut self, filter: &Filter, json: bool, zone: &TimeZone, output: &mut dyn Write) -> Result<(), LogError> {
        let failed = |source| AuditError::Read { path: self.path.clone(), source };
        let mut file = File::open(&self.path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length <= self.at {
            return Ok(());
        }
        file.seek(SeekFrom::Start(self.at)).map_err(failed)?;
        let new = BufReader::with_capacity(64 << 10, file.take(length - self.at));
        for record in Reader::new(new) {
            let record = record.map_err(failed)?;
            if !record.is_whole {
                break;
            }
            // A line that is too long is cut in the record: the rest of the file is not followed any more.
            if record.is_too_long {
                self.is_over = true;
                break;
            }
            self.at += record.text.len() as u64 + 1;
            let Some(event) = &record.event else { continue };
            self.is_over |= event.kind == Kind::Close;
            let ended = self.pairs.pair(event);
            if json {
                let is_taken = ended.map_or(filter.is_open(), |(decision, status)| filter.takes(&decision, status));
                if is_taken {
                    let written = output.write_all(&record.text).and_then(|()| output.write_all(b"\n"));
                    written.map_err(LogError::Output)?;
                }
            } else if let Some((decision, status)) = ended
                && filter.takes(&decision, status)
            {
                writeln!(output, "{}", line(&decision, Some(&End::of(event)), zone)).map_err(LogError::Output)?;
            }
        }
        Ok(())
    }
}
