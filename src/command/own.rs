//! Files of the user's own that commands write: policy files in the configuration directory.
//!
//! **Invariants.** A file is changed under a lock and replaced whole; what cannot be read is left as it is.

use std::path::{Path, PathBuf};

use super::CommandError;
use crate::cli::StoreChoice;
use crate::policy::{Edit, Fingerprint, StoreKind};
use crate::run::{self, RunError};
use crate::secret::WorkspaceName;
use crate::source::private::{self, Lock};
use crate::world::World;

/// The right to change a policy file.
pub(super) struct Own {
    path: PathBuf,
    before: Option<String>,
    _lock: Lock,
}

impl Own {
    /// Takes the file `path`.
    pub(super) fn take(path: &Path) -> Result<Self, CommandError> {
        let directory = path.parent().unwrap_or(path);
        private::directory(directory).map_err(RunError::from)?;
        let lock = Lock::take(&directory.join(".lock")).map_err(RunError::from)?;
        Ok(Self { path: path.to_owned(), before: run::read_own(path)?, _lock: lock })
    }

    /// Whether the file is there.
    pub(super) fn exists(&self) -> bool {
        self.before.is_some()
    }

    /// Its text as it can be changed.
    pub(super) fn edit(&self) -> Result<Edit, CommandError> {
        Ok(Edit::new(&self.path, self.before.as_deref().unwrap_or_default()).map_err(RunError::from)?)
    }

    /// Writes the changed text; nothing where nothing changed.
    pub(super) fn put(&self, edit: Edit) -> Result<(), CommandError> {
        let text = edit.finish().map_err(RunError::from)?;
        if self.before.as_ref() != Some(&text) {
            private::replace(&self.path, text.as_bytes()).map_err(RunError::from)?;
        }
        Ok(())
    }
}

/// The name of a workspace that the user wrote.
pub(super) fn workspace_name(text: &str) -> Result<WorkspaceName, CommandError> {
    WorkspaceName::new(text).map_err(|error| CommandError::Words(error.to_string()))
}

/// The name that `--workspace` gave.
pub(super) fn workspace_flag(text: Option<&String>) -> Result<Option<WorkspaceName>, CommandError> {
    text.map(|text| workspace_name(text)).transpose()
}

/// The contents that `--trust` named.
pub(super) fn fingerprints(texts: &[String]) -> Result<Vec<Fingerprint>, CommandError> {
    let parse = |text: &String| text.parse().map_err(|error| CommandError::Words(format!("--trust: {error}")));
    texts.iter().map(parse).collect()
}

/// Makes a workspace the active one.
pub(super) fn activate(world: &World, name: Option<&WorkspaceName>) -> Result<(), CommandError> {
    let own = Own::take(&world.config_directory.join("config.toml"))?;
    let mut edit = own.edit()?;
    edit.choose_workspace(name);
    own.put(edit)
}

impl From<StoreChoice> for StoreKind {
    fn from(choice: StoreChoice) -> Self {
        match choice {
            StoreChoice::Keychain => Self::Keychain,
            StoreChoice::File => Self::File,
        }
    }
}
