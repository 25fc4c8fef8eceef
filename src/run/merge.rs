//! Files that the user lets the command change although they are masked (`--writable FILE`): merged at the end.
//!
//! **Invariants.** Called when nothing of the command lives any more. The host's file is replaced in one step, by a file in
//! which every value stands where it stood, and only while it is what it was at the start; else it stays, and the
//! command's version is put beside it. That one holds placeholders: no rule would hide it in the next run.

use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;

use super::spot::{Look, Spot};
use crate::mask::LARGEST;
use crate::plan::Merge;
use crate::report::Merged;
use crate::sandbox::{Left, LeftContent};

/// Merges every file; says what became of those that the command changed.
pub(super) fn merge(left: &Left, merges: &[Merge], placeholders: &[String]) -> Vec<Merged> {
    if merges.is_empty() {
        return Vec::new();
    }
    let automaton = AhoCorasick::new(placeholders).ok();
    let held = |text: &[u8]| {
        let found = automaton.iter().flat_map(|automaton| automaton.find_iter(text));
        found.map(|found| found.pattern().as_usize()).collect::<Vec<usize>>()
    };
    merges.iter().filter_map(|merge| one(left, merge, &held)).collect()
}

fn one(left: &Left, merge: &Merge, held: &dyn Fn(&[u8]) -> Vec<usize>) -> Option<Merged> {
    let path = merge.path.clone();
    let child = match left.content(&path, LARGEST) {
        Ok(LeftContent::Bytes(child)) if child == merge.file.masked => return None,
        Ok(LeftContent::Bytes(child)) => child,
        Ok(LeftContent::Gone) => return Some(Merged::Removed { path }),
        Err(error) => return Some(Merged::Lost { path, why: error.to_string() }),
    };
    let reason = match turn(merge, &child, held) {
        Ok(has_placeholders) => return Some(Merged::Done { path, has_placeholders }),
        Err(reason) => reason,
    };
    let beside = place(&path).and_then(|spot| spot.write_beside(&child).map_err(|error| error.to_string()));
    Some(match beside {
        Ok(name) => Merged::Conflict { beside: path.with_file_name(name), path, why: reason },
        Err(error) => Merged::Lost { path, why: format!("{reason}; and it cannot be put beside yours: {error}") },
    })
}

/// Replaces the host's file, and says whether placeholders are left in it; else says why it could not be.
fn turn(merge: &Merge, child: &[u8], held: &dyn Fn(&[u8]) -> Vec<usize>) -> Result<bool, String> {
    let spot = place(&merge.path)?;
    let unchanged = || {
        // One byte more shows that it has grown.
        let read = spot.read(merge.file.original.len() as u64 + 1).map_err(|error| error.to_string())?;
        let host = read.filter(|(_, bytes)| zeroize::Zeroizing::new(bytes.clone()) == merge.file.original);
        host.map(|(state, _)| state).ok_or_else(|| "yours was changed during the run, too".to_owned())
    };
    unchanged()?;
    let turned = merge.file.turn_back(child, held).map_err(|error| error.to_string())?;
    // Again, right before it is replaced.
    let state = unchanged()?;
    if state.st_nlink > 1 {
        return Err("yours has a second name, which would keep the old content".into());
    }
    let look = Look { mode: state.st_mode & 0o777, owner: Some((state.st_uid, state.st_gid)) };
    spot.write(&turned, look).map_err(|error| format!("yours cannot be replaced ({error})"))?;
    Ok(!held(&turned).is_empty())
}

fn place(path: &Path) -> Result<Spot, String> {
    let below = path.strip_prefix("/").unwrap_or(path);
    let spot = Spot::find(Path::new("/"), below, false).map_err(|error| error.to_string())?;
    spot.ok_or_else(|| "the directory of yours is gone".to_owned())
}

/// The files that are merged.
pub(super) fn paths(merges: &[Merge]) -> Vec<PathBuf> {
    merges.iter().map(|merge| merge.path.clone()).collect()
}
