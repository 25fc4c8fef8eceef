//! The names that were made last, and which of them are younger than a secret file that came and went.
//!
//! **Invariant.** What the kernel tells of is told in order, but for what is found by listing. So a name is taken for older
//! only if all was told, and nothing left to be listed, between the two: a second name of a file is never older than it.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};

use super::MOST_SUSPECTS;

/// Of so many files it is known since when they were told of; where there are more, all that was made may be them.
const MOST: usize = 10_000;

#[derive(Default)]
pub(super) struct Made {
    /// With the turn in which they were told of.
    names: VecDeque<(u64, PathBuf)>,
    turn: u64,
    /// The last turn after which nothing was left to be told.
    calm: u64,
    /// For files that came: the last such turn before they were told of first.
    since: HashMap<PathBuf, u64>,
}

impl Made {
    /// A turn begins, which tells of `files`.
    pub(super) fn begin<'a>(&mut self, files: impl Iterator<Item = &'a PathBuf>) {
        self.turn += 1;
        for file in files {
            if self.since.len() < MOST && !self.since.contains_key(file) {
                self.since.insert(file.clone(), self.calm);
            }
        }
    }

    /// These were made, by what this turn tells.
    pub(super) fn add<'a>(&mut self, names: impl Iterator<Item = &'a PathBuf>) {
        self.names.extend(names.map(|name| (self.turn, name.clone())));
        self.names.drain(..self.names.len().saturating_sub(MOST_SUSPECTS));
    }

    /// All that had happened by now is told.
    pub(super) fn all_is_told(&mut self) {
        self.calm = self.turn;
    }

    /// The file came and went, and whatever comes there next is another.
    pub(super) fn forget(&mut self, file: &Path) {
        self.since.remove(file);
    }

    /// What may be another name of `file`.
    pub(super) fn since(&self, file: &Path) -> impl Iterator<Item = &PathBuf> {
        let since = self.since.get(file).copied().unwrap_or_default();
        self.names.iter().filter(move |(turn, _)| *turn > since).map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_before_all_was_told_is_no_other_name_of_it() {
        let mut made = Made::default();
        let [env, old, new, late] = [".env", "old", "new", "late"].map(PathBuf::from);
        let names = |made: &Made, file: &Path| made.since(file).cloned().collect::<Vec<_>>();
        made.begin([].into_iter());
        made.add([&old].into_iter());
        // In one go with what was made before, there may be names that a listing found late.
        made.begin([&env].into_iter());
        assert_eq!(names(&made, &env), std::slice::from_ref(&old));
        made.forget(&env);
        made.all_is_told();
        made.begin([&env].into_iter());
        made.add([&new].into_iter());
        made.all_is_told();
        made.begin([&env].into_iter());
        made.add([&late].into_iter());
        assert_eq!(names(&made, &env), [new.clone(), late.clone()]);
        made.forget(&env);
        assert_eq!(names(&made, &env), [old, new, late.clone()]);
        made.begin([&env].into_iter());
        assert_eq!(names(&made, &env), [late]);
    }

    #[test]
    fn no_more_is_kept_than_is_looked_at() {
        let mut made = Made::default();
        let names: Vec<PathBuf> = (0..3 * MOST).map(|number| number.to_string().into()).collect();
        made.begin(names.iter());
        made.add(names.iter());
        assert!(made.names.len() == MOST_SUSPECTS && made.since.len() == MOST);
        assert_eq!(made.since(&names[2 * MOST]).count(), MOST_SUSPECTS);
    }
}
