//! The sweep: which files hold a known value, and which are private keys, whatever they are called.
//!
//! **Invariants.** Every regular file of a tree is read, ignored folders included, but for git's object store, whose files
//! are compressed. A file that cannot be read to its end is told of, and its caller hides it: not to know is not to have
//! found nothing (C1). No more of a file is in memory than one piece, and it is wiped.
//!
//! **Trade-off.** Values are found as they are, and not in base64 or behind escapes: files that other programs read hold
//! them as they are.

mod content;
mod live;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use ignore::{DirEntry, WalkState};
use zeroize::Zeroizing;

use super::read::read;
use super::{Content, mounts, walk};
use crate::mask::MaskError;
use content::{Piece, Searcher, Seen};

pub use live::LiveSweep;

/// As many entries are looked at by one processor: to ask the others takes as long.
const FEW: usize = 300;
/// After this time the user is told what takes so long.
const LONG: Duration = Duration::from_secs(2);

/// What is searched for, and where.
pub struct Sweep<'a> {
    /// The trees. None of them lies in another.
    pub trees: &'a [PathBuf],
    /// Files and directories that are masked already.
    pub masked: &'a HashSet<PathBuf>,
    /// The values.
    pub values: &'a [&'a [u8]],
    /// Whether a private key at a path is one that everybody has.
    pub is_known_key: &'a (dyn Fn(&Path) -> bool + Sync),
    /// The user's id: what it owns, the child can make readable.
    pub uid: u32,
    /// The kernel's table of mounts (`proc_pid_mountinfo(5)`).
    pub mounts: &'a [u8],
    /// Called once if it takes long.
    pub is_slow: &'a (dyn Fn() + Sync),
}

/// What the sweep found.
#[derive(Default)]
pub struct Swept {
    /// Files that hold a value or are a key, and files that could not be searched; sorted.
    pub found: Vec<Holder>,
    /// How many files were searched.
    pub files: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How long it took.
    pub time: Duration,
}

/// A file that holds a known value, or may, or is a key.
pub struct Holder {
    /// Where it is.
    pub path: PathBuf,
    /// Further paths of the same file: hard links and second mounts.
    pub aliases: Vec<PathBuf>,
    /// How many of its names were not found.
    pub unseen_links: u64,
    /// What it holds.
    pub content: HeldContent,
}

/// What is known of the content of a [`Holder`].
pub enum HeldContent {
    /// Its bytes, which hold a value.
    Bytes(Zeroizing<Vec<u8>>),
    /// A private key, or a login with one.
    PrivateKey,
    /// It holds a value, and is too large to be shown with placeholders.
    Large,
    /// It was not searched to its end; the rest of a sentence says why.
    Unsearched(String),
}

/// What is shared by those who search.
struct Work<'a> {
    sweep: &'a Sweep<'a>,
    searcher: Searcher,
    files: AtomicU64,
    bytes: AtomicU64,
    begin: Instant,
    is_told: AtomicBool,
}

/// Searches every tree.
pub fn sweep(sweep: &Sweep<'_>) -> Result<Swept, MaskError> {
    let begin = Instant::now();
    if sweep.values.is_empty() {
        return Ok(Swept::default());
    }
    let work = Work {
        sweep,
        searcher: Searcher::new(sweep.values)?,
        files: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        begin,
        is_told: AtomicBool::new(false),
    };
    let mut suspects = Vec::new();
    for tree in sweep.trees {
        let (sender, found) = mpsc::channel();
        if !work.few(tree, &sender) {
            // What was found is found again.
            let (sender, found) = mpsc::channel();
            work.many(tree, &sender);
            drop(sender);
            suspects.extend(found);
            continue;
        }
        drop(sender);
        suspects.extend(found);
    }
    let (files, bytes) = (work.files.into_inner(), work.bytes.into_inner());
    Ok(Swept { found: holders(sweep, suspects), files, bytes, time: begin.elapsed() })
}

impl Work<'_> {
    /// Whether a tree was small enough to be searched by one processor.
    fn few(&self, tree: &Path, found: &Sender<(PathBuf, Seen)>) -> bool {
        let (files, bytes) = (self.files.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        let mut piece = Searcher::piece();
        for (count, entry) in walk::everything(tree).build().enumerate() {
            if count == FEW {
                self.files.store(files, Ordering::Relaxed);
                self.bytes.store(bytes, Ordering::Relaxed);
                return false;
            }
            self.look(entry, &mut piece, found);
        }
        true
    }

    fn many(&self, tree: &Path, found: &Sender<(PathBuf, Seen)>) {
        walk::everything(tree).build_parallel().run(|| {
            let found = found.clone();
            let mut piece = Searcher::piece();
            Box::new(move |entry| {
                self.look(entry, &mut piece, &found);
                WalkState::Continue
            })
        });
    }

    /// Searches one file. Directories that cannot be listed were an error when names were looked for.
    fn look(&self, entry: Result<DirEntry, ignore::Error>, piece: &mut Piece, found: &Sender<(PathBuf, Seen)>) {
        let Ok(entry) = entry else { return };
        if !entry.file_type().is_some_and(|kind| kind.is_file()) || self.is_masked(entry.path()) {
            return;
        }
        let (seen, count) =
            self.searcher.look(entry.path(), self.sweep.uid, &|| (self.sweep.is_known_key)(entry.path()), piece);
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(count, Ordering::Relaxed);
        if !matches!(seen, Seen::Nothing) {
            // The receiver lives as long as whoever searches.
            drop(found.send((entry.into_path(), seen)));
        }
        if self.begin.elapsed() > LONG && !self.is_told.swap(true, Ordering::Relaxed) {
            (self.sweep.is_slow)();
        }
    }

    /// Whether a file is decided about, or lies in a directory that is hidden.
    fn is_masked(&self, path: &Path) -> bool {
        path.ancestors().any(|above| self.sweep.masked.contains(above))
    }
}

/// The suspects as files: names of one file together, with their bytes where they are few.
fn holders(sweep: &Sweep<'_>, mut suspects: Vec<(PathBuf, Seen)>) -> Vec<Holder> {
    suspects.sort_by(|one, other| one.0.cmp(&other.0));
    let mut files: BTreeMap<(u64, u64), Holder> = BTreeMap::new();
    for (path, seen) in suspects {
        // Gone meanwhile: there is nothing to be shown.
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if let Some(known) = files.get_mut(&(metadata.dev(), metadata.ino())) {
            known.aliases.push(path);
            known.unseen_links = known.unseen_links.saturating_sub(1);
            continue;
        }
        let unseen_links = metadata.nlink().saturating_sub(1);
        let content = held(&path, seen);
        let holder = Holder { path, aliases: Vec::new(), unseen_links, content };
        files.insert((metadata.dev(), metadata.ino()), holder);
    }
    let mut holders: Vec<Holder> = files.into_values().collect();
    holders.sort_by(|one, other| one.path.cmp(&other.path));
    for holder in &mut holders {
        let others = mounts::second_mounts(sweep.mounts, &holder.path);
        holder.aliases.extend(others.into_iter().filter(|path| !sweep.masked.contains(path)));
        holder.aliases.sort();
        holder.aliases.dedup();
    }
    holders
}

fn held(path: &Path, seen: Seen) -> HeldContent {
    match seen {
        Seen::Unsearched(reason) => HeldContent::Unsearched(reason),
        Seen::PrivateKey => HeldContent::PrivateKey,
        Seen::Value | Seen::Nothing => match read(path) {
            Ok(Content::Bytes(bytes)) => HeldContent::Bytes(bytes),
            Ok(_) => HeldContent::Large,
            Err(error) => HeldContent::Unsearched(why(&error)),
        },
    }
}

/// The rest of a sentence that begins with the file.
fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "cannot be read by you, but the child could make it readable".into(),
        _ => format!("could not be read ({error})"),
    }
}

#[cfg(test)]
mod tests;
