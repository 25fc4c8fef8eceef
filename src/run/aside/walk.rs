//! What git, editors and shells would obey in a tree that a child has written: one pass over its directories when nothing
//! of the child lives any more.
//!
//! **Invariants.** Everything is reached by descriptors, and no symlink is followed, so that a path of any length is. A
//! directory of ours that the child has closed is opened up, because whoever knows a name in it could still reach that.
//! Directories, depth and names are bounded; what lies beyond is named (C1).
//!
//! **Trade-off.** Not the walk of `mask::find`: that goes by paths, which the kernel bounds, and refuses what it cannot list.

use std::ffi::OsStr;
use std::io;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmod, fchmodat, fstat, fstatat};
use nix::unistd::geteuid;

use crate::policy::Guard;

/// So many directories are looked at by one thread: to start others takes as long.
const FEW: usize = 400;
/// The most directories that are looked at.
const MOST: usize = 4_000_000;
/// The longest path of a directory from the tree on, in bytes: the kernel takes no longer one than half of it (`PATH_MAX`).
const LONGEST: usize = 8192;
/// The longest path that is given to the kernel at once.
const AT_ONCE: usize = 3072;

/// What a pass found, by paths from the tree on.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// `.git` where it is no directory.
    pub(super) git_files: Vec<PathBuf>,
    /// Directories called `.git`, and those with the shape of git's own.
    pub(super) git_directories: Vec<PathBuf>,
    /// What is guarded in whatever folder it stands.
    pub(super) nested: Vec<PathBuf>,
    /// Symlinks through which such would be reached.
    pub(super) links: Vec<PathBuf>,
    /// Directories that were closed.
    pub(super) opened: Vec<PathBuf>,
    /// What could not be looked at.
    pub(super) unseen: Vec<PathBuf>,
}

/// What is looked for.
struct Sought<'a> {
    guard: Option<&'a Guard>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

struct Queue {
    waiting: Vec<Folder>,
    busy: usize,
    count: usize,
    seen: Seen,
}

/// A directory that is still to be listed.
struct Folder {
    base: Arc<Base>,
    /// From the tree on.
    path: PathBuf,
}

/// An open directory from which others are reached.
struct Base {
    directory: OwnedFd,
    /// The bytes of its path from the tree on, with a slash behind.
    length: usize,
}

/// Walks `tree`; with `guard` what that names for any folder is looked for too.
pub(super) fn walk(tree: &Path, guard: Option<&Guard>) -> Seen {
    let Ok(directory) = open(tree, LISTED, Mode::empty()) else {
        return Seen { unseen: vec![PathBuf::new()], ..Seen::default() };
    };
    let root = Folder { base: Arc::new(Base { directory, length: 0 }), path: PathBuf::new() };
    let queue = Queue { waiting: vec![root], busy: 0, count: 0, seen: Seen::default() };
    let sought = Sought { guard, queue: Mutex::new(queue), changed: Condvar::new() };
    sought.work(FEW);
    if !sought.lock().waiting.is_empty() {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| sought.work(MOST));
            }
        });
    }
    let mut queue = sought.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    queue.seen.unseen.extend(queue.waiting.pop().map(|folder| top(&folder.path)));
    queue.seen
}

const LISTED: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// The outermost part of a path, which names it where the whole would be too long to show.
fn top(path: &Path) -> PathBuf {
    path.iter().take(1).collect()
}

impl Sought<'_> {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists directories until there are none, or `most` have been.
    fn work(&self, most: usize) {
        while let Some(folder) = self.next(most) {
            let (mut seen, mut below) = (Seen::default(), Vec::new());
            let result = self.list(&folder, &mut seen, &mut below);
            let mut queue = self.lock();
            queue.seen.take(seen);
            if result.is_err() {
                queue.seen.unseen.push(top(&folder.path));
            }
            // The first is listed first, as the names come from the disk.
            queue.waiting.extend(below.into_iter().rev());
            queue.busy -= 1;
            drop(queue);
            self.changed.notify_all();
        }
    }

    fn next(&self, most: usize) -> Option<Folder> {
        let mut queue = self.lock();
        loop {
            if queue.count >= most {
                return None;
            }
            if let Some(folder) = queue.waiting.pop() {
                queue.busy += 1;
                queue.count += 1;
                return Some(folder);
            }
            if queue.busy == 0 {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn list(&self, folder: &Folder, seen: &mut Seen, below: &mut Vec<Folder>) -> io::Result<()> {
        let Some(directory) = folder.open(seen)? else { return Ok(()) };
        let base = if folder.path.as_os_str().len() > folder.base.length + AT_ONCE {
            Arc::new(Base { directory: directory.try_clone()?, length: folder.path.as_os_str().len() + 1 })
        } else {
            Arc::clone(&folder.base)
        };
        let is_gits = folder.path.iter().any(|part| part.eq_ignore_ascii_case(".git"));
        let mut shape = Shape::default();
        for entry in Dir::from_fd(directory)?.iter() {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let is_directory =
                entry.file_type().map_or_else(|| folder.holds_directory(name), |kind| kind == Type::Directory);
            shape.add(name);
            let is_git = name.eq_ignore_ascii_case(".git");
            let guard = self.guard.filter(|guard| guard.nested.names(name));
            if !is_directory && !is_git && guard.is_none() {
                continue;
            }
            let path = folder.path.join(name);
            if is_git {
                let found = if is_directory { &mut seen.git_directories } else { &mut seen.git_files };
                found.push(path.clone());
            }
            let is_link = !is_directory && entry.file_type() != Some(Type::File);
            if guard.is_some_and(|guard| guard.covers_nested(Path::new(""), &path)) {
                seen.nested.push(path.clone());
            } else if is_link && guard.is_some_and(|guard| !guard.reached_by(Path::new(""), &path).is_empty()) {
                seen.links.push(path.clone());
            }
            // Objects are compressed and named by their hash; what a `.git` file leads to in there is judged by itself.
            if !is_directory || is_gits && name == "objects" {
                continue;
            }
            if path.as_os_str().len() > LONGEST {
                seen.unseen.push(top(&path));
            } else {
                below.push(Folder { base: Arc::clone(&base), path });
            }
        }
        if shape.is_gits() {
            seen.git_directories.push(folder.path.clone());
        }
        Ok(())
    }
}

/// Whether a state is that of a directory.
pub(super) fn is_folder(state: &FileStat) -> bool {
    SFlag::from_bits_truncate(state.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
}

/// Whether a state is that of a symlink.
pub(super) fn is_link(state: &FileStat) -> bool {
    SFlag::from_bits_truncate(state.st_mode) & SFlag::S_IFMT == SFlag::S_IFLNK
}

impl Folder {
    /// Its path from the base on.
    fn below(&self) -> &Path {
        let below = self.path.as_os_str().as_bytes().get(self.base.length..).filter(|below| !below.is_empty());
        Path::new(OsStr::from_bytes(below.unwrap_or(b".")))
    }

    /// For file systems that do not say what stands behind a name.
    fn holds_directory(&self, name: &OsStr) -> bool {
        let state = fstatat(&self.base.directory, &self.below().join(name), AtFlags::AT_SYMLINK_NOFOLLOW);
        state.is_ok_and(|state| is_folder(&state))
    }

    /// Opens it, and opens it up where the child has closed it; `None` where it is gone, or closed by somebody else.
    fn open(&self, seen: &mut Seen) -> io::Result<Option<OwnedFd>> {
        let path = self.below();
        let directory = match openat(&self.base.directory, path, LISTED, Mode::empty()) {
            Err(Errno::EACCES) => {
                let Ok(state) = fstatat(&self.base.directory, path, AtFlags::AT_SYMLINK_NOFOLLOW) else {
                    return Ok(None);
                };
                if !is_folder(&state) || state.st_uid != geteuid().as_raw() {
                    return Ok(None);
                }
                let mode = Mode::from_bits_truncate(state.st_mode) | Mode::S_IRWXU;
                fchmodat(&self.base.directory, path, mode, FchmodatFlags::NoFollowSymlink)?;
                seen.opened.push(self.path.clone());
                openat(&self.base.directory, path, LISTED, Mode::empty())?
            }
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
            opened => opened?,
        };
        let state = fstat(&directory)?;
        let mode = Mode::from_bits_truncate(state.st_mode);
        if !mode.contains(Mode::S_IXUSR) && state.st_uid == geteuid().as_raw() {
            fchmod(&directory, mode | Mode::S_IRWXU)?;
            seen.opened.push(self.path.clone());
        }
        Ok(Some(directory))
    }
}

impl Seen {
    fn take(&mut self, other: Self) {
        let Self { git_files, git_directories, nested, links, opened, unseen } = other;
        self.git_files.extend(git_files);
        self.git_directories.extend(git_directories);
        self.nested.extend(nested);
        self.links.extend(links);
        self.opened.extend(opened);
        self.unseen.extend(unseen);
    }
}

/// Which of the names stand in a directory by which git takes it for its own (`is_git_directory`).
#[derive(Debug, Default)]
struct Shape {
    marks: [bool; MARKS.len()],
}

const MARKS: [&str; 4] = ["HEAD", "commondir", "objects", "refs"];

impl Shape {
    fn add(&mut self, name: &OsStr) {
        for (mark, is_there) in MARKS.iter().zip(&mut self.marks) {
            *is_there |= name.eq_ignore_ascii_case(mark);
        }
    }

    fn is_gits(&self) -> bool {
        let [head, elsewhere, objects, references] = self.marks;
        head && (elsewhere || objects && references)
    }
}
