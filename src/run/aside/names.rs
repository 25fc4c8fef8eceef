//! Guarded names at fixed places that did not exist when the run began.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{Mode, fstatat};

use super::name::Made;
use super::walk::{is_folder, is_link};
use super::{Aside, Moved};

/// A name that is missing in a tree that the child writes.
#[derive(Debug)]
struct Missing {
    tree: PathBuf,
    relative: PathBuf,
    /// How many of its components were there.
    existed: usize,
    /// Whether none of those was a symlink.
    is_real: bool,
    /// Whether a folder there is none of what is meant.
    is_file: bool,
}

/// A folder in which every name that begins so is guarded, and those that were there.
#[derive(Debug)]
struct Family {
    tree: PathBuf,
    folder: PathBuf,
    begins: OsString,
    known: HashSet<OsString>,
}

/// What was missing.
#[derive(Debug, Default)]
pub(super) struct Names {
    missing: Vec<Missing>,
    families: Vec<Family>,
}

impl Names {
    /// Notes whether `relative` is missing in `tree`.
    pub(super) fn add(&mut self, tree: &Path, relative: &Path) {
        let name = relative.file_name().unwrap_or_default();
        if let Some(begins) = name.to_str().and_then(|name| name.strip_suffix('*')) {
            let folder = relative.parent().unwrap_or(Path::new("")).to_owned();
            let known = names_in(&tree.join(&folder), OsStr::new(begins)).collect();
            self.families.push(Family { tree: tree.into(), folder, begins: begins.into(), known });
            return;
        }
        let mut path = tree.to_owned();
        let there = relative.iter().take_while(|part| {
            path.push(part);
            path.symlink_metadata().is_ok()
        });
        let existed = there.count();
        // Symlinks of the user's on the way are followed now: what is made is made where they lead.
        let (there, rest): (PathBuf, PathBuf) =
            (relative.iter().take(existed).collect(), relative.iter().skip(existed).collect());
        let real = if existed > 0 { tree.join(&there).canonicalize().ok() } else { None };
        let real = real.and_then(|real| Some(real.strip_prefix(tree).ok()?.to_owned()));
        let is_real = real.is_some() || existed == 0;
        let (existed, relative) =
            real.map_or_else(|| (existed, relative.to_owned()), |real| (real.iter().count(), real.join(&rest)));
        if existed < relative.iter().count() {
            self.missing.push(Missing { tree: tree.into(), relative, existed, is_real, is_file: false });
        }
    }

    /// Notes that nothing was at `relative` in `tree` beyond its first `existed` components, which are no symlinks; with
    /// `is_file`, a folder there is nothing.
    pub(super) fn expect(&mut self, tree: &Path, relative: &Path, existed: usize, is_file: bool) {
        let missing = Missing { tree: tree.into(), relative: relative.into(), existed, is_real: true, is_file };
        self.missing.push(missing);
    }

    /// Sets aside what has been made since.
    pub(super) fn set_aside(mut self, run: &str, aside: &mut Aside) {
        for family in std::mem::take(&mut self.families) {
            let folder = family.tree.join(&family.folder);
            for name in names_in(&folder, &family.begins).filter(|name| !family.known.contains(name)) {
                let relative = family.folder.join(name);
                let existed = family.folder.components().count();
                let (tree, is_real) = (family.tree.clone(), false);
                self.missing.push(Missing { tree, relative, existed, is_real, is_file: false });
            }
        }
        for missing in self.missing.iter().filter(|missing| missing.may_be_there()) {
            let Ok(Some(made)) = missing.made() else { continue };
            let was = missing.tree.join(&made.relative);
            // A folder that the child has closed is set aside from above.
            let moved =
                made.set_aside(run).or_else(|_| missing.made_first()?.ok_or(io::ErrorKind::NotFound)?.set_aside(run));
            match moved {
                Ok(now) => aside.moved.push(Moved { was, now: missing.tree.join(now), is_replaced: false }),
                Err(_) => aside.left.push(was),
            }
        }
    }
}

fn names_in<'a>(folder: &Path, begins: &'a OsStr) -> impl Iterator<Item = OsString> + 'a {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    names.filter(move |name| name.as_encoded_bytes().starts_with(begins.as_encoded_bytes()))
}

impl Missing {
    /// Mostly it is not, and this is the cheapest way to see it.
    fn may_be_there(&self) -> bool {
        let first: PathBuf = self.relative.iter().take(self.existed + 1).collect();
        let state = self.tree.join(first).symlink_metadata();
        !state.is_err_and(|error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
    }

    /// What stands there now: the name itself, or a symlink or file of the child's in place of a folder on the way.
    fn made(&self) -> io::Result<Option<Made>> {
        self.walk(self.relative.components().count())
    }

    /// The outermost part that was not there.
    fn made_first(&self) -> io::Result<Option<Made>> {
        self.walk(self.existed + 1)
    }

    /// The component with this number, counted from 1, without following a symlink.
    fn walk(&self, wanted: usize) -> io::Result<Option<Made>> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut folder = open(&self.tree, flags, Mode::empty())?;
        let mut relative = PathBuf::new();
        for (number, name) in self.relative.iter().enumerate() {
            relative.push(name);
            let Ok(facts) = fstatat(&folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) else { return Ok(None) };
            let is_folder = is_folder(&facts);
            // In the place of a folder that was there, a symlink is the child's as well.
            let is_made = number >= self.existed || (self.is_real && is_link(&facts));
            if is_folder && self.is_file && number + 1 == self.relative.iter().count() {
                return Ok(None);
            }
            if number + 1 == wanted || (!is_folder && is_made) {
                return Ok(Some(Made { folder, name: name.to_owned(), relative }));
            }
            if !is_folder {
                return Ok(None);
            }
            folder = openat(&folder, name, flags, Mode::empty())?;
        }
        Ok(None)
    }
}
