//! Files that the command inherits for reading, opened anew through a mount that cannot be written.
//!
//! A descriptor belongs to the mount that its file was opened on, which is the host's. Through `/proc/self/fd` the command
//! could open the same file for writing, and through the descriptor itself change its mode: `<file` would be a way out.
//!
//! **Trade-off.** A file that is open for writing stays as it is, for it was given to be written.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;

use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, Whence, access, dup2, lseek};

use super::super::command::{descriptor_path, flags, shown};
use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use super::site::Site;
use super::staging::READ_ONLY;
use crate::sys::descriptor::inherited;
use crate::sys::mount::{clone_tree, restrict};

/// A file that was opened anew.
#[derive(Debug)]
pub(super) struct ReadFile {
    original: OwnedFd,
    renewed: OwnedFd,
    /// Where both stood at the start.
    start: i64,
}

impl ReadFile {
    /// Puts the original where the command stopped reading: whoever started us may go on from there, as after any other
    /// command. Where it did not read, somebody else may have moved the original meanwhile. Best effort.
    pub(super) fn pass_position_on(&self) {
        let at = lseek(&self.renewed, 0, Whence::SeekCur).ok().filter(|at| *at != self.start);
        let _ = at.map(|at| lseek(&self.original, at, Whence::SeekSet));
    }
}

/// Opens standard input and what else is kept anew, where it is a file that is only read. For the init, before it forks
/// and while the host's files are in sight.
pub(super) fn renew(site: &Site) -> Result<Vec<ReadFile>, Failure> {
    let mut files = Vec::new();
    if site.without(Mechanism::ReadOnlyDescriptors) {
        return Ok(files);
    }
    for number in numbers(site) {
        // A number that is not open leads nowhere.
        let Ok(metadata) = fs::metadata(descriptor_path(number)) else { continue };
        if is_at_risk(number, &metadata, site) {
            let step = "opening anew what the command may only read";
            files.push(open_anew(number, &metadata).blame_at(Mechanism::ReadOnlyDescriptors, step, &shown(number))?);
        }
    }
    Ok(files)
}

/// What the command inherits.
fn numbers(site: &Site) -> BTreeSet<RawFd> {
    [0, 1, 2].iter().chain(&site.profile.kept_descriptors).copied().collect()
}

/// From inside: no file that is only to be read can be changed.
pub(super) fn verify(site: &Site) -> Result<(), Failure> {
    if site.without(Mechanism::ReadOnlyDescriptors) {
        return Ok(());
    }
    for number in numbers(site) {
        if fs::metadata(descriptor_path(number)).is_ok_and(|metadata| is_at_risk(number, &metadata, site)) {
            let step = "it can be changed through a descriptor for reading";
            return Err(Failure::found(Mechanism::ReadOnlyDescriptors, step, Some(&shown(number))));
        }
    }
    Ok(())
}

/// Whether the file is given for reading, and the user could change it all the same. A file without a name ends with its
/// last descriptor.
fn is_at_risk(number: RawFd, metadata: &Metadata, site: &Site) -> bool {
    let is_for_reading = flags(number).is_some_and(|flags| flags & libc::O_ACCMODE == libc::O_RDONLY);
    if !metadata.is_file() || !is_for_reading || metadata.nlink() == 0 {
        return false;
    }
    let path = descriptor_path(number);
    let is_read_only = statvfs(&path).is_ok_and(|facts| facts.flags().contains(FsFlags::ST_RDONLY));
    let has_the_right = site.real_root || metadata.uid() == site.user || access(&path, AccessFlags::W_OK).is_ok();
    !is_read_only && has_the_right
}

/// Opens the file by its name, on a mount of its own, and puts it at `number`.
fn open_anew(number: RawFd, metadata: &Metadata) -> io::Result<ReadFile> {
    let mount = clone_tree(&shown(number), false)?;
    restrict(&mount, READ_ONLY, false)?;
    let renewed = fs::File::open(descriptor_path(mount.as_raw_fd()))?;
    let found = renewed.metadata()?;
    if (found.dev(), found.ino()) != (metadata.dev(), metadata.ino()) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut place = inherited(number)?;
    let original = place.try_clone()?;
    let start = lseek(&original, 0, Whence::SeekCur)?;
    lseek(&renewed, start, Whence::SeekSet)?;
    dup2(&renewed, &mut place)?;
    // The number stays open, for the command.
    let _ = place.into_raw_fd();
    Ok(ReadFile { original, renewed: renewed.into(), start })
}
