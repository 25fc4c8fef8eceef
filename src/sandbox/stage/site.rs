//! What the init builds on: the profile, checked against the machine as it is, before anything is changed.
//!
//! **Invariants.** Writable trees are canonical, do not lie in one another, and none is the home directory or above it.
//! Masks hold every path at which a masked file can be seen, second mounts included.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};

use super::super::failure::{Blame, Failure};
use super::super::left_out::LeftOut;
use super::super::mechanism::Mechanism;
use super::super::mountinfo::{self, Mount};
use super::super::profile::{Mask, Profile};
use super::kernel;

/// Directories of which the seal has its own: what the host has there is not seen.
pub(super) const VOLATILE: &[(&str, Mechanism)] = &[
    ("/tmp", Mechanism::OwnTmp),
    ("/var/tmp", Mechanism::OwnTmp),
    ("/run", Mechanism::OwnRun),
    ("/dev", Mechanism::OwnDev),
];

/// The ground of a seal.
#[derive(Debug)]
pub(super) struct Site<'a> {
    /// What was asked.
    pub(super) profile: &'a Profile,
    /// What a test leaves out.
    pub(super) left_out: &'a LeftOut,
    /// Ids are mapped one to one.
    pub(super) real_root: bool,
    /// The user's own ids, which are the same inside.
    pub(super) user: u32,
    /// The user's group.
    pub(super) group: u32,
    /// The home directory, symlinks resolved.
    pub(super) home: PathBuf,
    /// The host's mounts.
    pub(super) mounts: Vec<Mount>,
    /// What stays writable, by canonical path.
    pub(super) trees: Vec<PathBuf>,
    /// Those of the trees that the host's mounts let be written.
    pub(super) writable_on_host: Vec<PathBuf>,
    /// What is masked: files, hidden directories, our own places, and all their second mounts.
    pub(super) masks: Vec<Mask>,
}

impl<'a> Site<'a> {
    /// Looks at the machine.
    pub(super) fn survey(profile: &'a Profile, left_out: &'a LeftOut, real_root: bool) -> Result<Self, Failure> {
        let table = Path::new("/proc/self/mountinfo");
        let text = kernel::read(table).blame_at(Mechanism::MountNamespace, "reading mounts", table)?;
        let mounts = mountinfo::parse(&text)
            .ok_or_else(|| Failure::found(Mechanism::MountNamespace, "reading mounts", Some(table)))?;
        let (user, group) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let home = fs::canonicalize(&profile.home).unwrap_or_else(|_| profile.home.clone());
        let trees = trees(profile, &home)?;
        let is_writable =
            |tree: &&PathBuf| statvfs(*tree).is_ok_and(|facts| !facts.flags().contains(FsFlags::ST_RDONLY));
        let writable_on_host = trees.iter().filter(is_writable).cloned().collect();
        if let Some(path) =
            profile.hidden.iter().find(|path| !path.exists() && trees.iter().any(|tree| path.starts_with(tree)))
            && !left_out.has(Mechanism::OwnState)
        {
            let step = "our own directory does not exist yet and lies in a writable one, where the child could make it";
            return Err(Failure::found(Mechanism::OwnState, step, Some(path)));
        }
        let masks = masks(profile, left_out, &mounts, &trees);
        let closes = |mask: &&Mask| trees.iter().any(|tree| tree.starts_with(&mask.path));
        if let Some(mask) = masks.iter().find(closes).filter(|_| !left_out.has(Mechanism::HiddenPlaces)) {
            let step = "what the child is to write lies in a hidden directory, or is a second mount of one";
            return Err(Failure::found(Mechanism::HiddenPlaces, step, Some(&mask.path)));
        }
        Ok(Self { profile, left_out, real_root, user, group, home, mounts, trees, writable_on_host, masks })
    }

    /// Whether `mechanism` is left out.
    pub(super) fn without(&self, mechanism: Mechanism) -> bool {
        self.left_out.has(mechanism)
    }

    /// The writable tree in which `path` lies.
    pub(super) fn tree_of(&self, path: &Path) -> Option<&PathBuf> {
        self.trees.iter().find(|tree| path.starts_with(tree))
    }

    /// Whether `path` lies where the seal has a directory of its own.
    pub(super) fn is_volatile(&self, path: &Path) -> bool {
        VOLATILE.iter().any(|(directory, mechanism)| path.starts_with(directory) && !self.without(*mechanism))
    }
}

/// The writable trees: the project, what else was asked for and exists, and what the command line names in /tmp.
fn trees(profile: &Profile, home: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = BTreeSet::new();
    if profile.project_is_bound {
        let step = "finding the project";
        let project = fs::canonicalize(&profile.project).blame_at(Mechanism::ReadOnlyRoot, step, &profile.project)?;
        found.insert(project);
    }
    for path in &profile.writable {
        // What does not exist needs no binding.
        if let Ok(path) = fs::canonicalize(path) {
            found.insert(path);
        }
    }
    for path in &profile.argument_paths {
        if let Ok(path) = fs::canonicalize(path)
            && VOLATILE.iter().any(|(directory, _)| path.starts_with(directory) && path != Path::new(directory))
            && !fs::metadata(&path).is_ok_and(|metadata| metadata.file_type().is_socket())
        {
            found.insert(path);
        }
    }
    let too_high = |path: &&PathBuf| home.starts_with(path) || path.parent().is_none();
    if let Some(path) = found.iter().find(too_high) {
        let step = "binding a writable directory that is the home directory or lies above it";
        return Err(Failure::found(Mechanism::ReadOnlyRoot, step, Some(path)));
    }
    Ok(outermost(found))
}

/// Without those that lie in another.
fn outermost(paths: BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let mut kept: Vec<PathBuf> = Vec::new();
    for path in paths {
        // In the order of a set of paths, a directory comes before what it holds.
        if kept.last().is_none_or(|last| !path.starts_with(last)) {
            kept.push(path);
        }
    }
    kept
}

fn masks(profile: &Profile, left_out: &LeftOut, mounts: &[Mount], trees: &[PathBuf]) -> Vec<Mask> {
    let own = profile.hidden.iter().filter(|_| !left_out.has(Mechanism::OwnState));
    let own = own.filter(|path| path.exists()).map(Mask::directory);
    let asked: Vec<Mask> =
        profile.masks.iter().filter(|mask| !is_replaced(&mask.path, trees)).cloned().chain(own).collect();
    let mut masks = asked.clone();
    for mask in asked {
        for alias in mountinfo::aliases(mounts, &mask.path) {
            // The parent has found some of them, too.
            if masks.iter().all(|known| known.path != alias) && same_file(&alias, &mask.path) {
                masks.push(Mask { path: alias, kind: mask.kind.clone() });
            }
        }
    }
    masks
}

/// Whether `path` lies in a kernel file system, where a symlink in the project may lead: what is there belongs to a
/// process, and inside each sees its own.
fn is_replaced(path: &Path, trees: &[PathBuf]) -> bool {
    ["/proc", "/sys", "/dev"].iter().any(|directory| path.starts_with(directory))
        && !trees.iter().any(|tree| path.starts_with(tree))
}

fn same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    identity(one).is_some_and(|one| Some(one) == identity(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_outermost() {
        let paths = ["/a/b", "/a", "/ab", "/a/b/c", "/c/d"].map(PathBuf::from);
        let kept = outermost(BTreeSet::from(paths));
        assert_eq!(kept, ["/a", "/ab", "/c/d"].map(PathBuf::from));
    }

    #[test]
    fn masks_nothing_of_the_kernel() {
        let trees = ["/dev/shm/p".into()];
        for (path, expected) in [
            ("/proc/self/environ", true),
            ("/sys/x", true),
            ("/dev/zero", true),
            ("/dev/shm/p/.env", false),
            ("/processes/.env", false),
            ("/home/u/.env", false),
        ] {
            assert_eq!(is_replaced(Path::new(path), &trees), expected, "{path}");
        }
    }

    #[test]
    fn refuses_trees_above_home() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        fs::create_dir(home.join("p")).unwrap();
        let profile = |project: &Path| Profile {
            project: project.to_owned(),
            project_is_bound: true,
            home: home.clone(),
            argument_paths: vec!["/tmp".into(), home.join("none")],
            ..Profile::default()
        };
        assert_eq!(trees(&profile(&home.join("p")), &home).unwrap(), [home.join("p")]);
        for project in [home.as_path(), home.parent().unwrap(), Path::new("/")] {
            assert!(trees(&profile(project), &home).is_err(), "{}", project.display());
        }
    }
}
