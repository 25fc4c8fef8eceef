//! Finds the files that hold secrets: by their names, by the values in them, and while a run goes on.
//!
//! **Invariants.** Nothing is opened that is not a regular file, so that a FIFO called `.env` cannot hang a run, and
//! of a file that is rendered nothing is read beyond [`LARGEST`] bytes. What the child could read and we cannot is an error (C1).
//!
//! **Trade-off.** The project is walked whole, dependencies and ignored folders included: that is where forgotten keys
//! are. Only git's object store is left out, whose files are compressed and named by hash.

mod followed;
mod git;
mod git_config;
mod git_named;
mod home;
mod kube;
mod linked;
mod links;
mod live;
mod mounts;
mod names;
mod place;
mod project;
mod read;
mod root;
mod shell;
mod started;
mod sweep;
mod walk;
mod way;
mod writable;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::MaskError;
use crate::policy::{FileGlob, FileRules, Origin, Render, Sourced, Surroundings};

pub use linked::Repository;
pub use links::names_of;
pub use live::{Arrival, ProjectNames, Turn, Watch};
pub use mounts::second_mounts;
pub use read::LARGEST;
pub use sweep::{HeldContent, Holder, LiveSweep, Sweep, Swept, sweep};
pub use writable::Writable;

/// Where to look.
pub struct Search<'a> {
    /// The rules.
    pub rules: &'a FileRules,
    /// Project files that the user wants masked besides.
    pub mask: &'a [Sourced<FileGlob>],
    /// The project's directory, symlinks resolved.
    pub project: &'a Path,
    /// The user's home, symlinks resolved.
    pub home: &'a Path,
    /// What relative paths in variables start from.
    pub current_directory: &'a Path,
    /// The parent's variables.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Trees besides the project that the child may write, where sockets matter.
    pub writable: Writable<'a>,
    /// Those of them in which repositories may lie that are the user's.
    pub trees: &'a [PathBuf],
    /// The project's repository, where that lies outside of it.
    pub repository: Option<&'a Path>,
    /// What the run needs besides, wherever it lies: our own executable, the command.
    pub needed: &'a [PathBuf],
    /// The user's id: what it owns, it can make readable.
    pub uid: u32,
    /// The kernel's table of mounts (`proc_pid_mountinfo(5)`), empty where there is none.
    pub mounts: &'a [u8],
}

impl Search<'_> {
    /// Where the child may write besides the project, symlinks resolved.
    fn other_trees(&self) -> BTreeSet<PathBuf> {
        let trees = self.writable.trees().iter().chain(self.trees).map(PathBuf::as_path).chain(self.repository);
        trees.map(|tree| fs::canonicalize(tree).unwrap_or_else(|_| tree.to_owned())).collect()
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings { home: self.home, current_directory: self.current_directory, variable: self.variable }
    }
}

/// What was found.
#[derive(Default)]
pub struct Findings {
    /// Files and directories to mask, the project's first, each once.
    pub found: Vec<Found>,
    /// Existing paths that the child must not change.
    pub guarded: Vec<PathBuf>,
    /// What git's configuration and shells' start-up files name and what does not exist yet.
    pub awaited: Vec<Awaited>,
    /// Unix sockets in trees that the child may write.
    pub sockets: Vec<PathBuf>,
    /// The project's directories, itself included.
    pub directories: Vec<PathBuf>,
}

/// A path at which nothing stands, and which the host would obey if something did.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Awaited {
    /// Where it would stand, symlinks resolved; a relative one is meant from the top of any repository that is new.
    pub path: PathBuf,
    /// Whether a directory there is none of what is meant.
    pub is_file: bool,
}

/// A file or directory that holds secrets, or may.
pub struct Found {
    /// Where it really is, symlinks resolved.
    pub path: PathBuf,
    /// Further paths of the same file: hard links and second mounts.
    pub aliases: Vec<PathBuf>,
    /// How many of its names were not found.
    pub unseen_links: u64,
    /// Where it belongs.
    pub realm: Realm,
    /// The name by which other rules refer to it.
    pub id: Option<String>,
    /// Whether what stands in it may say where its secrets go (C3): it is the user's own, it lies where no run may write,
    /// and no symlink leads to it.
    pub may_grant: bool,
    /// How it is rendered; hidden where there is nothing.
    pub render: Option<Render>,
    /// What was read.
    pub content: Content,
    /// Why it was looked for, as the rest of a sentence: ``a name like `.env.*` ``.
    pub reason: String,
    /// Where the rule stands.
    pub origin: Origin,
}

/// Where a found file belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Realm {
    /// The project or one of its parents.
    Project,
    /// The home, or where a variable points.
    Home,
}

/// What was read of a found file.
pub enum Content {
    /// A regular file that is rendered: its bytes.
    Bytes(Zeroizing<Vec<u8>>),
    /// A file whose content was not needed.
    Unread,
    /// A file over [`LARGEST`], or none that can be read, such as a FIFO.
    Unreadable,
    /// A directory.
    Directory,
}

/// Looks for everything that the rules name.
pub fn find(search: &Search<'_>) -> Result<Findings, MaskError> {
    let git = git::read(search);
    let mut findings = project::find(search, &git)?;
    home::find(search, &mut findings)?;
    followed::find(search, &git, &mut findings)?;
    root::find(search, &mut findings)?;
    started::find(search, &mut findings);
    drop_what_lies_in_hidden_directories(&mut findings);
    links::resolve(search, &mut findings.found)?;
    mounts::resolve(search, &mut findings.found);
    links::guard(search, &mut findings.guarded);
    findings.guarded.sort();
    findings.guarded.dedup();
    findings.awaited.sort();
    findings.awaited.dedup();
    findings.sockets.sort();
    findings.sockets.dedup();
    Ok(findings)
}

/// An emptied directory has no files left to mask.
fn drop_what_lies_in_hidden_directories(findings: &mut Findings) {
    let directories: Vec<PathBuf> = findings
        .found
        .iter()
        .filter(|found| matches!(found.content, Content::Directory))
        .map(|found| found.path.clone())
        .collect();
    let lies_within =
        |path: &Path| directories.iter().any(|directory| path != directory && path.starts_with(directory));
    findings.found.retain(|found| !lies_within(&found.path));
    findings.guarded.retain(|path| !lies_within(path));
    findings.awaited.retain(|awaited| !lies_within(&awaited.path));
    findings.sockets.retain(|path| !lies_within(path));
}

#[cfg(test)]
mod tests;
