//! What can go wrong between the parent and its stage.

use std::io;

use super::failure::Failure;

/// The seal could not be built, or was lost. The run is refused or over (C1).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A mechanism is missing on this machine, or a mask could not be verified from inside.
    #[error("cannot seal")]
    Refused {
        /// The step that failed.
        #[source]
        failure: Failure,
        /// What the user can do about it, in one line.
        mend: String,
    },
    /// The stage ended without a word.
    #[error("the stage process ended before it answered ({status})")]
    Lost {
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// The control socket failed.
    #[error("the stage process cannot be reached")]
    Channel {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An answer came that does not belong here.
    #[error("the stage process gave an unexpected answer")]
    Unexpected,
}

/// The command could not be started inside the seal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// No such program in the directories of PATH (exit 127).
    #[error("`{command}`: command not found")]
    NotFound {
        /// The command as the user wrote it.
        command: String,
    },
    /// It is there and cannot be executed (exit 126).
    #[error("`{command}`: cannot be executed")]
    NotExecutable {
        /// The command as the user wrote it.
        command: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The command line is empty or holds a NUL byte.
    #[error("the command line cannot be executed")]
    Malformed,
    /// The stage was lost.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}
