//! The descriptors that a sealed command inherits: which of them are looked at, and standard streams on devices.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::Mode;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::super::command::{Inherited, descriptor_path};
use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use super::super::profile::MaskKind;
use super::devices::NODES;
use super::site::Site;

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
