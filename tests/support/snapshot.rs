//! What stood in a folder before, so that what a run wrote can be told from what the test put there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What tells one state of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

/// Every file below a folder, at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot(BTreeMap<PathBuf, State>);

impl Snapshot {
    pub(crate) fn of(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        walk(folder, &mut files);
        Self(files)
    }

    /// Files that are new or changed since `earlier`.
    pub(crate) fn changed_since(&self, earlier: &Self) -> Vec<PathBuf> {
        let changed = self.0.iter().filter(|(path, state)| earlier.0.get(*path) != Some(*state));
        changed.map(|(path, _)| path.clone()).collect()
    }

    /// Files of `earlier` that are gone.
    pub(crate) fn gone_since(&self, earlier: &Self) -> Vec<PathBuf> {
        earlier.0.keys().filter(|path| !self.0.contains_key(*path)).cloned().collect()
    }
}

/// A folder that vanishes meanwhile, or one that may not be read, holds nothing to compare.
fn walk(folder: &Path, files: &mut BTreeMap<PathBuf, State>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(facts) = fs::symlink_metadata(entry.path()) else { continue };
        if facts.is_dir() {
            walk(&entry.path(), files);
        } else {
            let modified = (facts.ctime(), facts.ctime_nsec());
            files.insert(entry.path(), State { inode: facts.ino(), length: facts.size(), modified });
        }
    }
}
