//! `secrets remove`: forgets secrets with their values.

use super::super::own::Own;
use super::{CommandError, name};
use crate::policy::{Flags, SecretSource};
use crate::report::Terminal;
use crate::run::{self, RunError, Sources, Usage};
use crate::secret::{SecretName, WorkspaceName};
use crate::source::Key;
use crate::world::World;

/// Removes the secrets `texts`; nothing where one of them is not there.
pub(super) fn remove(
    world: &World,
    workspace: Option<&WorkspaceName>,
    texts: &[String],
    terminal: Terminal,
) -> Result<(), CommandError> {
    let names = texts.iter().map(|text| name(text)).collect::<Result<Vec<SecretName>, _>>()?;
    let chosen = run::choose(world, workspace)?.existing()?;
    let file = Own::take(&chosen.path)?;
    let mut edit = file.edit()?;
    for name in &names {
        if !edit.remove_secret(name) {
            return Err(RunError::NoSecret { name: name.clone(), workspace: chosen.name }.into());
        }
    }
    let merged = chosen.layers.end(None, Flags::default()).map_err(RunError::from)?;
    let sources = Sources::new(world);
    for name in &names {
        if let Some(SecretSource::Store(kind)) = merged.secret(name.as_str()).and_then(|secret| secret.source.as_ref())
        {
            let key = Key { workspace: chosen.name.clone(), name: name.clone() };
            sources.store(*kind).remove(&key).map_err(RunError::from)?;
        }
    }
    file.put(edit)?;
    Usage::forget(world, &chosen.name, &names).map_err(RunError::from)?;
    for name in &names {
        terminal.note(&format!("agentsecrets: forgot `{name}`"));
    }
    Ok(())
}
