//! What the sweep of a run looks through.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::Order;
use crate::mask::{self, MaskError, Sweep};
use crate::plan::SweepAnswer;
use crate::policy;
use crate::report::Terminal;
use crate::world::World;

/// The project and what the user made writable besides, each once; caches and agents' own places are not among them.
pub(super) struct Trees {
    trees: Vec<PathBuf>,
    project_is_home: bool,
}

impl Trees {
    /// Decides it; `named` are the writable places that the user named.
    pub(super) fn new(home: &Path, project: &Path, named: impl Iterator<Item = PathBuf>) -> Self {
        let project_is_home = home.starts_with(project);
        let project = (!project_is_home).then(|| project.to_owned());
        let is_home = |path: &Path| home.starts_with(path);
        let named = named.filter_map(|path| path.canonicalize().ok()).filter(|path| !is_home(path));
        let all: Vec<PathBuf> = project.into_iter().chain(named).collect();
        let lies_in_another = |(index, path): (usize, &PathBuf)| {
            all.iter()
                .enumerate()
                .any(|(other, tree)| other != index && path.starts_with(tree) && (path != tree || other < index))
        };
        let outermost = all.iter().enumerate().filter(|each| !lies_in_another(*each)).map(|(_, path)| path.clone());
        Self { trees: outermost.collect(), project_is_home }
    }

    /// Searches them for `values`. `judged` are files that are decided about already; `mounts` is the kernel's table.
    pub(super) fn sweep(
        &self,
        world: &World,
        order: &Order,
        values: &[&[u8]],
        judged: &HashSet<PathBuf>,
        mounts: &[u8],
    ) -> Result<SweepAnswer, MaskError> {
        if order.no_sweep {
            return Ok(SweepAnswer::LeftOut { reason: "as --no-sweep asks" });
        }
        if self.project_is_home {
            return Ok(SweepAnswer::LeftOut { reason: "since the project is your home or lies above it" });
        }
        let terminal = Terminal::new(world.terminal.error, world.terminal.no_color, order.quiet);
        let is_slow = || {
            terminal
                .note("agentsecrets: still searching the project's files for known values (--no-sweep leaves it out)");
        };
        let is_known_key = |path: &Path| {
            let tree = self.trees.iter().find_map(|tree| path.strip_prefix(tree).ok());
            tree.is_some_and(|path| policy::file_rules().has_known_keys(path))
        };
        let sweep = Sweep {
            trees: &self.trees,
            masked: judged,
            values,
            is_known_key: &is_known_key,
            uid: world.user.uid,
            mounts,
            is_slow: &is_slow,
        };
        mask::sweep(&sweep).map(SweepAnswer::Swept)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_tree_is_searched_once_and_no_home_whole() {
        let place = tempfile::tempdir().unwrap();
        let base = place.path().canonicalize().unwrap();
        for name in ["home/p/inner", "home/other"] {
            fs::create_dir_all(base.join(name)).unwrap();
        }
        let home = base.join("home");
        let trees = |project: &str, named: &[&str]| {
            let trees = Trees::new(&home, &base.join(project), named.iter().map(|name| base.join(name)));
            let names = trees.trees.iter().map(|tree| tree.strip_prefix(&base).unwrap().display().to_string());
            (names.collect::<Vec<_>>().join(" "), trees.project_is_home)
        };
        assert_eq!(trees("home/p", &["home/p/inner", "home/other", "home/other", "none"]).0, "home/p home/other");
        assert_eq!(trees("home/p/inner", &["home/p"]).0, "home/p");
        assert_eq!(trees("home", &["home/other", "home"]), ("home/other".into(), true));
    }
}
