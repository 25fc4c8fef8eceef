//! The seal's own /dev: the nodes that every program may have, terminals of its own, and what the user adds.
//!
//! **Invariants.** Each node is a read-only mount: mode, owner and times of the host's inode cannot be changed, also not
//! by real root. A device is read and written all the same (mount(2): the flag is for the file system's own content).

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use super::site::Site;
use super::staging::{Look, Staging, WRITABLE, bind, make_directories};
use crate::sys::mount::{Restrictions, attach_tree, clone_tree, restrict};

/// Nodes that are bound from the host. `tty` is whatever terminal the opener has.
pub(super) const NODES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

/// What the mount of a node forbids: all but to be opened as a device.
const NODE: Restrictions = Restrictions { read_only: true, no_setuid: true, no_devices: false };

/// Names that programs expect.
const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Detached copies of device nodes, taken while the host's /dev is in sight.
#[derive(Debug)]
pub(super) struct Devices {
    nodes: Vec<(PathBuf, std::os::fd::OwnedFd)>,
}

impl Devices {
    /// Takes the nodes.
    pub(super) fn take(site: &Site) -> Result<Self, Failure> {
        let standard = NODES.iter().map(|name| Path::new("/dev").join(name)).filter(|path| path.exists());
        let mut nodes = Vec::new();
        for path in standard.chain(site.profile.devices.iter().cloned()) {
            let node = take_node(&path).blame_at(Mechanism::OwnDev, "taking a device node", &path)?;
            nodes.push((path, node));
        }
        Ok(Self { nodes })
    }

    /// Builds the directory in the staging.
    pub(super) fn assemble(self, site: &Site, staging: &mut Staging) -> Result<PathBuf, Failure> {
        self.build(site, staging).blame(Mechanism::OwnDev, "building /dev")
    }

    fn build(self, site: &Site, staging: &mut Staging) -> io::Result<PathBuf> {
        let directory = staging.directory(Look::own(0o755, site))?;
        for (path, node) in self.nodes {
            let Ok(below) = path.strip_prefix("/dev") else { return Err(io::ErrorKind::InvalidInput.into()) };
            let point = directory.join(below);
            if let Some(parent) = point.parent() {
                make_directories(parent)?;
            }
            fs::File::create(&point)?;
            attach_tree(node, &point)?;
        }
        for (name, target) in LINKS {
            symlink(target, directory.join(name))?;
        }
        terminals(&directory)?;
        let shared = directory.join("shm");
        make_directories(&shared)?;
        // A mount of its own, because /dev itself becomes read-only.
        bind(&staging.directory(Look::own(0o1777, site))?, &shared, WRITABLE)?;
        Ok(directory)
    }
}

fn take_node(path: &Path) -> io::Result<std::os::fd::OwnedFd> {
    let kind = fs::symlink_metadata(path)?.file_type();
    if !kind.is_char_device() && !kind.is_block_device() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let node = clone_tree(path, false)?;
    restrict(&node, NODE, false)?;
    Ok(node)
}

/// A devpts instance of the seal's own: other terminals of the host have no name in it.
fn terminals(devices: &Path) -> io::Result<()> {
    let point = devices.join("pts");
    make_directories(&point)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(Some("devpts"), &point, Some("devpts"), flags, Some("newinstance,ptmxmode=0666,mode=0620"))?;
    Ok(())
}
