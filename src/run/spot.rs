//! A file's place below a trusted directory: reached without following a symlink, read and written as a whole.
//!
//! **Invariants.** What lies below may be the child's work: no component of the way is a symlink, nothing is opened that is no
//! regular file, and what stands in the place is replaced in one step or not at all. A process that dies in the midst
//! leaves no name behind, where the file system knows files without one (`O_TMPFILE`, open(2)).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{Gid, LinkatFlags, Uid, UnlinkatFlags, fchown, linkat, symlinkat, unlinkat};

/// What is added to the name of what two sides changed.
const CONFLICT: &str = ".agentsecrets-conflict";
/// So many conflicts of one file are kept beside it.
const MOST_CONFLICTS: u32 = 1000;

/// A place for a file.
#[derive(Debug)]
pub struct Spot {
    directory: OwnedFd,
    name: OsString,
}

/// How a file is to look.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Its permissions.
    pub mode: u32,
    /// Owner and group, where they are to be other than our own.
    pub owner: Option<(u32, u32)>,
}

const WAY: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

impl Spot {
    /// The place at `below` in `base`; `None` where a directory on the way does not exist. With `make` it is made.
    pub fn find(base: &Path, below: &Path, make: bool) -> io::Result<Option<Self>> {
        let mut parts = below.components().map(|part| match part {
            Component::Normal(name) => Ok(name),
            _ => Err(io::Error::from(io::ErrorKind::InvalidInput)),
        });
        let mut directory = open(base, WAY, Mode::empty())?;
        let mut name = parts.next().ok_or(io::ErrorKind::InvalidInput)??;
        for next in parts {
            directory = match openat(&directory, name, WAY, Mode::empty()) {
                Err(Errno::ENOENT) if !make => return Ok(None),
                Err(Errno::ENOENT) => {
                    match mkdirat(&directory, name, Mode::S_IRWXU) {
                        // Somebody else was faster.
                        Err(Errno::EEXIST) => {}
                        other => other?,
                    }
                    openat(&directory, name, WAY, Mode::empty())?
                }
                opened => opened?,
            };
            name = next?;
        }
        Ok(Some(Self { directory, name: name.to_owned() }))
    }

    /// What stands there.
    pub fn state(&self) -> io::Result<Option<FileStat>> {
        match fstatat(&self.directory, self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => Ok(None),
            other => Ok(Some(other?)),
        }
    }

    /// The regular file that stands there with at most `most` of its bytes; `None` where there is no such file.
    pub fn read(&self, most: u64) -> io::Result<Option<(FileStat, Vec<u8>)>> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let file = match openat(&self.directory, self.name.as_os_str(), flags, Mode::empty()) {
            Err(Errno::ENOENT | Errno::ELOOP) => return Ok(None),
            opened => File::from(opened?),
        };
        let state = fstat(&file)?;
        if !is_file(&state) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Some((state, bytes)))
    }

    /// Puts a file with `bytes` there, in the place of what was.
    pub fn write(&self, bytes: &[u8], look: Look) -> io::Result<()> {
        let temporary = self.lay(bytes, look, &mut |number| temporary(number))?;
        self.take_place(&temporary)
    }

    /// Puts a symlink to `target` there, in the place of what was.
    pub fn link(&self, target: &Path) -> io::Result<()> {
        let mut number = 0;
        let temporary = loop {
            let temporary = temporary(number);
            match symlinkat(target, &self.directory, temporary.as_os_str()) {
                Err(Errno::EEXIST) if number < MOST_CONFLICTS => number += 1,
                made => break made.map(|()| temporary)?,
            }
        };
        self.take_place(&temporary)
    }

    /// Puts a new private file with `bytes` beside, as one of two sides; gives its name.
    pub fn write_beside(&self, bytes: &[u8]) -> io::Result<OsString> {
        self.lay(bytes, Look { mode: 0o600, owner: None }, &mut |number| self.conflict(number))
    }

    /// Gives what stands there a second name, as one of two sides; gives that name.
    pub fn keep_beside(&self) -> io::Result<OsString> {
        for number in 0..MOST_CONFLICTS {
            let name = self.conflict(number);
            let linked =
                linkat(&self.directory, self.name.as_os_str(), &self.directory, name.as_os_str(), LinkatFlags::empty());
            match linked {
                Err(Errno::EEXIST) => {}
                made => return Ok(made.map(|()| name)?),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn conflict(&self, number: u32) -> OsString {
        let mut name = self.name.clone();
        name.push(CONFLICT);
        if number > 0 {
            name.push(format!("-{}", number + 1));
        }
        name
    }

    fn take_place(&self, temporary: &OsStr) -> io::Result<()> {
        renameat(&self.directory, temporary, &self.directory, self.name.as_os_str()).map_err(|error| {
            let _ = unlinkat(&self.directory, temporary, UnlinkatFlags::NoRemoveDir);
            io::Error::from(error)
        })
    }

    /// Makes a file with `bytes` under the first of the names that is free.
    fn lay(&self, bytes: &[u8], look: Look, name: &mut dyn FnMut(u32) -> OsString) -> io::Result<OsString> {
        let flags = OFlag::O_TMPFILE | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let unnamed = openat(&self.directory, ".", flags, Mode::S_IRUSR | Mode::S_IWUSR).map(File::from);
        if let Ok(file) = &unnamed {
            fill(file, bytes, look)?;
        }
        for number in 0..MOST_CONFLICTS {
            let name = name(number);
            let made = match &unnamed {
                Ok(file) => self.name_it(file, &name),
                Err(_) => self.lay_named(&name, bytes, look),
            };
            match made {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| name),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// For file systems that know no files without a name.
    fn lay_named(&self, name: &OsStr, bytes: &[u8], look: Look) -> io::Result<()> {
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.directory, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        fill(&file, bytes, look).inspect_err(|_| {
            let _ = unlinkat(&self.directory, name, UnlinkatFlags::NoRemoveDir);
        })
    }

    fn name_it(&self, file: &File, name: &OsStr) -> io::Result<()> {
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(linkat(AT_FDCWD, unnamed.as_str(), &self.directory, name, LinkatFlags::AT_SYMLINK_FOLLOW)?)
    }
}

fn temporary(number: u32) -> OsString {
    format!(".agentsecrets-{}-{number}", std::process::id()).into()
}

/// Whether a state is that of a regular file.
pub fn is_file(state: &FileStat) -> bool {
    SFlag::from_bits_truncate(state.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFREG
}

fn fill(mut file: &File, bytes: &[u8], look: Look) -> io::Result<()> {
    file.write_all(bytes)?;
    let state = fstat(file)?;
    if let Some((user, group)) = look.owner.filter(|owner| *owner != (state.st_uid, state.st_gid)) {
        fchown(file.as_fd(), Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?;
    }
    // After fchown, which clears bits.
    fchmod(file.as_fd(), Mode::from_bits_truncate(look.mode & 0o777))?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    const PLAIN: Look = Look { mode: 0o640, owner: None };

    fn spot(base: &Path, below: &str, make: bool) -> io::Result<Option<Spot>> {
        Spot::find(base, Path::new(below), make)
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_and_directories_are_made_private() {
        let place = tempfile::tempdir().unwrap();
        assert!(spot(place.path(), "a/b/f", false).unwrap().is_none());
        let spot = spot(place.path(), "a/b/f", true).unwrap().unwrap();
        assert!(spot.state().unwrap().is_none() && spot.read(9).unwrap().is_none());
        for text in ["one", "two"] {
            spot.write(text.as_bytes(), PLAIN).unwrap();
            assert_eq!(spot.read(9).unwrap().unwrap().1, text.as_bytes());
        }
        assert_eq!(fs::metadata(place.path().join("a/b/f")).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(fs::metadata(place.path().join("a")).unwrap().mode() & 0o777, 0o700);
        assert_eq!(names(&place.path().join("a/b")), ["f"]);
    }

    #[test]
    fn both_sides_of_a_conflict_stand_side_by_side() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("f"), "host").unwrap();
        let spot = spot(place.path(), "f", false).unwrap().unwrap();
        assert_eq!(spot.write_beside(b"child").unwrap(), "f.agentsecrets-conflict");
        assert_eq!(spot.keep_beside().unwrap(), "f.agentsecrets-conflict-2");
        spot.write(b"new", PLAIN).unwrap();
        let text = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
        assert_eq!(text("f.agentsecrets-conflict"), "child");
        assert_eq!(text("f.agentsecrets-conflict-2"), "host");
        assert_eq!(text("f"), "new");
        assert_eq!(fs::metadata(place.path().join("f.agentsecrets-conflict")).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn no_symlink_leads_elsewhere() {
        let place = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("f"), "theirs").unwrap();
        symlink(elsewhere.path(), place.path().join("way")).unwrap();
        symlink(elsewhere.path().join("f"), place.path().join("link")).unwrap();
        for make in [false, true] {
            assert!(spot(place.path(), "way/f", make).is_err());
            assert!(spot(place.path(), "../f", make).is_err());
        }
        let spot = spot(place.path(), "link", false).unwrap().unwrap();
        assert!(spot.read(9).unwrap().is_none());
        spot.write(b"ours", PLAIN).unwrap();
        assert_eq!(fs::read_to_string(elsewhere.path().join("f")).unwrap(), "theirs");
        assert!(fs::symlink_metadata(place.path().join("link")).unwrap().is_file());
        spot.link(Path::new("elsewhere")).unwrap();
        assert_eq!(fs::read_link(place.path().join("link")).unwrap(), Path::new("elsewhere"));
        assert_eq!(names(place.path()), ["link", "way"]);
    }
}
