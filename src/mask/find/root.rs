//! What root alone can read of others and of the machine: other users' homes, the machine's own keys.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::place::{Wanted, look};
use super::{Findings, Realm, Search};
use crate::mask::MaskError;
use crate::policy::{Action, Origin, RootPath};

/// Hides them from a run of root's; to every other user they are closed.
pub(super) fn find(search: &Search<'_>, findings: &mut Findings) -> Result<(), MaskError> {
    if search.uid != 0 {
        return Ok(());
    }
    let needed = needed(search);
    // A directory that holds everything says nothing of what lies in it.
    let is_workplace = |place: &&PathBuf| !search.home.starts_with(place) || **place == search.home;
    let workplaces: Vec<&PathBuf> =
        needed.iter().filter(is_workplace).filter(|place| place.parent().is_some()).collect();
    for home in search.rules.root.homes.iter().flat_map(paths) {
        let Some(real) = fs::canonicalize(home).ok().filter(|home| home.is_dir()) else { continue };
        if !workplaces.iter().any(|place| real.starts_with(place)) {
            add(search, findings, &needed, &real, "another user's home")?;
        }
    }
    for path in search.rules.root.paths.iter().flat_map(paths) {
        add(search, findings, &needed, &path, "open to root alone")?;
    }
    Ok(())
}

/// Where the run works and what it takes programs from, symlinks resolved.
fn needed(search: &Search<'_>) -> Vec<PathBuf> {
    let path = (search.variable)("PATH").unwrap_or_default();
    let programs = std::env::split_paths(&path).map(|folder| search.current_directory.join(folder));
    let own = [search.project, search.home, search.current_directory].map(Path::to_owned);
    let places = own.into_iter().chain(programs).chain(search.needed.iter().chain(search.writable.trees()).cloned());
    places.map(|place| fs::canonicalize(&place).unwrap_or(place)).collect()
}

/// The paths that a rule names.
fn paths(rule: &RootPath) -> Vec<PathBuf> {
    if !rule.name.as_str().contains('*') {
        return vec![rule.directory.join(rule.name.as_str())];
    }
    let entries = fs::read_dir(&rule.directory).into_iter().flatten().flatten();
    let named = entries.filter(|entry| rule.name.matches(entry.file_name().as_bytes()));
    named.map(|entry| entry.path()).collect()
}

fn add(
    search: &Search<'_>,
    findings: &mut Findings,
    needed: &[PathBuf],
    path: &Path,
    reason: &str,
) -> Result<(), MaskError> {
    let origin = Origin::Builtin { file: "files.toml".into() };
    let (action, reason) = (&Action::Hide, reason.to_owned());
    let wanted = Wanted { realm: Realm::Home, id: None, action, reason, origin, directories: true };
    let Some(mut found) = look(search, path, wanted)? else { return Ok(()) };
    let is_needed = needed.iter().any(|place| place.starts_with(&found.path));
    let is_known = findings.found.iter().any(|known| known.path == found.path);
    if !is_needed && !is_known {
        // Whoever made a further name of such a file has the right to: backups of the machine do.
        found.unseen_links = 0;
        findings.found.push(found);
    }
    Ok(())
}
