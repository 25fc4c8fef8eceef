//! What a child has made that programs of the user's would run or obey outside of the seal: it is set aside at the end,
//! beside its place and under a name that none of them obeys.
//!
//! **Invariants.** Called when nothing of the child lives any more. No symlink that the child made is followed, so that
//! nothing but what it made itself is ever moved. Nothing is deleted, and nothing is done in silence. A new repository is
//! kept whole where its settings and hooks start nothing.
//!
//! **Trade-off.** A parent that is killed sets nothing aside. The trees are walked once more at the end of each run.

mod awaited;
mod git;
mod name;
mod names;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::plan::Plan;
use crate::policy::{FileRules, Guard, Surroundings};
use crate::world::World;

use awaited::Later;
use git::{Judge, Known};
use names::Names;

/// What of the rules for a project's root belongs to git's own directory, and is judged with the rest of that.
const GITS: &str = ".git/";
/// But for this, which starts nothing by itself.
const ATTRIBUTES: &str = ".git/info/attributes";

/// Everything that is looked at again when the run is over.
#[derive(Debug, Default)]
pub(super) struct Watch {
    names: Names,
    known: Known,
    later: Later,
    /// The project and the other writable places that no rule names, symlinks resolved: caches are not among them.
    trees: Vec<PathBuf>,
    /// The first of them, where names in any of its folders are guarded.
    project: Option<(PathBuf, &'static Guard)>,
}

/// What the child has made.
#[derive(Debug, Default)]
pub struct Aside {
    /// What was set aside.
    pub moved: Vec<Moved>,
    /// What was left where it is.
    pub left: Vec<PathBuf>,
    /// Directories that were closed to their owner, and are open now.
    pub opened: Vec<PathBuf>,
    /// What could not be looked at.
    pub unseen: Vec<PathBuf>,
}

/// Something that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Where it was.
    pub was: PathBuf,
    /// Where it is now.
    pub now: PathBuf,
    /// Whether what starts nothing of it stands in its place.
    pub is_replaced: bool,
}

impl Watch {
    /// Looks at what is there; `granted` are the places that the user has made writable, which are theirs to judge but for
    /// repositories in them.
    pub(super) fn look(world: &World, rules: &'static FileRules, plan: &Plan, granted: &[PathBuf]) -> Self {
        let variable = |name: &str| world.variable(name).map(OsString::from);
        let around =
            Surroundings { home: &world.home, current_directory: &world.current_directory, variable: &variable };
        let bound = plan.project_is_bound.then_some(&plan.project);
        let written = bound.into_iter().chain(&plan.writable).map(|tree| (tree, plainly(tree)));
        let written: Vec<(&PathBuf, PathBuf)> = written.collect();
        let of_project = rules.guard.project.iter().chain(rules.guard.nested.plain());
        let is_missed =
            |name: &&String| !name.starts_with(GITS) || (*name == ATTRIBUTES && plan.project.join(".git").is_dir());
        let of_project = of_project.filter(is_missed).map(|name| plan.project.join(name));
        let on_path =
            std::env::split_paths(world.variable("PATH").unwrap_or_default()).filter(|path| path.is_absolute());
        let paths = rules.guarded_places(around).into_iter().chain(of_project).chain(on_path);
        let mut names = Names::default();
        for path in paths.filter(|path| !granted.iter().any(|place| path.starts_with(place))) {
            let path = plainly(&path);
            // By bytes first: there are hundreds of paths, and each is held against every tree.
            let bytes = path.as_os_str().as_encoded_bytes();
            let may_hold = |tree: &Path| bytes.starts_with(tree.as_os_str().as_encoded_bytes());
            let mut inside = written.iter().filter(|(_, plain)| may_hold(plain));
            let inside = inside.find_map(|(tree, plain)| Some((tree, path.strip_prefix(plain).ok()?)));
            if let Some((tree, relative)) = inside.filter(|(_, relative)| !relative.as_os_str().is_empty()) {
                names.add(tree, relative);
            }
        }
        let later = Later::note(plan, written.iter().map(|(tree, _)| *tree), granted, &mut names);
        let real = |path: &PathBuf| path.canonicalize().ok().filter(|path| path.is_dir());
        let masked = plan.masks.iter().map(|mask| &mask.path);
        let guarded = plan.guarded.iter().chain(&plan.watched).chain(masked).chain(&plan.merged).cloned().collect();
        let agent = plan.agent.as_ref().map(|agent| agent.id.as_str());
        let of_rules: HashSet<PathBuf> = rules.writable_places(agent, around).into_iter().collect();
        let users = plan.writable.iter().filter(|place| !of_rules.contains(*place) || granted.contains(place));
        Self {
            names,
            known: Known { guarded, granted: granted.to_vec() },
            later,
            trees: outermost(bound.into_iter().chain(users).filter_map(real)),
            project: bound.and_then(real).map(|project| (project, &rules.guard)),
        }
    }

    /// Sets aside what has been made since, under the id of this run.
    pub(super) fn set_aside(mut self, run: &str) -> Aside {
        let mut aside = Aside::default();
        let (mut files, mut directories, mut nested, mut links) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for tree in &self.trees {
            let guard = self.project.as_ref().filter(|(project, _)| project == tree).map(|(_, guard)| *guard);
            let seen = walk::walk(tree, guard);
            let whole = |paths: Vec<PathBuf>| paths.into_iter().map(|path| joined(tree, &path)).collect::<Vec<_>>();
            files.extend(whole(seen.git_files));
            directories.extend(whole(seen.git_directories));
            nested.extend(whole(seen.nested));
            links.extend(whole(seen.links));
            aside.opened.extend(whole(seen.opened));
            aside.unseen.extend(whole(seen.unseen));
        }
        self.later.expect(&self.trees, &files, &directories, &self.known, &mut self.names);
        // Repositories first: what is set aside later may hold some.
        let mut judge = Judge { known: &self.known, trees: &self.trees, run, aside: &mut aside };
        judge.judge(&files, directories);
        // A new symlink goes itself; of one of the user's, what was made where it leads.
        let (old, new): (Vec<_>, Vec<_>) = links.into_iter().partition(|link| self.known.was_there(link));
        if let Some((project, guard)) = &self.project {
            let reached = old.iter().flat_map(|link| guard.reached_by(project, link));
            nested.extend(reached.filter_map(|path| path.canonicalize().ok()));
        }
        nested.extend(new);
        nested.sort();
        nested.dedup();
        for path in nested.iter().filter(|path| !self.known.was_there(path) && !self.known.is_granted(path)) {
            judge.set_aside(path);
        }
        self.names.set_aside(run, &mut aside);
        tracing::debug!(moved = aside.moved.len(), "looked through");
        aside
    }
}

/// A path in the one spelling of its components.
fn plainly(path: &Path) -> PathBuf {
    path.components().collect()
}

/// Without the slash that an empty path would leave at the end.
fn joined(tree: &Path, path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { tree.to_owned() } else { tree.join(path) }
}

/// Each once, and none that lies in another.
fn outermost(trees: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut kept: Vec<PathBuf> = Vec::new();
    for tree in trees {
        if !kept.iter().any(|other| tree.starts_with(other)) {
            kept.retain(|other| !other.starts_with(&tree));
            kept.push(tree);
        }
    }
    kept
}
