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
    /// The value, once it was printed. The lock is held while the program runs: who comes second waits for its value.
    printed: Mutex<Option<Secret>>,
}

impl CommandSource {
    /// The program that `argv` names; started when its value is asked for the first time, and once.
    pub fn new(argv: Vec<String>, surroundings: Surroundings, deadline: Duration) -> Self {
        Self { argv, surroundings, deadline, printed: Mutex::new(None) }
    }
}

impl Source for CommandSource {
    fn title(&self) -> String {
        format!("the command `{}`", self.argv.first().map_or("", String::as_str).escape_debug())
    }

    fn fetch(&self, _: &Key) -> Result<Secret, SourceError> {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let value = match printed.take() {
            Some(value) => value,
            None => watch::run(&program::find(&self.argv, &self.surroundings)?, self)?,
        };
        check(&value)?;
        let copy = Secret::new(value.expose().to_vec());
        *printed = Some(value);
        Ok(copy)
    }
}

impl std::fmt::Debug for CommandSource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CommandSource").field("argv", &self.argv).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
