//! Secret files with a name that shows no mask: the child moved or linked them within the moment before they were masked.
//!
//! **Invariants.** A case is closed when each name of the file shows its mask, or when a walk of the tree found none and
//! nothing that was told of since is one. A child that moves it all the time ends the run (C1).

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::held::{self, Held};
use super::judge::Judge;
use super::{Masker, RunError};
use crate::mask;
use crate::sandbox::{Mask, MaskKind, Put};

/// How often the other names of a file are looked for.
const MOST_ROUNDS: u32 = 100;
/// After so many turns they are looked for although there is more to be taken in.
pub(super) const TURNS: u32 = 16;

/// A secret file that has a name without a mask.
pub(super) struct Case {
    held: Held,
    mask: Mask,
    turns: u32,
    rounds: u32,
    /// A walk has looked for its names.
    is_searched: bool,
}

impl Masker {
    /// Opens a case where the file has, or may have, a name that no mask is for.
    pub(super) fn check(&mut self, judge: &Judge<'_>, held: Option<Held>, mask: Mask, put: Put) {
        if let Some(held) = held.as_ref().filter(|held| put != Put::Nothing && held.is_at(&mask.path)) {
            self.inodes.insert(held.identity, mask.path.clone());
        }
        // What shows its mask had it before, with all its names.
        let Some(held) = held.filter(|_| put != Put::Before) else { return };
        let is_caught = put == Put::Now && held.is_at(&mask.path) && held.links() <= 1;
        let is_known = self.cases.iter().any(|case| case.held.identity == held.identity);
        if !is_caught && !is_known && judge.place.tree_of(&mask.path).is_some() {
            self.cases.push(Case { held, mask, turns: 0, rounds: 0, is_searched: false });
        }
    }

    /// Masks the other names of the files that have any: where events tell of one, and where a walk finds one. `told` are
    /// the paths of this turn's events.
    pub(super) fn chase(&mut self, trees: &[PathBuf], told: &HashSet<PathBuf>) -> Result<(), RunError> {
        for mut case in std::mem::take(&mut self.cases) {
            for path in told.iter().filter(|path| case.held.is_at(path)) {
                self.cover(case.mask.kind.clone(), path.clone())?;
            }
            if self.is_closed(&case)? {
                continue;
            }
            let is_quiet = !self.watch.has_more();
            if case.is_searched && is_quiet {
                // No walk found it, and all that was told of since is known: what names it has, the child cannot have made.
                if case.held.is_at(&case.mask.path) {
                    self.tell(&case.mask.path, Vec::new(), "has a name outside of the project")?;
                }
                continue;
            }
            if case.rounds > MOST_ROUNDS {
                let source = io::Error::other("it is moved or linked faster than its names can be found");
                return Err(RunError::Remask { path: case.mask.path, source });
            }
            case.turns += 1;
            // Mostly the next events tell where it went.
            if is_quiet || case.turns.is_multiple_of(TURNS) {
                case.rounds += 1;
                let names = trees.iter().filter(|tree| case.mask.path.starts_with(tree));
                for path in names.flat_map(|tree| mask::names_of(tree, case.held.identity)) {
                    self.cover(case.mask.kind.clone(), path)?;
                }
                case.is_searched = true;
            }
            self.cases.push(case);
        }
        Ok(())
    }

    /// Masks those of the names that were just made that are names of masked files. A link(2) that had found the file before
    /// it was masked may make its name after that.
    pub(super) fn cover_second_names(&mut self, made: &[PathBuf]) -> Result<(), RunError> {
        for path in made {
            let linked = fs::symlink_metadata(path).ok().filter(|metadata| metadata.is_file() && metadata.nlink() > 1);
            let identity = linked.map(|metadata| (metadata.dev(), metadata.ino()));
            let known = identity.and_then(|identity| self.inodes.get(&identity).cloned());
            // A number may be another file's by now.
            let Some(known) = known.filter(|known| held::identity(known) == identity) else { continue };
            if let Some(kind) = self.masks.get(&known).map(|mask| mask.kind.clone()) {
                self.cover(kind, path.clone())?;
            }
        }
        Ok(())
    }

    /// Whether every name of the file shows its mask.
    fn is_closed(&self, case: &Case) -> Result<bool, RunError> {
        let mut shown = Vec::new();
        for mask in self.masks.values().filter(|mask| case.held.is_at(&mask.path)) {
            if self.put(mask)? != Put::Nothing {
                shown.push(&mask.path);
            }
        }
        // One that was moved away since is none of these names any more.
        Ok(case.held.names(shown.into_iter()) >= case.held.links())
    }

    /// Masks one of the names of a file.
    fn cover(&mut self, kind: MaskKind, path: PathBuf) -> Result<(), RunError> {
        let mask = Mask { path, kind };
        let put = self.put(&mask)?;
        if put == Put::Now {
            self.tell(&mask.path, Vec::new(), "is another name of a masked file")?;
        }
        if put != Put::Nothing {
            self.keep(mask);
        }
        Ok(())
    }
}
