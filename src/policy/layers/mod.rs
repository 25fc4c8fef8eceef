//! Policy files and flags, merged: the user's `config.toml`, then the project's `agentsecrets.toml`, then flags.
//!
//! **Invariants.** A project file narrows: what would grant is refused with the sentence to put it into the user's own
//! file (C3). An unknown key, a wrong value or a pattern that can match nothing is refused with its place (C1). Every
//! value keeps its origin.

mod error;
mod file;
mod merge;
mod merged;
mod narrow;
mod reader;
mod secret_table;

pub use error::{PolicyError, PolicyPlace};
pub use merged::{EgressPolicy, Inspect, Isolation, Merged, OnStray, SecretPolicy, Sourced};

use std::path::PathBuf;

use super::{DefaultEgress, builtin};
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

/// The layers of policy, lowest first.
pub struct Layers;

impl Layers {
    /// Merges the layers; a file that does not exist is `None`.
    pub fn load(user: Option<&PolicyText>, project: Option<&PolicyText>, flags: Flags) -> Result<Merged, PolicyError> {
        builtin::verify()?;
        let mut merged = Merged::default();
        if let Some(file) = user {
            merge::own(&mut merged, PolicyFile::parse(&file.path, &file.text)?)?;
        }
        if let Some(file) = project {
            narrow::narrow(&mut merged, PolicyFile::parse(&file.path, &file.text)?)?;
        }
        merge::flags(&mut merged, flags)?;
        Ok(merged)
    }
}

#[cfg(test)]
mod tests;
