//! Files that are ours alone: read only when nobody else can have touched them, replaced whole or not at all.
//!
//! **Invariants.** A file is opened without following a link and judged by its descriptor, so that nothing can be put in
//! its place between the look and the read. A replaced file is on the disk before it has its name; a process that dies
//! anywhere in between leaves the old one. New files have mode 0600 from their first byte.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use zeroize::Zeroizing;

use super::error::{SourceError, Unsafe};

/// How long another process may hold a lock.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a held lock is looked at again.
const PAUSE: Duration = Duration::from_millis(5);

/// Who may have access to a file beside its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// Nobody: it holds secrets.
    Nobody,
    /// They may read: it holds rules.
    Readers,
}

impl Others {
    fn forbidden(self) -> u32 {
        match self {
            Self::Nobody => 0o077,
            Self::Readers => 0o022,
        }
    }
}

/// The content of a file of at most `most` bytes; none where there is no file.
pub fn read(path: &Path, others: Others, most: usize) -> Result<Option<Zeroizing<Vec<u8>>>, SourceError> {
    let failed = |source| disk(path, "read it", source);
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32) => {
            return Err(refused(path, Unsafe::Symlink));
        }
        opened => opened.map_err(failed)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(refused(path, Unsafe::Kind));
    }
    judge(path, metadata.uid(), metadata.mode(), others)?;
    let length = usize::try_from(metadata.len()).ok().filter(|length| *length <= most);
    let length = length.ok_or_else(|| refused(path, Unsafe::Size))?;
    // One allocation of the right size: a vector that grows leaves copies behind that nobody wipes.
    let mut content = Zeroizing::new(vec![0; length]);
    file.read_exact(&mut content).map_err(failed)?;
    Ok(Some(content))
}

fn judge(path: &Path, owner: u32, mode: u32, others: Others) -> Result<(), SourceError> {
    // Root can write everything, and keeps rules for all; nothing of its is a secret of the user's.
    let is_roots = others == Others::Readers && owner == 0;
    if owner != geteuid().as_raw() && !is_roots {
        return Err(refused(path, Unsafe::Owner { uid: owner }));
    }
    if mode & others.forbidden() != 0 {
        return Err(refused(path, Unsafe::Mode { mode: mode & 0o7777 }));
    }
    Ok(())
}

/// Makes the directory `path` and those above it, for the owner alone, or checks the one that is there.
pub fn directory(path: &Path) -> Result<(), SourceError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| disk(path, "make it", source))?;
    let metadata = path.symlink_metadata().map_err(|source| disk(path, "read it", source))?;
    if metadata.is_symlink() {
        return Err(refused(path, Unsafe::Symlink));
    }
    judge(path, metadata.uid(), metadata.mode(), Others::Readers)
}

/// Puts `content` in the place of the file `path`, atomically. Who calls holds a lock on that file.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), SourceError> {
    let new = beside(path, ".new");
    write(&new, path, content).inspect_err(|_| {
        // What is half written is of no use to anybody; if it stays, the next write takes its place.
        let _ = std::fs::remove_file(&new);
    })
}

fn write(new: &Path, path: &Path, content: &[u8]) -> Result<(), SourceError> {
    create(new, path, content)?;
    rename(new, path)
}

/// A new file of our own with this content, on the disk, to take the place of `path`.
fn create(new: &Path, path: &Path, content: &[u8]) -> Result<File, SourceError> {
    let failed = |source| disk(path, "write it", source);
    // One that was left by a process that died, or a link that was put there.
    match std::fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(new)
        .map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(file)
}

fn rename(new: &Path, path: &Path) -> Result<(), SourceError> {
    let failed = |source| disk(path, "write it", source);
    std::fs::rename(new, path).map_err(failed)?;
    // The name is in the directory's own data.
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all()).map_err(failed)
}

/// Puts `after` in the place of a file that holds `before` and is not ours alone, with its mode and its owner.
pub fn replace_in_kind(path: &Path, before: &[u8], after: &[u8]) -> Result<(), SourceError> {
    let failed = |source| disk(path, "write it", source);
    let mut content = Zeroizing::new(Vec::with_capacity(before.len() + 1));
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    file.take(before.len() as u64 + 1).read_to_end(&mut content).map_err(failed)?;
    if *content != before {
        return Err(SourceError::Changed { path: path.to_owned() });
    }
    let new = beside(path, ".agentsecrets-new");
    create(&new, path, after)
        .and_then(|file| {
            let owner = (metadata.uid() != geteuid().as_raw()).then_some(metadata.uid());
            std::os::unix::fs::fchown(&file, owner, Some(metadata.gid())).map_err(failed)?;
            file.set_permissions(metadata.permissions()).map_err(failed)?;
            rename(&new, path)
        })
        .inspect_err(|_| {
            // What is half written is of no use to anybody.
            let _ = std::fs::remove_file(&new);
        })
}

/// Removes a file for good; whether there was one.
pub fn remove(path: &Path) -> Result<bool, SourceError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(disk(path, "remove it", error)),
    }
}

/// The right to write, until it is dropped or its process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock `path`, which is made where it is missing.
    pub fn take(path: &Path) -> Result<Self, SourceError> {
        let failed = |source| disk(path, "lock it", source);
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let options = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags.bits())
            .to_owned();
        let file = options.open(path).map_err(failed)?;
        let end = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= end => {
                    return Err(SourceError::Busy { path: path.to_owned() });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            }
        }
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn disk(path: &Path, doing: &'static str, source: io::Error) -> SourceError {
    SourceError::Disk { path: path.to_owned(), doing, source }
}

fn refused(path: &Path, why: Unsafe) -> SourceError {
    SourceError::Unsafe { path: path.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn why(result: Result<Option<Zeroizing<Vec<u8>>>, SourceError>) -> Unsafe {
        match result {
            Err(SourceError::Unsafe { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_that_others_can_touch_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        assert!(read(&path, Others::Nobody, 10).unwrap().is_none());
        replace(&path, b"content").unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(read(&path, Others::Nobody, 10).unwrap().unwrap().as_slice(), b"content");
        assert_eq!(why(read(&path, Others::Nobody, 6)), Unsafe::Size);
        for (mode, readers_are_fine) in [(0o640, true), (0o604, true), (0o620, false), (0o602, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(why(read(&path, Others::Nobody, 10)), Unsafe::Mode { mode });
            assert_eq!(read(&path, Others::Readers, 10).is_ok(), readers_are_fine, "{mode:o}");
        }
    }

    #[test]
    fn links_pipes_and_directories_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        replace(&path("file"), b"content").unwrap();
        symlink(path("file"), path("link")).unwrap();
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert_eq!(why(read(&path("link"), Others::Nobody, 10)), Unsafe::Symlink);
        assert_eq!(why(read(&path("pipe"), Others::Nobody, 10)), Unsafe::Kind);
        assert_eq!(why(read(place.path(), Others::Nobody, 10)), Unsafe::Kind);
        // Writing through a link is no better: the link is replaced, not followed.
        replace(&path("link"), b"other").unwrap();
        assert_eq!(fs::read(path("file")).unwrap(), b"content");
        symlink(place.path(), path("directory")).unwrap();
        assert!(matches!(directory(&path("directory")), Err(SourceError::Unsafe { why: Unsafe::Symlink, .. })));
    }

    #[test]
    fn what_a_dead_process_left_is_replaced_and_the_old_file_stands_until_then() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        replace(&path, b"old").unwrap();
        fs::write(place.path().join("file.new"), b"ha").unwrap();
        assert_eq!(read(&path, Others::Nobody, 10).unwrap().unwrap().as_slice(), b"old");
        replace(&path, b"new").unwrap();
        assert_eq!(read(&path, Others::Nobody, 10).unwrap().unwrap().as_slice(), b"new");
        assert!(!place.path().join("file.new").exists());
    }

    #[test]
    fn only_one_holds_a_lock() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(".lock");
        let held = Lock::take(&path).unwrap();
        let (sender, taken) = std::sync::mpsc::channel();
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || sender.send(Lock::take(&path).is_ok())
        });
        assert_eq!(taken.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty));
        drop(held);
        assert_eq!(taken.recv(), Ok(true));
        waiting.join().unwrap().unwrap();
    }
}
