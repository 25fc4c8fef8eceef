//! What stays in a dotenv file when its values are kept in the store, and the way back.
//!
//! **Invariants.** The file as it was goes into the store before anything is changed; it never lies in plain text
//! anywhere else. A file is replaced whole, with its mode and owner. What changed since is not overwritten.

use std::path::{Path, PathBuf};

use super::super::CommandError;
use super::Kept;
use crate::policy::{Flags, SecretSource, StoreKind};
use crate::report::Terminal;
use crate::run::{self, Replaced, RunError, Sources};
use crate::secret::{Secret, SecretName, WorkspaceName};
use crate::source::{Failure, Key, SourceError, Store, private};
use crate::world::World;

/// How the name of a copy begins.
const COPY: &str = "_file.";

/// Takes the values of `kept` out of those files that hold them.
pub(super) fn leave(
    world: &World,
    workspace: &WorkspaceName,
    paths: &[PathBuf],
    kept: &[Kept],
    with: Replaced,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let merged = run::choose(world, Some(workspace))?.layers.end(None, Flags::default()).map_err(RunError::from)?;
    let sources = Sources::new(world);
    for path in paths {
        let held = run::dotenv(path)?;
        let is_here = |kept: &&Kept| held.get(kept.name.as_str()) == Some(&kept.value);
        let names: Vec<&SecretName> = kept.iter().filter(is_here).map(|kept| &kept.name).collect();
        let (before, after) = run::without_values(path, &names, with)?;
        if before == after {
            continue;
        }
        // Where the values went, the whole file goes.
        let kind = names.iter().find_map(|name| match merged.secret(name.as_str())?.source {
            Some(SecretSource::Store(kind)) => Some(kind),
            _ => None,
        });
        // Both texts: the way back is open only as long as the file is what was left.
        let both = Secret::new(joined(&before, &after));
        let store = sources.store(kind.unwrap_or(StoreKind::File));
        store.set(&copy_of(workspace, path)?, &both).map_err(RunError::from)?;
        private::replace_in_kind(path, before.expose(), after.expose()).map_err(RunError::from)?;
        terminal.note(&format!(
            "agentsecrets: took {} {} out of `{}`; `agentsecrets init --undo` puts the file back",
            names.len(),
            if names.len() == 1 { "value" } else { "values" },
            path.display()
        ));
    }
    Ok(())
}

/// Puts the files back.
pub(super) fn undo(
    world: &World,
    workspace: &WorkspaceName,
    paths: &[PathBuf],
    terminal: Terminal,
) -> Result<(), CommandError> {
    let sources = Sources::new(world);
    let mut is_done = false;
    for path in paths {
        let key = copy_of(workspace, path)?;
        let Some((kind, both)) = find(&sources, &key)? else { continue };
        let (before, after) = parted(both.expose()).ok_or_else(|| RunError::NotAsLeft { path: path.clone() })?;
        private::replace_in_kind(path, after, before).map_err(|error| match error {
            SourceError::Changed { path } => RunError::NotAsLeft { path },
            error => error.into(),
        })?;
        sources.store(kind).remove(&key).map_err(RunError::from)?;
        terminal.note(&format!("agentsecrets: `{}` is as it was, with its values", path.display()));
        is_done = true;
    }
    if !is_done {
        terminal.note(&format!("agentsecrets: no file of the workspace `{workspace}` was changed"));
    }
    Ok(())
}

/// The copy of a file, in whichever store it is.
fn find(sources: &Sources<'_>, key: &Key) -> Result<Option<(StoreKind, Secret)>, CommandError> {
    for kind in [StoreKind::File, StoreKind::Keychain] {
        match sources.store(kind).fetch(key) {
            Ok(value) => return Ok(Some((kind, value))),
            Err(SourceError::Missing { .. } | SourceError::Keychain { failure: Failure::Absent }) => {}
            Err(error) => return Err(RunError::from(error).into()),
        }
    }
    Ok(None)
}

/// Under what a file is kept: a name that no secret of a dotenv file has.
fn copy_of(workspace: &WorkspaceName, path: &Path) -> Result<Key, CommandError> {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let name = SecretName::new(format!("{COPY}{file}")).map_err(|error| CommandError::Words(error.to_string()))?;
    Ok(Key { workspace: workspace.clone(), name })
}

/// Forgets the copies that a workspace has in a store.
pub(in crate::command) fn forget(store: &dyn Store, workspace: &WorkspaceName) -> Result<(), SourceError> {
    for name in store.list(workspace)?.into_iter().filter(|name| name.as_str().starts_with(COPY)) {
        store.remove(&Key { workspace: workspace.clone(), name })?;
    }
    Ok(())
}

fn joined(before: &Secret, after: &Secret) -> Vec<u8> {
    let mut both = Vec::with_capacity(8 + before.len() + after.len());
    both.extend_from_slice(&(before.len() as u64).to_be_bytes());
    both.extend_from_slice(before.expose());
    both.extend_from_slice(after.expose());
    both
}

fn parted(both: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = both.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_texts_are_kept_apart() {
        let (before, after) = (Secret::new(b"A=1\n".to_vec()), Secret::new(b"A=\n".to_vec()));
        let both = joined(&before, &after);
        assert_eq!(parted(&both), Some((before.expose(), after.expose())));
        assert_eq!(parted(b"short"), None);
        assert_eq!(parted(&[0xff; 20]), None);
    }
}
