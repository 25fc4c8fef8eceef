//! `workspace`: makes, lists, chooses and forgets sets of secrets, and says which hosts requests may go to.

mod allowlist;

use std::fmt::Write;
use std::fs;
use std::io;

use serde_json::json;

use super::init::leave;
use super::own::{self, Own};
use super::{CommandError, output};
use crate::cli::{WorkspaceOptions, WorkspaceVerb};
use crate::exit::Exit;
use crate::policy::{Flags, Merged, SecretSource};
use crate::report::Terminal;
use crate::run::{self, RunError, Sources, Usage};
use crate::secret::WorkspaceName;
use crate::source::{Key, private};
use crate::world::World;

/// Does what `options` say.
pub(super) fn workspace(world: &World, options: &WorkspaceOptions, terminal: Terminal) -> Result<Exit, CommandError> {
    match &options.verb {
        WorkspaceVerb::List { json } => list(world, *json)?,
        WorkspaceVerb::Create { name } => create(world, &own::workspace_name(name)?, terminal)?,
        WorkspaceVerb::Use { name } => choose(world, &own::workspace_name(name)?, terminal)?,
        WorkspaceVerb::Remove { name, yes } => remove(world, &own::workspace_name(name)?, *yes, terminal)?,
        WorkspaceVerb::Allowlist { workspace, verb } => {
            let workspace = run::workspace_here(world, own::workspace_flag(workspace.as_ref())?)?;
            allowlist::allowlist(world, workspace.as_ref(), verb, terminal)?;
        }
    }
    Ok(Exit::Success)
}

/// The workspaces that exist, in order.
fn all(world: &World) -> Result<Vec<WorkspaceName>, CommandError> {
    let path = run::workspaces(world);
    let failed = |source| RunError::ReadPolicy { path: path.clone(), source };
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let file = entry.map_err(failed)?.file_name();
        let name = file.to_str().and_then(|file| file.strip_suffix(".toml"));
        names.extend(name.and_then(|name| WorkspaceName::new(name).ok()));
    }
    names.sort_unstable();
    Ok(names)
}

fn list(world: &World, json: bool) -> Result<(), CommandError> {
    let active = run::choose(world, None)?.name;
    let names = all(world)?;
    let mut text = String::new();
    if names.is_empty() && !json {
        text.push_str("There is no workspace yet: agentsecrets workspace create NAME\n");
    }
    for name in names {
        // One file that cannot be read hides no other.
        let merged = read(world, &name);
        let count = |of: &dyn Fn(&Merged) -> usize| merged.as_ref().ok().map(of);
        let secrets = count(&|merged| merged.secrets.len());
        let hosts = count(&|merged| merged.egress.allow.len());
        let is_active = name == active;
        // Writing to a text cannot fail.
        let _ = if json {
            writeln!(text, "{}", json!({ "name": name, "active": is_active, "secrets": secrets, "allowed": hosts }))
        } else {
            let shown = |count: Option<usize>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
            let mark = if is_active { '*' } else { ' ' };
            writeln!(
                text,
                "{mark} {:<24}  {:>4} secrets  {:>4} allowed hosts",
                name.as_str(),
                shown(secrets),
                shown(hosts)
            )
        };
    }
    output::print(&text).map_err(CommandError::Output)
}

/// What the workspace's own file says.
fn read(world: &World, name: &WorkspaceName) -> Result<Merged, CommandError> {
    let path = run::workspace_path(world, name);
    let text = run::read_own(&path)?.unwrap_or_default();
    let file = crate::policy::PolicyText { path, text };
    let layers = crate::policy::Layers::begin(None).and_then(|layers| layers.with_workspace(name, &file));
    Ok(layers.and_then(|layers| layers.end(None, Flags::default())).map_err(RunError::from)?)
}

/// Makes a workspace; the first one is the active one at once.
pub(super) fn create(world: &World, name: &WorkspaceName, terminal: Terminal) -> Result<(), CommandError> {
    let is_first = all(world)?.is_empty();
    let path = run::workspace_path(world, name);
    let file = Own::take(&path)?;
    if file.exists() {
        return Err(RunError::WorkspaceExists { name: name.clone() }.into());
    }
    let header = format!(
        "# The workspace `{name}`: which secrets it has, where each may go, and which hosts requests may go to.\n\
         # Values are not here: they are in the store that `source` names.\n"
    );
    private::replace(&path, header.as_bytes()).map_err(RunError::from)?;
    drop(file);
    terminal.note(&format!("agentsecrets: made the workspace `{name}`"));
    if is_first {
        return choose(world, name, terminal);
    }
    Ok(())
}

/// Makes a workspace the active one.
pub(super) fn choose(world: &World, name: &WorkspaceName, terminal: Terminal) -> Result<(), CommandError> {
    let before = run::choose(world, None)?;
    if run::read_own(&run::workspace_path(world, name))?.is_none() {
        return Err(RunError::NoWorkspace { name: name.clone() }.into());
    }
    own::activate(world, Some(name))?;
    let was =
        if before.is_named && before.name != *name { format!("; it was `{}`", before.name) } else { String::new() };
    terminal.note(&format!("agentsecrets: `{name}` is the active workspace{was}"));
    Ok(())
}

fn remove(world: &World, name: &WorkspaceName, yes: bool, terminal: Terminal) -> Result<(), CommandError> {
    let path = run::workspace_path(world, name);
    let file = Own::take(&path)?;
    if !file.exists() {
        return Err(RunError::NoWorkspace { name: name.clone() }.into());
    }
    let merged = read(world, name)?;
    if !merged.secrets.is_empty() && !yes {
        return Err(RunError::WorkspaceFull { name: name.clone(), secrets: merged.secrets.len() }.into());
    }
    let sources = Sources::new(world);
    let mut stores = Vec::new();
    for secret in &merged.secrets {
        if let Some(SecretSource::Store(kind)) = secret.source {
            let key = Key { workspace: name.clone(), name: secret.name.clone() };
            sources.store(kind).remove(&key).map_err(RunError::from)?;
            if !stores.contains(&kind) {
                stores.push(kind);
            }
        }
    }
    for kind in stores {
        leave::forget(sources.store(kind), name).map_err(RunError::from)?;
    }
    private::remove(&path).map_err(RunError::from)?;
    let names: Vec<_> = merged.secrets.iter().map(|secret| secret.name.clone()).collect();
    Usage::forget(world, name, &names).map_err(RunError::from)?;
    drop(file);
    let active = run::choose(world, None)?;
    if active.is_named && active.name == *name {
        own::activate(world, None)?;
    }
    terminal.note(&format!("agentsecrets: forgot the workspace `{name}`"));
    Ok(())
}
