//! The sweep of single files while a run goes on.
//!
//! **Trade-off.** Large files are not read: a child that writes them again and again would have us read them as often.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use super::content::{Piece, Searcher, Seen};
use super::{HeldContent, held, walk};
use crate::mask::MaskError;

/// The most bytes of a file that is searched.
const MOST: u64 = 64 << 20;

/// Searches files for the values that were known at the start.
pub struct LiveSweep {
    searcher: Searcher,
    piece: Piece,
}

impl LiveSweep {
    /// Searches for these.
    pub fn new(values: &[&[u8]]) -> Result<Self, MaskError> {
        Ok(Self { searcher: Searcher::new(values)?, piece: Searcher::piece() })
    }

    /// What is known of the file at `path`, if it holds a value or may. `None` as well where no regular file is there, or
    /// one of more than 64 MiB, or one that the user may not read.
    pub fn look(&mut self, path: &Path) -> Option<HeldContent> {
        match self.searcher.look_at_small(path, MOST, &mut self.piece) {
            Seen::Nothing => None,
            // What was moved away meanwhile is told of under its other name.
            seen => Some(held(path, seen)).filter(|content| !is_gone(path, content)),
        }
    }

    /// Calls `visit` for every file of `tree` that was written, moved or linked since `since`, as far as the file system's
    /// clock tells; ends where `visit` says false.
    pub fn changed(tree: &Path, since: SystemTime, visit: &mut dyn FnMut(&Path) -> bool) {
        let since = since.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        for entry in walk::everything(tree).build().flatten() {
            let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
            let is_changed = || fs::symlink_metadata(entry.path()).is_ok_and(|metadata| metadata.ctime() >= since);
            if is_file && is_changed() && !visit(entry.path()) {
                return;
            }
        }
    }
}

/// Whether a file could not be read since it is at that name no more.
fn is_gone(path: &Path, content: &HeldContent) -> bool {
    matches!(content, HeldContent::Unsearched(_)) && fs::symlink_metadata(path).is_err()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const VALUE: &[u8] = b"sk-0123456789abcdef";

    #[test]
    fn a_value_is_found_wherever_it_stands_and_nothing_hangs() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        let mut sweep = LiveSweep::new(&[VALUE]).unwrap();
        fs::write(path("plain"), [b"a ", VALUE, b" z"].concat()).unwrap();
        fs::write(path("far"), [vec![b'x'; 300 << 10], VALUE.to_vec()].concat()).unwrap();
        fs::write(path("none"), [&VALUE[1..], VALUE.split_last().unwrap().1].concat()).unwrap();
        let large = fs::File::create(path("large")).unwrap();
        large.set_len(MOST + 1).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&large, VALUE, 0).unwrap();
        nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        std::os::unix::fs::symlink("plain", path("link")).unwrap();
        for (name, expected) in [
            ("plain", true),
            ("far", true),
            ("none", false),
            ("large", false),
            ("fifo", false),
            ("link", false),
            ("gone", false),
            (".", false),
            ("plain/below", false),
        ] {
            assert_eq!(sweep.look(&path(name)).is_some(), expected, "{name}");
        }
        large.set_len(MOST).unwrap();
        assert!(matches!(sweep.look(&path("large")), Some(HeldContent::Large)));
    }

    #[test]
    fn what_was_changed_is_found_again() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join(".git/objects/aa")).unwrap();
        for name in ["a", ".git/b", ".git/objects/aa/c"] {
            fs::write(place.path().join(name), "").unwrap();
        }
        let changed = |since: SystemTime| {
            let mut names = Vec::new();
            LiveSweep::changed(place.path(), since, &mut |path| {
                names.push(path.strip_prefix(place.path()).unwrap().display().to_string());
                true
            });
            names.sort();
            names
        };
        let now = SystemTime::now();
        assert_eq!(changed(now - Duration::from_mins(1)), [".git/b", "a"]);
        assert!(changed(now + Duration::from_mins(1)).is_empty());
    }
}
