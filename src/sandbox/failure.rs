//! Why a step of the seal failed, as the stage tells it and as the parent shows it.

use std::io;
use std::path::{Path, PathBuf};

use super::mechanism::Mechanism;
use super::wire::wire_struct;

/// A step of the seal that failed. Nothing runs after one (C1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The mechanism that is missing.
    pub mechanism: Mechanism,
    /// What was being done, in a few words.
    pub step: String,
    /// The path it was done to.
    pub path: Option<PathBuf>,
    /// The kernel's error number, if it was the kernel that refused.
    pub errno: Option<i32>,
}

impl Failure {
    /// A refusal of our own.
    pub(super) fn found(mechanism: Mechanism, step: &str, path: Option<&Path>) -> Self {
        Self { mechanism, step: step.to_owned(), path: path.map(Path::to_owned), errno: None }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(path) = &self.path {
            write!(formatter, "`{}`: ", path.display())?;
        }
        write!(formatter, "{} ({})", self.step, self.mechanism)?;
        match self.errno {
            Some(errno) => write!(formatter, ": {}", io::Error::from_raw_os_error(errno)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

wire_struct!(Failure { mechanism, step, path, errno });

/// Says which step of which mechanism an error of the kernel belongs to.
pub(super) trait Blame<T> {
    /// `step` says what was being done.
    fn blame(self, mechanism: Mechanism, step: &str) -> Result<T, Failure>;
    /// The same, with the path it was done to.
    fn blame_at(self, mechanism: Mechanism, step: &str, path: &Path) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Blame<T> for Result<T, E> {
    fn blame(self, mechanism: Mechanism, step: &str) -> Result<T, Failure> {
        self.map_err(|error| {
            let errno = error.into().raw_os_error();
            Failure { mechanism, step: step.to_owned(), path: None, errno }
        })
    }

    fn blame_at(self, mechanism: Mechanism, step: &str, path: &Path) -> Result<T, Failure> {
        self.blame(mechanism, step).map_err(|failure| Failure { path: Some(path.to_owned()), ..failure })
    }
}
