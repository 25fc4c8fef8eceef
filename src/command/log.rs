//! `log list`, `show`, `follow`, `stats`, `verify`: reads what runs and calls recorded, also while they go on; `restore`
//! puts back what a run kept.
//!
//! **Invariants.** Nothing in a log is trusted: control characters never reach a terminal, a corrupt or huge file costs
//! bounded memory, and no name that is not a run id becomes a path.

mod filter;
mod follow;
mod list;
mod restore;
mod show;
mod stats;
mod verify;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::audit::{AuditError, KeptError, RunId};
use crate::exit::Exit;

pub(super) use filter::Filter;
pub(super) use restore::{How, Order as RestoreOrder, restore};

/// What is wanted of the logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// The runs, oldest first.
    List {
        /// Only those with such requests.
        filter: Filter,
        /// One JSON object a line.
        json: bool,
    },
    /// Requests, run by run.
    Show {
        /// Which.
        filter: Filter,
        /// The records as they stand in the file.
        json: bool,
    },
    /// Requests as they end.
    Follow {
        /// Which.
        filter: Filter,
        /// The records as they stand in the file.
        json: bool,
    },
    /// Sums.
    Stats {
        /// Of which requests.
        filter: Filter,
        /// One JSON object a line.
        json: bool,
    },
    /// Whether logs are as they were written.
    Verify {
        /// The run's id or an unambiguous beginning of it; all runs where it is left out or `all`.
        run: Option<String>,
        /// One JSON object a line.
        json: bool,
    },
}

/// Why logs could not be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The directory of the logs.
    #[error("`{}`: the directory of the logs cannot be read", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// No run has an id that begins so.
    #[error("no run's id begins with `{text}`")]
    Unknown {
        /// The text, control characters escaped.
        text: String,
    },
    /// Several do.
    #[error("the ids of {count} runs begin with `{text}`, `{first}` and `{last}` among them")]
    Ambiguous {
        /// The text, control characters escaped.
        text: String,
        /// How many.
        count: usize,
        /// The oldest of them.
        first: RunId,
        /// The newest of them.
        last: RunId,
    },
    /// What a run left.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// A run left nothing, or it is gone.
    #[error("nothing that run `{run}` wrote to the home is kept")]
    NothingKept {
        /// The run.
        run: RunId,
    },
    /// A run left no such file.
    #[error("`{}`: run `{run}` left no such file", path.display())]
    NotKept {
        /// The file.
        path: PathBuf,
        /// The run.
        run: RunId,
    },
    /// A child that wants something put back.
    #[error("inside a run nothing can be put back into the home: the home is a copy there")]
    Inside,
    /// The user did not say yes, or nobody could be asked.
    #[error("nothing is put back: nobody said yes")]
    RestoreDeclined,
    /// The terminal failed.
    #[error("cannot ask on the terminal")]
    Ask(#[source] io::Error),
    /// The answer could not be written.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
}

impl LogError {
    /// A command that helps.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { .. } | Self::Ambiguous { .. } => Some("agentsecrets log list".to_owned()),
            Self::NotKept { run, .. } => Some(format!("agentsecrets log show {run}")),
            Self::NothingKept { .. } => Some(
                "it is kept for 30 days, and 512 MiB of all runs; --writable DIR makes a place of the home outlive a run"
                    .to_owned(),
            ),
            Self::RestoreDeclined => Some("agentsecrets log restore RUN --dry-run, then --yes".to_owned()),
            Self::Inside => Some("agentsecrets log restore RUN, in a terminal of your own".to_owned()),
            _ => None,
        }
    }
}

/// Does what `request` says with the logs in the directory `runs`. A reader of `output` that went away is no failure.
pub(super) fn log(request: &Request, runs: &Path, output: &mut dyn Write) -> Result<Exit, LogError> {
    let mut output = BufWriter::new(output);
    let zone = TimeZone::system();
    let done = match request {
        Request::List { filter, json } => list::list(runs, &chosen(runs, filter)?, filter, *json, &zone, &mut output),
        Request::Show { filter, json } => show::show(runs, &chosen(runs, filter)?, filter, *json, &zone, &mut output),
        Request::Follow { filter, json } => follow::follow(runs, filter, *json, &zone, &mut output),
        Request::Stats { filter, json } => stats::stats(runs, &chosen(runs, filter)?, filter, *json, &mut output),
        Request::Verify { run: Some(run), json } if run != "all" => {
            verify::verify(runs, &[find(runs, run)?], *json, &mut output)
        }
        Request::Verify { json, .. } => verify::verify(runs, &all(runs)?, *json, &mut output),
    };
    match done.and_then(|exit| output.flush().map_err(LogError::Output).map(|()| exit)) {
        Err(LogError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Success),
        done => done,
    }
}

/// The runs that have a log, oldest first; none where there is no directory yet.
fn all(runs: &Path) -> Result<Vec<RunId>, LogError> {
    let failed = |source| LogError::Directory { path: runs.to_owned(), source };
    let entries = match std::fs::read_dir(runs) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        found
            .extend(name.to_str().and_then(|name| name.strip_suffix(".jsonl")).and_then(|id| id.parse::<RunId>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// The runs that a filter leaves, oldest first.
fn chosen(runs: &Path, filter: &Filter) -> Result<Vec<RunId>, LogError> {
    match &filter.run {
        Some(run) => Ok(vec![find(runs, run)?]),
        None => all(runs),
    }
}

/// The one run whose id begins with `text`.
fn find(runs: &Path, text: &str) -> Result<RunId, LogError> {
    let mut found = all(runs)?;
    found.retain(|run| run.as_str().starts_with(text));
    match (found.first(), found.last()) {
        (Some(first), Some(last)) if first != last => Err(LogError::Ambiguous {
            text: text.escape_debug().to_string(),
            count: found.len(),
            first: first.clone(),
            last: last.clone(),
        }),
        (Some(run), _) => Ok(run.clone()),
        _ => Err(LogError::Unknown { text: text.escape_debug().to_string() }),
    }
}

/// The file of a run.
fn path_of(runs: &Path, run: &RunId) -> PathBuf {
    runs.join(format!("{run}.jsonl"))
}

/// One value as a line of JSON.
fn json_line(output: &mut dyn Write, value: &serde_json::Value) -> Result<(), LogError> {
    writeln!(output, "{value}").map_err(LogError::Output)
}

/// A time of a record, in the user's zone; as it stands where it is no time.
fn local_time(text: &str, zone: &TimeZone, format: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => time.to_zoned_datetime(zone.clone()).strftime(format).to_string(),
        Err(_) => crate::report::plain(text),
    }
}

#[cfg(test)]
mod tests;
