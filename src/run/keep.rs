//! Keeps what the command wrote to its private copy of the home, so that nothing is lost in silence.
//!
//! **Invariants.** Called when nothing of the command lives any more. All that is read is the child's: bounded in number and
//! bytes, and never followed. A failure is a warning and changes no exit status.

use std::io::Read;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;

use crate::audit::{Keeping, KeptError, KeptFile, KeptIndex, KeptKind, RunId, age_out};
use crate::sandbox::{Left, LeftFile, LeftKind};
use crate::world::World;

/// The most bytes that are kept of a run.
const MOST_BYTES: u64 = 64 << 20;
/// The most files that are kept of a run.
const MOST_FILES: usize = 2000;
/// The most discarded files that are named.
const MOST_NAMED: usize = 200;

/// What became of the files that the command left in private layers.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Those of the home that are kept.
    pub(super) kept: Vec<PathBuf>,
    /// The first of those that are not.
    pub(super) discarded: Vec<PathBuf>,
    /// Whether there were more of those.
    pub(super) discarded_more: bool,
    /// Why nothing could be kept.
    pub(super) failure: Option<KeptError>,
}

/// Where files are kept.
pub fn directory(world: &World) -> PathBuf {
    world.state_directory.join("kept")
}

/// Keeps what lies in the home, but for `apart`; `placeholders` are those of the run.
pub(super) fn keep(world: &World, run: &str, left: &Left, apart: &[PathBuf], placeholders: &[String]) -> Outcome {
    let above = directory(world);
    let mut keeper = Keeper {
        above: &above,
        run,
        home: &world.home,
        apart,
        placeholders: None,
        texts: placeholders,
        keeping: None,
        files: Vec::new(),
        outcome: Outcome::default(),
    };
    keeper.outcome.discarded_more = left.walk(&world.home, &mut |file| keeper.take(file));
    let outcome = keeper.finish();
    age_out(&above);
    outcome
}

struct Keeper<'a> {
    above: &'a Path,
    run: &'a str,
    home: &'a Path,
    apart: &'a [PathBuf],
    /// Made when the first file is looked through.
    placeholders: Option<AhoCorasick>,
    texts: &'a [String],
    keeping: Option<Keeping>,
    files: Vec<KeptFile>,
    outcome: Outcome,
}

impl Keeper<'_> {
    fn take(&mut self, file: &LeftFile<'_>) {
        if self.apart.contains(&file.path) {
            return;
        }
        let is_of_home = file.path.starts_with(self.home) && file.path != self.home;
        let has_room = self.files.len() < MOST_FILES && self.outcome.failure.is_none();
        let kind = if is_of_home && has_room { self.kind(file) } else { Ok(None) };
        match kind {
            Ok(Some(kind)) => {
                let path = file.path.as_path();
                let existed = path.symlink_metadata().is_ok();
                self.outcome.kept.push(file.path.clone());
                self.files.push(KeptFile { path: path.into(), kind, masked: file.was_masked, existed });
            }
            Ok(None) => self.discard(file.path.clone()),
            Err(error) => {
                self.outcome.failure = Some(error);
                self.discard(file.path.clone());
            }
        }
    }

    fn discard(&mut self, path: PathBuf) {
        if self.outcome.discarded.len() < MOST_NAMED {
            self.outcome.discarded.push(path);
        } else {
            self.outcome.discarded_more = true;
        }
    }

    /// What the index says of a file, with its content in the store; `None` where there is no room for it.
    fn kind(&mut self, file: &LeftFile<'_>) -> Result<Option<KeptKind>, KeptError> {
        let (size, mode) = match file.kind {
            LeftKind::Removed => return Ok(Some(KeptKind::Removed)),
            LeftKind::Link => {
                return Ok(file.target().ok().map(|target| KeptKind::Link { target: target.as_path().into() }));
            }
            LeftKind::File { size, mode } => (size, mode),
        };
        let keeping = match &mut self.keeping {
            Some(keeping) => keeping,
            empty => empty.insert(Keeping::begin(self.above, self.run.parse::<RunId>()?)?),
        };
        let room = MOST_BYTES.saturating_sub(keeping.bytes());
        let Ok(mut content) = file.open() else { return Ok(None) };
        if size > room {
            return Ok(None);
        }
        let automaton = match &self.placeholders {
            Some(automaton) => Some(automaton),
            None => AhoCorasick::new(self.texts).ok().map(|automaton| &*self.placeholders.insert(automaton)),
        };
        let longest = self.texts.iter().map(String::len).max().unwrap_or(0);
        let mut stretch = Stretch { automaton, longest, tail: Vec::new(), has_found: false };
        let stored = keeping.add(&mut content.by_ref(), room, &mut |bytes| stretch.look(bytes))?;
        Ok(stored.map(|stored| KeptKind::File {
            stored: stored.name,
            size: stored.size,
            mode,
            sha256: stored.sha256,
            placeholders: stretch.has_found,
        }))
    }

    fn finish(mut self) -> Outcome {
        if self.files.is_empty() {
            return self.outcome;
        }
        if let Err(error) = self.store() {
            self.outcome.failure = Some(error);
        }
        if self.outcome.failure.is_some() {
            // All or nothing: what is half kept would look whole.
            let kept = std::mem::take(&mut self.outcome.kept);
            self.outcome.discarded.splice(0..0, kept);
            self.outcome.discarded_more |= self.outcome.discarded.len() > MOST_NAMED;
            self.outcome.discarded.truncate(MOST_NAMED);
        }
        self.outcome
    }

    fn store(&mut self) -> Result<(), KeptError> {
        if self.outcome.failure.is_some() {
            return Ok(());
        }
        let run: RunId = self.run.parse()?;
        let started = run.started().unwrap_or_default();
        let keeping = match self.keeping.take() {
            Some(keeping) => keeping,
            None => Keeping::begin(self.above, run)?,
        };
        self.files.sort_by_cached_key(|file| file.path.path());
        let index = KeptIndex {
            run: self.run.to_owned(),
            started,
            home: self.home.into(),
            files: std::mem::take(&mut self.files),
            discarded: self.outcome.discarded.iter().map(|path| path.as_path().into()).collect(),
            discarded_more: self.outcome.discarded_more,
        };
        keeping.finish(&index)
    }
}

/// Looks for placeholders in what comes in stretches.
struct Stretch<'a> {
    automaton: Option<&'a AhoCorasick>,
    longest: usize,
    /// The end of what came before, in which one may begin.
    tail: Vec<u8>,
    has_found: bool,
}

impl Stretch<'_> {
    fn look(&mut self, bytes: &[u8]) {
        let Some(automaton) = self.automaton.filter(|_| !self.has_found && self.longest > 0) else { return };
        let reach = (self.longest - 1).min(bytes.len());
        self.tail.extend_from_slice(&bytes[..reach]);
        self.has_found = automaton.is_match(&self.tail) || automaton.is_match(bytes);
        self.tail.extend_from_slice(&bytes[reach..]);
        self.tail.drain(..self.tail.len().saturating_sub(self.longest - 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_found_wherever_the_stretches_end() {
        let texts = ["placeholder_Ab1".to_owned(), "sk-x".to_owned()];
        let automaton = AhoCorasick::new(&texts).unwrap();
        for (content, expected) in [
            ("a = placeholder_Ab1\n", true),
            ("sk-x", true),
            ("a = placeholder_Ab2, sk-", false),
            ("", false),
            ("placeholder_placeholder_Ab1", true),
        ] {
            for size in 1..content.len().max(2) {
                let mut stretch =
                    Stretch { automaton: Some(&automaton), longest: 15, tail: Vec::new(), has_found: false };
                content.as_bytes().chunks(size).for_each(|bytes| stretch.look(bytes));
                assert_eq!(stretch.has_found, expected, "{content} in {size}");
            }
        }
    }
}
