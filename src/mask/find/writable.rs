//! Trees besides the project that the child may write.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

/// The trees, by the names that the rules and the user have for them.
#[derive(Debug, Clone, Default)]
pub struct Writable<'a> {
    trees: &'a [PathBuf],
    /// Where symlinks lead to them. Every file that is found is held against these, so that it is asked once.
    real: OnceCell<Vec<PathBuf>>,
}

impl<'a> Writable<'a> {
    /// These trees, whether or not they exist.
    pub fn new(trees: &'a [PathBuf]) -> Self {
        Self { trees, real: OnceCell::new() }
    }

    /// By their names.
    pub(super) fn trees(&self) -> &'a [PathBuf] {
        self.trees
    }

    /// Whether `path` lies in one of them.
    pub(super) fn holds(&self, path: &Path) -> bool {
        let real = || self.trees.iter().filter_map(|tree| fs::canonicalize(tree).ok()).collect();
        self.trees.iter().chain(self.real.get_or_init(real)).any(|tree| path.starts_with(tree))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_holds_what_lies_where_its_symlinks_lead() {
        let place = tempfile::tempdir().unwrap();
        let base = place.path().canonicalize().unwrap();
        fs::create_dir(base.join("real")).unwrap();
        std::os::unix::fs::symlink("real", base.join("link")).unwrap();
        let trees = ["link", "none"].map(|name| base.join(name));
        let writable = Writable::new(&trees);
        for (name, expected) in [("real/a", true), ("link/a", true), ("none/a", true), ("rea/a", false), ("a", false)] {
            assert_eq!(writable.holds(&base.join(name)), expected, "{name}");
        }
    }
}
