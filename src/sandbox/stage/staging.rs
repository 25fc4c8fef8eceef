//! The private tmpfs from which everything of ours in the seal is taken: upper layers, masks, /tmp, /run, /dev.
//!
//! While the seal is built it is mounted over /dev; then the finished /dev lies on top of it, for good: nobody inside can
//! take a mount away or look under one.
//! **Invariant.** Nothing of it has a name on the host (L1).
//!
//! **Trade-off.** It is not unmounted, though nothing needs it in sight: for that the kernel would wait until every
//! processor has seen it go, milliseconds on a busy machine.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use super::kernel;
use super::site::Site;
use crate::sys::mount::{Restrictions, attach_tree, clone_tree, restrict};

/// Where it is mounted for the time of building: the one directory that every system has and no home lies in.
const POINT: &str = "/dev";

/// How many files there may be on the smallest machine.
const FEWEST_FILES: u64 = 65_536;

/// Where the seal's own files are made.
#[derive(Debug)]
pub(super) struct Staging {
    /// Files made so far, which gives each its name.
    made: u32,
    /// Files that stand in for masked ones and that the child may change: what they stand in for, and where they are.
    pub(super) copies: Vec<(PathBuf, PathBuf)>,
}

/// What a file or directory of ours is: mode and, where they can be given, owner and group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    mode: u32,
    user: u32,
    group: u32,
    /// Whether what this process makes looks so by itself, since nothing is masked out of its modes.
    is_own: bool,
}

impl Look {
    /// As the original has it; ids that mean nothing inside become the user's own.
    pub(super) fn of(original: &Metadata, site: &Site) -> Self {
        let (mode, user, group) = (original.mode() & 0o7777, original.uid(), original.gid());
        if site.real_root {
            let is_own = (user, group) == (site.user, site.group) && mode & 0o6000 == 0;
            return Self { mode, user, group, is_own };
        }
        // What belongs to somebody else gives the user the rights of others, and no more.
        let mode = if user == site.user { mode } else { mode & 0o5 | (mode & 0o5) << 3 | (mode & 0o5) << 6 };
        Self::own(mode, site)
    }

    /// The user's own, with this mode.
    pub(super) fn own(mode: u32, site: &Site) -> Self {
        Self { mode, user: site.user, group: site.group, is_own: mode & 0o6000 == 0 }
    }

    /// Makes a directory that looks so.
    pub(super) fn make_directory(self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(if self.is_own { self.mode } else { 0o700 }).create(path)?;
        if self.is_own { Ok(()) } else { self.put_on(path) }
    }

    /// Gives `path` this look.
    pub(super) fn put_on(self, path: &Path) -> io::Result<()> {
        match chown(path, Some(self.user), Some(self.group)) {
            // An owner that has no number in this user namespace: it stays the user's own.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            given => given?,
        }
        // After chown, which clears set-id bits.
        fs::set_permissions(path, Permissions::from_mode(self.mode))
    }
}

impl Staging {
    /// Mounts it. The /dev of the host is out of sight from here on.
    pub(super) fn mount() -> Result<Self, Failure> {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        let source = Some("agentsecrets");
        let options = options(&kernel::text("/proc/meminfo").unwrap_or_default());
        mount(source, POINT, Some("tmpfs"), flags, Some(options.as_str())).blame_at(
            Mechanism::MountNamespace,
            "mounting a private tmpfs",
            Path::new(POINT),
        )?;
        Ok(Self { made: 0, copies: Vec::new() })
    }

    /// A path for something new.
    pub(super) fn fresh(&mut self) -> PathBuf {
        self.made += 1;
        Path::new(POINT).join(self.made.to_string())
    }

    /// A new file with these bytes.
    pub(super) fn file(&mut self, bytes: &[u8], look: Look) -> io::Result<PathBuf> {
        let path = self.fresh();
        write_new(&path, bytes, look)?;
        Ok(path)
    }

    /// A new, empty directory.
    pub(super) fn directory(&mut self, look: Look) -> io::Result<PathBuf> {
        let path = self.fresh();
        look.make_directory(&path)?;
        Ok(path)
    }

    /// The name of `path` for whoever holds the handle.
    pub(super) fn name_of(path: &Path) -> &Path {
        path.strip_prefix(POINT).unwrap_or(path)
    }

    /// A handle on all of it that outlives the mount.
    pub(super) fn handle() -> io::Result<OwnedFd> {
        Ok(File::open(POINT)?.into())
    }

    /// Takes it out of sight: under the finished `devices`, a directory of it; without them it gives way to the host's.
    pub(super) fn cover(devices: Option<&Path>) -> io::Result<()> {
        let Some(devices) = devices else { return Ok(umount2(POINT, MntFlags::MNT_DETACH)?) };
        let devices = clone_tree(devices, true)?;
        restrict(&devices, Restrictions { read_only: true, no_setuid: true, no_devices: false }, false)?;
        attach_tree(devices, Path::new(POINT))
    }
}

/// The bounds of all layers, /tmp, /run and /dev/shm together, for they are one file system: a quarter of memory, and a
/// file for each 16 KiB of memory, which takes about a sixteenth more (tmpfs(5)).
fn options(memory: &str) -> String {
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    let bounds = "mode=0755,size=25%";
    match total.and_then(|total| total.parse::<u64>().ok()) {
        Some(total) => format!("{bounds},nr_inodes={}", (total / 16).max(FEWEST_FILES)),
        // The kernel's own bound: one for each two pages.
        None => bounds.to_owned(),
    }
}

/// Makes a file that does not exist yet.
pub(super) fn write_new(path: &Path, bytes: &[u8], look: Look) -> io::Result<()> {
    let mode = if look.is_own { look.mode } else { 0o600 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    if look.is_own { Ok(()) } else { look.put_on(path) }
}

/// Makes a directory and those above it that are missing.
pub(super) fn make_directories(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path)
}

/// Attaches a copy of `source` at `point`, restricted.
pub(super) fn bind(source: &Path, point: &Path, restrictions: Restrictions) -> io::Result<()> {
    let tree = clone_tree(source, true)?;
    restrict(&tree, restrictions, true)?;
    attach_tree(tree, point)
}

/// What every mount of the seal forbids.
pub(super) const WRITABLE: Restrictions = Restrictions { read_only: false, no_setuid: true, no_devices: true };
/// The same, read-only.
pub(super) const READ_ONLY: Restrictions = Restrictions { read_only: true, no_setuid: true, no_devices: true };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_follow_memory() {
        for (memory, expected) in [
            ("MemTotal:       16777216 kB\nMemFree: 1 kB\n", "mode=0755,size=25%,nr_inodes=1048576"),
            ("MemFree: 1 kB\nMemTotal: 100 kB\n", "mode=0755,size=25%,nr_inodes=65536"),
            ("", "mode=0755,size=25%"),
            ("MemTotal: much\n", "mode=0755,size=25%"),
        ] {
            assert_eq!(options(memory), expected, "{memory}");
        }
    }
}
