//! What happens to secret files while a run goes on: files that are put in the place of masked ones, and new ones.
//!
//! **Invariants.** A directory is watched before it is listed, so that nothing comes between; what the kernel had to drop
//! is looked for again. A directory that cannot be watched is an error, unless it is gone or closed to the user (C1).
//!
//! **Trade-off.** The kernel's watches are for one directory each (`inotify(7)`): a large project takes many. It tells of
//! a change after it was made, so that for a moment a new file shows.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

use super::project::{Patterns, is_object_store, new_file};
use super::{Found, Search};
use crate::mask::MaskError;

/// Times of directories are no finer than a tick of the kernel's clock.
const TICK: Duration = Duration::from_millis(20);

/// Watches the project's directories, and those on the way to masked files.
pub struct Watch {
    inotify: Inotify,
    directories: HashMap<WatchDescriptor, PathBuf>,
    /// Below it everything is watched.
    project: Option<PathBuf>,
    /// Masked paths.
    masked: BTreeSet<PathBuf>,
}

impl Watch {
    /// Begins. `directories` are those of the project as they were at `since`; without any, it is not watched whole.
    pub fn begin<'a>(
        project: &Path,
        directories: &[PathBuf],
        since: SystemTime,
        home: &Path,
        masked: impl Iterator<Item = &'a PathBuf>,
    ) -> Result<Self, MaskError> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK);
        let inotify = inotify.map_err(|errno| MaskError::Watch { path: project.to_owned(), source: errno.into() })?;
        let project = (!directories.is_empty()).then(|| project.to_owned());
        let mut watch = Self { inotify, directories: HashMap::new(), project, masked: masked.cloned().collect() };
        for path in watch.masked.clone() {
            for directory in path.ancestors().skip(1).filter(|above| above.parent().is_some()) {
                watch.add(directory)?;
                // Above the home nothing of the user's is replaced, nor is it outside of it.
                if directory == home || !directory.starts_with(home) {
                    break;
                }
            }
        }
        let mut listed = Vec::new();
        for directory in directories {
            let is_watched = watch.add(directory)?;
            let is_old = |time: SystemTime| time + TICK < since;
            let is_as_it_was =
                || fs::symlink_metadata(directory).and_then(|metadata| metadata.modified()).is_ok_and(is_old);
            if is_watched && !is_as_it_was() {
                watch.list(directory, &mut listed)?;
            }
        }
        Ok(watch)
    }

    /// What has been put, made or written since the last time: paths of files and of directories that are masked, each
    /// once. Empty where nothing has.
    pub fn arrivals(&mut self) -> Result<BTreeSet<PathBuf>, MaskError> {
        let mut arrived = Vec::new();
        loop {
            let events = match self.inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EAGAIN) => return Ok(arrived.into_iter().collect()),
                Err(Errno::EINTR) => continue,
                Err(errno) => {
                    let path = self.project.clone().unwrap_or_default();
                    return Err(MaskError::Watch { path, source: errno.into() });
                }
            };
            for event in events {
                self.take(&event, &mut arrived)?;
            }
        }
    }

    fn take(&mut self, event: &InotifyEvent, arrived: &mut Vec<PathBuf>) -> Result<(), MaskError> {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            return self.look_again(arrived);
        }
        if event.mask.contains(AddWatchFlags::IN_IGNORED) {
            self.directories.remove(&event.wd);
            return Ok(());
        }
        let Some(path) = event.name.as_ref().and_then(|name| Some(self.directories.get(&event.wd)?.join(name))) else {
            return Ok(());
        };
        if event.mask.contains(AddWatchFlags::IN_ISDIR) {
            self.enter(&path, arrived)?;
        }
        arrived.push(path);
        Ok(())
    }

    /// Events were lost.
    fn look_again(&mut self, arrived: &mut Vec<PathBuf>) -> Result<(), MaskError> {
        arrived.extend(self.masked.iter().cloned());
        let known: Vec<PathBuf> = self.directories.values().cloned().collect();
        known.iter().try_for_each(|directory| self.enter(directory, arrived))
    }

    /// Watches a directory that matters, and takes in what is in it.
    fn enter(&mut self, directory: &Path, arrived: &mut Vec<PathBuf>) -> Result<(), MaskError> {
        let is_in_project = self.project.as_ref().is_some_and(|project| directory.starts_with(project));
        let leads_to_masked = || self.masked.iter().any(|path| path.starts_with(directory));
        if (is_in_project && !is_object_store(directory) || leads_to_masked()) && self.add(directory)? {
            self.list(directory, arrived)?;
        }
        Ok(())
    }

    fn list(&mut self, directory: &Path, arrived: &mut Vec<PathBuf>) -> Result<(), MaskError> {
        // Gone or closed again.
        let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.enter(&entry.path(), arrived)?;
            }
            arrived.push(entry.path());
        }
        Ok(())
    }

    /// Whether `directory` is watched now: false where it is gone, closed or none.
    fn add(&mut self, directory: &Path) -> Result<bool, MaskError> {
        // A file may be kept open by whoever writes it.
        let written = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CLOSE_WRITE;
        let arrival = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | written;
        let only = AddWatchFlags::IN_ONLYDIR | AddWatchFlags::IN_DONT_FOLLOW;
        match self.inotify.add_watch(directory, arrival | only) {
            Ok(descriptor) => {
                self.directories.insert(descriptor, directory.to_owned());
                Ok(true)
            }
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::ELOOP) => Ok(false),
            Err(errno) => Err(MaskError::Watch { path: directory.to_owned(), source: errno.into() }),
        }
    }
}

impl AsFd for Watch {
    /// Readable when there are [`arrivals`](Watch::arrivals).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

/// Tells secret files of the project by their names.
pub struct ProjectNames<'a> {
    search: &'a Search<'a>,
    patterns: Patterns<'a>,
}

impl<'a> ProjectNames<'a> {
    /// Those of these rules.
    pub fn new(search: &'a Search<'a>) -> Self {
        Self { search, patterns: Patterns::new(search) }
    }

    /// The file at `path`, if it is one that the rules name and that is rendered.
    pub fn look(&self, path: &Path) -> Result<Option<Found>, MaskError> {
        new_file(self.search, &self.patterns, path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(watch: &mut Watch, base: &Path) -> Vec<String> {
        let arrived = watch.arrivals().unwrap();
        arrived.iter().map(|path| path.strip_prefix(base).unwrap().display().to_string()).collect()
    }

    #[test]
    fn tells_what_arrives_and_goes_into_new_directories() {
        let place = tempfile::tempdir().unwrap();
        let base = place.path().canonicalize().unwrap();
        let [project, home] = ["home/p", "home"].map(|name| base.join(name));
        for name in ["home/p/a", "home/.claude", "home/other"] {
            fs::create_dir_all(base.join(name)).unwrap();
        }
        let masked = [project.join("a/.env"), home.join(".claude/login")];
        let since = SystemTime::now();
        // Made after the walk that found the directories.
        fs::create_dir_all(project.join("late/deep")).unwrap();
        let directories = [project.clone(), project.join("a")];
        let mut watch = Watch::begin(&project, &directories, since, &home, masked.iter()).unwrap();
        assert!(names(&mut watch, &base).is_empty());
        fs::write(project.join("late/deep/.env"), "x").unwrap();
        fs::write(home.join("other/x"), "x").unwrap();
        fs::write(home.join(".claude/new"), "x").unwrap();
        fs::rename(home.join(".claude/new"), home.join(".claude/login")).unwrap();
        let seen = names(&mut watch, &base);
        assert_eq!(seen, ["home/.claude/login", "home/.claude/new", "home/p/late/deep/.env"]);
        // A directory on the way is another now.
        fs::rename(project.join("a"), project.join("b")).unwrap();
        fs::create_dir_all(base.join("home/made")).unwrap();
        fs::write(base.join("home/made/.env"), "x").unwrap();
        fs::rename(base.join("home/made"), project.join("a")).unwrap();
        symlink(home.join("other"), project.join("link")).unwrap();
        let seen = names(&mut watch, &base);
        for name in ["home/p/a", "home/p/a/.env", "home/p/b", "home/p/link"] {
            assert!(seen.iter().any(|seen| seen == name), "{name} not in {seen:?}");
        }
        fs::write(project.join("a/.env.local"), "x").unwrap();
        fs::write(project.join("b/.env.local"), "x").unwrap();
        assert_eq!(names(&mut watch, &base), ["home/p/a/.env.local", "home/p/b/.env.local"]);
        let mut again = Vec::new();
        watch.look_again(&mut again).unwrap();
        for path in [&masked[0], &masked[1], &project.join("late/deep/.env")] {
            assert!(again.contains(path), "{}", path.display());
        }
    }
}
