//! A program that prints a value: `["op", "read", "op://acme/billing/token"]`.
//!
//! **Invariants.** No shell, no inherited environment beyond what a program needs to find its user, never started in a
//! project. The program is found in directories and is a file that nobody but root and the user can write, and never
//! one below the project: an agent that can put a program into the user's path would otherwise run outside its seal.
//! It ends at its deadline with all it started, and gives no more than a value may hold. What it says on standard error
//! is shown without anything that it printed and without known keys.

mod program;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{Key, Source, SourceError, check};
use crate::secret::Secret;

/// What a program is started with.
#[derive(Clone)]
pub struct Surroundings {
    /// The user's `PATH`, as directories.
    pub path: Vec<PathBuf>,
    /// The whole variables that it gets.
    pub environment: Vec<(OsString, OsString)>,
    /// No program below these is started.
    pub distrusted: Vec<PathBuf>,
    /// Takes known keys out of a text.
    pub redact: fn(&[u8]) -> Vec<u8>,
}

/// Variables that a program may need beside those that its entry names: who the user is, and in which language to speak.
pub const PASSED: [&str; 11] = [
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSL_CERT_FILE",
];

/// A program with its arguments.
pub struct CommandSource {
    argv: Vec<String>,
    surroundings: Surroundings,
    deadline: Duration,
    /// The process groups that run.
    running: Mutex<Vec<Pid>>,
}

impl CommandSource {
    /// The program that `argv` names; started whenever its value is asked for.
    pub fn new(argv: Vec<String>, surroundings: Surroundings, deadline: Duration) -> Self {
        Self { argv, surroundings, deadline, running: Mutex::default() }
    }
}

impl Source for CommandSource {
    fn title(&self) -> String {
        format!("the command `{}`", self.argv.first().map_or("", String::as_str).escape_debug())
    }

    fn fetch(&self, _: &Key) -> Result<Secret, SourceError> {
        let value = watch::run(&program::find(&self.argv, &self.surroundings)?, self)?;
        check(&value)?;
        Ok(value)
    }

    fn prepare(&self) -> Result<(), SourceError> {
        program::find(&self.argv, &self.surroundings).map(drop)
    }

    fn give_up(&self) {
        for group in self.running.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // Who waits for it takes it off the list.
            let _ = killpg(*group, Signal::SIGKILL);
        }
    }
}

impl std::fmt::Debug for CommandSource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CommandSource").field("argv", &self.argv).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
