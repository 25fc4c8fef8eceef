//! What the workspace offers to the child: its bound secrets, each with its value.
//!
//! A run takes every value at its start, because files and variables that hold one must be found before the child starts.
//! A secret that is bound to no host is neither fetched nor offered, so that a keychain is asked only for what this run
//! can use.

use std::ffi::OsString;

use super::RunError;
use super::sources::Sources;
use crate::plan::Offer;
use crate::policy::{self, Merged, SecretPolicy, SecretSource};
use crate::secret::{Secret, WorkspaceName};
use crate::world::World;

/// Whether values are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetch {
    /// From their sources.
    Values,
    /// They are not: random bytes stand in, for a plan that is only shown. It starts no program and opens no store.
    StandIns,
}

/// The offers, and what the user should know of secrets that are not offered.
#[derive(Default)]
pub(super) struct Offers {
    pub(super) offers: Vec<Offer>,
    pub(super) notes: Vec<String>,
}

/// Gathers what the layers offer.
pub(super) fn gather(world: &World, merged: &Merged, fetch: Fetch) -> Result<Offers, RunError> {
    let mut gathered = Offers::default();
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
            Fetch::Values => sources.fetch(workspace, &secret.name, source)?,
            Fetch::StandIns => stand_in()?,
        };
        gathered.offers.push(Offer {
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
    }
}

/// A value that is nobody's.
fn stand_in() -> Result<Secret, RunError> {
    let mut bytes = vec![0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| crate::plan::PlanError::Random)?;
    Ok(Secret::new(bytes))
}
