//! What a guarded child could change and a program of the host's would run or obey later: looked at before and after.
//!
//! **Invariant.** A change is seen whatever the child does about it: the time of a file's last change of state cannot be
//! set (`inode(7)`).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The most entries that are looked at; hooks and settings are few.
const MOST: usize = 4096;

/// What stands for a file's state: device, inode, seconds and nanoseconds of the last change.
type State = (u64, u64, i64, i64);

/// The state of all that is watched.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Watched {
    paths: Vec<PathBuf>,
    states: BTreeMap<PathBuf, State>,
}

impl Watched {
    /// Looks at `paths`, and at what lies in them.
    pub(super) fn look(paths: &[PathBuf]) -> Self {
        let mut states = BTreeMap::new();
        for path in paths {
            collect(path, &mut states);
        }
        Self { paths: paths.to_vec(), states }
    }

    /// What has been changed, made or removed since.
    pub(super) fn changes(&self) -> Vec<PathBuf> {
        let now = Self::look(&self.paths);
        let mut changed: Vec<PathBuf> = now
            .states
            .iter()
            .filter(|(path, state)| self.states.get(*path) != Some(*state))
            .map(|(path, _)| path.clone())
            .collect();
        changed.extend(self.states.keys().filter(|path| !now.states.contains_key(*path)).cloned());
        // A directory has changed because something in it has: what did says more.
        let is_told = |path: &PathBuf| changed.iter().any(|other| other != path && other.starts_with(path));
        let told: Vec<PathBuf> = changed.iter().filter(|path| !is_told(path)).cloned().collect();
        told
    }
}

fn collect(path: &Path, states: &mut BTreeMap<PathBuf, State>) {
    let Ok(metadata) = path.symlink_metadata() else { return };
    if states.len() >= MOST {
        return;
    }
    states.insert(path.to_owned(), (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec()));
    if metadata.is_dir()
        && let Ok(entries) = fs::read_dir(path)
    {
        for entry in entries.flatten() {
            collect(&entry.path(), states);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_whatever_is_done_about_it() {
        let place = tempfile::tempdir().unwrap();
        let [hooks, rest] = ["hooks", "rest"].map(|name| place.path().join(name));
        fs::create_dir(&hooks).unwrap();
        fs::create_dir(&rest).unwrap();
        let [kept, edited, removed] = ["kept", "edited", "removed"].map(|name| hooks.join(name));
        for path in [&kept, &edited, &removed] {
            fs::write(path, "a").unwrap();
        }
        let before = Watched::look(&[hooks.clone(), rest.clone(), place.path().join("none")]);
        assert_eq!(before.changes(), Vec::<PathBuf>::new());
        let time = fs::metadata(&edited).unwrap().modified().unwrap();
        fs::write(&edited, "b").unwrap();
        fs::File::options().write(true).open(&edited).unwrap().set_modified(time).unwrap();
        fs::remove_file(&removed).unwrap();
        fs::write(hooks.join("made"), "c").unwrap();
        let mut changes = before.changes();
        changes.sort();
        assert_eq!(changes, [edited, hooks.join("made"), removed]);
    }
}
