//! `doctor`: what this machine can give, found by the same steps as a run, and what would mend what it cannot.

use std::fmt::Write;

use serde_json::json;

use super::{CommandError, output};
use crate::cli::DoctorOptions;
use crate::exit::Exit;
use crate::sandbox::{self, Detection, Fact, GuardFacts, LeftOut, SandboxError, Verdict};
use crate::secret::Secret;
use crate::supervise::{Streams, spawn};
use crate::world::World;

/// Probes the machine and prints the facts; [`Exit::Finding`] where a run cannot be sealed.
pub(super) fn doctor(world: &World, options: &DoctorOptions) -> Result<Exit, CommandError> {
    if options.apparmor {
        let profile = sandbox::apparmor_profile(&world.executable).ok_or(CommandError::ExecutableName)?;
        output::print(&profile).map_err(CommandError::Output)?;
        return Ok(Exit::Success);
    }
    let stage = spawn::stage(&LeftOut::default(), &Streams::default())?;
    let detection = sandbox::detect(stage, &world.home)?;
    let guard = guard(world)?;
    let text = if options.json { as_json(&detection, &guard) } else { as_text(&detection, &guard) };
    output::print(&text).map_err(CommandError::Output)?;
    Ok(if detection.can_seal() { Exit::Success } else { Exit::Finding })
}

/// What a guard comes to here: the version of Landlock, or what is missing.
type Guard = Result<GuardFacts, Missing>;

struct Missing {
    failure: String,
    mend: String,
}

fn guard(world: &World) -> Result<Guard, CommandError> {
    let monitor = spawn::monitor(&LeftOut::default(), &Streams::default())?;
    let own = world.state_directory.join("wires").join(format!("doctor-{}", std::process::id()));
    match sandbox::detect_guard(monitor, &world.home, &own) {
        Ok(facts) => Ok(Ok(facts)),
        Err(SandboxError::Refused { failure, mend }) => Ok(Err(Missing { failure: failure.to_string(), mend })),
        Err(error) => Err(error.into()),
    }
}

fn as_text(detection: &Detection, guard: &Guard) -> String {
    let mut text = match (detection.can_seal(), guard) {
        (true, _) => "level      sealed: this machine can give everything that a run promises\n".to_owned(),
        (false, Ok(_)) => {
            "level      guarded: this machine cannot seal; `run` refuses unless told `--isolation guarded`\n".to_owned()
        }
        (false, Err(_)) => {
            "level      none: this machine cannot seal; `run` refuses unless told `--isolation none`\n".to_owned()
        }
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
    // Writing to a text cannot fail.
    let _ = match guard {
        Ok(facts) => writeln!(text, "guarded    works, by version {} of Landlock", facts.version),
        Err(missing) => writeln!(text, "guarded    missing: {}\nmend       {}", missing.failure, missing.mend),
    };
    if guard.is_ok() {
        for gap in sandbox::gaps(&LeftOut::default()).unwrap_or_default() {
            let _ = writeln!(text, "note       guarded, on this kernel's Landlock: the child is not held: {gap}");
        }
    }
    text.push_str(if keeps_values_in_memory() {
        "memory     values are locked in memory: none is swapped out\n"
    } else {
        "memory     values may be swapped out: the limit of locked memory is reached (`ulimit -l` shows it)\n"
    });
    text.push_str(if detection.can_seal() {
        "terminal   own: a sealed child gets a terminal of its own, and yours is out of its reach\n"
    } else {
        "terminal   inherited: without a seal the child shares your terminal\n"
    });
    text
}

/// Whether the pages of a value can be locked, found by locking some.
fn keeps_values_in_memory() -> bool {
    Secret::new(vec![0]).protected().is_locked()
}

fn as_json(detection: &Detection, guard: &Guard) -> String {
    let fact = |fact: &Fact| {
        let (verdict, reason, mend) = match &fact.verdict {
            Verdict::Works => ("works", None, None),
            Verdict::Missing { failure, mend } => ("missing", Some(failure.to_string()), Some(mend)),
            Verdict::Untried => ("untried", None, None),
        };
        json!({ "mechanism": fact.mechanism.name(), "verdict": verdict, "reason": reason, "mend": mend })
    };
    let facts: Vec<_> = detection.facts.iter().map(fact).collect();
    let level = match (detection.can_seal(), guard) {
        (true, _) => "sealed",
        (false, Ok(_)) => "guarded",
        (false, Err(_)) => "none",
    };
    let guarded = match guard {
        Ok(facts) => {
            json!({ "landlock": facts.version, "gaps": sandbox::gaps(&LeftOut::default()).unwrap_or_default() })
        }
        Err(missing) => json!({ "reason": missing.failure, "mend": missing.mend }),
    };
    let terminal = if detection.can_seal() { "own" } else { "inherited" };
    let all = json!({ "level": level, "mechanisms": facts, "guarded": guarded, "memory_locked": keeps_values_in_memory(), "terminal": terminal });
    format!("{all}\n")
}
