//! What happens to files while a run goes on: those that are put in the place of masked ones, new ones, moved ones.
//!
//! **Invariants.** A directory is watched before it is listed, so that nothing comes between; what the kernel had to drop
//! is looked for again. A directory that cannot be watched is an error, unless it is gone or closed to the user (C1). What
//! is done in one turn is bounded: whoever floods the directories with events does not hold up what comes between them.
//!
//! **Trade-off.** The kernel's watches are for one directory each (`inotify(7)`): a large project takes many. It tells of
//! a change after it was made, so that for a moment a new file shows.

mod listing;
mod names;
#[cfg(test)]
mod tests;
mod trail;

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

use super::project::is_object_store;
use crate::mask::MaskError;
use listing::{Listing, Why};
use trail::Trail;

pub use names::ProjectNames;

/// Times of directories are no finer than a tick of the kernel's clock.
const TICK: Duration = Duration::from_millis(20);

/// How long the end of other watches is waited for.
const MOMENT: Duration = Duration::from_millis(20);
const MOST_MOMENTS: u32 = 50;

/// Watches the project's directories, and those on the way to masked files.
pub struct Watch {
    inotify: Inotify,
    directories: HashMap<WatchDescriptor, Directory>,
    /// Below it everything is watched.
    project: Option<PathBuf>,
    masked: Masked,
    listing: Listing,
    trail: Trail,
    has_more: bool,
}

struct Directory {
    path: PathBuf,
    /// Whether it is the project's, and not only on the way to a masked file.
    is_project: bool,
}

/// What one turn brought.
#[derive(Default)]
pub struct Turn {
    /// What is to be looked at now, in order.
    pub pressing: Vec<Arrival>,
    /// Other files of the project that were written, moved or found in new directories; some more than once.
    pub written: Vec<PathBuf>,
    /// Where files of pressing names were moved away.
    pub left: Vec<PathBuf>,
    /// Other names of the project under which a file was made or linked.
    pub made: Vec<PathBuf>,
    /// Events were lost: any file of the project may be another. Those that are pressing are told in this turn and the next
    /// ones.
    pub has_lost: bool,
}

/// A file or directory that is masked, or has a name that the rules render, or had one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Arrival {
    /// Where it is.
    pub path: PathBuf,
    /// The path by whose rule it is to be judged: its own, or the one that it was moved away from.
    pub like: PathBuf,
}

impl Arrival {
    /// One that is judged by its own rule.
    pub fn at(path: PathBuf) -> Self {
        Self { like: path.clone(), path }
    }
}

/// Masked paths, with a cheap test in front: most events are of other names.
#[derive(Default)]
struct Masked {
    paths: HashSet<PathBuf>,
    names: HashSet<OsString>,
}

impl Masked {
    fn add(&mut self, path: &Path) {
        self.names.extend(path.file_name().map(OsStr::to_owned));
        self.paths.insert(path.to_owned());
    }

    fn holds(&self, directory: &Path, name: &OsStr) -> bool {
        self.names.contains(name) && self.paths.contains(&directory.join(name))
    }

    fn lie_in(&self, directory: &Path) -> bool {
        self.paths.iter().any(|path| path.starts_with(directory))
    }
}

impl Watch {
    /// Begins. `directories` are those of the project as they were at `since`; without any, it is not watched whole. What
    /// has changed since is told by the first turns.
    pub fn begin<'a>(
        project: &Path,
        directories: &[PathBuf],
        since: SystemTime,
        home: &Path,
        masked: impl Iterator<Item = &'a PathBuf>,
    ) -> Result<Self, MaskError> {
        let begun = inotify().map_err(|errno| MaskError::Watch { path: project.to_owned(), source: errno.into() });
        let mut watch = Self {
            inotify: begun?,
            directories: HashMap::new(),
            project: (!directories.is_empty()).then(|| project.to_owned()),
            masked: Masked::default(),
            listing: Listing::default(),
            trail: Trail::default(),
            has_more: true,
        };
        masked.for_each(|path| watch.masked.add(path));
        for path in watch.masked.paths.clone() {
            for directory in path.ancestors().skip(1).filter(|above| above.parent().is_some()) {
                watch.add(directory)?;
                // Above the home nothing of the user's is replaced, nor is it outside of it.
                if directory == home || !directory.starts_with(home) {
                    break;
                }
            }
        }
        for directory in directories {
            let is_watched = watch.add(directory)?;
            let is_old = |time: SystemTime| time + TICK < since;
            let is_as_it_was =
                || fs::symlink_metadata(directory).and_then(|metadata| metadata.modified()).is_ok_and(is_old);
            if is_watched && !is_as_it_was() {
                watch.listing.add(directory.clone(), Why::IsNew);
            }
        }
        Ok(watch)
    }

    /// Takes in what has happened since the last turn, a bounded part of it.
    pub fn turn(&mut self, names: &ProjectNames<'_>) -> Result<Turn, MaskError> {
        let mut turn = Turn::default();
        // One read holds some hundred events at most.
        let is_quiet = match self.inotify.read_events() {
            Ok(events) => {
                for event in &events {
                    self.take(event, names, &mut turn);
                }
                false
            }
            Err(Errno::EAGAIN) => true,
            Err(Errno::EINTR) => false,
            Err(errno) => {
                let path = self.project.clone().unwrap_or_default();
                return Err(MaskError::Watch { path, source: errno.into() });
            }
        };
        if self.trail.is_full() {
            let path = self.project.clone().unwrap_or_default();
            return Err(MaskError::Watch { path, source: io::Error::other("too many secret files were moved") });
        }
        if self.listing.is_too_long() {
            self.lose(&mut turn);
        }
        self.list(names, &mut turn)?;
        self.has_more = !is_quiet || !self.listing.is_empty();
        Ok(turn)
    }

    /// Whether there is more to be taken in than the kernel has told of: the next turn need not be waited for.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// Takes `path` for a masked one from now on.
    pub fn press(&mut self, path: &Path) {
        self.masked.add(path);
    }

    fn take(&mut self, event: &InotifyEvent, names: &ProjectNames<'_>, turn: &mut Turn) {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            self.lose(turn);
            return;
        }
        if event.mask.contains(AddWatchFlags::IN_IGNORED) {
            self.directories.remove(&event.wd);
            return;
        }
        let Some(name) = event.name.as_deref() else { return };
        let Some(Directory { path: directory, is_project }) = self.directories.get(&event.wd) else { return };
        let came = event.mask.intersects(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO);
        if event.mask.contains(AddWatchFlags::IN_ISDIR) {
            let path = directory.join(name);
            if came && self.matters(&path) {
                self.listing.add(path.clone(), Why::IsNew);
            }
            if came && self.masked.holds(directory, name) {
                turn.pressing.push(Arrival::at(path));
            }
            return;
        }
        let is_pressing = names.press(directory, name) || self.masked.holds(directory, name);
        if event.mask.contains(AddWatchFlags::IN_MOVED_FROM) {
            self.trail.leaves(event.cookie, directory, name, is_pressing);
            turn.left.extend(is_pressing.then(|| directory.join(name)));
            return;
        }
        let followed = self.trail.arrives(event.cookie, directory, name, is_pressing, came);
        let is_whole = event.mask.intersects(AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO);
        if is_pressing {
            turn.pressing.push(Arrival::at(directory.join(name)));
        } else if let Some(like) = followed {
            turn.pressing.push(Arrival { path: directory.join(name), like });
        } else if *is_project && is_whole {
            turn.written.push(directory.join(name));
        } else if *is_project && came {
            turn.made.push(directory.join(name));
        }
    }

    /// Begins anew: what is masked first, then every directory.
    fn lose(&mut self, turn: &mut Turn) {
        turn.has_lost = true;
        turn.pressing.extend(self.masked.paths.iter().cloned().map(Arrival::at));
        turn.pressing.extend(self.trail.all());
        self.listing.add_all(self.directories.values().map(|directory| &directory.path));
    }

    fn matters(&self, directory: &Path) -> bool {
        let is_in_project = self.project.as_ref().is_some_and(|project| directory.starts_with(project));
        is_in_project && !is_object_store(directory) || self.masked.lie_in(directory)
    }

    /// Watches and lists some of the directories that wait for it.
    fn list(&mut self, names: &ProjectNames<'_>, turn: &mut Turn) -> Result<(), MaskError> {
        let mut listing = std::mem::take(&mut self.listing);
        let mut step = listing.begin_step();
        while let Some(entry) = listing.next(&mut step, &mut |directory| self.add(directory))? {
            if entry.is_directory {
                let is_masked = self.masked.paths.contains(&entry.path);
                if is_masked {
                    turn.pressing.push(Arrival::at(entry.path.clone()));
                }
                if self.matters(&entry.path) {
                    listing.go_into(entry);
                }
                continue;
            }
            let (Some(directory), Some(name)) = (entry.path.parent(), entry.path.file_name()) else { continue };
            if names.press(directory, name) || self.masked.holds(directory, name) {
                turn.pressing.push(Arrival::at(entry.path));
            } else if entry.why == Why::IsNew && self.project.is_some() {
                turn.written.push(entry.path);
            }
        }
        self.listing = listing;
        Ok(())
    }

    /// Whether `directory` is watched now: false where it is gone, closed or none.
    fn add(&mut self, directory: &Path) -> Result<bool, MaskError> {
        // A file may be kept open by whoever writes it.
        let written = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CLOSE_WRITE;
        let moved = AddWatchFlags::IN_MOVED_FROM | AddWatchFlags::IN_MOVED_TO;
        let only = AddWatchFlags::IN_ONLYDIR | AddWatchFlags::IN_DONT_FOLLOW;
        match self.inotify.add_watch(directory, AddWatchFlags::IN_CREATE | moved | written | only) {
            Ok(descriptor) => {
                let is_project = self.project.as_ref().is_some_and(|project| directory.starts_with(project));
                self.directories.insert(descriptor, Directory { path: directory.to_owned(), is_project });
                Ok(true)
            }
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::ELOOP) => Ok(false),
            Err(errno) => Err(MaskError::Watch { path: directory.to_owned(), source: errno.into() }),
        }
    }
}

/// Waits a moment where the user has no more of them: those of runs that have just ended are closed meanwhile.
fn inotify() -> nix::Result<Inotify> {
    let mut rest = MOST_MOMENTS;
    loop {
        match Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK) {
            Err(Errno::EMFILE) if rest > 0 => rest -= 1,
            other => return other,
        }
        std::thread::sleep(MOMENT);
    }
}

impl AsFd for Watch {
    /// Readable when something has happened.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

impl From<Watch> for OwnedFd {
    /// The end of the watch, with what is left to close.
    fn from(watch: Watch) -> Self {
        watch.inotify.into()
    }
}
