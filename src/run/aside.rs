//! Guarded names that did not exist when the run began: what the child has made there is set aside at the end, beside its
//! place and under a name that no tool of the user's obeys.
//!
//! **Invariants.** Called when nothing of the child lives any more. No symlink that the child made is followed, so that
//! nothing but what it made itself is ever moved. Nothing is deleted, and nothing is done in silence.
//!
//! **Trade-off.** A parent that is killed sets nothing aside. What a new repository holds (`git init`) stays and is named:
//! without it the repository would be broken.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{AtFlags, OFlag, RenameFlags, open, openat, renameat2};
use nix::sys::stat::{Mode, SFlag, fstatat};

use crate::plan::Plan;
use crate::policy::{FileRules, Surroundings};
use crate::world::World;

/// How the names of what is set aside begin.
const ASIDE: &str = "agentsecrets-aside";

/// A name that is missing in a tree that the child writes.
#[derive(Debug)]
struct Missing {
    tree: PathBuf,
    relative: PathBuf,
    /// How many of its components were there.
    existed: usize,
}

/// A folder in which every name that begins so is guarded, and those that were there.
#[derive(Debug)]
struct Family {
    tree: PathBuf,
    folder: PathBuf,
    begins: OsString,
    known: HashSet<OsString>,
}

/// Everything that is looked at again when the run is over.
#[derive(Debug, Default)]
pub(super) struct Watch {
    names: Vec<Missing>,
    families: Vec<Family>,
}

/// What the child has made.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// Where it was, and where it is now.
    pub(super) moved: Vec<(PathBuf, PathBuf)>,
    /// What was left where it is.
    pub(super) left: Vec<PathBuf>,
}

impl Watch {
    /// Looks for what is missing; `granted` are the places that the user has made writable, which are theirs to judge.
    pub(super) fn look(world: &World, rules: &FileRules, plan: &Plan, granted: &[PathBuf]) -> Self {
        let variable = |name: &str| world.variable(name).map(OsString::from);
        let around =
            Surroundings { home: &world.home, current_directory: &world.current_directory, variable: &variable };
        let bound = plan.project_is_bound.then_some(&plan.project);
        let trees: Vec<&PathBuf> = bound.into_iter().chain(&plan.writable).collect();
        let of_project = rules.guard.project.iter().map(|name| plan.project.join(name));
        let on_path =
            std::env::split_paths(world.variable("PATH").unwrap_or_default()).filter(|path| path.is_absolute());
        let paths = rules.guarded_places(around).into_iter().chain(of_project).chain(on_path);
        let mut watch = Self::default();
        for path in paths.filter(|path| !granted.iter().any(|place| path.starts_with(place))) {
            let inside = trees.iter().find_map(|tree| Some((tree, path.strip_prefix(tree).ok()?)));
            if let Some((tree, relative)) = inside.filter(|(_, relative)| !relative.as_os_str().is_empty()) {
                watch.add(tree, relative);
            }
        }
        watch
    }

    fn add(&mut self, tree: &Path, relative: &Path) {
        let name = relative.file_name().unwrap_or_default();
        if let Some(begins) = name.to_str().and_then(|name| name.strip_suffix('*')) {
            let folder = relative.parent().unwrap_or(Path::new("")).to_owned();
            let known = names_in(&tree.join(&folder), OsStr::new(begins)).collect();
            self.families.push(Family { tree: tree.into(), folder, begins: begins.into(), known });
            return;
        }
        let existed = relative
            .ancestors()
            .take_while(|part| !part.as_os_str().is_empty())
            .find(|part| tree.join(part).symlink_metadata().is_ok())
            .map_or(0, |part| part.components().count());
        if existed < relative.components().count() {
            self.names.push(Missing { tree: tree.into(), relative: relative.into(), existed });
        }
    }

    /// Sets aside what has been made since, under the id of this run.
    pub(super) fn set_aside(mut self, run: &str) -> Aside {
        for family in std::mem::take(&mut self.families) {
            let folder = family.tree.join(&family.folder);
            for name in names_in(&folder, &family.begins).filter(|name| !family.known.contains(name)) {
                let relative = family.folder.join(name);
                let existed = family.folder.components().count();
                self.names.push(Missing { tree: family.tree.clone(), relative, existed });
            }
        }
        let mut aside = Aside::default();
        for missing in &self.names {
            let Ok(Some(made)) = missing.made() else { continue };
            let path = made.path(&missing.tree);
            if missing.is_of_a_new_repository() {
                aside.left.push(path);
                continue;
            }
            // A folder that the child has closed is set aside from above.
            let moved =
                made.set_aside(run).or_else(|_| missing.made_first()?.ok_or(io::ErrorKind::NotFound)?.set_aside(run));
            match moved {
                Ok(place) => aside.moved.push((path, missing.tree.join(place))),
                Err(_) => aside.left.push(path),
            }
        }
        aside
    }
}

fn names_in<'a>(folder: &Path, begins: &'a OsStr) -> impl Iterator<Item = OsString> + 'a {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    names.filter(move |name| name.as_encoded_bytes().starts_with(begins.as_encoded_bytes()))
}

/// Something that the child made: the folder that holds it, its name, and its path from the tree on.
struct Made {
    folder: OwnedFd,
    name: OsString,
    relative: PathBuf,
}

impl Made {
    fn path(&self, tree: &Path) -> PathBuf {
        tree.join(&self.relative)
    }

    /// Gives it its new name; the path from the tree on.
    fn set_aside(&self, run: &str) -> io::Result<PathBuf> {
        let mut name = OsString::from(format!("{ASIDE}.{run}."));
        name.push(&self.name);
        let name = name.as_os_str();
        renameat2(&self.folder, self.name.as_os_str(), &self.folder, name, RenameFlags::RENAME_NOREPLACE)?;
        Ok(self.relative.with_file_name(name))
    }
}

impl Missing {
    fn is_of_a_new_repository(&self) -> bool {
        self.existed == 0 && self.relative.starts_with(".git")
    }

    /// What stands there now: the name itself, or a symlink or file of the child's in place of a folder on the way.
    fn made(&self) -> io::Result<Option<Made>> {
        self.walk(self.relative.components().count())
    }

    /// The outermost part that was not there.
    fn made_first(&self) -> io::Result<Option<Made>> {
        self.walk(self.existed + 1)
    }

    /// The component with this number, counted from 1, without following a symlink.
    fn walk(&self, wanted: usize) -> io::Result<Option<Made>> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut folder = open(&self.tree, flags, Mode::empty())?;
        let mut relative = PathBuf::new();
        for (number, component) in self.relative.components().enumerate() {
            let name = component.as_os_str();
            relative.push(name);
            let Ok(facts) = fstatat(&folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) else { return Ok(None) };
            let is_folder = SFlag::from_bits_truncate(facts.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR;
            if number + 1 == wanted || (!is_folder && number >= self.existed) {
                return Ok(Some(Made { folder, name: name.to_owned(), relative }));
            }
            if !is_folder {
                return Ok(None);
            }
            folder = openat(&folder, name, flags, Mode::empty())?;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn watch(tree: &Path, names: &[&str]) -> Watch {
        let mut watch = Watch::default();
        for name in names {
            watch.add(tree, Path::new(name));
        }
        watch
    }

    #[test]
    fn what_was_made_is_set_aside_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path();
        fs::create_dir(tree.join(".vscode")).unwrap();
        fs::write(tree.join("old.toml"), "").unwrap();
        fs::write(tree.join("p10k-old"), "").unwrap();
        let watch = watch(tree, &[".vscode/tasks.json", "old.toml", "new/bin", "p10k-*", "never"]);
        for file in [".vscode/tasks.json", ".vscode/other", "p10k-new"] {
            fs::write(tree.join(file), "made").unwrap();
        }
        fs::create_dir_all(tree.join("new/bin")).unwrap();
        let aside = watch.set_aside("R");
        let moved: Vec<_> = aside.moved.iter().map(|(path, _)| path.strip_prefix(tree).unwrap()).collect();
        assert_eq!(moved, [".vscode/tasks.json", "new/bin", "p10k-new"].map(Path::new));
        assert!(aside.left.is_empty());
        for kept in ["old.toml", ".vscode/other", "p10k-old", ".vscode/agentsecrets-aside.R.tasks.json"] {
            assert!(tree.join(kept).exists(), "{kept}");
        }
        assert!(aside.moved.iter().all(|(path, place)| !path.exists() && place.exists()));
    }

    #[test]
    fn no_link_of_the_childs_is_followed() {
        let (place, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tree = place.path();
        fs::write(elsewhere.path().join("tasks.json"), "the user's").unwrap();
        let watch = watch(tree, &[".vscode/tasks.json"]);
        symlink(elsewhere.path(), tree.join(".vscode")).unwrap();
        let aside = watch.set_aside("R");
        assert_eq!(aside.moved, [(tree.join(".vscode"), tree.join("agentsecrets-aside.R..vscode"))]);
        assert!(elsewhere.path().join("tasks.json").exists());
    }

    #[test]
    fn a_folder_that_the_child_has_closed_goes_whole() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path();
        let watch = watch(tree, &["later/bin"]);
        fs::create_dir_all(tree.join("later/bin")).unwrap();
        fs::set_permissions(tree.join("later"), fs::Permissions::from_mode(0o555)).unwrap();
        let aside = watch.set_aside("R");
        assert!(!tree.join("later/bin").exists() && aside.left.is_empty(), "{aside:?}");
        let (_, now) = &aside.moved[0];
        let folder = if now.ends_with("agentsecrets-aside.R.later") { now.clone() } else { tree.join("later") };
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_new_repository_is_named_and_left_whole() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path();
        let watch = watch(tree, &[".git/config"]);
        fs::create_dir(tree.join(".git")).unwrap();
        fs::write(tree.join(".git/config"), "").unwrap();
        let aside = watch.set_aside("R");
        assert_eq!((aside.moved, aside.left), (Vec::new(), vec![tree.join(".git/config")]));
    }
}
