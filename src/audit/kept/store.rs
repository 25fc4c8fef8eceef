//! Fills a directory of what a run left, and reads it again.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use nix::fcntl::OFlag;

use super::super::RunId;
use super::super::directory::Directory;
use super::{KeptError, KeptIndex};

/// The name of the index.
const INDEX: &str = "index.json";
/// The end of the name of a directory that is being filled.
pub(super) const PARTIAL: &str = ".partial";
/// No index of ours is larger.
const LARGEST_INDEX: u64 = 64 << 20;

/// A directory that is being filled. Dropped before its end, it is removed.
#[derive(Debug)]
pub struct Keeping {
    above: PathBuf,
    run: RunId,
    partial: PathBuf,
    /// Holds the lock.
    _directory: File,
    count: u32,
    bytes: u64,
    is_finished: bool,
}

/// What a file became in the store.
#[derive(Debug, PartialEq, Eq)]
pub struct Stored {
    /// The name of its content.
    pub name: u32,
    /// How many bytes there were.
    pub size: u64,
    /// SHA-256 of them, in hex.
    pub sha256: String,
}

impl Keeping {
    /// Begins to keep what `run` left, below `above`, which is made where it is missing.
    pub fn begin(above: &Path, run: RunId) -> Result<Self, KeptError> {
        drop(Directory::open(above)?);
        let partial = above.join(format!("{run}{PARTIAL}"));
        let directory = make_locked(&partial).map_err(KeptError::disk(&partial))?;
        Ok(Self {
            above: above.to_owned(),
            run,
            partial,
            _directory: directory,
            count: 0,
            bytes: 0,
            is_finished: false,
        })
    }

    /// The bytes that are kept so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Keeps what `content` holds, at most `room` bytes of it; `None` where it holds more. Each stretch is shown to `look`.
    pub fn add(
        &mut self,
        content: &mut dyn Read,
        room: u64,
        look: &mut dyn FnMut(&[u8]),
    ) -> Result<Option<Stored>, KeptError> {
        let name = self.count;
        let path = self.partial.join(name.to_string());
        let failed = || KeptError::disk(&path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed())?;
        self.count += 1;
        let (mut digest, mut size) = (Context::new(&SHA256), 0_u64);
        let mut buffer = vec![0; 256 << 10];
        loop {
            let length = content.read(&mut buffer).map_err(failed())?;
            let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
            size += bytes.len() as u64;
            if size > room {
                drop(file);
                fs::remove_file(&path).map_err(failed())?;
                return Ok(None);
            }
            digest.update(bytes);
            look(bytes);
            file.write_all(bytes).map_err(failed())?;
        }
        self.bytes += size;
        Ok(Some(Stored { name, size, sha256: hex(digest.finish().as_ref()) }))
    }

    /// Writes the index and gives the directory its name; there is nothing of it before that.
    pub fn finish(mut self, index: &KeptIndex) -> Result<(), KeptError> {
        let path = self.partial.join(INDEX);
        let text = serde_json::to_vec(index).map_err(|source| KeptError::Index { path: path.clone(), source })?;
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        written.and_then(|mut file| file.write_all(&text)).map_err(KeptError::disk(&path))?;
        let name = self.above.join(format!("{}.{}", self.run, self.bytes + text.len() as u64));
        fs::rename(&self.partial, &name).map_err(KeptError::disk(&name))?;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        if !self.is_finished {
            // What stays is removed by the next run.
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

/// Makes a directory and locks it. Between the two, a run that cleans up may have taken it for a dead one's.
fn make_locked(path: &Path) -> io::Result<File> {
    loop {
        DirBuilder::new().mode(0o700).create(path)?;
        let Some(directory) = lock(path)? else { continue };
        return Ok(directory);
    }
}

/// Opens and locks a directory; `None` where another one stands there by now, or none.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let directory = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match directory.lock() {
        // A file system without locks: to go on is better than to lose what was left.
        Err(error) if error.raw_os_error() != Some(libc::EINTR) => {}
        locked => locked?,
    }
    Ok(stands_at(&directory, path).then_some(directory))
}

/// Opens a directory of the store.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits()).open(path)
}

/// Whether `directory` is what stands at `path`.
pub(super) fn stands_at(directory: &File, path: &Path) -> bool {
    let (held, there) = (directory.metadata(), fs::symlink_metadata(path));
    held.is_ok_and(|held| there.is_ok_and(|there| (held.dev(), held.ino()) == (there.dev(), there.ino())))
}

/// The run and the bytes that a directory's name tells.
pub(super) fn parsed(name: &str) -> Option<(RunId, u64)> {
    let (run, bytes) = name.split_once('.')?;
    Some((run.parse().ok()?, bytes.parse().ok()?))
}

/// A directory that holds what a run left.
#[derive(Debug)]
pub struct KeptFound {
    /// The run.
    pub run: RunId,
    /// Where it is.
    pub path: PathBuf,
    /// The bytes in it.
    pub bytes: u64,
}

/// Every directory below `above` that holds what a run left, oldest first; none where there is no store.
pub fn find_kept(above: &Path) -> Result<Vec<KeptFound>, KeptError> {
    let entries = match fs::read_dir(above) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(KeptError::disk(above))?,
    };
    let found = entries.flatten().filter_map(|entry| {
        let (run, bytes) = parsed(entry.file_name().to_str()?)?;
        Some(KeptFound { run, path: entry.path(), bytes })
    });
    let mut found: Vec<KeptFound> = found.collect();
    found.sort_by(|one, other| one.run.cmp(&other.run));
    Ok(found)
}

/// What a run left, being read: it is not removed meanwhile.
#[derive(Debug)]
pub struct Kept {
    /// The index.
    pub index: KeptIndex,
    path: PathBuf,
    _directory: File,
}

impl Kept {
    /// Opens what `run` left below `above`; `None` where nothing of it is kept.
    pub fn open(above: &Path, run: &RunId) -> Result<Option<Self>, KeptError> {
        let Some(found) = find_kept(above)?.into_iter().find(|found| found.run == *run) else { return Ok(None) };
        let directory = match open(&found.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(KeptError::disk(&found.path))?,
        };
        // A file system without locks is read as it is.
        let _ = directory.lock_shared();
        let path = found.path.join(INDEX);
        let mut text = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(LARGEST_INDEX).read_to_end(&mut text));
        read.map_err(KeptError::disk(&path))?;
        let index = serde_json::from_slice(&text).map_err(|source| KeptError::Index { path, source })?;
        Ok(Some(Self { index, path: found.path, _directory: directory }))
    }

    /// Where the content called `stored` lies.
    pub fn path_of(&self, stored: u32) -> PathBuf {
        self.path.join(stored.to_string())
    }

    /// The content called `stored`, if it is still what `sha256` says.
    pub fn content(&self, stored: u32, sha256: &str) -> Result<Vec<u8>, KeptError> {
        let path = self.path_of(stored);
        let bytes = fs::read(&path).map_err(KeptError::disk(&path))?;
        let mut digest = Context::new(&SHA256);
        digest.update(&bytes);
        if hex(digest.finish().as_ref()) == sha256 { Ok(bytes) } else { Err(KeptError::Altered { path }) }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::Timestamp;

    use super::super::{KeptFile, KeptKind};
    use super::*;

    pub(in super::super) fn run_at(time: &str) -> RunId {
        RunId::mint(time.parse().unwrap()).unwrap()
    }

    pub(in super::super) fn keep(above: &Path, run: &RunId, content: &[u8]) {
        let mut keeping = Keeping::begin(above, run.clone()).unwrap();
        let stored = keeping.add(&mut &*content, 1 << 20, &mut |_| {}).unwrap().unwrap();
        let kind = KeptKind::File {
            stored: stored.name,
            size: stored.size,
            mode: 0o644,
            sha256: stored.sha256,
            placeholders: false,
        };
        let file = KeptFile { path: Path::new("/h/f").into(), kind, masked: false, existed: true };
        let index = KeptIndex {
            run: run.to_string(),
            started: Timestamp::UNIX_EPOCH,
            home: Path::new("/h").into(),
            files: vec![file],
            discarded: Vec::new(),
            discarded_more: false,
        };
        keeping.finish(&index).unwrap();
    }

    #[test]
    fn what_was_kept_is_read_again_and_an_edit_shows() {
        let place = tempfile::tempdir().unwrap();
        let above = place.path().join("kept");
        let run = run_at("2026-11-03T10:15:30Z");
        assert!(Kept::open(&above, &run).unwrap().is_none());
        keep(&above, &run, b"content");
        let kept = Kept::open(&above, &run).unwrap().unwrap();
        let KeptKind::File { stored, sha256, .. } = &kept.index.files[0].kind else { panic!("{:?}", kept.index) };
        assert_eq!(kept.content(*stored, sha256).unwrap(), b"content");
        assert_eq!(fs::metadata(&above).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(kept.path_of(*stored)).unwrap().mode() & 0o777, 0o600);
        fs::write(kept.path_of(*stored), "contenT").unwrap();
        assert!(matches!(kept.content(*stored, sha256), Err(KeptError::Altered { .. })));
    }

    #[test]
    fn nothing_half_has_a_runs_name() {
        let place = tempfile::tempdir().unwrap();
        let mut keeping = Keeping::begin(place.path(), run_at("2026-11-03T10:15:30Z")).unwrap();
        keeping.add(&mut &b"content"[..], 100, &mut |_| {}).unwrap().unwrap();
        assert!(find_kept(place.path()).unwrap().is_empty());
        drop(keeping);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_too_large_leaves_nothing_and_the_rest_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let mut keeping = Keeping::begin(place.path(), run_at("2026-11-03T10:15:30Z")).unwrap();
        assert_eq!(keeping.add(&mut io::repeat(7), 1 << 20, &mut |_| {}).unwrap(), None);
        let mut seen = Vec::new();
        let stored = keeping.add(&mut &b"content"[..], 7, &mut |bytes| seen.extend_from_slice(bytes)).unwrap().unwrap();
        assert_eq!((stored.size, seen.as_slice(), keeping.bytes()), (7, &b"content"[..], 7));
        assert_eq!(fs::read_dir(&keeping.partial).unwrap().count(), 1);
    }
}
