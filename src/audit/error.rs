//! Why the log could not be kept or read.

use std::io;
use std::path::PathBuf;

/// Errors of the audit room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The directory of the logs could not be made or opened.
    #[error("`{}`: the log directory cannot be used", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Somebody else could plant or read logs there.
    #[error("`{}`: the log directory belongs to user {owner}, not to user {user}", path.display())]
    ForeignDirectory {
        /// The directory.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// The log file could not be created.
    #[error("`{}`: the log cannot be created", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A record could not be written whole, or not be made durable. The log takes nothing after this.
    #[error("`{}`: the log cannot be written, so nothing more may be sent", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// An earlier write failed.
    #[error("`{}`: the log broke earlier ({reason}), so nothing more may be sent", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What went wrong then.
        reason: String,
    },
    /// The run has ended; its log is sealed.
    #[error("`{}`: the log is closed", path.display())]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// An event could not be put into JSON.
    #[error("`{}`: an event could not be encoded", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the encoder said.
        source: serde_json::Error,
    },
    /// The thread that makes records durable could not be started.
    #[error("the log's flusher thread cannot be started")]
    Flusher {
        /// What the kernel said.
        source: io::Error,
    },
    /// The system's random source failed.
    #[error("the system gave no random bytes for a run id")]
    Random,
    /// A text that cannot name a run.
    #[error("`{text}` is not a run id, as in `20261103-101530482-k7f3a9c2`")]
    RunId {
        /// The text, control characters escaped.
        text: String,
    },
    /// A log could not be read.
    #[error("`{}`: the log cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}
