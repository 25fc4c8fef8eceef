//! `doctor`: what this machine can give, found by the same steps as a run, and what would mend what it cannot.

use std::fmt::Write;

use serde_json::json;

use super::{CommandError, output};
use crate::cli::DoctorOptions;
use crate::exit::Exit;
use crate::sandbox::{self, Detection, Fact, LeftOut, Verdict};
use crate::supervise::spawn;
use crate::world::World;

/// Probes the machine and prints the facts; [`Exit::Finding`] where a run cannot be sealed.
pub(super) fn doctor(world: &World, options: &DoctorOptions) -> Result<Exit, CommandError> {
    let stage = spawn::stage(&LeftOut::default())?;
    let detection = sandbox::detect(stage, &world.home)?;
    let text = if options.json { as_json(&detection) } else { as_text(&detection) };
    output::print(&text).map_err(CommandError::Output)?;
    Ok(if detection.can_seal() { Exit::Success } else { Exit::Finding })
}

fn as_text(detection: &Detection) -> String {
    let mut text = if detection.can_seal() {
        "level      sealed: this machine can give everything that a run promises\n".to_owned()
    } else {
        "level      none: this machine cannot seal; `run` refuses unless told `--isolation none`\n".to_owned()
    };
    for fact in &detection.facts {
        // Writing to a text cannot fail.
        let _ = match &fact.verdict {
            Verdict::Works => writeln!(text, "works      {}", fact.mechanism),
            Verdict::Missing { failure, mend } => writeln!(text, "missing    {failure}\nmend       {mend}"),
            Verdict::Untried => writeln!(text, "untried    {}", fact.mechanism),
        };
    }
    if let Some(seal) = &detection.seal {
        for path in &seal.read_only {
            let _ = writeln!(
                text,
                "note       no overlay could be mounted over {}: it is read-only inside",
                path.display()
            );
        }
    }
    text.push_str("terminal   inherited: the child shares your terminal; pushing input into it is blocked\n");
    text
}

fn as_json(detection: &Detection) -> String {
    let fact = |fact: &Fact| {
        let (verdict, reason, mend) = match &fact.verdict {
            Verdict::Works => ("works", None, None),
            Verdict::Missing { failure, mend } => ("missing", Some(failure.to_string()), Some(mend)),
            Verdict::Untried => ("untried", None, None),
        };
        json!({ "mechanism": fact.mechanism.name(), "verdict": verdict, "reason": reason, "mend": mend })
    };
    let facts: Vec<_> = detection.facts.iter().map(fact).collect();
    let level = if detection.can_seal() { "sealed" } else { "none" };
    format!("{}\n", json!({ "level": level, "mechanisms": facts, "terminal": "inherited" }))
}
