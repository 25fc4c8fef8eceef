//! The descriptors that the command inherits: none may lead past a mask.
//!
//! A directory of the host's mount tree does: from it, `openat` walks the host's own files, unmasked and writable. So
//! does a masked file that is open already, or one of a hidden directory. A socket of the host's network namespace stays
//! in that one: unless it has one peer for good, the command could connect it to whom it likes.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::Mode;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::super::failure::{Blame, Failure};
use super::super::left_out::LeftOut;
use super::super::mechanism::Mechanism;
use super::super::profile::MaskKind;
use super::devices::NODES;
use super::kernel;
use super::site::Site;
use crate::sys::descriptor::close_on_exec;
use crate::sys::socket::is_connected_local_stream;

/// Looks at standard input, output and error and at what else is kept, before anything is masked.
pub(super) fn check(site: &Site) -> Result<(), Failure> {
    let (files, hidden): (Vec<_>, Vec<_>) =
        site.masks.iter().partition(|mask| matches!(mask.kind, MaskKind::File { .. }));
    Inherited {
        kept: &site.profile.kept_descriptors,
        files: files.iter().map(|mask| mask.path.as_path()).collect(),
        directories: hidden.iter().map(|mask| mask.path.as_path()).collect(),
        way_out: true,
        left_out: site.left_out,
    }
    .check()
}

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

/// Opens standard streams on the host's device nodes anew, by the seal's own nodes: through a descriptor of the host's,
/// fchmod(2) and fchown(2) reach the host's inode. Terminals have been replaced already.
pub(super) fn renew_devices(site: &Site) -> Result<(), Failure> {
    if site.without(Mechanism::OwnDev) {
        return Ok(());
    }
    renew(&io::stdin(), 0, dup2_stdin)?;
    renew(&io::stdout(), 1, dup2_stdout)?;
    renew(&io::stderr(), 2, dup2_stderr)
}

fn renew(stream: &impl AsFd, number: RawFd, put: impl Fn(OwnedFd) -> nix::Result<()>) -> Result<(), Failure> {
    // A number that is not open leads nowhere.
    let Ok(metadata) = fs::metadata(descriptor_path(number)) else { return Ok(()) };
    let Some(node) = own_node(&metadata) else { return Ok(()) };
    let renewed = fcntl(stream, FcntlArg::F_GETFL).and_then(|flags| {
        let kept = OFlag::O_ACCMODE | OFlag::O_APPEND | OFlag::O_NONBLOCK;
        put(open(&node, OFlag::from_bits_truncate(flags) & kept | OFlag::O_CLOEXEC, Mode::empty())?)
    });
    renewed.blame_at(Mechanism::OwnDev, "opening a device anew", &node)
}

/// The node in /dev of the same device, if it is one that everybody may open.
fn own_node(metadata: &fs::Metadata) -> Option<PathBuf> {
    if !metadata.file_type().is_char_device() {
        return None;
    }
    let nodes = NODES.iter().filter(|name| **name != "tty").map(|name| Path::new("/dev").join(name));
    let same = |node: &PathBuf| {
        fs::metadata(node).is_ok_and(|own| own.file_type().is_char_device() && own.rdev() == metadata.rdev())
    };
    nodes.into_iter().find(same)
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
pub(super) fn descriptor_path(number: RawFd) -> PathBuf {
    Path::new("/proc/self/fd").join(number.to_string())
}

fn lies_in(directories: &[&Path], path: &Path) -> bool {
    directories.iter().any(|directory| path.starts_with(directory))
}

/// What the descriptor stands for.
pub(super) fn shown(number: RawFd) -> PathBuf {
    fs::read_link(descriptor_path(number)).unwrap_or_else(|_| descriptor_path(number))
}

/// Opened with `O_PATH`: nothing can be read from it, but it names a place in the host's mount tree.
fn is_path_only(number: RawFd) -> bool {
    flags(number).is_some_and(|flags| flags & libc::O_PATH != 0)
}

/// How the descriptor was opened (proc(5), `fdinfo`).
pub(super) fn flags(number: RawFd) -> Option<i32> {
    let information = kernel::text(format!("/proc/self/fdinfo/{number}")).ok()?;
    let flags = information.lines().find_map(|line| line.strip_prefix("flags:"))?;
    i32::from_str_radix(flags.trim(), 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_node_of_a_device() {
        let node = |path: &str| own_node(&fs::metadata(path).unwrap());
        assert_eq!(node("/dev/null"), Some("/dev/null".into()));
        assert_eq!(node("/dev/full"), Some("/dev/full".into()));
        assert_eq!(node("/"), None);
        assert_eq!(node("/proc/self/status"), None);
    }

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

    #[test]
    fn renews_with_the_same_access() {
        let null = fs::OpenOptions::new().append(true).open("/dev/null").unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&null);
        let renewed = std::cell::Cell::new(None);
        renew(&null, number, |device| {
            renewed.set(Some(fcntl(&device, FcntlArg::F_GETFL)?));
            Ok(())
        })
        .unwrap();
        let flags = OFlag::from_bits_truncate(renewed.get().unwrap());
        assert!(flags.contains(OFlag::O_WRONLY | OFlag::O_APPEND));
    }
}
