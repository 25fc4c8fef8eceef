//! Secret files of the project: its whole tree, and the folders above it up to the repository's root.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::names::Names;
use super::place::{Wanted, guarded as guarded_at, itself, look};
use super::walk::{Sought, Walk};
use super::{Findings, Found, Realm, Search, git, git_named, walk};
use crate::mask::MaskError;
use crate::policy::{Action, FileGlob, Origin, ProjectEntry};

/// How deep a folder outside is searched that a symlink in the project leads to.
const LINKED_DEPTH: usize = 3;

/// Walks the project, what its symlinks lead to, and its parents.
pub(super) fn find(search: &Search<'_>, git: &[git::UserFile]) -> Result<Findings, MaskError> {
    let patterns = Patterns::new(search);
    let mut finder = Finder { search, patterns: &patterns, seen: HashSet::new(), found: Vec::new() };
    let matches = |path: &Path| patterns.first(search.project, path).is_some();
    let sought = Sought { matches: &matches, guard: Some(&search.rules.guard) };
    let mut walk = walk::walk(search.project, None, search.uid, &sought)?;
    for path in &walk.matching {
        finder.add(search.project, path, false)?;
    }
    let mut linked: Vec<PathBuf> = std::mem::take(&mut walk.linked_directories);
    linked.sort();
    linked.dedup();
    // What leads to the project, the home or above them is no part of the project.
    linked.retain(|target| !search.project.starts_with(target) && !search.home.starts_with(target));
    for tree in &linked {
        let matches = |path: &Path| patterns.first(tree, path).is_some_and(|pattern| pattern.parents);
        let sought = Sought { matches: &matches, guard: None };
        for path in walk::walk(tree, Some(LINKED_DEPTH), search.uid, &sought)?.matching {
            finder.add(tree, &path, true)?;
        }
    }
    finder.parents()?;
    finder.above()?;
    let mut elsewhere = Vec::new();
    for tree in search.trees.iter().map(PathBuf::as_path).chain(search.repository) {
        elsewhere.extend(finder.others(tree, &mut walk)?);
    }
    let mut roots: Vec<&Path> = walk.repositories.iter().map(PathBuf::as_path).chain([search.project]).collect();
    // The project's own repository is among those that were found.
    roots.sort_unstable();
    roots.dedup();
    let mut guarded: Vec<PathBuf> = roots.iter().flat_map(|root| guarded_in(search, root)).collect();
    roots.extend(elsewhere.iter().map(PathBuf::as_path));
    let named = git_named::named(search, git, &roots, &walk.git_directories)?;
    guarded.extend(named.guarded);
    guarded.extend(walk.links.iter().filter_map(|path| itself(path)));
    let own = walk.git_directories.iter().flat_map(|directory| git::OBEYED.map(|name| directory.join(name)));
    guarded.extend(own.chain(walk.nested).flat_map(|path| guarded_at(search, &path)));
    let mut found = finder.found;
    found.sort_by(|one, other| one.path.cmp(&other.path));
    let (sockets, directories) = (walk.sockets, walk.directories);
    Ok(Findings { found, guarded, awaited: named.awaited, sockets, directories })
}

struct Finder<'a> {
    search: &'a Search<'a>,
    patterns: &'a Patterns<'a>,
    seen: HashSet<PathBuf>,
    found: Vec<Found>,
}

impl Finder<'_> {
    /// Looks at the direct files of each folder above the project, up to the root of the repository that it is in.
    fn parents(&mut self) -> Result<(), MaskError> {
        let project = self.search.project;
        let is_root = |folder: &&Path| fs::symlink_metadata(folder.join(".git")).is_ok();
        let Some(root) = project.ancestors().find(is_root) else { return Ok(()) };
        for folder in project.ancestors().skip(1).take_while(|folder| folder.starts_with(root)) {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.flatten() {
                self.add(folder, &entry.path(), true)?;
            }
        }
        Ok(())
    }

    /// Looks in every folder above the project for what tools read there. The home's own are found as such.
    fn above(&mut self) -> Result<(), MaskError> {
        let entries = self.search.rules.project.iter().filter(|entry| !entry.above.is_empty());
        for entry in entries {
            for folder in self.search.project.ancestors().skip(1).filter(|folder| *folder != self.search.home) {
                for path in &entry.above {
                    let path = folder.join(path);
                    let reason = format!("a tool in the project reads `{}`", path.display());
                    let wanted = Wanted {
                        realm: Realm::Project,
                        id: None,
                        action: &entry.action,
                        reason,
                        origin: entry.origin.clone(),
                        directories: false,
                    };
                    let found = look(self.search, &path, wanted)?;
                    self.found.extend(found.filter(|file| self.seen.insert(file.path.clone())));
                }
            }
        }
        Ok(())
    }

    /// Looks for secrets and repositories in a tree outside of the project. Of these trees git's own directories are guarded,
    /// and nothing else: the user has made them writable. Gives the roots of the repositories.
    fn others(&mut self, tree: &Path, walk: &mut Walk) -> Result<Vec<PathBuf>, MaskError> {
        let is_projects = self.search.repository == Some(tree);
        // Its files are what `.git` holds elsewhere.
        let as_own = |path: &Path| Path::new(".git").join(path.strip_prefix(tree).unwrap_or(path));
        let pattern = |path: &Path| {
            if is_projects {
                self.patterns.first(Path::new(""), &as_own(path))
            } else {
                self.patterns.first(tree, path)
            }
        };
        let matches = |path: &Path| pattern(path).is_some();
        let found = walk::walk(tree, None, self.search.uid, &Sought { matches: &matches, guard: None })?;
        for path in &found.matching {
            if let Some(pattern) = pattern(path) {
                self.take(path, pattern)?;
            }
        }
        walk.git_directories.extend(found.repositories.iter().map(|root| root.join(".git")));
        walk.links.extend(found.links);
        walk.git_directories.extend(found.git_directories);
        walk.sockets.extend(found.sockets);
        walk.nested.extend(is_projects.then(|| tree.join("info/attributes")));
        Ok(found.repositories)
    }

    /// Takes `path` in, if a pattern covers it or what it leads to; outside the project only those for parents count.
    fn add(&mut self, tree: &Path, path: &Path, is_outside: bool) -> Result<(), MaskError> {
        let first =
            |tree: &Path, path: &Path| self.patterns.first(tree, path).filter(|pattern| pattern.parents || !is_outside);
        let by_name = first(tree, path);
        // A symlink of another name that leads to a secret file takes the rule of its target.
        let target = if by_name.is_none() && !is_outside { fs::canonicalize(path).ok() } else { None };
        let by_target = target.as_deref().and_then(|target| first(target.parent().unwrap_or(target), target));
        by_name.or(by_target).map_or(Ok(()), |pattern| self.take(path, pattern))
    }

    fn take(&mut self, path: &Path, pattern: &Pattern<'_>) -> Result<(), MaskError> {
        if let Some(file) = look(self.search, path, pattern.wanted())?.filter(|file| !self.seen.contains(&file.path)) {
            self.seen.insert(file.path.clone());
            self.found.push(file);
        }
        Ok(())
    }
}

/// A file that appeared in the project, if the rules have `like` rendered: its own path, or the one it was moved from. Those
/// that they hide whole are made by the child's own tools as well (states, key stores), and a hidden one could not be used.
pub(super) fn new_file(
    search: &Search<'_>,
    patterns: &Patterns<'_>,
    path: &Path,
    like: &Path,
) -> Result<Option<Found>, MaskError> {
    let Some(pattern) = patterns.first(search.project, like).filter(|pattern| pattern.renders()) else {
        return Ok(None);
    };
    look(search, path, pattern.wanted())
}

fn guarded_in(search: &Search<'_>, root: &Path) -> Vec<PathBuf> {
    let names = Names::of(root);
    let guard = &search.rules.guard;
    let places = guard.project.iter().chain(guard.nested.plain()).map(|path| root.join(path));
    places.filter(|path| names.may_hold(path)).flat_map(|path| guarded_at(search, &path)).collect()
}

/// The patterns of the rules and of the user, each with a cheap test on the file's name in front. Case makes no difference:
/// where a file system has none, `.ENV` is what a program reads as `.env`.
pub(super) struct Patterns<'a>(Vec<Pattern<'a>>);

struct Pattern<'a> {
    /// As written.
    glob: &'a FileGlob,
    /// In lower case.
    covers: FileGlob,
    except: Vec<FileGlob>,
    action: &'a Action,
    parents: bool,
    origin: Origin,
    /// What a matching name ends with: the literal end of the pattern's last segment.
    ending: Vec<u8>,
    /// What it begins with, where the pattern is for names in any folder.
    beginning: Vec<u8>,
}

impl<'a> Patterns<'a> {
    pub(super) fn new(search: &Search<'a>) -> Self {
        let builtin = search.rules.project.iter().map(|entry: &ProjectEntry| {
            Pattern::new(&entry.pattern, &entry.except, &entry.action, entry.parents, entry.origin.clone())
        });
        let own =
            search.mask.iter().map(|mask| Pattern::new(&mask.value, &[], &Action::Hide, false, mask.origin.clone()));
        Self(own.chain(builtin).collect())
    }

    /// Whether a file of that name may be rendered, as far as its ends tell: asked for each event of a watch.
    pub(super) fn may_render(&self, name: &[u8]) -> bool {
        self.0.iter().any(|pattern| pattern.renders() && pattern.may_match(name))
    }

    /// Whether the rules have the file at `path` rendered, seen from `tree`.
    pub(super) fn renders(&self, tree: &Path, path: &Path) -> bool {
        self.first(tree, path).is_some_and(Pattern::renders)
    }

    /// The first pattern that `path` matches, seen from `tree`.
    fn first(&self, tree: &Path, path: &Path) -> Option<&Pattern<'a>> {
        let name = path.file_name().map_or(&b""[..], OsStrExt::as_bytes);
        let relative = path.strip_prefix(tree).map_or(name, |path| path.as_os_str().as_bytes());
        let (name, relative) = (name.to_ascii_lowercase(), relative.to_ascii_lowercase());
        self.0.iter().find(|pattern| pattern.matches(&name, &relative))
    }
}

impl<'a> Pattern<'a> {
    fn new(glob: &'a FileGlob, except: &'a [FileGlob], action: &'a Action, parents: bool, origin: Origin) -> Self {
        let covers = glob.in_lower_case();
        let text = covers.as_str();
        let last_star = text.rfind(['*', '/']).map_or(0, |at| at + 1);
        let first_star = if text.contains('/') { 0 } else { text.find('*').unwrap_or(text.len()) };
        let (beginning, ending) = (text.as_bytes()[..first_star].to_vec(), text.as_bytes()[last_star..].to_vec());
        let except = except.iter().map(FileGlob::in_lower_case).collect();
        Self { glob, covers, except, action, parents, origin, ending, beginning }
    }

    /// What is looked for where a path matches.
    fn wanted(&self) -> Wanted<'a> {
        Wanted {
            realm: Realm::Project,
            id: None,
            action: self.action,
            reason: format!("a name like `{}`", self.glob),
            origin: self.origin.clone(),
            directories: false,
        }
    }

    fn renders(&self) -> bool {
        matches!(self.action, Action::Render(_))
    }

    /// Whether a name begins and ends as it must, in any case.
    fn may_match(&self, name: &[u8]) -> bool {
        let beginning = name.get(..self.beginning.len());
        let ending = name.len().checked_sub(self.ending.len()).map(|at| &name[at..]);
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(&self.beginning))
            && ending.is_some_and(|ending| ending.eq_ignore_ascii_case(&self.ending))
    }

    fn matches(&self, name: &[u8], relative: &[u8]) -> bool {
        name.ends_with(&self.ending)
            && name.starts_with(&self.beginning)
            && self.covers.matches(relative)
            && !self.except.iter().any(|except| except.matches(relative))
    }
}

/// Whether a path is one that git itself keeps its objects in.
pub(super) fn is_object_store(path: &Path) -> bool {
    path.file_name() == Some(OsStr::new("objects")) && path.components().any(|part| part.as_os_str() == ".git")
}
