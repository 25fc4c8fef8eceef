//! The layers of the user's own: `config.toml`, and the file of the workspace that it or a flag names.
//!
//! **Invariants.** Both can name programs to start, so they are read only where nobody else can have written them, an
//! agent in the project least of all. A workspace that somebody named and that does not exist is an error; the one that
//! nobody named may be missing.

use std::path::{Path, PathBuf};

use super::{RunError, project};
use crate::policy::{Fingerprint, Flags, Layers, Merged, PolicyText, ProjectText};
use crate::secret::WorkspaceName;
use crate::source::private::{self, Others};
use crate::source::{SourceError, Unsafe};
use crate::world::World;

/// The most bytes of a file of the user's own.
const LARGEST: usize = 16 << 20;

/// The workspace of a command, and all policy of the user's own with it.
pub struct Chosen {
    /// Its name.
    pub name: WorkspaceName,
    /// Whether a flag or `config.toml` named it.
    pub is_named: bool,
    /// Its file.
    pub path: PathBuf,
    /// The text of that file, if there is one.
    pub text: Option<String>,
    /// What `config.toml` and the workspace say.
    pub layers: Layers,
}

/// The file of the workspace `name`.
pub fn path_of(world: &World, name: &WorkspaceName) -> PathBuf {
    directory(world).join(format!("{name}.toml"))
}

/// Where workspaces lie.
pub fn directory(world: &World) -> PathBuf {
    world.config_directory.join("workspaces")
}

/// Reads the user's own layers; `flag` wins over `config.toml`.
pub fn choose(world: &World, flag: Option<&WorkspaceName>) -> Result<Chosen, RunError> {
    let user = user_file(world)?;
    let layers = Layers::begin(user.as_ref())?;
    let named = flag.or(layers.workspace()).cloned();
    let is_named = named.is_some();
    let name = named.unwrap_or_default();
    let path = path_of(world, &name);
    let text = read(&path)?;
    let layers = match &text {
        Some(text) => layers.with_workspace(&name, &PolicyText { path: path.clone(), text: text.clone() })?,
        None => layers,
    };
    Ok(Chosen { name, is_named, path, text, layers })
}

/// The user's `config.toml`. It may be a link to where the user keeps such files, but not to where a child can write.
fn user_file(world: &World) -> Result<Option<PolicyText>, RunError> {
    let path = world.config_directory.join("config.toml");
    let real = match path.canonicalize() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        real => real.map_err(|source| RunError::ReadPolicy { path: path.clone(), source })?,
    };
    let project = world.project();
    if real != path && real.starts_with(&project) && !world.home.starts_with(&project) {
        return Err(SourceError::Unsafe { path, why: Unsafe::InProject }.into());
    }
    Ok(read(&real)?.map(|text| PolicyText { path, text }))
}

/// All that holds in a project: its layers as one.
pub struct Held {
    /// The policy.
    pub merged: Merged,
    /// The files that it comes from, lowest first.
    pub files: Vec<PathBuf>,
}

/// Reads and merges all layers, without flags.
pub fn held(world: &World, flag: Option<&WorkspaceName>, trust: &[Fingerprint]) -> Result<Held, RunError> {
    let (merged, workspace) = merge(world, flag, trust, Flags::default())?;
    let user = Some(world.config_directory.join("config.toml")).filter(|path| path.exists());
    let project = merged.project.as_ref().map(|project| PathBuf::from(&project.path));
    let files = user.into_iter().chain(workspace).chain(project).collect();
    Ok(Held { merged, files })
}

/// All layers as one, and the workspace's file where there is one. A trusted project's file chooses the workspace where
/// no flag does.
pub(super) fn merge(
    world: &World,
    flag: Option<&WorkspaceName>,
    trust: &[Fingerprint],
    flags: Flags,
) -> Result<(Merged, Option<PathBuf>), RunError> {
    let project = project::read(world, trust)?;
    let of_project = project.as_ref().map_or(Ok(None), ProjectText::workspace)?;
    let chosen = choose(world, flag.or(of_project.as_ref()))?.existing()?;
    let workspace = chosen.text.is_some().then_some(chosen.path);
    Ok((chosen.layers.end(project.as_ref(), flags)?, workspace))
}

/// The workspace of a command on secrets: what a flag says, else what a trusted project chooses.
pub fn workspace_here(world: &World, flag: Option<WorkspaceName>) -> Result<Option<WorkspaceName>, RunError> {
    if flag.is_some() {
        return Ok(flag);
    }
    let project = project::read(world, &[])?;
    Ok(project.as_ref().map_or(Ok(None), ProjectText::workspace)?)
}

impl Chosen {
    /// This workspace, unless it was named and does not exist.
    pub fn existing(self) -> Result<Self, RunError> {
        if self.is_named && self.text.is_none() {
            return Err(RunError::NoWorkspace { name: self.name });
        }
        Ok(self)
    }
}

/// The text of a file of the user's own that this program writes; none where there is no file.
pub fn read(path: &Path) -> Result<Option<String>, RunError> {
    let Some(content) = private::read(path, Others::Readers, LARGEST)? else { return Ok(None) };
    let text = String::from_utf8(content.to_vec());
    text.map(Some)
        .map_err(|_| RunError::ReadPolicy { path: path.to_owned(), source: std::io::Error::other("not UTF-8") })
}
