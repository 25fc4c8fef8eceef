//! `log list`: the runs, oldest first.

use std::io::Write;
use std::path::Path;

use jiff::tz::TimeZone;
use serde_json::json;

use super::filter::{Filter, Pairs};
use super::show::walk;
use super::{LogError, json_line, local_time, path_of};
use crate::audit::{AuditError, Overview, RunId, State, overview};
use crate::exit::Exit;
use crate::report::plain;

/// Lists the runs `found` in `runs`; with a filter those that have such a request.
pub(super) fn list(
    runs: &Path,
    found: &[RunId],
    filter: &Filter,
    json: bool,
    zone: &TimeZone,
    output: &mut dyn Write,
) -> Result<Exit, LogError> {
    if found.is_empty() && !json {
        writeln!(output, "No run has left a log in `{}` yet.", plain(&runs.display().to_string()))
            .map_err(LogError::Output)?;
    } else if !json {
        writeln!(
            output,
            "{:<27}  {:<19}  {:>8}  {:>7}  {:<8}  COMMAND",
            "RUN", "STARTED", "REQUESTS", "REFUSED", "STATE"
        )
        .map_err(LogError::Output)?;
    }
    let mut exit = Exit::Success;
    for run in found {
        let path = path_of(runs, run);
        let has_one = filter.is_open() || has_match(&path, filter).unwrap_or(true);
        if !has_one {
            continue;
        }
        match overview(&path) {
            Ok(seen) if json => json_line(output, &object(run, &seen))?,
            Ok(seen) => writeln!(output, "{}", line(run, &seen, zone)).map_err(LogError::Output)?,
            // One log that cannot be read hides no other.
            Err(error) => {
                exit = Exit::Finding;
                unreadable(run, &error, json, output)?;
            }
        }
    }
    Ok(exit)
}

/// Whether the log has a request that `filter` takes.
fn has_match(path: &Path, filter: &Filter) -> Result<bool, LogError> {
    let (mut pairs, mut found) = (Pairs::default(), false);
    walk(path, |_, event| {
        found |= pairs.pair(event).is_some_and(|(decision, end)| filter.takes(&decision, end));
        Ok(())
    })?;
    Ok(found || pairs.open().any(|decision| filter.takes(decision, None)))
}

fn line(run: &RunId, seen: &Overview, zone: &TimeZone) -> String {
    let start = seen.start.as_ref();
    let started = start.map_or_else(|| "?".to_owned(), |start| local_time(&start.time, zone, "%Y-%m-%d %H:%M:%S"));
    let command = start.and_then(|start| start.command.as_deref()).unwrap_or("?");
    format!(
        "{run:<27}  {started:<19}  {:>8}  {:>7}  {:<8}  {}",
        seen.requests,
        seen.refused,
        state(seen.state),
        plain(command)
    )
}

fn object(run: &RunId, seen: &Overview) -> serde_json::Value {
    let start = seen.start.clone().unwrap_or_default();
    json!({
        "run": run.as_str(),
        "started": seen.start.as_ref().map(|start| &start.time),
        "ended": seen.close.as_ref().map(|close| &close.time),
        "command": start.command,
        "project": start.project,
        "level": start.level,
        "requests": seen.requests,
        "refused": seen.refused,
        "state": state(seen.state),
        "exit": seen.close.as_ref().and_then(|close| close.exit),
    })
}

fn unreadable(run: &RunId, error: &AuditError, json: bool, output: &mut dyn Write) -> Result<(), LogError> {
    if json {
        return json_line(output, &json!({ "run": run.as_str(), "state": "unreadable", "error": error.to_string() }));
    }
    writeln!(output, "{run:<27}  {}", plain(&error.to_string())).map_err(LogError::Output)
}

/// One word for what became of a run.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Killed => "killed",
        State::Complete => "complete",
    }
}
