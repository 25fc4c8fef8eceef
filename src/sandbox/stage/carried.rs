//! Host places that stay as they are: taken as detached copies before everything becomes read-only, put back on top.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use super::site::Site;
use super::staging::{WRITABLE, make_directories};
use crate::sys::mount::{Restrictions, attach_tree, clone_tree, restrict};

/// A detached copy of a place.
#[derive(Debug)]
pub(super) struct Carried {
    tree: OwnedFd,
    path: PathBuf,
    is_directory: bool,
}

impl Carried {
    /// Takes the place at `path` as it is now, with all mounts in it.
    pub(super) fn take(path: &Path) -> io::Result<Self> {
        let is_directory = fs::symlink_metadata(path)?.is_dir();
        Ok(Self { tree: clone_tree(path, true)?, path: path.to_owned(), is_directory })
    }

    /// Adds restrictions to it and to all mounts in it.
    pub(super) fn restrict(self, restrictions: Restrictions) -> io::Result<Self> {
        restrict(&self.tree, restrictions, true)?;
        Ok(self)
    }

    /// Puts it back where it was. Where the seal has a directory of its own, the way there is made first.
    pub(super) fn put_back(self, site: &Site) -> io::Result<()> {
        if site.is_volatile(&self.path) {
            make_way(&self.path, self.is_directory)?;
        }
        attach_tree(self.tree, &self.path)
    }
}

/// Takes every writable tree.
pub(super) fn take_trees(site: &Site) -> Result<Vec<Carried>, Failure> {
    let take = |path: &PathBuf| Carried::take(path)?.restrict(WRITABLE);
    let step = "keeping a writable directory";
    site.trees.iter().map(|path| take(path).blame_at(Mechanism::ReadOnlyRoot, step, path)).collect()
}

/// Makes the directories on the way to `path`, and `path` itself to mount on, where they do not exist yet.
pub(super) fn make_way(path: &Path, is_directory: bool) -> io::Result<()> {
    if is_directory {
        return make_directories(path);
    }
    if let Some(parent) = path.parent() {
        make_directories(parent)?;
    }
    if path.symlink_metadata().is_err() {
        fs::File::create_new(path)?;
    }
    Ok(())
}
