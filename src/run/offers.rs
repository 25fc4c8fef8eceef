//! What the workspace offers to the child: its bound secrets.
//!
//! What this machine keeps is fetched at the start of a run, because files and variables that hold a value must be found
//! before the child starts. What a program prints or a server hands out is fetched when it is used, and so is everything
//! of which policy says how long it is used. A secret that is bound to no host is neither fetched nor offered, so that a
//! keychain is asked only for what this run can use.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;

use super::RunError;
use super::sources::Sources;
use crate::plan::Offer;
use crate::policy::{self, Merged, SecretPolicy, SecretSource};
use crate::secret::{Secret, SecretName, WorkspaceName};
use crate::source::Deferred;
use crate::world::World;

/// Whether values are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetch {
    /// From their sources.
    Values,
    /// They are not, for a plan that is only shown. It starts no program and opens no store.
    Nothing,
}

/// What fetches values when they are used.
pub(super) type DeferredValues = HashMap<SecretName, Arc<Deferred>>;

/// The offers, and what the user should know of secrets that are not offered.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) offered: Vec<Offer>,
    pub(super) notes: Vec<String>,
    pub(super) deferred: DeferredValues,
}

/// Gathers what the layers offer.
pub(super) fn gather(world: &World, merged: &Merged, fetch: Fetch) -> Result<Gathered, RunError> {
    let mut gathered = Gathered::default();
    let variable = |name: &str| world.variable(name).map(OsString::from);
    let sources = Sources::new(world);
    let default = WorkspaceName::default();
    let workspace = merged.workspace.as_ref().unwrap_or(&default);
    for secret in &merged.secrets {
        let Some(source) = &secret.source else { continue };
        let entry = policy::catalogue().variable(secret.name.as_str());
        if merged.bind(&secret.name, entry, &variable).is_none() {
            gathered.notes.push(unbound(secret));
            continue;
        }
        let value = match fetch {
            Fetch::Values if is_deferred(secret, source) => {
                let deferred = sources.deferred(workspace, secret, source)?;
                gathered.deferred.insert(secret.name.clone(), Arc::new(deferred));
                None
            }
            Fetch::Values => Some(sources.fetch(workspace, &secret.name, source)?),
            Fetch::Nothing => None,
        };
        gathered.offered.push(Offer {
            name: secret.name.clone(),
            value,
            place: place(source, workspace),
            origin: secret.origin.clone(),
        });
    }
    Ok(gathered)
}

fn unbound(secret: &SecretPolicy) -> String {
    format!("`{0}` is bound to no host and is not offered: agentsecrets secrets bind {0} --host HOST", secret.name)
}

fn place(source: &SecretSource, workspace: &WorkspaceName) -> String {
    match source {
        SecretSource::Store(kind) => format!("workspace `{workspace}` ({})", kind.as_str()),
        SecretSource::Env { .. } => format!("workspace `{workspace}` (env)"),
        SecretSource::Dotenv { .. } => format!("workspace `{workspace}` (dotenv)"),
        SecretSource::Command { .. } => format!("workspace `{workspace}` (command)"),
        SecretSource::Hashicorp(at) => format!("workspace `{workspace}` ({})", at.server),
    }
}

/// Whether the value is fetched when it is used. That of the environment is there already.
fn is_deferred(secret: &SecretPolicy, source: &SecretSource) -> bool {
    match source {
        SecretSource::Env { .. } => false,
        SecretSource::Command { .. } | SecretSource::Hashicorp(_) => true,
        SecretSource::Store(_) | SecretSource::Dotenv { .. } => secret.cache.is_some(),
    }
}

/// A value that is nobody's.
pub(super) fn stand_in() -> Result<Secret, RunError> {
    let mut bytes = vec![0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| crate::plan::PlanError::Random)?;
    Ok(Secret::new(bytes))
}
