//! A run that has ended, searched for every secret that the test declared.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::leak::Needle;
use super::run::World;
use super::snapshot::Snapshot;

/// What remains of a run.
#[derive(Debug)]
pub(crate) struct Finished {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    environment: Vec<(Vec<u8>, Vec<u8>)>,
    changed: Vec<PathBuf>,
    world: World,
    needles: Vec<Needle>,
}

impl Finished {
    /// Gathers what the run left, and panics when a declared secret stands in any of it.
    pub(crate) fn new(
        status: ExitStatus,
        stdout: Vec<u8>,
        stderr: Vec<u8>,
        world: World,
        before: &Snapshot,
        needles: Vec<Needle>,
        dump: Option<PathBuf>,
    ) -> Self {
        let changed = Snapshot::of(world.root()).changed_since(before);
        let environment = dump.and_then(|dump| fs::read(dump).ok()).map(|bytes| variables(&bytes)).unwrap_or_default();
        let finished = Self { status, stdout, stderr, environment, changed, world, needles };
        let leaks = finished.leaks();
        assert!(leaks.is_empty(), "a real value leaked:\n{}", leaks.join("\n"));
        finished
    }

    /// Every place where a declared secret shows. The child's environment is among the changed files.
    fn leaks(&self) -> Vec<String> {
        let mut places = vec![("stdout".to_owned(), self.stdout.clone()), ("stderr".to_owned(), self.stderr.clone())];
        for path in &self.changed {
            let inner = path.strip_prefix(self.world.root()).unwrap().display().to_string();
            places.push((format!("the name {inner}"), inner.clone().into_bytes()));
            places.push((inner, fs::read(path).unwrap_or_default()));
        }
        let mut leaks = Vec::new();
        for (place, bytes) in places {
            leaks
                .extend(self.needles.iter().filter_map(|needle| Some(format!("{place}: {}", needle.find_in(&bytes)?))));
        }
        leaks
    }

    /// The status as a shell would see it.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap())
    }

    /// The signal that ended the first process.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn stdout_bytes(&self) -> &[u8] {
        &self.stdout
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Panics unless the run ended with 0.
    pub(crate) fn succeeded(self) -> Self {
        self.ended_with(0)
    }

    /// Panics unless the run ended with `code`.
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "stdout:\n{}\nstderr:\n{}", self.stdout(), self.stderr());
        self
    }

    /// A variable of the child's environment.
    pub(crate) fn child_variable(&self, name: &str) -> Option<String> {
        let found = self.environment.iter().find(|(known, _)| known == name.as_bytes());
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    /// The child's whole environment, in its order.
    pub(crate) fn child_environment(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.environment
    }

    /// Files below the run's root that the run made or changed.
    pub(crate) fn changed(&self) -> &[PathBuf] {
        &self.changed
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// The records of the run's audit file.
    pub(crate) fn audit(&self) -> Vec<serde_json::Value> {
        let folder = self.world.state().join("agentsecrets/runs");
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        assert!(files.len() <= 1, "more than one audit file: {files:?}");
        let text = files.first().map(|path| read_text(path)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The audit records of one kind.
    pub(crate) fn audit_of(&self, kind: &str) -> Vec<serde_json::Value> {
        self.audit().into_iter().filter(|record| record["kind"] == kind).collect()
    }
}

fn read_text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The entries of a `/proc/PID/environ`.
fn variables(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let entries = bytes.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let equals = entry.iter().position(|byte| *byte == b'=').unwrap_or(entry.len());
            (entry[..equals].to_vec(), entry.get(equals + 1..).unwrap_or_default().to_vec())
        })
        .collect()
}
