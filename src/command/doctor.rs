//! `doctor`: what this machine can give, found by the same steps as a run, and what would mend what it cannot.

use serde_json::json;

use super::{CommandError, output};
use crate::cli::DoctorOptions;
use crate::exit::Exit;
use crate::sandbox::{self, Detection, LeftOut};
use crate::supervise::spawn;

/// Probes the machine and prints the facts; [`Exit::Finding`] where a run cannot be sealed.
pub(super) fn doctor(options: &DoctorOptions) -> Result<Exit, CommandError> {
    let stage = spawn::stage(&LeftOut::default())?;
    let detection = sandbox::detect(stage)?;
    let text = if options.json { as_json(&detection) } else { as_text(&detection) };
    output::print(&text).map_err(CommandError::Output)?;
    Ok(if detection.can_seal() { Exit::Success } else { Exit::Finding })
}

fn as_text(detection: &Detection) -> String {
    let mut text = String::new();
    let level = if detection.can_seal() { "sealed" } else { "none (this machine cannot seal)" };
    text.push_str(&format!("level      {level}\n"));
    for fact in &detection.facts {
        match &fact.missing {
            None => text.push_str(&format!("ok         {}\n", fact.mechanism)),
            Some((failure, mend)) => {
                text.push_str(&format!("missing    {}: {failure}\n", fact.mechanism));
                text.push_str(&format!("mend       {mend}\n"));
            }
        }
    }
    text.push_str("terminal   inherited: the child shares your terminal; pushing input into it is blocked\n");
    text
}

fn as_json(detection: &Detection) -> String {
    let facts: Vec<_> = detection
        .facts
        .iter()
        .map(|fact| {
            let (reason, mend) = match &fact.missing {
                Some((failure, mend)) => (Some(failure.to_string()), Some(mend)),
                None => (None, None),
            };
            json!({ "mechanism": fact.mechanism.to_string(), "available": fact.missing.is_none(), "reason": reason, "mend": mend })
        })
        .collect();
    let level = if detection.can_seal() { "sealed" } else { "none" };
    format!("{}\n", json!({ "level": level, "facts": facts, "terminal": "inherited" }))
}
