//! One pass over a tree, by all processors if it is large, that looks at names and kinds alone.
//!
//! **Invariants.** Symlinks are not followed. A directory that the user owns and we cannot list is an error, because the
//! child could open it up; one of somebody else is closed to the child as well.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};

use ignore::{DirEntry, WalkBuilder, WalkState};

use super::project::is_object_store;
use crate::mask::MaskError;
use crate::policy::Guard;

/// What a pass found.
#[derive(Default)]
pub(super) struct Walk {
    /// Files and symlinks whose names match, and symlinks that lead to a file with such a name.
    pub(super) matching: Vec<PathBuf>,
    pub(super) sockets: Vec<PathBuf>,
    /// Roots of git repositories.
    pub(super) repositories: Vec<PathBuf>,
    /// What leads elsewhere: `.git` where it is no directory, and symlinks on the way to what is guarded.
    pub(super) links: Vec<PathBuf>,
    /// Directories with the shape of git's own, wherever they are: of bare repositories, of submodules and worktrees.
    pub(super) git_directories: Vec<PathBuf>,
    /// What is guarded in whatever folder it stands.
    pub(super) nested: Vec<PathBuf>,
    /// Directories that symlinks lead to.
    pub(super) linked_directories: Vec<PathBuf>,
    /// The tree's own directories, itself included.
    pub(super) directories: Vec<PathBuf>,
}

enum Event {
    Matching(PathBuf),
    Socket(PathBuf),
    Repository(PathBuf),
    Link(PathBuf),
    GitDirectory(PathBuf),
    Nested(PathBuf),
    LinkedDirectory(PathBuf),
    Directory(PathBuf),
    Failed(MaskError),
}

/// As many entries are looked at by one processor: to ask the others takes as long.
const FEW: usize = 1000;

/// What is done with each entry.
type Look<'a> = &'a (dyn Fn(Result<DirEntry, ignore::Error>, &Sender<Event>) + Sync);

/// What a pass looks for.
pub(super) struct Sought<'a> {
    /// Whether a path is of interest by its name.
    pub(super) matches: &'a (dyn Fn(&Path) -> bool + Sync),
    /// What is guarded, where it matters.
    pub(super) guard: Option<&'a Guard>,
}

/// Walks `tree` to `depth`.
pub(super) fn walk(tree: &Path, depth: Option<usize>, uid: u32, sought: &Sought<'_>) -> Result<Walk, MaskError> {
    let look = |entry: Result<DirEntry, ignore::Error>, sender: &Sender<Event>| match entry {
        Ok(entry) => visit(tree, &entry, sought, sender),
        Err(error) => failed(tree, &error, uid, sender),
    };
    let mut walk = Walk::default();
    for event in few(tree, depth, &look).unwrap_or_else(|| many(tree, depth, &look)) {
        match event {
            Event::Matching(path) => walk.matching.push(path),
            Event::Socket(path) => walk.sockets.push(path),
            Event::Repository(path) => walk.repositories.push(path),
            Event::Link(path) => walk.links.push(path),
            Event::GitDirectory(path) => walk.git_directories.push(path),
            Event::Nested(path) => walk.nested.push(path),
            Event::LinkedDirectory(path) => walk.linked_directories.push(path),
            Event::Directory(path) => walk.directories.push(path),
            Event::Failed(error) => return Err(error),
        }
    }
    walk.matching.sort();
    Ok(walk)
}

/// The events of a small tree; `None` if it is not one.
fn few(tree: &Path, depth: Option<usize>, look: Look<'_>) -> Option<Receiver<Event>> {
    let (sender, events) = mpsc::channel();
    for (count, entry) in everything(tree).max_depth(depth).build().enumerate() {
        if count == FEW {
            return None;
        }
        look(entry, &sender);
    }
    Some(events)
}

fn many(tree: &Path, depth: Option<usize>, look: Look<'_>) -> Receiver<Event> {
    let (sender, events) = mpsc::channel();
    everything(tree).max_depth(depth).build_parallel().run(|| {
        let sender = sender.clone();
        Box::new(move |entry| {
            look(entry, &sender);
            WalkState::Continue
        })
    });
    events
}

/// Every file below `tree` whose inode is one of `inodes`, git's object stores included: a name there is as good as another.
pub(super) fn with_inodes(tree: &Path, inodes: &[u64]) -> Vec<PathBuf> {
    let (sender, paths) = mpsc::channel();
    unfiltered(tree).filter_entry(|entry| !is_kernel_tree(entry)).build_parallel().run(|| {
        let sender = sender.clone();
        Box::new(move |entry| {
            if let Some(entry) = entry.ok().filter(|entry| is_one_of(entry, inodes)) {
                drop(sender.send(entry.into_path()));
            }
            WalkState::Continue
        })
    });
    drop(sender);
    paths.into_iter().collect()
}

/// The sockets at most `depth` levels below `tree`.
pub(super) fn sockets(tree: &Path, depth: usize) -> Vec<PathBuf> {
    let is_socket = |entry: &DirEntry| entry.file_type().is_some_and(|kind| kind.is_socket());
    let entries = everything(tree).max_depth(Some(depth)).build();
    entries.flatten().filter(is_socket).map(DirEntry::into_path).collect()
}

fn is_one_of(entry: &DirEntry, inodes: &[u64]) -> bool {
    entry.file_type().is_some_and(|kind| kind.is_file()) && entry.ino().is_some_and(|inode| inodes.contains(&inode))
}

/// A walk without any of the filters that the crate is known for.
pub(super) fn everything(tree: &Path) -> WalkBuilder {
    let mut builder = unfiltered(tree);
    builder.filter_entry(|entry| !is_object_store(entry.path()) && !is_kernel_tree(entry));
    builder
}

fn unfiltered(tree: &Path) -> WalkBuilder {
    let mut builder = WalkBuilder::new(tree);
    builder.standard_filters(false).follow_links(false);
    builder
}

/// Whether a path is one of the kernel's own trees, which a project at the root of the file system would lead into.
fn is_kernel_tree(entry: &DirEntry) -> bool {
    entry.depth() > 0 && ["/proc", "/sys", "/dev"].iter().any(|tree| entry.path() == Path::new(tree))
}

fn visit(tree: &Path, entry: &DirEntry, sought: &Sought<'_>, sender: &Sender<Event>) {
    let Some(kind) = entry.file_type() else { return };
    let (path, name, matches) = (entry.path(), entry.file_name(), sought.matches);
    let send = |event| drop(sender.send(event));
    if name.eq_ignore_ascii_case(".git") && entry.depth() > 0 {
        send(Event::Repository(path.parent().unwrap_or(tree).to_owned()));
        if !kind.is_dir() {
            send(Event::Link(path.to_owned()));
        }
    }
    if name.eq_ignore_ascii_case("HEAD")
        && let Some(directory) = path.parent().filter(|directory| is_git_directory(directory))
    {
        send(Event::GitDirectory(directory.to_owned()));
    }
    if sought.guard.is_some_and(|guard| guard.covers_nested(tree, path)) {
        send(Event::Nested(path.to_owned()));
    }
    if kind.is_symlink()
        && let Some(guard) = sought.guard
    {
        let reached = guard.reached_by(tree, path);
        if !reached.is_empty() {
            send(Event::Link(path.to_owned()));
        }
        for path in reached {
            send(Event::Nested(path));
        }
    }
    if kind.is_dir() {
        send(Event::Directory(path.to_owned()));
        return;
    }
    if kind.is_socket() {
        send(Event::Socket(path.to_owned()));
    } else if matches(path) {
        send(Event::Matching(path.to_owned()));
    } else if kind.is_symlink() {
        visit_symlink(tree, path, matches, sender);
    }
}

/// A symlink is worth resolving where it names a secret file or leads out of the tree. What it leads to inside is walked
/// anyway, and dependency folders hold symlinks by the thousand.
fn visit_symlink(tree: &Path, path: &Path, matches: &dyn Fn(&Path) -> bool, sender: &Sender<Event>) {
    let Ok(target) = fs::read_link(path) else { return };
    if matches(&target) {
        drop(sender.send(Event::Matching(path.to_owned())));
        return;
    }
    let stays_inside = normalised(&path.with_file_name("").join(target)).starts_with(tree);
    if stays_inside {
        return;
    }
    if let Some(real) = fs::canonicalize(path).ok().filter(|real| real.is_dir()) {
        drop(sender.send(Event::LinkedDirectory(real)));
    }
}

/// A path without `.` and `..`, by its text alone.
fn normalised(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            _ => plain.push(part),
        }
    }
    plain
}

/// Whether git takes a directory that holds `HEAD` for its own (`is_git_directory`): it has objects and references, or a
/// file that says where they are, as those of worktrees do.
fn is_git_directory(directory: &Path) -> bool {
    let holds = |name: &str| fs::symlink_metadata(directory.join(name)).is_ok();
    holds("commondir") || (holds("objects") && holds("refs"))
}

fn failed(tree: &Path, error: &ignore::Error, uid: u32, sender: &Sender<Event>) {
    let path = path_of(error).unwrap_or(tree).to_owned();
    let Some(kind) = error.io_error().map(io::Error::kind) else { return };
    let could_be_opened = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.uid() == uid);
    if kind == io::ErrorKind::NotFound || (kind == io::ErrorKind::PermissionDenied && !could_be_opened) {
        return;
    }
    let source = fs::read_dir(&path).err().unwrap_or_else(|| io::Error::from(kind));
    drop(sender.send(Event::Failed(MaskError::Unreadable { path, source })));
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        _ => None,
    }
}
