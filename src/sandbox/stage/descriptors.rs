//! The descriptors that the command inherits: none may lead past a mask.
//!
//! A directory of the host's mount tree does: from it, `openat` walks the host's own files, unmasked and writable. So
//! does a masked file that is open already.

use std::fs;
use std::os::fd::RawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use super::super::profile::MaskKind;
use super::site::Site;
use crate::sys::descriptor::close_on_exec;

/// Looks at standard input, output and error and at what else is kept, before anything is masked.
pub(super) fn check(site: &Site) -> Result<(), Failure> {
    let masked: Vec<(u64, u64)> = site
        .masks
        .iter()
        .filter(|mask| matches!(mask.kind, MaskKind::File { .. }))
        .filter_map(|mask| fs::metadata(&mask.path).ok())
        .map(|metadata| (metadata.dev(), metadata.ino()))
        .collect();
    for number in [0, 1, 2].iter().chain(&site.profile.kept_descriptors) {
        // A number that is not open leads nowhere.
        let Ok(metadata) = fs::metadata(descriptor_path(*number)) else { continue };
        let kind = metadata.file_type();
        if (kind.is_dir() || kind.is_block_device() || is_path_only(*number))
            && !site.without(Mechanism::DirectoryDescriptors)
        {
            let step = "the command would inherit a directory, which leads out of the seal";
            return Err(Failure::found(Mechanism::DirectoryDescriptors, step, Some(&shown(*number))));
        }
        if masked.contains(&(metadata.dev(), metadata.ino())) && !site.without(Mechanism::MaskedDescriptors) {
            let step = "the command would inherit a masked file";
            return Err(Failure::found(Mechanism::MaskedDescriptors, step, Some(&shown(*number))));
        }
    }
    Ok(())
}

/// Has every descriptor from 3 on closed at exec, apart from those that are kept.
pub(super) fn close_the_rest(site: &Site) -> Result<(), Failure> {
    let mut kept: Vec<u32> =
        site.profile.kept_descriptors.iter().filter_map(|kept| u32::try_from(*kept).ok()).collect();
    kept.sort_unstable();
    let close = |first, last| close_on_exec(first, last).blame(Mechanism::Descriptors, "closing descriptors");
    let mut next = 3;
    for number in kept.into_iter().filter(|number| *number >= 3) {
        if number > next {
            close(next, number - 1)?;
        }
        next = number + 1;
    }
    close(next, u32::MAX)
}

fn descriptor_path(number: RawFd) -> PathBuf {
    Path::new("/proc/self/fd").join(number.to_string())
}

/// What the descriptor stands for, for the message.
fn shown(number: RawFd) -> PathBuf {
    fs::read_link(descriptor_path(number)).unwrap_or_else(|_| descriptor_path(number))
}

/// Opened with `O_PATH`: nothing can be read from it, but it names a place in the host's mount tree.
fn is_path_only(number: RawFd) -> bool {
    let information = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = information.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & libc::O_PATH != 0)
}
