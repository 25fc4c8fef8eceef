//! One user's home, in which many commands are run one after the other.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::leak::Needle;
use crate::support::place::{self, User};

/// A user's home through many commands.
pub(super) struct Home {
    pub(super) root: TempDir,
    pub(super) user: User,
    pub(super) variables: BTreeMap<String, String>,
}

impl Home {
    pub(super) fn new(user: User) -> Self {
        let home = Self { root: place::folder("stores"), user, variables: BTreeMap::new() };
        for folder in ["home", "home/acme", "home/acme/.git", "runtime"] {
            fs::create_dir_all(home.path(folder)).unwrap();
        }
        fs::set_permissions(home.path("runtime"), fs::Permissions::from_mode(0o700)).unwrap();
        place::give(home.root.path(), user);
        home
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    pub(super) fn config(&self, below: &str) -> PathBuf {
        self.path("home/.config/agentsecrets").join(below)
    }

    pub(super) fn store(&self, below: &str) -> PathBuf {
        self.path("home/.local/state/agentsecrets/store").join(below)
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.into(), value.into());
    }

    pub(super) fn command(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).env_clear().envs(&self.variables).current_dir(self.path("home/acme"));
        command.env("HOME", self.path("home")).env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(id) = self.user.id() {
            command.uid(id).gid(id);
        }
        command
    }

    pub(super) fn start(&self, words: &[&str]) -> Child {
        self.command(place::agentsecrets(), words).spawn().unwrap()
    }

    pub(super) fn run(&self, words: &[&str]) -> Said {
        Said::of(self.start(words).wait_with_output().unwrap())
    }

    pub(super) fn ok(&self, words: &[&str]) -> Said {
        let said = self.run(words);
        assert_eq!(said.code, 0, "{words:?}: {}", said.err);
        said
    }

    pub(super) fn with_input(&self, words: &[&str], input: &[u8]) -> Said {
        let mut child = self.command(place::agentsecrets(), words).stdin(Stdio::piped()).spawn().unwrap();
        // A command that needs no input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input);
        Said::of(child.wait_with_output().unwrap())
    }

    pub(super) fn names(&self) -> Vec<String> {
        let listed = self.ok(&["secrets", "list", "--json"]).out;
        let name = |line: &str| {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            object["name"].as_str().unwrap().to_owned()
        };
        listed.lines().map(name).collect()
    }

    /// Every file below the home, and everything in the machine's temporary folders that is younger than `since`.
    pub(super) fn assert_holds_no(&self, needles: &[Needle], since: Duration) {
        let mut folders = vec![self.root.path().to_owned(), "/tmp".into(), "/var/tmp".into(), "/dev/shm".into()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let (path, Ok(metadata)) = (entry.path(), entry.path().symlink_metadata()) else { continue };
                let is_ours = path.starts_with(self.root.path());
                let is_young =
                    || metadata.modified().ok().and_then(|time| time.elapsed().ok()).is_none_or(|age| age <= since);
                if metadata.is_dir() && (is_ours || path.components().count() <= 4) {
                    folders.push(path);
                } else if metadata.is_file() && metadata.len() < 64 << 20 && (is_ours || is_young()) {
                    let Ok(content) = fs::read(&path) else { continue };
                    for needle in needles {
                        assert_eq!(needle.find_in(&content), None, "in {}", path.display());
                    }
                }
            }
        }
    }
}

pub(super) struct Said {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Said {
    pub(super) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}
