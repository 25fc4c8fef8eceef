//! Where values come from: sources that give a named value, and stores that keep one as well.
//!
//! A [`Source`] fetches; a [`Store`] is a source that can also set, remove and list. One conformance suite holds every
//! one of them to the same behaviour.
//!
//! **Invariants.** A value comes back byte for byte as it was set. No error, `Debug` text, argument or temporary file
//! holds a value (S2). A store never overwrites what it cannot read. Nothing here waits without a deadline.

mod captured;
mod command;
#[cfg(test)]
mod conformance;
mod deferred;
mod error;
mod file;
pub mod hashicorp;
mod keychain;
pub mod private;

use std::fmt;

pub use captured::Captured;
pub use command::{CommandSource, PASSED, Surroundings};
pub use deferred::{Deferred, Taken};
pub use error::{Failure, SourceError, Unsafe};
pub use file::{FileStore, Passphrase, Protection};
pub use keychain::{Keychain, is_reachable};

use crate::secret::{Secret, SecretName, WorkspaceName};

/// The most bytes of a value.
pub const LARGEST_VALUE: usize = 64 << 10;

/// What a value is kept under.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The workspace that it belongs to.
    pub workspace: WorkspaceName,
    /// Its name within the workspace.
    pub name: SecretName,
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.workspace, self.name)
    }
}

/// A place that values come from.
pub trait Source: fmt::Debug + Send + Sync {
    /// What people call it: `the keychain`.
    fn title(&self) -> String;

    /// The value of `key`; [`SourceError::Missing`] where the source has none.
    fn fetch(&self, key: &Key) -> Result<Secret, SourceError>;

    /// Does now what cannot be done when a value is fetched later, and says what is bound to fail then.
    fn prepare(&self) -> Result<(), SourceError> {
        Ok(())
    }

    /// Ends what [`Source::fetch`] is doing at this moment for somebody else, where that can be ended.
    fn give_up(&self) {}
}

/// A source that keeps values.
pub trait Store: Source {
    /// Keeps each value under its key, in the place of what was there.
    fn set_all(&self, values: &[(&Key, &Secret)]) -> Result<(), SourceError>;

    /// Keeps one value.
    fn set(&self, key: &Key, value: &Secret) -> Result<(), SourceError> {
        self.set_all(&[(key, value)])
    }

    /// Forgets the value of `key`; whether there was one.
    fn remove(&self, key: &Key) -> Result<bool, SourceError>;

    /// The names that a workspace has values for, in order.
    fn list(&self, workspace: &WorkspaceName) -> Result<Vec<SecretName>, SourceError>;
}

/// Refuses what no source keeps: nothing, and more than [`LARGEST_VALUE`].
pub fn check(value: &Secret) -> Result<(), SourceError> {
    match value.len() {
        0 => Err(SourceError::Empty),
        size if size > LARGEST_VALUE => Err(SourceError::TooLarge { size }),
        _ => Ok(()),
    }
}
