//! Policy files and flags, merged: the user's `config.toml`, then the workspace's file beside it, then the project's
//! `agentsecrets.toml`, then flags.
//!
//! **Invariants.** A project file narrows: what would grant is refused unless its very content was trusted (C3). An
//! unknown key, a wrong value or a pattern that can match nothing is refused with its place (C1). Every value keeps its
//! origin.

mod error;
mod file;
mod hashicorp_table;
mod merge;
mod merged;
mod narrow;
mod project;
mod reader;
mod secret_table;
mod source_table;

pub use error::{PolicyError, PolicyPlace};
pub use hashicorp_table::{Hashicorp, Login};
pub use merged::{EgressPolicy, Inspect, Isolation, Merged, OnStray, SecretPolicy, Sourced};
pub use project::{ProjectLayer, ProjectText, Standing};
pub use source_table::{Cache, SecretSource, StoreKind};

use std::path::PathBuf;

use super::{DefaultEgress, builtin};
use crate::secret::WorkspaceName;
use file::PolicyFile;

/// A policy file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyText {
    /// Its path, for errors and origins.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
}

/// What the command line says of policy, as written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flags {
    /// `--egress`.
    pub egress: Option<DefaultEgress>,
    /// `--allow`, repeatable.
    pub allow: Vec<String>,
    /// `--loopback`, repeatable.
    pub loopback: Vec<u16>,
    /// `--keep`, repeatable.
    pub keep: Vec<String>,
    /// `--scrub`, repeatable.
    pub scrub: Vec<String>,
    /// `--mask`, repeatable.
    pub mask: Vec<String>,
    /// `--writable`, repeatable.
    pub writable: Vec<String>,
    /// `--isolation`.
    pub isolation: Option<Isolation>,
    /// `--on-stray`.
    pub on_stray: Option<OnStray>,
    /// `--inspect`.
    pub inspect: Option<Inspect>,
}

/// The layers of policy, lowest first: begun with the user's own file, which names the workspace.
pub struct Layers {
    merged: Merged,
    workspace: Option<WorkspaceName>,
}

impl Layers {
    /// Begins with the user's `config.toml`; a file that does not exist is `None`, here and below.
    pub fn begin(user: Option<&PolicyText>) -> Result<Self, PolicyError> {
        builtin::verify()?;
        let mut layers = Self { merged: Merged::default(), workspace: None };
        if let Some(file) = user {
            let file = PolicyFile::parse(&file.path, &file.text)?;
            layers.workspace = file.workspace.as_ref().map(|workspace| workspace.value.clone());
            merge::user(&mut layers.merged, file)?;
        }
        Ok(layers)
    }

    /// The workspace that the user's file names.
    pub fn workspace(&self) -> Option<&WorkspaceName> {
        self.workspace.as_ref()
    }

    /// Puts the file of the workspace `name` on top.
    pub fn with_workspace(mut self, name: &WorkspaceName, file: &PolicyText) -> Result<Self, PolicyError> {
        merge::workspace(&mut self.merged, name, PolicyFile::parse(&file.path, &file.text)?)?;
        Ok(self)
    }

    /// Ends with the project's file and the flags.
    pub fn end(mut self, project: Option<&ProjectText>, flags: Flags) -> Result<Merged, PolicyError> {
        if let Some(file) = project {
            narrow::narrow(&mut self.merged, file)?;
        }
        merge::flags(&mut self.merged, flags)?;
        Ok(self.merged)
    }

    /// All layers but that of a workspace.
    #[cfg(test)]
    pub(super) fn load(
        user: Option<&PolicyText>,
        project: Option<&PolicyText>,
        flags: Flags,
    ) -> Result<Merged, PolicyError> {
        let project = project.cloned().map(ProjectText::new);
        Self::begin(user)?.end(project.as_ref(), flags)
    }
}

/// Says whether `file` can be read as a policy file of the user's own.
pub(super) fn verify(file: &PolicyText) -> Result<(), PolicyError> {
    PolicyFile::parse(&file.path, &file.text).map(drop)
}

#[cfg(test)]
mod tests;
