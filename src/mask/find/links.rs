//! Other names of a found or guarded file: hard links.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Content, Found, Search, walk};
use crate::mask::MaskError;

/// Looks for the other names of files that have any, in the project. What is not found stays counted, and whoever masks
/// the file has to judge that.
pub(super) fn resolve(search: &Search<'_>, found: &mut [Found]) -> Result<(), MaskError> {
    let mut several: Vec<(u64, &mut Found)> = Vec::new();
    for file in found.iter_mut().filter(|file| file.unseen_links > 0 && !matches!(file.content, Content::Directory)) {
        let metadata =
            fs::metadata(&file.path).map_err(|source| MaskError::Unreadable { path: file.path.clone(), source })?;
        several.push((metadata.ino(), file));
    }
    if several.is_empty() {
        return Ok(());
    }
    let inodes: Vec<u64> = several.iter().map(|(inode, _)| *inode).collect();
    for path in walk::with_inodes(search.project, &inodes) {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        for (inode, file) in &mut several {
            if *inode == metadata.ino() && path != file.path && is_same(&path, &file.path) {
                add(file, path.clone());
            }
        }
    }
    Ok(())
}

/// Adds the other names of guarded files in trees that the child may write: what is written by one name stands at all. Of
/// guarded directories those of the project are looked into.
pub(super) fn guard(search: &Search<'_>, guarded: &mut Vec<PathBuf>) {
    // How many names of each file are not known yet.
    let mut unseen: HashMap<(u64, u64), u64> = HashMap::new();
    let mut count = |metadata: &fs::Metadata| {
        if metadata.is_file() && metadata.nlink() > 1 {
            let rest = unseen.entry((metadata.dev(), metadata.ino())).or_insert(metadata.nlink());
            *rest = rest.saturating_sub(1);
        }
    };
    for path in guarded.iter() {
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() && path.starts_with(search.project) => {
                let entries = walk::everything(path).build().flatten();
                entries.filter_map(|entry| entry.metadata().ok()).for_each(|metadata| count(&metadata));
            }
            Ok(metadata) => count(&metadata),
            Err(_) => {}
        }
    }
    unseen.retain(|_, rest| *rest > 0);
    if unseen.is_empty() {
        return;
    }
    let inodes: Vec<u64> = unseen.keys().map(|(_, inode)| *inode).collect();
    let mut trees = search.other_trees();
    trees.insert(search.project.to_owned());
    let known = guarded.clone();
    for path in trees.iter().flat_map(|tree| walk::with_inodes(tree, &inodes)) {
        let is_one = fs::symlink_metadata(&path).is_ok_and(|found| unseen.contains_key(&(found.dev(), found.ino())));
        if is_one && !known.iter().any(|guarded| path.starts_with(guarded)) {
            guarded.push(path);
        }
    }
}

/// Every path in `tree` at which the file of this device and inode stands.
pub fn names_of(tree: &Path, (device, inode): (u64, u64)) -> Vec<PathBuf> {
    let is_it = |path: &PathBuf| {
        fs::symlink_metadata(path).is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == (device, inode))
    };
    walk::with_inodes(tree, &[inode]).into_iter().filter(is_it).collect()
}

fn add(file: &mut Found, path: PathBuf) {
    file.aliases.push(path);
    file.unseen_links = file.unseen_links.saturating_sub(1);
}

/// Whether two paths are the same file on the same file system.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    identity(one).is_some_and(|one| Some(one) == identity(other))
}
