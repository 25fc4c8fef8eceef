//! `workspace allowlist`: where requests may go. It never binds a secret.

use std::ffi::OsString;
use std::fmt::Write;

use serde_json::json;

use super::super::own::Own;
use super::super::secrets::target;
use super::{CommandError, output};
use crate::cli::AllowlistVerb;
use crate::policy::{self, DefaultEgress, Flags, Merged, Target};
use crate::report::Terminal;
use crate::run::{self, RunError};
use crate::secret::WorkspaceName;
use crate::world::World;

/// Does what `verb` says with the workspace.
pub(super) fn allowlist(
    world: &World,
    workspace: Option<&WorkspaceName>,
    verb: &AllowlistVerb,
    terminal: Terminal,
) -> Result<(), CommandError> {
    match verb {
        AllowlistVerb::Add { hosts } => add(world, workspace, &targets(hosts)?, terminal),
        AllowlistVerb::Remove { hosts } => remove(world, workspace, &targets(hosts)?, terminal),
        AllowlistVerb::List { json } => list(world, workspace, *json),
    }
}

fn targets(hosts: &[String]) -> Result<Vec<Target>, CommandError> {
    hosts.iter().map(|host| target(host)).collect()
}

/// The policy of the user's own, as it is now.
fn merged(world: &World, workspace: Option<&WorkspaceName>) -> Result<Merged, CommandError> {
    Ok(run::choose(world, workspace)?.layers.end(None, Flags::default()).map_err(RunError::from)?)
}

fn add(
    world: &World,
    workspace: Option<&WorkspaceName>,
    targets: &[Target],
    terminal: Terminal,
) -> Result<(), CommandError> {
    let was = merged(world, workspace)?.egress.default.value;
    let chosen = run::choose(world, workspace)?;
    let file = Own::take(&chosen.path)?;
    let mut edit = file.edit()?;
    let new = edit.allow(targets).map_err(RunError::from)?;
    file.put(edit)?;
    let merged = merged(world, workspace)?;
    for target in targets {
        let known = if new.contains(target) { "may be reached" } else { "was on the list already" };
        terminal.note(&format!("agentsecrets: {target} {known}; {}", usable(world, &merged, target)));
    }
    if was == DefaultEgress::Web && merged.egress.default.value == DefaultEgress::Allowlist {
        terminal.note(
            "agentsecrets: from now on requests go only to these hosts and to those that secrets are bound to; \
             `default = \"web\"` in the workspace's file opens the web again",
        );
    }
    Ok(())
}

/// Which secrets may be sent to a host.
fn usable(world: &World, merged: &Merged, target: &Target) -> String {
    let variable = |name: &str| world.variable(name).map(OsString::from);
    let bound = merged.secrets.iter().filter(|secret| {
        let entry = policy::catalogue().variable(secret.name.as_str());
        let binding = merged.bind(&secret.name, entry, &variable);
        binding.is_some_and(|binding| binding.targets.iter().any(|bound| bound.both(target).is_some()))
    });
    let names: Vec<String> = bound.map(|secret| format!("`{}`", secret.name)).collect();
    if names.is_empty() {
        format!("no secret may be sent there: agentsecrets secrets bind NAME --host {target}")
    } else {
        format!("{} may be sent there", names.join(", "))
    }
}

fn remove(
    world: &World,
    workspace: Option<&WorkspaceName>,
    targets: &[Target],
    terminal: Terminal,
) -> Result<(), CommandError> {
    let chosen = run::choose(world, workspace)?.existing()?;
    let file = Own::take(&chosen.path)?;
    let mut edit = file.edit()?;
    let gone = edit.disallow(targets).map_err(RunError::from)?;
    if let Some(missing) = targets.iter().find(|target| !gone.contains(target)) {
        return Err(RunError::NotAllowed { target: missing.clone(), workspace: chosen.name }.into());
    }
    file.put(edit)?;
    for target in gone {
        terminal.note(&format!("agentsecrets: {target} is off the list"));
    }
    Ok(())
}

fn list(world: &World, workspace: Option<&WorkspaceName>, json: bool) -> Result<(), CommandError> {
    let chosen = run::choose(world, workspace)?.existing()?;
    let merged = chosen.layers.end(None, Flags::default()).map_err(RunError::from)?;
    let mut text = String::new();
    for allowed in &merged.egress.allow {
        // Writing to a text cannot fail.
        if json {
            let _ = writeln!(text, "{}", json!({ "host": allowed.value, "origin": allowed.origin }));
        } else {
            let _ = writeln!(text, "{}", allowed.value);
        }
    }
    if text.is_empty() && !json {
        text = match merged.egress.default.value {
            DefaultEgress::Web => {
                "Every host of the web may be reached: agentsecrets workspace allowlist add HOST\n".into()
            }
            DefaultEgress::Allowlist => "Only hosts that secrets are bound to may be reached.\n".into(),
        };
    }
    output::print(&text).map_err(CommandError::Output)
}
