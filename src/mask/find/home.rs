//! Credential files of the home, wherever variables moved them.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::names::Names;
use super::place::{Wanted, guarded, look};
use super::{Findings, Found, Realm, Search, walk};
use crate::mask::MaskError;
use crate::policy::{Action, HomeEntry, Origin};

/// How deep sockets are looked for in writable trees outside the project. Keyrings and credential daemons put theirs
/// near the top; package caches below are wide and deep and hold none.
const SOCKET_DEPTH: usize = 4;

/// Looks at every place that the rules name, at what variables point to, and for sockets in writable trees.
pub(super) fn find(search: &Search<'_>, findings: &mut Findings) -> Result<(), MaskError> {
    let around = search.surroundings();
    let listed = listed(search);
    let may_exist = |path: &Path| listed.iter().all(|names| names.may_hold(path));
    for place in search.rules.places(around).into_iter().filter(|place| may_exist(&place.path)) {
        let HomeEntry { group, id, action, origin, .. } = place.entry;
        let (reason, origin) = (format!("listed under `{group}`"), origin.clone());
        let directories = *action == Action::Hide;
        let wanted = Wanted { realm: Realm::Home, id: id.as_deref(), action, reason, origin, directories };
        for path in expanded(&place.path) {
            let is_there = add(search, findings, &path, wanted.clone())?;
            for copy in is_there.then(|| copies(&path)).into_iter().flatten() {
                add(search, findings, &copy, Wanted { id: None, ..wanted.clone() })?;
            }
        }
    }
    for (path, variable) in search.rules.named_files(around) {
        let (reason, origin) = (format!("`{variable}` names it"), Origin::Builtin { file: "files.toml".into() });
        let action = &Action::Hide;
        let wanted = Wanted { realm: Realm::Home, id: None, action, reason, origin, directories: true };
        add(search, findings, &path, wanted)?;
    }
    let places = search.rules.guarded_places(around);
    let places = places.iter().flat_map(|path| expanded(path)).filter(|path| may_exist(path));
    findings.guarded.extend(places.flat_map(|path| guarded(search, &path)));
    for tree in search.writable.trees().iter().filter(|tree| !tree.starts_with(search.project)) {
        findings.sockets.extend(walk::sockets(tree, SOCKET_DEPTH));
    }
    Ok(())
}

/// What a path stands for in whose segments a `*` stands for any characters, sorted.
fn expanded(path: &Path) -> Vec<PathBuf> {
    if !path.as_os_str().as_encoded_bytes().contains(&b'*') {
        return vec![path.to_owned()];
    }
    let mut paths = vec![PathBuf::new()];
    for segment in path.components().map(Component::as_os_str) {
        match segment.to_str().and_then(|name| name.split_once('*')) {
            Some(around) => paths = paths.iter().flat_map(|folder| named(folder, around)).collect(),
            None => paths.iter_mut().for_each(|path| path.push(segment)),
        }
    }
    paths.sort();
    paths
}

/// What stands in a folder and is called so.
fn named(folder: &Path, (begin, end): (&str, &str)) -> Vec<PathBuf> {
    let fits = |name: &[u8]| {
        name.len() >= begin.len() + end.len() && name.starts_with(begin.as_bytes()) && name.ends_with(end.as_bytes())
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| fits(entry.file_name().as_encoded_bytes())).map(|entry| entry.path()).collect()
}

/// The directories in which the rules name most.
fn listed(search: &Search<'_>) -> Vec<Names> {
    let moved = (search.variable)("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let own = [search.home.to_owned(), search.home.join(".config")];
    own.into_iter().chain(moved).map(|directory| Names::of(&directory)).collect()
}

/// Where editors and users keep what a file was.
fn copies(path: &Path) -> impl Iterator<Item = PathBuf> {
    const ENDS: [&str; 6] = ["~", ".bak", ".backup", ".old", ".orig", ".save"];
    ENDS.into_iter().map(|end| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(end);
        path.with_file_name(name)
    })
}

/// Whether something is there.
fn add(search: &Search<'_>, findings: &mut Findings, path: &Path, wanted: Wanted<'_>) -> Result<bool, MaskError> {
    let found = look(search, path, wanted)?;
    let is_there = found.is_some();
    if let Some(found) = found {
        keep(search, findings, found);
    }
    Ok(is_there)
}

/// Takes a file in that is not known yet.
pub(super) fn keep(search: &Search<'_>, findings: &mut Findings, found: Found) {
    // A variable that points at the project, the home or above either must not hide them whole.
    let is_too_much = search.project.starts_with(&found.path) || search.home.starts_with(&found.path);
    let is_known = findings.found.iter().any(|known| known.path == found.path);
    if !is_too_much && !is_known {
        findings.found.push(found);
    }
}
