//! Masks, guards and their ancestors where the seal shows the host's own files: mounts, one on top of the other.
//!
//! **Invariants.** Outer covers are mounted before inner ones. Every directory between a writable tree and a covered
//! path in it is a mount, so that it cannot be renamed (EBUSY) and another put in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use super::super::profile::{Mask, MaskKind};
use super::site::Site;
use super::staging::{Look, READ_ONLY, Staging, WRITABLE, bind};

/// What is mounted over a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cover<'a> {
    /// The path itself, so that it cannot be renamed.
    Itself,
    /// The path itself, read-only.
    ReadOnly(Mechanism),
    /// What the mask shows.
    Mask(&'a Mask),
    /// An empty file.
    Socket,
}

impl Cover<'_> {
    fn mechanism(self) -> Mechanism {
        match self {
            Self::Itself => Mechanism::AncestorBinds,
            Self::ReadOnly(mechanism) => mechanism,
            Self::Mask(_) => Mechanism::MaskBinds,
            Self::Socket => Mechanism::SocketMasks,
        }
    }

    /// Whether what lies below is covered by it too.
    fn closes(self) -> bool {
        self != Self::Itself
    }
}

/// The covers in the order in which they are mounted.
pub(super) type Covers<'a> = BTreeMap<PathBuf, Cover<'a>>;

/// Decides what is mounted: `masks` are those that no overlay carries, `sockets` those found besides the profile's.
pub(super) fn plan<'a>(site: &'a Site, masks: &[&'a Mask], sockets: &[PathBuf]) -> Covers<'a> {
    let mut covers = Covers::new();
    let in_tree = |path: &PathBuf| site.tree_of(path).is_some();
    // A later insertion wins over an earlier one at the same path: masks over guards, guards over all else.
    for path in site.profile.protected.iter().flat_map(|path| places(path)).filter(in_tree) {
        // A PATH directory that is the project itself must not take the promise to write there.
        if !site.trees.contains(&path) {
            covers.insert(path, Cover::ReadOnly(Mechanism::ProtectedBinds));
        }
    }
    // What a guarded symlink leads to is named besides, where it is to be guarded too.
    for path in site.profile.guarded.iter().filter_map(|path| itself(path)).filter(in_tree) {
        covers.insert(path, Cover::ReadOnly(Mechanism::GuardBinds));
    }
    for path in site.profile.sockets.iter().filter(|path| in_tree(path)).chain(sockets) {
        covers.insert(path.clone(), Cover::Socket);
    }
    for mask in masks {
        covers.insert(mask.path.clone(), Cover::Mask(mask));
    }
    // Nothing is left in an emptied directory to be covered.
    let emptied = masks.iter().filter(|mask| matches!(mask.kind, MaskKind::EmptyDirectory {})).map(|mask| &mask.path);
    let emptied: Vec<&PathBuf> = emptied.collect();
    covers.retain(|path, _| !emptied.iter().any(|directory| path != *directory && path.starts_with(directory)));
    covers
        .retain(|path, cover| !site.without(cover.mechanism()) && (is_mask(*cover) || path.symlink_metadata().is_ok()));
    let ancestors = if site.without(Mechanism::AncestorBinds) { Vec::new() } else { ancestors(site, &covers) };
    covers.extend(ancestors.into_iter().map(|path| (path, Cover::Itself)));
    covers
}

/// The path itself, by a name without symlinks on the way, and, if it is a symlink, what it leads to.
fn places(path: &Path) -> BTreeSet<PathBuf> {
    itself(path).into_iter().chain(fs::canonicalize(path).ok()).collect()
}

/// The path by a name without symlinks on the way.
fn itself(path: &Path) -> Option<PathBuf> {
    Some(fs::canonicalize(path.parent()?).ok()?.join(path.file_name()?))
}

/// A masked path that is gone is an error when it is mounted on; all else may be gone.
fn is_mask(cover: Cover) -> bool {
    matches!(cover, Cover::Mask(_))
}

/// Every directory between a tree and a cover in it that no other cover closes.
fn ancestors(site: &Site, covers: &Covers) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in covers.keys() {
        let Some(tree) = site.tree_of(path) else { continue };
        let between = path.ancestors().skip(1).take_while(|ancestor| *ancestor != tree);
        let open = between.filter(|ancestor| {
            !ancestor.ancestors().any(|above| covers.get(above).is_some_and(|cover| cover.closes()))
        });
        found.extend(open.map(Path::to_owned));
    }
    found
}

/// Mounts them.
pub(super) fn mount(covers: &Covers, site: &Site, staging: &mut Staging) -> Result<(), Failure> {
    for (path, cover) in covers {
        let step = match cover {
            Cover::Mask(_) => "masking",
            Cover::Socket => "masking a socket",
            Cover::Itself | Cover::ReadOnly(_) => "binding onto itself",
        };
        put(*cover, path, site, staging).blame_at(cover.mechanism(), step, path)?;
    }
    Ok(())
}

fn put(cover: Cover, path: &Path, site: &Site, staging: &mut Staging) -> io::Result<()> {
    match cover {
        Cover::Itself => bind(path, path, WRITABLE),
        // A symlink too: it stays one, and cannot be replaced.
        Cover::ReadOnly(_) => bind(path, path, READ_ONLY),
        Cover::Socket => bind(&staging.file(b"", Look::own(0o600, site))?, path, READ_ONLY),
        Cover::Mask(mask) => {
            let look = Look::of(&fs::symlink_metadata(path)?, site);
            let source = match &mask.kind {
                MaskKind::File { bytes } => staging.file(&bytes.0, look)?,
                MaskKind::EmptyDirectory {} => staging.directory(look)?,
            };
            if site.profile.merged.contains(&mask.path) {
                bind(&source, path, WRITABLE)?;
                staging.copies.push((path.to_owned(), source));
                return Ok(());
            }
            bind(&source, path, READ_ONLY)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::left_out::LeftOut;
    use super::super::super::profile::Profile;
    use super::*;

    #[test]
    fn ancestors_are_bound_and_outer_covers_come_first() {
        let directory = tempfile::tempdir().unwrap();
        let project = directory.path().canonicalize().unwrap().join("p");
        for path in [".git/hooks", "a/b", "bin/deep"] {
            fs::create_dir_all(project.join(path)).unwrap();
        }
        for path in ["a/b/.env", ".env", "bin/deep/.env", "a/s", "rc"] {
            fs::write(project.join(path), "").unwrap();
        }
        std::os::unix::fs::symlink("../rc", project.join("a/link")).unwrap();
        let profile = Profile {
            project: project.clone(),
            project_is_bound: true,
            home: "/nonexistent".into(),
            guarded: vec![".git/hooks", "none", "a/link", "/etc/profile"]
                .into_iter()
                .map(|path| project.join(path))
                .collect(),
            protected: vec![project.join("bin"), project.clone()],
            sockets: vec![project.join("a/s")],
            ..Profile::default()
        };
        let left_out = LeftOut::default();
        let site = Site::survey(&profile, &left_out, false).unwrap();
        let masks = ["a/b/.env", ".env", "bin/deep/.env"].map(|path| Mask::file(project.join(path), "x"));
        let covers = plan(&site, &masks.iter().collect::<Vec<_>>(), &[]);
        let planned: Vec<(String, Cover)> = covers
            .iter()
            .map(|(path, cover)| (path.strip_prefix(&project).unwrap().display().to_string(), *cover))
            .collect();
        let expected = [
            (".env", Cover::Mask(&masks[1])),
            (".git", Cover::Itself),
            (".git/hooks", Cover::ReadOnly(Mechanism::GuardBinds)),
            ("a", Cover::Itself),
            ("a/b", Cover::Itself),
            ("a/b/.env", Cover::Mask(&masks[0])),
            ("a/link", Cover::ReadOnly(Mechanism::GuardBinds)),
            ("a/s", Cover::Socket),
            ("bin", Cover::ReadOnly(Mechanism::ProtectedBinds)),
            ("bin/deep/.env", Cover::Mask(&masks[2])),
        ];
        assert_eq!(planned, expected.map(|(path, cover)| (path.to_owned(), cover)));
    }
}
