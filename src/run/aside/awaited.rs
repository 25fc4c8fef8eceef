//! What git's configuration names and what was not there when a run began: in the repositories that were, and from the top of
//! those that the child has made since.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::git::Known;
use super::names::Names;
use crate::mask::Awaited;
use crate::plan::Plan;

/// What is looked for in every repository at the end.
#[derive(Debug, Default)]
pub(super) struct Later {
    /// By paths from its top on.
    awaited: Vec<Awaited>,
    /// `--writable`, with and without symlinks.
    granted: Vec<PathBuf>,
}

impl Later {
    /// Notes what is missing in the trees that are `written`, but for what the user has `granted`.
    pub(super) fn note<'a>(
        plan: &Plan,
        written: impl Iterator<Item = &'a PathBuf>,
        granted: &[PathBuf],
        names: &mut Names,
    ) -> Self {
        let real = granted.iter().filter_map(|place| place.canonicalize().ok());
        let (absolute, awaited): (Vec<_>, Vec<_>) =
            plan.awaited.iter().cloned().partition(|awaited| awaited.path.is_absolute());
        let later = Self { awaited, granted: granted.iter().cloned().chain(real).collect() };
        let trees: Vec<PathBuf> = written.filter_map(|tree| tree.canonicalize().ok()).collect();
        for Awaited { path, is_file } in absolute.iter().filter(|awaited| !later.is_granted(&awaited.path)) {
            let inside = trees.iter().find_map(|tree| Some((tree, path.strip_prefix(tree).ok()?)));
            if let Some((tree, relative)) = inside.filter(|(_, relative)| !relative.as_os_str().is_empty()) {
                let missing = path.ancestors().take_while(|above| above.symlink_metadata().is_err()).count();
                let count = relative.iter().count();
                names.expect(tree, relative, count - missing.min(count), *is_file);
            }
        }
        later
    }

    /// Whether the user has granted a path, and not merely a tree that holds its repository.
    fn is_granted(&self, path: &Path) -> bool {
        let holds_repository = |place: &Path| {
            let mut between = path.ancestors().take_while(|above| above.starts_with(place));
            between.any(|above| above.join(".git").symlink_metadata().is_ok())
        };
        self.granted.iter().any(|place| path.starts_with(place) && !holds_repository(place))
    }

    /// Notes what is meant in the repositories in `trees`: those whose `.git` is one of `files`, and git's own `directories`.
    pub(super) fn expect(
        &self,
        trees: &[PathBuf],
        files: &[PathBuf],
        directories: &[PathBuf],
        known: &Known,
        names: &mut Names,
    ) {
        let is_dot = |path: &&PathBuf| path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(".git"));
        let tops = files.iter().chain(directories).filter(is_dot).filter_map(|path| path.parent());
        let bases: Vec<&Path> =
            tops.chain(directories.iter().filter(|path| !is_dot(path)).map(PathBuf::as_path)).collect();
        for Awaited { path, is_file } in &self.awaited {
            for base in &bases {
                let path = joined(base, path);
                let inside = trees.iter().find_map(|tree| Some((tree, path.strip_prefix(tree).ok()?)));
                let Some((tree, relative)) = inside.filter(|(_, below)| !below.as_os_str().is_empty()) else {
                    continue;
                };
                let is_missing = path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
                if is_missing || known.was_there(&path) || self.is_granted(&path) {
                    continue;
                }
                let shared = base.iter().zip(path.iter()).take_while(|(one, other)| one == other).count();
                names.expect(tree, relative, shared.saturating_sub(tree.iter().count()), *is_file);
            }
        }
    }
}

/// A path from `base` on, without `.` and `..`: nothing is asked of what a child has made.
fn joined(base: &Path, path: &Path) -> PathBuf {
    let mut joined = base.to_owned();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(joined.pop()),
            Component::Normal(name) => joined.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    joined
}
