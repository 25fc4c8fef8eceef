//! Where files of pressing names were moved to.
//!
//! **Invariant.** A name is followed as long as the run goes on: whoever writes the file may have opened it before it was
//! moved. There is a most, and the caller hears of it.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Arrival;

/// As many files are followed. Only who moves secret files for the sake of it comes near.
const MOST: usize = 50_000;
/// As many moves are under way at once: no more than there are processors, and some that lead out of sight.
const MOST_MOVING: usize = 256;

/// What is followed.
#[derive(Default)]
pub(super) struct Trail {
    /// By where it is now: by whose rule it is judged.
    followed: HashMap<PathBuf, PathBuf>,
    /// What has left one name and not arrived under the other: the kernel tells of both with the same cookie, and others
    /// may come between (`inotify(7)`). What is moved to where nothing is watched never arrives.
    moving: VecDeque<(u32, PathBuf)>,
}

impl Trail {
    /// Follows the file at `path`.
    pub(super) fn follow(&mut self, path: PathBuf, like: PathBuf) {
        if self.followed.len() < MOST {
            self.followed.insert(path, like);
        }
    }

    /// A name was left.
    pub(super) fn leaves(&mut self, cookie: u32, directory: &Path, name: &OsStr, is_pressing: bool) {
        if self.followed.is_empty() && !is_pressing {
            return;
        }
        let path = directory.join(name);
        let like = self.followed.remove(&path).or(is_pressing.then_some(path));
        let Some(like) = like else { return };
        if self.moving.len() == MOST_MOVING {
            self.moving.pop_front();
        }
        self.moving.push_back((cookie, like));
    }

    /// Something is at a name, come or written: by whose rule it is judged, if by another's.
    pub(super) fn arrives(
        &mut self,
        cookie: u32,
        directory: &Path,
        name: &OsStr,
        is_pressing: bool,
        came: bool,
    ) -> Option<PathBuf> {
        let at = self.moving.iter().position(|(left, _)| cookie != 0 && *left == cookie);
        let moved = at.and_then(|at| self.moving.remove(at));
        if self.followed.is_empty() && moved.is_none() {
            return None;
        }
        let path = directory.join(name);
        if came {
            // What was there is another's file now.
            self.followed.remove(&path);
        }
        if is_pressing {
            return None;
        }
        if let Some((_, like)) = moved {
            self.follow(path.clone(), like);
        }
        self.followed.get(&path).cloned()
    }

    /// Whether no more can be followed.
    pub(super) fn is_full(&self) -> bool {
        self.followed.len() == MOST
    }

    /// All that is followed.
    pub(super) fn all(&self) -> Vec<Arrival> {
        self.followed.iter().map(|(path, like)| Arrival { path: path.clone(), like: like.clone() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events as text: `<5 a` leaves, `>5 b` arrives, `+b` is made, `=b` is written; names like `.env` press.
    fn followed(events: &str) -> Vec<String> {
        let mut trail = Trail::default();
        let mut seen = Vec::new();
        for event in events.split(", ") {
            let (kind, rest) = event.split_at(1);
            let (cookie, name) = rest.split_once(' ').unwrap_or(("0", rest));
            let (cookie, directory, file) = (cookie.parse().unwrap(), Path::new("/p"), OsStr::new(name));
            let is_pressing = name.starts_with(".env");
            if kind == "<" {
                trail.leaves(cookie, directory, file, is_pressing);
            } else if let Some(like) = trail.arrives(cookie, directory, file, is_pressing, kind != "=") {
                seen.push(format!("{name} like {}", like.file_name().unwrap().to_str().unwrap()));
            }
        }
        seen
    }

    #[test]
    fn a_moved_file_is_judged_by_its_first_name_for_good() {
        assert_eq!(
            followed("+.env, <1 .env, >1 a, =a, <2 a, >2 b, =b, =a"),
            ["a like .env", "a like .env", "b like .env", "b like .env"]
        );
        // Moves of two processes at once.
        assert_eq!(followed("<1 .env, <2 x, <3 .env.local, >1 a, >2 y, >3 b"), ["a like .env", "b like .env.local"]);
        // Another file of that name, and one that has a rule of its own.
        assert!(followed("<1 .env, >1 .env.old, =.env.old, <2 x, >2 y, =y").is_empty());
        assert_eq!(followed("<1 .env, >1 a, +a, =a"), ["a like .env"]);
        assert_eq!(followed("<1 .env, >1 a, <2 x, >2 a, =a"), ["a like .env"]);
    }
}
