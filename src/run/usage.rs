//! When each secret of a workspace was set and last used: what `secrets list` shows beside its name.
//!
//! **Trade-off.** A file of its own in the state directory, not lines in the workspace's file: that one is its owner's, and
//! no run writes to it. What is lost with this file is only the dates.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::secret::{SecretName, WorkspaceName};
use crate::source::SourceError;
use crate::source::private::{self, Lock, Others};
use crate::world::World;

/// The most bytes of the file.
const LARGEST: usize = 16 << 20;

/// The dates of one workspace's secrets.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usage(BTreeMap<SecretName, Dates>);

/// The dates of one secret.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dates {
    /// When its value was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Timestamp>,
    /// When a run last sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Timestamp>,
}

impl Usage {
    /// Reads the dates; a file that cannot be read has none.
    pub fn read(world: &World, workspace: &WorkspaceName) -> Self {
        let content = private::read(&path(world, workspace), Others::Readers, LARGEST).ok().flatten();
        content.and_then(|content| serde_json::from_slice(&content).ok()).unwrap_or_default()
    }

    /// The dates of a secret.
    pub fn of(&self, name: &SecretName) -> Dates {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// Remembers that values were set now.
    pub fn set(world: &World, workspace: &WorkspaceName, names: &[SecretName]) -> Result<(), SourceError> {
        let now = Some(Timestamp::now());
        Self::change(world, workspace, |usage| {
            for name in names {
                usage.0.insert(name.clone(), Dates { set: now, used: None });
            }
        })
    }

    /// Forgets secrets.
    pub fn forget(world: &World, workspace: &WorkspaceName, names: &[SecretName]) -> Result<(), SourceError> {
        Self::change(world, workspace, |usage| usage.0.retain(|name, _| !names.contains(name)))
    }

    fn change(world: &World, workspace: &WorkspaceName, change: impl FnOnce(&mut Self)) -> Result<(), SourceError> {
        let path = path(world, workspace);
        private::directory(&directory(world))?;
        let _lock = Lock::take(&path.with_extension("lock"))?;
        let before = Self::read(world, workspace);
        let mut usage = before.clone();
        change(&mut usage);
        if usage == before {
            return Ok(());
        }
        // A map of names and times is always JSON.
        let text = serde_json::to_vec(&usage).unwrap_or_default();
        private::replace(&path, &text)
    }
}

/// Remembers that a run sent these secrets now. The run is over: what cannot be written fails nothing.
pub(super) fn used(world: &World, workspace: Option<&WorkspaceName>, names: &[SecretName]) {
    let Some(workspace) = workspace.filter(|_| !names.is_empty()) else { return };
    let now = Some(Timestamp::now());
    let change = |usage: &mut Usage| {
        for name in names {
            if let Some(dates) = usage.0.get_mut(name) {
                dates.used = now;
            }
        }
    };
    if let Err(error) = Usage::change(world, workspace, change) {
        tracing::debug!(%error, "the dates of use cannot be written");
    }
}

fn directory(world: &World) -> PathBuf {
    world.state_directory.join("usage")
}

fn path(world: &World, workspace: &WorkspaceName) -> PathBuf {
    directory(world).join(format!("{workspace}.json"))
}
