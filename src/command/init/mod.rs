//! `init`: a workspace, a project file with its keys explained, and what lies around that looks like a credential.
//!
//! **Invariant.** Asks only where standard input is a terminal, and changes a file of the user's only when told to.

pub(super) mod leave;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::secrets::{self, Kept, looks_secret};
use super::{CommandError, own, workspace};
use crate::cli::{InitOptions, LeaveChoice};
use crate::exit::Exit;
use crate::policy::{self, Merged, SecretChange, StoreKind, ValueKind};
use crate::report::{self, Terminal, plain};
use crate::run::{self, Replaced, RunError};
use crate::secret::{self, Secret, SecretName, WorkspaceName};
use crate::world::World;

/// Files of the family that hold values, nearest first.
const DOTENV: [&str; 4] = [".env", ".env.local", ".env.development", ".env.production"];

const PROJECT_FILE: &str = "\
# How agentsecrets runs commands in this project. Safe to commit: it holds no values.
# It narrows what your own configuration allows; what grants more needs `agentsecrets trust`.

# [egress]
# default = \"allowlist\"          # only these hosts, and those that secrets are bound to
# allow = [\"registry.npmjs.org\", \"*.githubusercontent.com\"]

# [secrets.STRIPE_KEY]
# rules = [\"GET /v1/**\", \"POST /v1/invoices\"]   # all that it may be used for here

# [files]
# mask = [\"config/*.secrets.json\"]               # hide these files, too
";

/// Sets the project up.
pub(super) fn init(world: &World, options: &InitOptions, terminal: Terminal) -> Result<Exit, CommandError> {
    let project = world.project();
    let name = match &options.workspace {
        Some(name) => own::workspace_name(name)?,
        None => folder_name(&project),
    };
    if options.undo {
        leave::undo(world, &name, &dotenv_files(&project), terminal)?;
        return Ok(Exit::Success);
    }
    if run::read_own(&run::workspace_path(world, &name))?.is_none() {
        workspace::create(world, &name, terminal)?;
    }
    if run::choose(world, None)?.name != name || !run::choose(world, None)?.is_named {
        workspace::choose(world, &name, terminal)?;
    }
    write_project_file(&project, terminal)?;
    let found = find(world, &project, terminal);
    show(&found, terminal);
    if found.is_empty() {
        return Ok(Exit::Success);
    }
    if !wants_import(world, options, found.len())? {
        terminal.note("hint: agentsecrets init --import, which keeps these values in the store");
        return Ok(Exit::Success);
    }
    let leave = leave_what(world, options, &found)?;
    let values: Vec<Kept> = found
        .into_iter()
        .map(|found| Kept { name: found.name, value: found.value, change: SecretChange::default() })
        .collect();
    secrets::keep(world, Some(&name), options.store.map(StoreKind::from), &values, terminal)?;
    let with = match leave {
        LeaveChoice::Values => return Ok(Exit::Success),
        LeaveChoice::Placeholders => Replaced::ByReference,
        LeaveChoice::Nothing => Replaced::ByNothing,
    };
    leave::leave(world, &name, &dotenv_files(&project), &values, with, terminal)?;
    Ok(Exit::Success)
}

/// Whether what was found is to be kept: told, or asked where there is somebody to ask.
fn wants_import(world: &World, options: &InitOptions, count: usize) -> Result<bool, CommandError> {
    if options.import || options.yes || !world.terminal.input {
        return Ok(options.import || options.yes);
    }
    let what = if count == 1 { "this value" } else { "these values" };
    report::confirm(&format!("Keep {what} in the store?")).map_err(CommandError::Input)
}

fn leave_what(world: &World, options: &InitOptions, found: &[Found]) -> Result<LeaveChoice, CommandError> {
    let is_asked =
        world.terminal.input && !options.yes && found.iter().any(|found| DOTENV.contains(&found.place.as_str()));
    match options.leave {
        Some(choice) => Ok(choice),
        None if is_asked => {
            let question =
                "Leave placeholders in the files in their place? `agentsecrets init --undo` takes that back.";
            let is_wanted = report::confirm(question).map_err(CommandError::Input)?;
            Ok(if is_wanted { LeaveChoice::Placeholders } else { LeaveChoice::Values })
        }
        None => Ok(LeaveChoice::Values),
    }
}

fn folder_name(project: &Path) -> WorkspaceName {
    let folder = project.file_name().and_then(std::ffi::OsStr::to_str);
    folder.and_then(WorkspaceName::from_folder).unwrap_or_default()
}

/// Writes the project's file unless there is one.
fn write_project_file(project: &Path, terminal: Terminal) -> Result<(), CommandError> {
    let path = project.join("agentsecrets.toml");
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            terminal.note(&format!("agentsecrets: `{}` is there already and stays as it is", path.display()));
            Ok(())
        }
        opened => {
            let written = opened.and_then(|mut file| file.write_all(PROJECT_FILE.as_bytes()));
            written.map_err(|source| RunError::WriteProject { path: path.clone(), source })?;
            terminal.note(&format!("agentsecrets: wrote `{}`", path.display()));
            Ok(())
        }
    }
}

/// A credential that lies around.
struct Found {
    name: SecretName,
    value: Secret,
    place: String,
    what: String,
}

/// The credentials of the environment and the project's dotenv files; of two under one name the environment's.
fn find(world: &World, project: &Path, terminal: Terminal) -> Vec<Found> {
    use std::os::unix::ffi::OsStrExt;
    let mut found = BTreeMap::new();
    let mut take = |name: &str, value: Secret, place: &str| {
        let Ok(name) = SecretName::new(name) else { return };
        if looks_secret(name.as_str(), &value) {
            let what = what(&name, &value);
            found.entry(name.clone()).or_insert(Found { name, value, place: place.to_owned(), what });
        }
    };
    for (name, value) in &world.environment {
        if secret::referred(value.as_bytes()).is_some() {
            continue;
        }
        if let Some(name) = name.to_str().filter(|name| !name.starts_with("AGENTSECRETS_")) {
            take(name, Secret::new(value.as_bytes().to_vec()), "the environment");
        }
    }
    for file in DOTENV {
        let path = project.join(file);
        // Something else than a file under such a name holds no values.
        if !path.is_file() {
            continue;
        }
        match run::dotenv(&path) {
            Ok(values) => values.into_iter().for_each(|(name, value)| take(&name, value, file)),
            Err(error) => terminal.note(&format!("agentsecrets: `{file}` was passed over: {error}")),
        }
    }
    found.into_values().collect()
}

/// The dotenv files that are there, symlinks resolved: a link is not to be replaced by a file.
fn dotenv_files(project: &Path) -> Vec<PathBuf> {
    let files = DOTENV.iter().filter_map(|file| project.join(file).canonicalize().ok());
    files.filter(|path| path.is_file()).collect()
}

/// What a value is, and where it would go.
fn what(name: &SecretName, value: &Secret) -> String {
    let by_form = match policy::catalogue().recognise_value(value.expose()) {
        Some(ValueKind::Key(entry)) => Some(entry),
        _ => None,
    };
    let entry = by_form.or_else(|| policy::catalogue().variable(name.as_str()));
    let nobody = |_: &str| None::<OsString>;
    match entry.and_then(|entry| Some((entry, Merged::default().bind(name, Some(entry), &nobody)?))) {
        Some((entry, binding)) => {
            let hosts = binding.targets.iter().take(2).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("{}: {hosts}", entry.service.title)
        }
        None => "no service that is known".into(),
    }
}

fn show(found: &[Found], terminal: Terminal) {
    if found.is_empty() {
        terminal.note("agentsecrets: no credentials were found in the environment or in `.env` files\nhint: agentsecrets secrets set NAME");
    }
    for found in found {
        terminal.note(&format!("agentsecrets: `{}` in {} ({})", found.name, plain(&found.place), found.what));
    }
}
