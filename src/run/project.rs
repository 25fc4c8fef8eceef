//! The project's own policy file: read once, and whether its owner trusted what it holds.
//!
//! **Invariants.** What was hashed is what is parsed. Who trusts a file has it in the state directory, by its path and its
//! content: any other byte, or another place, is another file.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{RunError, read_policy};
use crate::policy::{Fingerprint, ProjectText, Standing};
use crate::source::private::{self, Lock, Others};
use crate::world::World;

/// The most bytes of what is kept of a file: its text, each character of which may take six.
const LARGEST: usize = 8 << 20;

/// What was trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trusted {
    /// The file.
    pub path: String,
    /// Its content.
    pub sha256: Fingerprint,
    /// When.
    pub trusted: Timestamp,
    /// Its text, so that a change can be shown.
    pub text: String,
}

impl Trusted {
    /// The day, as people write it.
    pub fn day(&self) -> String {
        self.trusted.strftime("%Y-%m-%d").to_string()
    }

    /// What the file holds now; none where there is no such file.
    pub fn now(&self) -> Result<Option<Fingerprint>, RunError> {
        Ok(read_policy(PathBuf::from(&self.path))?.map(|file| Fingerprint::of(file.text.as_bytes())))
    }
}

/// The project's file where there is one; trusted where its content was pinned, or is among `named`.
pub fn read(world: &World, named: &[Fingerprint]) -> Result<Option<ProjectText>, RunError> {
    let path = world.project().join("agentsecrets.toml");
    let Some(file) = read_policy(path.clone())? else {
        return if named.is_empty() { Ok(None) } else { Err(RunError::NothingToTrust { path }) };
    };
    let mut project = ProjectText::new(file);
    if !named.is_empty() {
        if !named.contains(&project.fingerprint) {
            return Err(RunError::OtherFingerprint { path, fingerprint: project.fingerprint });
        }
        project.standing = Standing::Trusted { since: None };
    } else if let Some(known) = trusted(world, &path)? {
        project.standing = if known.sha256 == project.fingerprint {
            Standing::Trusted { since: Some(known.day()) }
        } else {
            Standing::Untrusted { before: Some(known.day()) }
        };
    }
    Ok(Some(project))
}

/// What was trusted of the file `path`, whatever it holds now.
pub fn trusted(world: &World, path: &Path) -> Result<Option<Trusted>, RunError> {
    load(&place(world, path))
}

/// Everything that was trusted, by path.
pub fn all_trusted(world: &World) -> Result<Vec<Trusted>, RunError> {
    let directory = directory(world);
    let failed = |source| RunError::ReadPolicy { path: directory.clone(), source };
    let entries = match std::fs::read_dir(&directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut all = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            all.extend(load(&path)?);
        }
    }
    all.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    Ok(all)
}

/// Trusts the content of a file.
pub fn trust(world: &World, project: &ProjectText) -> Result<Trusted, RunError> {
    let record = Trusted {
        path: project.file.path.display().to_string(),
        sha256: project.fingerprint,
        trusted: Timestamp::now(),
        text: project.file.text.clone(),
    };
    let path = place(world, &project.file.path);
    let damaged = |_| RunError::BrokenTrust { path: path.clone() };
    let content = serde_json::to_vec(&record).map_err(damaged)?;
    let directory = directory(world);
    private::directory(&directory)?;
    let _lock = Lock::take(&directory.join(".lock"))?;
    private::replace(&path, &content)?;
    Ok(record)
}

/// No longer trusts a file; whether it was.
pub fn distrust(world: &World, path: &Path) -> Result<bool, RunError> {
    Ok(private::remove(&place(world, path))?)
}

fn load(path: &Path) -> Result<Option<Trusted>, RunError> {
    let Some(content) = private::read(path, Others::Nobody, LARGEST)? else { return Ok(None) };
    let record = serde_json::from_slice(&content).map_err(|_| RunError::BrokenTrust { path: path.to_owned() })?;
    Ok(Some(record))
}

fn directory(world: &World) -> PathBuf {
    world.state_directory.join("trust")
}

/// A file of its own for each path, so that one that is damaged concerns no other.
fn place(world: &World, path: &Path) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let name = Fingerprint::of(path.as_os_str().as_bytes()).digits();
    directory(world).join(format!("{name}.json"))
}
