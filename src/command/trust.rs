//! `trust`: shows what the project's file grants, and pins its content where the user says yes.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{CommandError, output};
use crate::cli::TrustOptions;
use crate::exit::Exit;
use crate::policy::{Flags, PolicyText, ProjectLayer, ProjectText, Sourced, Standing};
use crate::report::{self, Terminal, plain};
use crate::run::{self, RunError, Trusted};
use crate::world::World;

/// Does what `options` say.
pub(super) fn trust(world: &World, options: &TrustOptions, terminal: Terminal) -> Result<Exit, CommandError> {
    if run::is_inside(world) {
        return Err(RunError::TrustInside.into());
    }
    if options.list {
        return list(world, options.json);
    }
    let path = world.project().join("agentsecrets.toml");
    if let Some(named) = &options.remove {
        let path = named.as_ref().map_or(path, |named| file_of(&world.current_directory.join(named)));
        if !run::distrust(world, &path)? {
            return Err(RunError::NotTrusted { path }.into());
        }
        terminal.note(&format!("agentsecrets: `{}` is no longer trusted", path.display()));
        return Ok(Exit::Success);
    }
    let known = run::trusted(world, &path)?;
    // Read once: what is shown is what is pinned.
    let project = run::project_file(world, &[])?.ok_or(RunError::NothingToTrust { path })?;
    if options.hash {
        output::print(&format!("{}\n", project.fingerprint)).map_err(CommandError::Output)?;
        return Ok(Exit::Success);
    }
    let layer = layer(world, project.clone())?;
    // A text that was trusted and that this version no longer reads shows as nothing.
    let before = known.as_ref().and_then(|known| granted(world, &project, known)).unwrap_or_default();
    let shown = if options.json { described(&layer, &project.standing)? } else { report::trust(&layer, &before) };
    output::print(&shown).map_err(CommandError::Output)?;
    if layer.grants.is_empty() {
        terminal.note("agentsecrets: it grants nothing and needs no trust");
        return Ok(Exit::Success);
    }
    if project.is_trusted() {
        terminal.note("agentsecrets: it is trusted already, as it is");
        return Ok(Exit::Success);
    }
    if !options.yes && options.json {
        return Ok(Exit::Success);
    }
    let is_wanted = options.yes || world.terminal.input && report::confirm("Trust it?").map_err(CommandError::Input)?;
    if !is_wanted {
        return Err(RunError::TrustDeclined.into());
    }
    run::trust(world, &project)?;
    terminal.note("agentsecrets: trusted, until a byte of it changes");
    Ok(Exit::Success)
}

/// What the file would be among the layers if it were trusted.
fn layer(world: &World, mut project: ProjectText) -> Result<ProjectLayer, CommandError> {
    project.standing = Standing::Trusted { since: None };
    let layers = run::choose(world, None)?.layers;
    let merged = layers.end(Some(&project), Flags::default()).map_err(RunError::from)?;
    Ok(merged.project.unwrap_or(ProjectLayer {
        path: project.file.path.display().to_string(),
        sha256: project.fingerprint,
        standing: project.standing,
        grants: Vec::new(),
    }))
}

fn granted(world: &World, project: &ProjectText, known: &Trusted) -> Option<Vec<Sourced<String>>> {
    let file = PolicyText { path: project.file.path.clone(), text: known.text.clone() };
    Some(layer(world, ProjectText::new(file)).ok()?.grants)
}

fn described(layer: &ProjectLayer, standing: &Standing) -> Result<String, CommandError> {
    let object = json!({ "path": layer.path, "sha256": layer.sha256, "standing": standing, "grants": layer.grants });
    Ok(serde_json::to_string_pretty(&object).map_err(CommandError::Json)? + "\n")
}

/// The file of a project that is named by its directory or by the file.
fn file_of(path: &Path) -> PathBuf {
    let path = if path.is_dir() { path.join("agentsecrets.toml") } else { path.to_owned() };
    let directory = path.parent().and_then(|parent| parent.canonicalize().ok());
    match (directory, path.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => path,
    }
}

fn list(world: &World, as_json: bool) -> Result<Exit, CommandError> {
    let mut text = String::new();
    for known in run::all_trusted(world)? {
        let state = match known.now() {
            Ok(Some(fingerprint)) if fingerprint == known.sha256 => "as trusted",
            Ok(Some(_)) => "changed",
            Ok(None) => "gone",
            Err(_) => "unreadable",
        };
        let line = if as_json {
            json!({ "path": known.path, "sha256": known.sha256, "trusted": known.trusted, "state": state }).to_string()
        } else {
            format!("{}  {:<10}  {}  {}", known.day(), state, known.sha256, plain(&known.path))
        };
        text.push_str(&line);
        text.push('\n');
    }
    output::print(&text).map_err(CommandError::Output)?;
    Ok(Exit::Success)
}
