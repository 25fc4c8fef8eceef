//! The descriptors that the command inherits: none may lead past a mask.
//!
//! A directory of the host's mount tree does: from it, `openat` walks the host's own files, unmasked and writable. So
//! does a masked file that is open already, or one of a hidden directory. A socket of the host's network namespace stays
//! in that one: unless it has one peer for good, the command could connect it to whom it likes.

use std::fs;
use std::os::fd::RawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::super::failure::{Blame, Failure};
use super::super::left_out::LeftOut;
use super::super::mechanism::Mechanism;
use crate::sys::descriptor::close_on_exec;
use crate::sys::socket::is_connected_local_stream;

/// What the command would inherit, and must not.
pub(in crate::sandbox) struct Inherited<'a> {
    /// Descriptors besides 0, 1 and 2.
    pub(in crate::sandbox) kept: &'a [RawFd],
    /// Files that must not be open.
    pub(in crate::sandbox) files: Vec<&'a Path>,
    /// Directories of which nothing must be open.
    pub(in crate::sandbox) directories: Vec<&'a Path>,
    /// Whether a directory leads out: past masks it does, past rules on files it does not.
    pub(in crate::sandbox) way_out: bool,
    /// What a test leaves out.
    pub(in crate::sandbox) left_out: &'a LeftOut,
}

impl Inherited<'_> {
    /// Looks at each.
    pub(in crate::sandbox) fn check(&self) -> Result<(), Failure> {
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let masked: Vec<_> = self.files.iter().filter_map(|path| fs::metadata(path).ok()).map(identity).collect();
        for number in [0, 1, 2].iter().chain(self.kept) {
            // A number that is not open leads nowhere.
            let Ok(metadata) = fs::metadata(descriptor_path(*number)) else { continue };
            let (mechanism, step) = match metadata.file_type() {
                kind if self.way_out && (kind.is_dir() || kind.is_block_device() || is_path_only(*number)) => {
                    let step = "the command would inherit a directory, which leads out of the seal";
                    (Mechanism::DirectoryDescriptors, step)
                }
                kind if kind.is_socket() && !is_connected_local_stream(*number) => {
                    let step = "the command would inherit a socket of the host's network, which leads out of the seal";
                    (Mechanism::SocketDescriptors, step)
                }
                _ if lies_in(&self.directories, &shown(*number)) => {
                    (Mechanism::MaskedDescriptors, "the command would inherit a file of a hidden directory")
                }
                _ if masked.contains(&identity(metadata)) => {
                    (Mechanism::MaskedDescriptors, "the command would inherit a masked file")
                }
                _ => continue,
            };
            if !self.left_out.has(mechanism) {
                return Err(Failure::found(mechanism, step, Some(&shown(*number))));
            }
        }
        Ok(())
    }
}

/// Has every descriptor from 3 on closed at exec, apart from those that are kept.
pub(in crate::sandbox) fn close_the_rest(kept: &[RawFd]) -> Result<(), Failure> {
    let mut kept: Vec<u32> = kept.iter().filter_map(|kept| u32::try_from(*kept).ok()).collect();
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

/// The link to what the descriptor stands for.
pub(in crate::sandbox) fn descriptor_path(number: RawFd) -> PathBuf {
    Path::new("/proc/self/fd").join(number.to_string())
}

fn lies_in(directories: &[&Path], path: &Path) -> bool {
    directories.iter().any(|directory| path.starts_with(directory))
}

/// What the descriptor stands for.
pub(in crate::sandbox) fn shown(number: RawFd) -> PathBuf {
    fs::read_link(descriptor_path(number)).unwrap_or_else(|_| descriptor_path(number))
}

/// Opened with `O_PATH`: nothing can be read from it, but it names a place in the host's mount tree.
fn is_path_only(number: RawFd) -> bool {
    flags(number).is_some_and(|flags| flags & libc::O_PATH != 0)
}

/// How the descriptor was opened (proc(5), `fdinfo`).
pub(in crate::sandbox) fn flags(number: RawFd) -> Option<i32> {
    let information = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
    let flags = information.lines().find_map(|line| line.strip_prefix("flags:"))?;
    i32::from_str_radix(flags.trim(), 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_lies_in_a_hidden_directory() {
        let hidden = [Path::new("/home/u/.ssh"), Path::new("/home/u/.aws")];
        for (path, expected) in [
            ("/home/u/.ssh/id", true),
            ("/home/u/.aws/sso/cache/x (deleted)", true),
            ("/home/u/.sshx/id", false),
            ("socket:[12]", false),
        ] {
            assert_eq!(lies_in(&hidden, Path::new(path)), expected, "{path}");
        }
    }
}
