//! `secrets`: keeps values in a store, and says in the workspace's file which store that is and where each may go.
//!
//! The workspace's file is the index: listing opens no store. **Invariants.** No verb prints a value. A value is kept
//! before the file names it, and is forgotten before the file forgets it: a process that dies in between leaves a secret
//! that the same command mends. Nothing is asked unless standard input is a terminal.

mod bind;
mod import;
mod keep;
mod list;
mod remove;
mod set;

use super::{CommandError, own};
use crate::cli::{SecretsOptions, SecretsVerb};
use crate::exit::Exit;
use crate::report::Terminal;
use crate::run;
use crate::secret::SecretName;
use crate::world::World;

pub(super) use bind::target;
pub(super) use import::looks_secret;
pub(super) use keep::{Kept, keep, tell};

/// Does what `options` say.
pub(super) fn secrets(world: &World, options: &SecretsOptions, terminal: Terminal) -> Result<Exit, CommandError> {
    let workspace = run::workspace_here(world, own::workspace_flag(options.workspace.as_ref())?)?;
    match &options.verb {
        SecretsVerb::Set(options) => set::set(world, workspace.as_ref(), options, terminal)?,
        SecretsVerb::List { json } => list::list(world, workspace.as_ref(), *json)?,
        SecretsVerb::Remove { names } => remove::remove(world, workspace.as_ref(), names, terminal)?,
        SecretsVerb::Import(options) => import::import(world, workspace.as_ref(), options, terminal)?,
        SecretsVerb::Bind { name, binding } => bind::bind(world, workspace.as_ref(), name, binding, terminal)?,
    }
    Ok(Exit::Success)
}

fn name(text: &str) -> Result<SecretName, CommandError> {
    SecretName::new(text).map_err(|error| CommandError::Words(error.to_string()))
}
