//! Judges the repositories that a child has made or changed: what in them would have git start something is set aside.
//!
//! **Invariants.** Configuration is read as data, and nothing is started. What stood there and was guarded when the run began
//! is the user's. What cannot be judged is set aside whole (C1), and a repository is the less for it, never the child's.

use std::collections::{HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

use super::name::Made;
use super::walk::is_folder;
use super::{Aside, Moved};
use crate::mask::GitSettings;
use crate::run::spot::{Look, Spot};

/// The most bytes of a configuration: git's own have some hundred.
const LARGEST: u64 = 1 << 20;

/// What was there when the run began, and what the user has granted.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Guarded paths; a directory stands for all below it.
    pub(super) guarded: HashSet<PathBuf>,
    /// `--writable`.
    pub(super) granted: Vec<PathBuf>,
}

impl Known {
    pub(super) fn was_there(&self, path: &Path) -> bool {
        path.ancestors().any(|above| self.guarded.contains(above))
    }

    pub(super) fn is_granted(&self, path: &Path) -> bool {
        self.granted.iter().any(|place| path.starts_with(place))
    }

    /// Whether the user has granted a path in git's own `directory`, and not merely a tree that holds that.
    fn is_granted_in(&self, path: &Path, directory: &Path) -> bool {
        self.granted.iter().any(|place| place.starts_with(directory) && path.starts_with(place))
    }
}

/// Judges, and sets aside.
pub(super) struct Judge<'a> {
    pub(super) known: &'a Known,
    /// Where they may lie.
    pub(super) trees: &'a [PathBuf],
    pub(super) run: &'a str,
    pub(super) aside: &'a mut Aside,
}

impl Judge<'_> {
    /// Judges `files`, which are called `.git`, what they lead to, and `directories`.
    pub(super) fn judge(&mut self, files: &[PathBuf], directories: Vec<PathBuf>) {
        let mut waiting = VecDeque::from(directories);
        for file in files.iter().filter(|file| !self.known.was_there(file) && !self.known.granted.contains(file)) {
            match self.led_to(file) {
                Some(directory) => waiting.push_back(directory),
                None => drop(self.set_aside(file)),
            }
        }
        // The deepest first: what is set aside takes with it what lies below.
        waiting.make_contiguous().sort_by_key(|directory| std::cmp::Reverse(directory.components().count()));
        let mut judged = HashSet::new();
        while let Some(directory) = waiting.pop_front() {
            if judged.insert(directory.clone()) {
                waiting.extend(self.judge_directory(&directory));
            }
        }
    }

    /// The directory that a file called `.git` leads to; `None` where that is none that is judged here.
    fn led_to(&self, file: &Path) -> Option<PathBuf> {
        let text = self.own_text(file)?;
        let path = line(&text).strip_prefix(b"gitdir: ")?;
        if path.contains(&0) {
            return None;
        }
        let directory = fs::canonicalize(file.parent()?.join(OsStr::from_bytes(path))).ok()?;
        // One that is closed to us could still be reached by the names in it.
        self.names(&directory).is_ok().then_some(directory)
    }

    /// The text of a small regular file that has no other name afterwards: by another one a later run could change it,
    /// although its first is guarded then.
    fn own_text(&self, file: &Path) -> Option<Vec<u8>> {
        let (tree, relative) = self.place(file)?;
        let spot = Spot::find(tree, relative, false).ok()??;
        let (state, text) = spot.read(LARGEST).ok()??;
        if state.st_nlink > 1 {
            spot.write(&text, Look { mode: state.st_mode, owner: None }).ok()?;
        }
        Some(text)
    }

    /// The tree in which a path lies, and its path from there on.
    fn place<'p>(&self, path: &'p Path) -> Option<(&Path, &'p Path)> {
        self.trees.iter().find_map(|tree| Some((tree.as_path(), path.strip_prefix(tree).ok()?)))
    }

    /// Judges what git obeys in its own `directory`; gives the one that it shares settings with.
    fn judge_directory(&mut self, directory: &Path) -> Option<PathBuf> {
        let names = match self.names(directory) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(_) => {
                self.aside.left.push(directory.to_owned());
                return None;
            }
        };
        let mut shared = None;
        for name in names {
            let path = directory.join(&name);
            if self.known.was_there(&path) || self.known.is_granted_in(&path, directory) {
                continue;
            }
            match name.to_ascii_lowercase().as_bytes() {
                b"config" | b"config.worktree" => self.judge_settings(directory, &path),
                b"hooks" if !self.starts_nothing(&path) => drop(self.set_aside(&path)),
                b"commondir" => {
                    shared = self.shared(directory, &path);
                    if shared.is_none() {
                        self.set_aside(&path);
                    }
                }
                _ => {}
            }
        }
        shared
    }

    /// The directory of a worktree's repository, where it lies as git lays it.
    fn shared(&self, directory: &Path, file: &Path) -> Option<PathBuf> {
        let text = self.own_text(file)?;
        let above = directory.parent().filter(|above| above.file_name().is_some_and(|name| name == "worktrees"))?;
        let shared = above.parent().filter(|_| line(&text) == b"../..")?;
        self.place(shared).map(|_| shared.to_owned())
    }

    fn judge_settings(&mut self, directory: &Path, file: &Path) {
        let Some((tree, relative)) = self.place(file) else { return };
        let tree = tree.to_owned();
        let read = Spot::find(&tree, relative, false).and_then(|spot| {
            let spot = spot.ok_or(io::ErrorKind::NotFound)?;
            if spot.state()?.as_ref().is_some_and(is_folder) {
                return Ok(None);
            }
            // What is no regular file is none that git has written.
            let text = spot.read(LARGEST + 1)?;
            Ok(Some((spot, text)))
        });
        let (spot, mode, cleaned) = match read {
            // A name of the user's, of a branch or a submodule.
            Ok(None) => return,
            Ok(Some((spot, Some((state, text))))) if text.len() as u64 <= LARGEST => {
                let is_own =
                    |place: &Path| fs::canonicalize(directory.join(place)).is_ok_and(|real| real.starts_with(&tree));
                match GitSettings::judge(&text, &is_own) {
                    GitSettings::Harmless if self.own_text(file).is_some() => return,
                    GitSettings::Cleaned(text) => (Some(spot), state.st_mode, text),
                    GitSettings::Harmless | GitSettings::Unknown => (None, 0, Vec::new()),
                }
            }
            Ok(Some(_)) | Err(_) => (None, 0, Vec::new()),
        };
        // Between the two steps there are no settings, which start nothing either.
        if self.set_aside(file)
            && let Some(spot) = spot
            && spot.write(&cleaned, Look { mode, owner: None }).is_ok()
            && let Some(moved) = self.aside.moved.last_mut()
        {
            moved.is_replaced = true;
        }
    }

    /// Whether a folder of hooks holds samples alone.
    fn starts_nothing(&self, folder: &Path) -> bool {
        self.names(folder).is_ok_and(|names| names.iter().all(|name| name.as_bytes().ends_with(b".sample")))
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let (tree, relative) = self.place(directory).ok_or(io::ErrorKind::NotFound)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let opened = match Made::at(tree, relative)? {
            Some(made) => openat(&made.folder, made.name.as_os_str(), flags, Mode::empty())?,
            None if relative.as_os_str().is_empty() => open(tree, flags, Mode::empty())?,
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        let mut names = Vec::new();
        for entry in Dir::from_fd(opened)?.iter() {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Whether it is out of the way.
    pub(super) fn set_aside(&mut self, path: &Path) -> bool {
        let Some((tree, relative)) = self.place(path) else { return false };
        let moved = match Made::at(tree, relative) {
            Ok(Some(made)) => made.set_aside(self.run).map(|place| tree.join(place)),
            Ok(None) => return false,
            Err(error) => Err(error),
        };
        let is_moved = moved.is_ok();
        match moved {
            Ok(now) => self.aside.moved.push(Moved { was: path.to_owned(), now, is_replaced: false }),
            Err(_) => self.aside.left.push(path.to_owned()),
        }
        is_moved
    }
}

/// As git reads a file of one line: a blank at the end belongs to it.
fn line(text: &[u8]) -> &[u8] {
    let length = text.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    &text[..length]
}
