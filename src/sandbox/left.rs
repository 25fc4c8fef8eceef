//! What the command wrote to the private layers of its seal, read by the parent after the end.
//!
//! **Invariants.** All of it is the child's: no symlink is followed, nothing is opened that is not a regular file or a
//! directory, and the number of entries, the depth and the bytes that are looked at are bounded.
//!
//! **Trade-off.** The parent walks, not the init: where it keeps things is hidden inside, and a descriptor of the file system
//! is all that has to cross.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmodat, fstatat};

use super::wire::wire_struct;

/// The most entries that are looked at: a package manager may have written a hundred thousand.
const MOST_SEEN: usize = 200_000;
/// Deeper directories are not looked into; each takes a descriptor.
const DEEPEST: usize = 100;

/// One layer, as the init describes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftLayer {
    /// The directory that it was laid over.
    pub(super) path: PathBuf,
    /// Its name in the staging.
    pub(super) name: PathBuf,
    /// What we put there, by path below the directory, with inode and time of change.
    pub(super) ours: Vec<(PathBuf, (u64, i64))>,
}

wire_struct!(LeftLayer { path, name, ours });

/// The layers that a command left. They are gone when this is dropped.
#[derive(Debug)]
pub struct Left {
    staging: OwnedFd,
    layers: Vec<LeftLayer>,
    /// Masked files that the child could change, each with its place in the staging.
    merged: Vec<(PathBuf, PathBuf)>,
}

/// What became of a masked file that the child could change.
#[derive(Debug, PartialEq, Eq)]
pub enum LeftContent {
    /// What stands in it.
    Bytes(Vec<u8>),
    /// It was deleted, or is no regular file any more.
    Gone,
}

/// One file that the command made, changed or deleted.
#[derive(Debug)]
pub struct LeftFile<'a> {
    /// Where the command saw it.
    pub path: PathBuf,
    /// What it is now.
    pub kind: LeftKind,
    /// Whether something of ours stood in its place when the command started.
    pub was_masked: bool,
    directory: &'a OwnedFd,
    name: &'a OsStr,
}

/// What a file is that the command left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftKind {
    /// A regular file.
    File {
        /// Its length in bytes; holes count.
        size: u64,
        /// Its permissions, without the bits that change the user.
        mode: u32,
    },
    /// A symlink.
    Link,
    /// It was deleted.
    Removed,
}

impl LeftFile<'_> {
    /// Opens a regular file for reading.
    pub fn open(&self) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = File::from(open(self.directory, self.name, flags, 0o600)?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    /// Where a symlink leads.
    pub fn target(&self) -> io::Result<PathBuf> {
        Ok(PathBuf::from(readlinkat(self.directory, self.name)?))
    }
}

impl Left {
    pub(super) fn new(staging: OwnedFd, layers: Vec<LeftLayer>, merged: Vec<(PathBuf, PathBuf)>) -> Self {
        Self { staging, layers, merged }
    }

    /// What stands in the child's copy of the masked file at `path`, if that is no more than `most` bytes. Call it when
    /// nothing of the command lives any more.
    pub fn content(&self, path: &Path, most: usize) -> io::Result<LeftContent> {
        let found = self.merged.iter().find(|(merged, _)| merged == path);
        let (_, place) = found.ok_or_else(|| io::Error::other("the seal had no copy of it"))?;
        let (Some(above), Some(name)) = (place.parent(), place.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut directory = self.staging.try_clone()?;
        for part in above {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
            directory = match open(&directory, part, flags, 0o700) {
                Err(error) if is_gone(&error) => return Ok(LeftContent::Gone),
                opened => opened?,
            };
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = match open(&directory, name, flags, 0o600) {
            Err(error) if is_gone(&error) => return Ok(LeftContent::Gone),
            opened => File::from(opened?),
        };
        if !file.metadata()?.is_file() {
            return Ok(LeftContent::Gone);
        }
        let mut bytes = Vec::new();
        if file.take(most as u64 + 1).read_to_end(&mut bytes)? > most {
            return Err(io::Error::other(format!("it has more than {most} bytes")));
        }
        Ok(LeftContent::Bytes(bytes))
    }

    /// Calls `each` with every file, those of `first` before others, those of a directory before what lies deeper: a cache
    /// crowds no settings out. True where there were more than is looked at. Call it when nothing of the command lives any more: what cannot be read is made readable.
    pub fn walk(&self, first: &Path, each: &mut dyn FnMut(&LeftFile<'_>)) -> bool {
        let mut layers: Vec<&LeftLayer> = self.layers.iter().collect();
        layers.sort_by_key(|layer| (!first.starts_with(&layer.path) && !layer.path.starts_with(first), &layer.path));
        let mut walk = Walk { layer: None, first, seen: 0, has_more: false, each };
        for layer in layers {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
            let Ok(upper) = open(&self.staging, layer.name.as_os_str(), flags, 0o700) else { continue };
            walk.layer = Some(layer);
            walk.directory(&upper, Path::new(""), 0);
        }
        walk.has_more
    }
}

struct Walk<'a> {
    layer: Option<&'a LeftLayer>,
    first: &'a Path,
    seen: usize,
    has_more: bool,
    each: &'a mut dyn FnMut(&LeftFile<'_>),
}

impl Walk<'_> {
    fn directory(&mut self, directory: &OwnedFd, below: &Path, depth: usize) {
        if depth > DEEPEST {
            self.has_more = true;
            return;
        }
        let mut directories = Vec::new();
        for name in self.names(directory, below) {
            self.seen += 1;
            let Ok(facts) = fstatat(directory, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) else { continue };
            if SFlag::from_bits_truncate(facts.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFDIR {
                directories.push(name);
            } else {
                self.file(directory, &name, below.join(&name), &facts);
            }
        }
        for name in directories {
            match open(directory, &name, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW, 0o700) {
                Ok(inner) => self.directory(&inner, &below.join(&name), depth + 1),
                Err(_) => self.has_more = true,
            }
        }
    }

    /// The names in a directory, no more than are still looked at; the one that leads to `first` comes first.
    fn names(&mut self, directory: &OwnedFd, below: &Path) -> Vec<OsString> {
        let Ok(entries) = fs::read_dir(format!("/proc/self/fd/{}", directory.as_raw_fd())) else {
            self.has_more = true;
            return Vec::new();
        };
        let mut entries = entries.flatten().map(|entry| entry.file_name());
        let mut names: Vec<OsString> = entries.by_ref().take(MOST_SEEN.saturating_sub(self.seen)).collect();
        self.has_more |= entries.next().is_some();
        let here = self.layer.map(|layer| layer.path.join(below)).unwrap_or_default();
        let way = match self.first.strip_prefix(&here).ok().and_then(|rest| rest.components().next()) {
            Some(Component::Normal(name)) => Some(name),
            _ => None,
        };
        names.sort_by(|one, other| (Some(one.as_os_str()) != way, one).cmp(&(Some(other.as_os_str()) != way, other)));
        names
    }

    fn file(&mut self, directory: &OwnedFd, name: &OsStr, below: PathBuf, facts: &FileStat) {
        let Some(layer) = self.layer else { return };
        let ours = layer.ours.iter().find(|(path, _)| *path == below);
        if ours.is_some_and(|(_, state)| *state == (facts.st_ino, facts.st_mtime_nsec)) {
            return;
        }
        let kind = match SFlag::from_bits_truncate(facts.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFREG => {
                LeftKind::File { size: u64::try_from(facts.st_size).unwrap_or(0), mode: facts.st_mode & 0o777 }
            }
            SFlag::S_IFLNK => LeftKind::Link,
            // How an overlay remembers that a file of the lower layer is gone.
            SFlag::S_IFCHR if facts.st_rdev == 0 => LeftKind::Removed,
            // Pipes and sockets hold nothing.
            _ => return,
        };
        let path = layer.path.join(below);
        (self.each)(&LeftFile { path, kind, was_masked: ours.is_some(), directory, name });
    }
}

/// Whether an error says that a name leads to no file: nothing, a symlink, a directory that is none, or the device by which an
/// overlay remembers a deletion.
fn is_gone(error: &io::Error) -> bool {
    let codes = [libc::ENOENT, libc::ELOOP, libc::ENOTDIR, libc::ENXIO, libc::ENODEV, libc::EACCES];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

/// Opens `name`. The child may have taken its own right to read away: nobody is left whom it would be given to.
fn open(directory: &OwnedFd, name: &OsStr, flags: OFlag, mode: u32) -> io::Result<OwnedFd> {
    let flags = flags | OFlag::O_CLOEXEC;
    match openat(directory, name, flags, Mode::empty()) {
        Err(Errno::EACCES) => {
            // What a symlink leads to is never touched: it was no symlink a moment ago, and nobody changes it any more.
            fchmodat(directory, name, Mode::from_bits_truncate(mode), FchmodatFlags::FollowSymlink)?;
            Ok(openat(directory, name, flags, Mode::empty())?)
        }
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn walked(left: &Left, first: &str) -> (Vec<(String, LeftKind, bool)>, bool) {
        let mut found = Vec::new();
        let more = left.walk(Path::new(first), &mut |file| {
            found.push((file.path.display().to_string(), file.kind, file.was_masked));
        });
        (found, more)
    }

    fn left(place: &Path, ours: Vec<(PathBuf, (u64, i64))>) -> Left {
        let layer = |path: &str, name: &str, ours| LeftLayer { path: path.into(), name: name.into(), ours };
        let layers = vec![layer("/etc", "1", Vec::new()), layer("/home", "2", ours)];
        let merged = ["f", "d/f", "link/f", "link", "gone", "d"].map(|name| (name.into(), Path::new("2").join(name)));
        Left::new(File::open(place).unwrap().into(), layers, merged.to_vec())
    }

    #[test]
    fn what_we_put_there_is_not_the_commands() {
        let place = tempfile::tempdir().unwrap();
        let path = |below: &str| place.path().join(below);
        for directory in ["1", "2/a", "2/u/.config"] {
            fs::create_dir_all(path(directory)).unwrap();
        }
        for file in ["1/hosts", "2/a/other", "2/u/.config/own", "2/u/.config/changed", "2/u/z"] {
            fs::write(path(file), "text").unwrap();
        }
        symlink("/etc/shadow", path("2/u/link")).unwrap();
        nix::unistd::mkfifo(&path("2/u/pipe"), Mode::S_IRWXU).unwrap();
        let state = |below: &str| {
            let facts = fs::metadata(path("2").join(below)).unwrap();
            (PathBuf::from(below), (facts.ino(), facts.mtime_nsec()))
        };
        let (own, (changed, (inode, time))) = (state("u/.config/own"), state("u/.config/changed"));
        let left = left(place.path(), vec![own, (changed, (inode + 1, time))]);
        let file = LeftKind::File { size: 4, mode: 0o644 };
        for name in ["1/hosts", "2/a/other", "2/u/.config/changed", "2/u/z"] {
            fs::set_permissions(path(name), PermissionsExt::from_mode(0o644)).unwrap();
        }
        let expected = [
            ("/home/u/link", LeftKind::Link, false),
            ("/home/u/z", file, false),
            ("/home/u/.config/changed", file, true),
            ("/home/a/other", file, false),
            ("/etc/hosts", file, false),
        ];
        let expected = expected.map(|(path, kind, masked)| (path.to_owned(), kind, masked)).to_vec();
        assert_eq!(walked(&left, "/home/u"), (expected, false));
    }

    #[test]
    fn what_the_command_closed_is_read_and_links_are_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let path = |below: &str| place.path().join(below);
        fs::create_dir_all(path("2/shut")).unwrap();
        fs::write(path("2/shut/f"), "inner").unwrap();
        fs::write(path("2/f"), "outer").unwrap();
        symlink(path("2/f"), path("2/l")).unwrap();
        for name in ["2/shut/f", "2/f", "2/shut"] {
            fs::set_permissions(path(name), PermissionsExt::from_mode(0o000)).unwrap();
        }
        let left = left(place.path(), Vec::new());
        let mut read = Vec::new();
        left.walk(Path::new("/home"), &mut |file| {
            if file.kind == LeftKind::Link {
                assert!(file.open().is_err(), "a symlink is not opened");
                read.push(file.target().unwrap().display().to_string());
                return;
            }
            let mut text = String::new();
            file.open().unwrap().read_to_string(&mut text).unwrap();
            read.push(text);
        });
        assert_eq!(read, ["outer".to_owned(), path("2/f").display().to_string(), "inner".to_owned()]);
    }

    #[test]
    fn a_copy_is_read_as_it_is_and_no_link_is_followed() {
        let place = tempfile::tempdir().unwrap();
        let path = |below: &str| place.path().join("2").join(below);
        fs::create_dir_all(path("d")).unwrap();
        fs::write(path("f"), "text").unwrap();
        fs::write(path("d/f"), "inner").unwrap();
        fs::set_permissions(path("d/f"), PermissionsExt::from_mode(0o000)).unwrap();
        symlink("d", path("link")).unwrap();
        let left = left(place.path(), Vec::new());
        let content = |name: &str, most| left.content(Path::new(name), most);
        assert_eq!(content("f", 4).unwrap(), LeftContent::Bytes(b"text".to_vec()));
        assert_eq!(content("d/f", 9).unwrap(), LeftContent::Bytes(b"inner".to_vec()));
        for name in ["link/f", "link", "gone", "d"] {
            assert_eq!(content(name, 9).unwrap(), LeftContent::Gone, "{name}");
        }
        assert!(content("f", 3).is_err() && content("other", 9).is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let place = tempfile::tempdir().unwrap();
        let mut deep = place.path().join("2");
        deep.extend(std::iter::repeat_n("d", DEEPEST + 2));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("f"), "").unwrap();
        assert_eq!(walked(&left(place.path(), Vec::new()), "/home"), (Vec::new(), true));
    }
}
