//! `log verify`: whether logs are as they were written.
//!
//! A log without its close record is a finding too, unless its run goes on: the run was killed, or the end was cut off.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::list::state;
use super::{LogError, json_line, path_of};
use crate::audit::{self, AuditError, Break, RunId, State, Verified};
use crate::exit::Exit;
use crate::report::plain;

/// Checks the logs of `wanted`.
pub(super) fn verify(runs: &Path, wanted: &[RunId], json: bool, output: &mut dyn Write) -> Result<Exit, LogError> {
    let mut exit = Exit::Success;
    for run in wanted {
        let found = audit::verify(&path_of(runs, run));
        let is_sound = matches!(&found, Ok(Ok(seen)) if is_sound(run, seen));
        if !is_sound {
            exit = Exit::Finding;
        }
        if json {
            json_line(output, &object(run, &found))?;
        } else {
            writeln!(output, "{run}: {}", plain(&sentence(run, &found))).map_err(LogError::Output)?;
        }
    }
    Ok(exit)
}

type Found = Result<Result<Verified, Break>, AuditError>;

fn is_sound(run: &RunId, seen: &Verified) -> bool {
    seen.state != State::Killed && is_of(run, seen)
}

/// A log that has been renamed is another run's. One that is being begun has no record yet.
fn is_of(run: &RunId, seen: &Verified) -> bool {
    seen.run == run.as_str() || seen.records == 0
}

fn sentence(run: &RunId, found: &Found) -> String {
    match found {
        Err(error) => error.to_string(),
        Ok(Err(broken)) => format!("BROKEN at line {}: {}", broken.line, broken.why),
        Ok(Ok(seen)) if !is_of(run, seen) => format!("BROKEN: this is the log of run `{}`", seen.run),
        Ok(Ok(seen)) => {
            let state = match seen.state {
                State::Complete => "complete",
                State::Running => "intact so far, the run goes on",
                State::Killed => "NO END: every record is intact, but the run was killed or the end was cut off",
            };
            format!("{state}; {} records, hash {}", seen.records, seen.hash)
        }
    }
}

fn object(run: &RunId, found: &Found) -> serde_json::Value {
    let run_text = run.as_str();
    match found {
        Err(error) => json!({ "run": run_text, "result": "unreadable", "why": error.to_string() }),
        Ok(Err(broken)) => {
            json!({ "run": run_text, "result": "broken", "line": broken.line, "why": broken.why.to_string() })
        }
        Ok(Ok(seen)) if !is_of(run, seen) => {
            json!({ "run": run_text, "result": "broken", "why": sentence(run, found) })
        }
        Ok(Ok(seen)) => {
            json!({ "run": run_text, "result": state(seen.state), "records": seen.records, "hash": seen.hash })
        }
    }
}
