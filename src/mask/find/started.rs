//! Scripts that a shell of the user's runs when it starts or enters a folder, because a file names them that it obeys.
//!
//! **Invariants.** What may be written inside and stands there is guarded; where nothing stands yet, it is awaited, and set
//! aside at the end. Files are read as data, each once, and no deeper than [`DEEPEST`].

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::followed::absolute;
use super::place::is_writable;
use super::way::Way;
use super::{Awaited, Content, Findings, Search, read, shell};

/// How many files one after another are followed, and how many in all.
const DEEPEST: usize = 4;
const MOST: usize = 256;

/// Where direnv(1) begins, and what reads a file there besides what shells have for it (direnv-stdlib(1)).
const ENTERED: &str = ".envrc";
const READS: [&str; 2] = ["source_env", "source_env_if_exists"];

/// Guards or awaits the file at `path`, and the symlinks on the way to it.
pub(super) fn guard(search: &Search<'_>, findings: &mut Findings, path: &Path) {
    let Some(way) = Way::to(path) else { return };
    findings.guarded.extend(way.links.into_iter().filter(|link| is_writable(search, link)));
    if !is_writable(search, &way.end) || way.end.is_dir() {
        return;
    }
    if way.is_there {
        findings.guarded.push(way.end);
    } else {
        findings.awaited.push(Awaited { path: way.end, is_file: true });
    }
}

/// Guards what the project's `.envrc` files read, which are guarded themselves.
pub(super) fn find(search: &Search<'_>, findings: &mut Findings) {
    let is_entered = |path: &&PathBuf| path.file_name().is_some_and(|name| name == ENTERED);
    let mut next: Vec<PathBuf> = findings.guarded.iter().filter(is_entered).cloned().collect();
    let mut seen: BTreeSet<PathBuf> = next.iter().cloned().collect();
    for _ in 0..DEEPEST {
        for file in std::mem::take(&mut next) {
            let Ok(Content::Bytes(bytes)) = read::read(&file) else { continue };
            let Some(folder) = file.parent() else { continue };
            for word in shell::sourced(&bytes, &READS).iter().chain(&shell::evaluated(&bytes)) {
                let path = path_of(search, folder, word);
                // A folder stands for the file in it that direnv would read.
                let path = if path.is_dir() { path.join(ENTERED) } else { path };
                if seen.len() < MOST && seen.insert(path.clone()) {
                    guard(search, findings, &path);
                    next.push(path);
                }
            }
        }
    }
}

/// Where a word of a file in `folder` leads.
fn path_of(search: &Search<'_>, folder: &Path, word: &[u8]) -> PathBuf {
    absolute(search, word).unwrap_or_else(|| {
        let from_here = ["$PWD/", "${PWD}/"].iter().find_map(|start| word.strip_prefix(start.as_bytes()));
        folder.join(OsStr::from_bytes(from_here.unwrap_or(word)))
    })
}
