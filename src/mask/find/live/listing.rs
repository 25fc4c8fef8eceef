//! Directories that are to be watched and listed, a bounded part at a time.
//!
//! **Invariants.** What is in a directory when it is watched is listed, or the directory is gone. No step takes longer for
//! a directory with more in it.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, ReadDir};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::mask::MaskError;

/// Entries that one step takes in.
const ENTRIES: usize = 500;
/// Directories that one step opens, each of which takes as long as some tens of entries.
const DIRECTORIES: usize = 30;
/// Directories that may wait.
const MOST: usize = 100_000;

/// Why a directory is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It was made or moved here, or something was changed in it.
    IsNew,
    /// Events were lost.
    WasLost,
}

/// What waits.
#[derive(Default)]
pub(super) struct Listing {
    waiting: VecDeque<(PathBuf, Why)>,
    open: Option<(ReadDir, Why)>,
    /// Those that wait since events were lost: what is found in one of them need not wait twice.
    lost: HashSet<PathBuf>,
}

/// Something in a listed directory.
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) why: Why,
    pub(super) is_directory: bool,
}

/// What is left of a step.
pub(super) struct Step {
    entries: usize,
    directories: usize,
}

impl Listing {
    /// Has a directory listed.
    pub(super) fn add(&mut self, directory: PathBuf, why: Why) {
        self.waiting.push_back((directory, why));
    }

    /// Has all of these listed anew, small ones first: whoever floods one makes it large.
    pub(super) fn add_all<'a>(&mut self, directories: impl Iterator<Item = &'a PathBuf>) {
        let size = |path: &Path| fs::symlink_metadata(path).map_or(0, |metadata| metadata.size());
        let mut sized: Vec<(u64, &PathBuf)> = directories.map(|path| (size(path), path)).collect();
        sized.sort();
        // Whatever waits lies in one of them and is found again.
        self.waiting = sized.iter().map(|(_, path)| ((*path).clone(), Why::WasLost)).collect();
        self.lost = sized.into_iter().map(|(_, path)| path.clone()).collect();
        self.open = None;
    }

    /// Has a directory that was just found listed as well.
    pub(super) fn go_into(&mut self, entry: Entry) {
        // One that was not known is new.
        if entry.why == Why::IsNew || !self.lost.contains(&entry.path) {
            self.waiting.push_back((entry.path, Why::IsNew));
        }
    }

    /// Whether more waits than may: directories come and go by the thousand.
    pub(super) fn is_too_long(&self) -> bool {
        self.waiting.len() > MOST && self.lost.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.open.is_none()
    }

    #[expect(clippy::unused_self, reason = "a step is one of a listing")]
    pub(super) fn begin_step(&self) -> Step {
        Step { entries: ENTRIES, directories: DIRECTORIES }
    }

    /// The next entry; `None` where this step is over or nothing waits. `watch` says whether a directory is watched now.
    pub(super) fn next(
        &mut self,
        step: &mut Step,
        watch: &mut dyn FnMut(&Path) -> Result<bool, MaskError>,
    ) -> Result<Option<Entry>, MaskError> {
        while step.entries > 0 {
            let Some((entries, why)) = &mut self.open else {
                if step.directories == 0 {
                    return Ok(None);
                }
                let Some((directory, why)) = self.waiting.pop_front() else {
                    self.lost.clear();
                    return Ok(None);
                };
                step.directories -= 1;
                if watch(&directory)? {
                    self.open = list(&directory)?.map(|entries| (entries, why));
                }
                continue;
            };
            match entries.next() {
                Some(Ok(entry)) => {
                    step.entries -= 1;
                    let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
                    return Ok(Some(Entry { path: entry.path(), why: *why, is_directory }));
                }
                // The directory is gone.
                Some(Err(_)) | None => self.open = None,
            }
        }
        Ok(None)
    }
}

/// Opens a directory; `None` where it is gone or closed to the user again.
fn list(directory: &Path) -> Result<Option<ReadDir>, MaskError> {
    match fs::read_dir(directory) {
        Ok(entries) => Ok(Some(entries)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied => Ok(None),
            _ => Err(MaskError::Unreadable { path: directory.to_owned(), source: error }),
        },
    }
}
