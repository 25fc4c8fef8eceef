//! What the user's git would obey or run besides its own places, because a setting names it: included files, directories of
//! hooks, programs and their arguments. The child must not change those that it could write, and those that do not exist
//! yet are awaited.
//!
//! **Invariants.** Every setting counts that is not known to start nothing, so that one which a later git adds is none that
//! was forgotten. What is more than can be looked at refuses the run (C1).
//!
//! **Trade-off.** Words are taken for paths without asking what their command does with them: a file may be closed to the child
//! that is only shown. What git itself writes in its directory never is.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::git::{Budget, Named, UserFile, expanded, follow_within, repository_files, variables};
use super::way::Way;
use super::{Awaited, Search};
use crate::mask::MaskError;
use crate::mask::git_settings::{Word, words};

/// The most paths that are looked at.
const MOST: usize = 1 << 18;
/// The most entries of a directory of hooks.
const MOST_HOOKS: usize = 4096;

/// What is named.
#[derive(Default)]
pub(super) struct Places {
    /// What is there.
    pub(super) guarded: Vec<PathBuf>,
    /// What is not.
    pub(super) awaited: Vec<Awaited>,
}

/// What the user's configuration or that of a repository names. `users` is the former, `roots` are the repositories,
/// `directories` what has the shape of git's own: those of submodules, worktrees and bare repositories too.
pub(super) fn named(
    search: &Search<'_>,
    users: &[UserFile],
    roots: &[&Path],
    directories: &[PathBuf],
) -> Result<Places, MaskError> {
    let mut budget = Budget::default();
    let roots: BTreeSet<&Path> = roots.iter().copied().chain(above(search)).collect();
    let mut finder = Finder::new(search, &roots, directories);
    let mut everywhere = Words::default();
    for setting in variables(search) {
        let named = Named { setting, directory: Path::new("/").into() };
        finder.gather(&mut everywhere, &named, Path::new("GIT_CONFIG_COUNT"))?;
    }
    for file in users {
        for named in &file.settings {
            finder.gather(&mut everywhere, named, &file.path)?;
        }
        if file.is_cut {
            return Err(MaskError::GitSettings { path: file.path.clone() });
        }
    }
    let of_users = everywhere.in_any_repository();
    // Those of `roots` are read below.
    for directory in directories.iter().filter(|directory| directory.file_name().is_none_or(|name| name != ".git")) {
        for file in ["config", "config.worktree"] {
            finder.follow(&mut everywhere, &directory.join(file), &mut budget)?;
        }
    }
    for word in &everywhere.list {
        for root in &roots {
            finder.take_in(word, root)?;
        }
        for directory in directories {
            finder.take_in_gits(word, directory)?;
        }
    }
    for root in roots {
        let mut own = Words::default();
        let files = repository_files(root);
        for file in &files {
            finder.follow(&mut own, file, &mut budget)?;
            finder.hooks(&file.with_file_name("hooks"))?;
        }
        for word in &own.list {
            finder.take_in(word, root)?;
            for directory in files.iter().filter_map(|file| file.parent()) {
                finder.take_in_gits(word, directory)?;
            }
        }
    }
    for directory in directories {
        finder.hooks(&directory.join("hooks"))?;
    }
    let Places { guarded, mut awaited } = finder.places;
    awaited.extend(of_users);
    Ok(Places { guarded, awaited })
}

/// The repositories that the project and the other trees lie in.
fn above<'a>(search: &'a Search<'_>) -> impl Iterator<Item = &'a Path> {
    let trees = std::iter::once(search.project).chain(search.trees.iter().map(PathBuf::as_path));
    let folders = trees.flat_map(|tree| tree.ancestors().skip(1));
    folders.filter(|folder| fs::symlink_metadata(folder.join(".git")).is_ok())
}

/// Words whose place depends on the repository, each once.
#[derive(Default)]
struct Words {
    list: Vec<(Word, bool)>,
    seen: HashSet<(Word, bool)>,
}

impl Words {
    fn add(&mut self, word: Word, is_of_hooks: bool) {
        let word = (word, is_of_hooks);
        if self.seen.insert(word.clone()) {
            self.list.push(word);
        }
    }

    /// What they mean in a repository that does not exist yet. A name in an alias is more often none of its files.
    fn in_any_repository(&self) -> Vec<Awaited> {
        let words = self.list.iter().map(|(word, _)| word).filter(|word| !word.is_doubtful);
        words.map(|word| Awaited { path: below(word).to_owned(), is_file: !word.may_be_directory }).collect()
    }
}

/// The path of a word from the top of a repository on.
fn below(word: &Word) -> &Path {
    if word.is_behind { word.path.strip_prefix("/").unwrap_or(&word.path) } else { &word.path }
}

struct Finder<'a> {
    search: &'a Search<'a>,
    /// Where the child may write, symlinks resolved.
    trees: Vec<PathBuf>,
    /// What holds a repository or a tree, and cannot be closed as a whole.
    open: HashSet<PathBuf>,
    directories: HashSet<&'a Path>,
    seen: HashSet<(PathBuf, bool)>,
    places: Places,
    source: PathBuf,
}

impl<'a> Finder<'a> {
    fn new(search: &'a Search<'a>, roots: &BTreeSet<&Path>, directories: &'a [PathBuf]) -> Self {
        let trees = search.other_trees();
        let open = roots.iter().copied().chain(trees.iter().map(PathBuf::as_path)).chain([search.project]);
        let open = open.flat_map(Path::ancestors).map(Path::to_owned).collect();
        Self {
            search,
            open,
            trees: trees.iter().cloned().chain([search.project.to_owned()]).collect(),
            directories: directories.iter().map(PathBuf::as_path).collect(),
            seen: HashSet::new(),
            places: Places::default(),
            source: PathBuf::new(),
        }
    }

    /// Takes in what a file of configuration and those that it includes name.
    fn follow(&mut self, words: &mut Words, file: &Path, budget: &mut Budget) -> Result<(), MaskError> {
        for named in follow_within(self.search, file, budget) {
            self.gather(words, &named, file)?;
        }
        if budget.is_spent { Err(MaskError::GitSettings { path: file.to_owned() }) } else { Ok(()) }
    }

    /// Takes in what a setting names; the words that are seen from a repository are left for later.
    fn gather(&mut self, later: &mut Words, named: &Named, file: &Path) -> Result<(), MaskError> {
        file.clone_into(&mut self.source);
        if let Some(path) = named.included(self.search) {
            return self.take(&path, false);
        }
        if named.setting.starts_nothing() {
            return Ok(());
        }
        let setting = &named.setting;
        let Some(words) = words(&setting.name, setting.subsection.as_deref(), &setting.value) else {
            return Err(self.too_much());
        };
        for word in words {
            let is_homes = word.path.as_os_str().as_bytes().starts_with(b"~");
            if word.is_behind {
                self.take(&self.search.home.join(below(&word)), word.may_be_directory)?;
            }
            if is_homes || word.path.is_absolute() && !word.is_behind {
                self.take(&expanded(self.search, Path::new("/"), &word.path), word.may_be_directory)?;
            } else {
                later.add(word, setting.name == "core.hookspath");
            }
        }
        Ok(())
    }

    fn too_much(&self) -> MaskError {
        MaskError::GitSettings { path: self.source.clone() }
    }

    /// Takes in a word as it is seen from the top of a repository.
    fn take_in(&mut self, (word, _): &(Word, bool), root: &Path) -> Result<(), MaskError> {
        self.take(&root.join(below(word)), word.may_be_directory)
    }

    /// The same from git's own directory on, where hooks of a bare repository start. A reference is no path there.
    fn take_in_gits(&mut self, (word, is_of_hooks): &(Word, bool), directory: &Path) -> Result<(), MaskError> {
        let is_explicit = matches!(word.path.as_os_str().as_bytes(), [b'.', b'/', ..] | [b'.', b'.', b'/', ..]);
        if *is_of_hooks || is_explicit {
            return self.take(&directory.join(below(word)), word.may_be_directory);
        }
        Ok(())
    }

    /// Takes in a path.
    fn take(&mut self, path: &Path, may_be_directory: bool) -> Result<(), MaskError> {
        if !self.seen.insert((path.to_owned(), may_be_directory)) {
            return Ok(());
        }
        if self.seen.len() > MOST {
            return Err(self.too_much());
        }
        let Some(way) = Way::to(path) else { return Ok(()) };
        let is_directory = way.is_there && way.end.is_dir();
        if is_directory && !may_be_directory || self.is_gits_own(&way.end) {
            return Ok(());
        }
        let in_tree = |path: &&PathBuf| self.trees.iter().any(|tree| path.starts_with(tree));
        let holds_one = self.open.contains(&way.end);
        self.places.guarded.extend(way.links.iter().filter(in_tree).cloned());
        if in_tree(&&way.end) && !holds_one {
            if way.is_there {
                self.places.guarded.push(way.end.clone());
            } else {
                self.places.awaited.push(Awaited { path: way.end.clone(), is_file: !may_be_directory });
            }
        }
        if is_directory && !holds_one {
            self.hooks(&way.end)?;
            self.hooks(&way.end.join("hooks"))?;
        }
        Ok(())
    }

    /// Takes in what the symlinks in a directory of programs lead to: their names alone are closed with it.
    fn hooks(&mut self, directory: &Path) -> Result<(), MaskError> {
        let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
        for (count, entry) in entries.flatten().enumerate() {
            if count == MOST_HOOKS {
                directory.clone_into(&mut self.source);
                return Err(self.too_much());
            }
            if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                self.take(&entry.path(), false)?;
            }
        }
        Ok(())
    }

    /// Whether git itself writes there, in its own directory: a guard would only stand in its way.
    fn is_gits_own(&self, path: &Path) -> bool {
        const OWN: [&str; 14] = [
            "index",
            "logs",
            "objects",
            "refs",
            "reftable",
            "packed-refs",
            "shallow",
            "rr-cache",
            "rebase-merge",
            "rebase-apply",
            "sequencer",
            "worktrees",
            "modules",
            "lfs",
        ];
        let parts: Vec<Component<'_>> = path.components().collect();
        let inner = parts.iter().rposition(|part| part.as_os_str() == ".git").and_then(|at| parts.get(at + 1));
        let of_shape = || {
            let directory = path.ancestors().find(|above| self.directories.contains(above))?;
            path.strip_prefix(directory).ok()?.components().next()
        };
        inner.copied().or_else(of_shape).is_some_and(|first| {
            let name = first.as_os_str();
            let is_head = name.as_bytes().iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_');
            is_head || OWN.iter().any(|own| name == *own)
        })
    }
}
