//! agentsecrets itself, started by the child: it must give nothing that its run does not.

use std::process::{Command, Stdio};

use super::driver::ATTACK_VERB;
use super::{Act, Outcome, Scene, why};

pub(super) const ATTACKS: &[(&str, Act)] = &[("run-inside-run", run_inside_run)];

/// A run without isolation that reads the project's file: it has what the outer one shows, and nothing more.
#[expect(clippy::disallowed_methods, reason = "an attack starts what it likes")]
fn run_inside_run(scene: &Scene) -> Outcome {
    let mut command = Command::new("/proc/self/exe");
    command.args(["run", "--quiet", "--no-ci", "--isolation", "none", "--", "/proc/self/exe", ATTACK_VERB]);
    command.arg(scene.aim.file()).args(["one", "read-dotenv", scene.mark]).stdin(Stdio::null());
    let output = command.output().map_err(why("start"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.contains("won: ") {
        return Ok(text.trim().to_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{} {} {}", output.status, text.trim(), errors.trim()))
}
