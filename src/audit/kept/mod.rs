//! What commands wrote to the home of their seal: kept beside the logs, a directory a run, until it is put back or too old.
//!
//! A directory is called by its run and the bytes in it, and holds an index and numbered files. It has no names of the
//! child's on disk: those stand in the index.
//!
//! **Invariants.** A directory with a run's name is whole: it is filled under another name and renamed. Whoever fills,
//! reads or removes one holds a lock on it, so that runs at once harm nothing of each other; what a dead process left
//! half filled is removed by the next run. No file in it ever held a real value.

mod age;
mod index;
mod store;

use std::io;
use std::path::PathBuf;

pub use age::age_out;
pub use index::{KeptFile, KeptIndex, KeptKind, KeptPath};
pub use store::{Keeping, Kept, KeptFound, find_kept};

/// Why something could not be kept or read again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptError {
    /// The disk.
    #[error("`{}`: what a command left cannot be kept or read there", path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The directory above is not ours.
    #[error(transparent)]
    Directory(#[from] super::AuditError),
    /// The index is no index of ours.
    #[error("`{}`: this is no index of what a command left", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A file is not as it was kept.
    #[error("`{}`: it is not as it was kept", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
    },
}

impl KeptError {
    fn disk(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { path, source }
    }
}
