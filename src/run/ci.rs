//! A run in a CI job: what the job is shown, and what the child may not leave behind for later steps.
//!
//! **Invariants.** Files and lines by which a step changes the steps after it are not the child's (C3): variables that
//! name such files are taken away, the files are read-only inside, and on GitHub no line that the child prints is obeyed.
//! The summary goes to the file that the parent's own environment names, opened before the child exists, and no link is
//! followed to it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::{Order, RunError};
use crate::audit;
use crate::plan::{Plan, Planned};
use crate::policy::{Origin, Sourced};
use crate::report::{self, Terminal};
use crate::supervise::{Streams, UserTerminal};
use crate::world::World;

/// Variables that name files which the CI system obeys after the step; where the name means something else elsewhere,
/// beside the variable that tells the system.
const COMMAND_FILES: &[(&str, Option<&str>)] = &[
    ("GITHUB_ENV", None),
    ("GITHUB_PATH", None),
    ("GITHUB_OUTPUT", None),
    ("GITHUB_STATE", None),
    ("GITHUB_STEP_SUMMARY", None),
    ("BASH_ENV", Some("CIRCLECI")),
    ("BUILDKITE_ENV_FILE", None),
];

/// Whether this is a CI job: `--ci` and `--no-ci`, else the variable that every CI system sets.
pub(super) fn is_ci(world: &World, order: &Order) -> bool {
    let is_true = |value: &std::ffi::OsStr| value.eq_ignore_ascii_case("true") || value == "1";
    order.ci.unwrap_or_else(|| world.variable("CI").is_some_and(is_true))
}

/// The child's standard streams: in a CI job no terminal, at which nobody sits.
pub(super) fn streams(world: &World, order: &Order) -> Result<Streams, RunError> {
    if is_ci(world, order) { Streams::without_terminals().map_err(RunError::Terminal) } else { Ok(Streams::default()) }
}

/// The user's terminal, for a child that gets one of its own.
pub(super) fn users_terminal(world: &World, order: &Order) -> Option<UserTerminal> {
    if is_ci(world, order) { None } else { UserTerminal::find() }
}

/// Takes the command files away from the child, apart from those whose variable the user keeps.
pub(super) fn withhold(world: &World, planned: &mut Planned, kept: &[Sourced<String>]) {
    let is_present = |system: Option<&str>| system.is_none_or(|name| world.variable(name).is_some());
    let files =
        COMMAND_FILES.iter().filter(|(name, system)| is_present(*system) && !kept.iter().any(|one| one.value == *name));
    let origin = Origin::Flag { flag: "--ci".into() };
    for (name, _) in files {
        let Some(path) = world.variable(name) else { continue };
        planned.withhold(name, "later steps of the job obey the file that it names", &origin);
        if let Ok(path) = Path::new(path).canonicalize() {
            planned.plan.guarded.push(path);
        }
    }
}

/// What a CI job is shown.
pub(super) struct Ci {
    is_github: bool,
    summary: Option<File>,
    log: PathBuf,
    plan: Plan,
}

impl Ci {
    /// Opens what will be written, before anything of the child exists.
    pub(super) fn prepare(world: &World, plan: &Plan, terminal: Terminal) -> Self {
        let path = world.variable("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()).map(Path::new);
        let summary = path.and_then(|path| match open(path) {
            Ok(file) => Some(file),
            Err(error) => {
                let path = path.display();
                terminal.note(&format!("agentsecrets: warning: no summary can be written to `{path}`: {error}"));
                None
            }
        });
        Self {
            is_github: world.variable("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
            summary,
            log: world.state_directory.join("runs").join(format!("{}.jsonl", plan.run)),
            plan: plan.clone(),
        }
    }

    /// From now on, and until the value is dropped, no line that is printed is a workflow command.
    pub(super) fn quieten(&self, terminal: Terminal) -> Result<Option<Quiet>, RunError> {
        if !self.is_github {
            return Ok(None);
        }
        let mut random = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| RunError::Random)?;
        let word = format!("agentsecrets-{:032x}", u128::from_ne_bytes(random));
        terminal.say(&format!("::stop-commands::{word}"));
        Ok(Some(Quiet { word, terminal }))
    }

    /// Shows what the log says of the run that has ended. What cannot be shown is no failure of the run.
    pub(super) fn finish(self, terminal: Terminal) {
        let Ok(digest) = audit::digest(&self.log) else { return };
        for line in report::ci_annotations(&digest, self.is_github) {
            terminal.note(&line);
        }
        if let Some(mut summary) = self.summary {
            let text = report::ci_summary(&self.plan, &digest);
            if let Err(error) = summary.write_all(text.as_bytes()) {
                terminal.note(&format!("agentsecrets: warning: the summary was not written: {error}"));
            }
        }
    }
}

/// Workflow commands are not obeyed while this lives. Its word is known to nobody who prints in between.
pub(super) struct Quiet {
    word: String,
    terminal: Terminal,
}

impl Drop for Quiet {
    fn drop(&mut self) {
        self.terminal.say(&format!("::{}::", self.word));
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(0o644).custom_flags(flags.bits()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_appended_and_no_link_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        std::fs::write(&file, "before\n").unwrap();
        open(&file).unwrap().write_all(b"after\n").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "before\nafter\n");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(open(&link).is_err());
        assert!(open(directory.path()).is_err());
        assert!(open(Path::new("/dev/null")).is_err());
    }
}
