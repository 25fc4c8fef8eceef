//! Overlays over home and system directories: reads come from the host, writes go to a private layer and end with the
//! run, host sockets are dead, and secret files are hidden in the upper layer, where no change on the host brings them
//! back.
//!
//! **Invariants.** Upper layers are complete before they are mounted: there is no moment at which a masked file shows.
//! A directory with a mount below it cannot be overlaid (the kernel keeps an unprivileged namespace from looking under
//! mounts), so its parts are, one by one; what cannot be overlaid at all stays read-only, and its sockets are masked.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use super::super::mountinfo::{self, Mount};
use super::super::profile::{Mask, MaskKind};
use super::kernel;
use super::site::{Site, VOLATILE};
use super::staging::{Look, Staging, WRITABLE, bind, write_new};
use crate::sys::mount::set_attribute;

/// File systems that hold no files of users: they stay read-only.
const NOT_DISKS: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "sysfs",
    "tracefs",
];

/// A directory of somebody else's with more parts than this is not overlaid part by part, which would take longer than
/// all the rest: the user has no right to write there, and its sockets are masked.
const MOST_PARTS: usize = 32;

/// The layers of a seal.
#[derive(Debug, Default)]
pub(super) struct Overlays {
    /// Each overlaid directory with its upper layer.
    pub(super) layers: Vec<Layer>,
    /// Directories that could not be overlaid.
    pub(super) read_only: Vec<PathBuf>,
    /// Directories of file systems that nobody writes to, which need no layer. Sockets in them are alive all the same:
    /// a file system may have become read-only after they were made.
    bare: Vec<PathBuf>,
    /// Sockets in directories that are not overlaid themselves.
    pub(super) sockets: Vec<PathBuf>,
}

/// An overlaid directory.
#[derive(Debug)]
pub(super) struct Layer {
    /// The directory.
    pub(super) path: PathBuf,
    /// Its upper layer in the staging.
    pub(super) upper: PathBuf,
    /// What we put there, by path below the directory, with inode and time of change: what differs later is the child's.
    pub(super) ours: HashMap<PathBuf, (u64, i64)>,
}

impl Overlays {
    /// Finds what can be overlaid: every directory at the top of the root file system, and the home directory where it
    /// lies elsewhere.
    pub(super) fn find(site: &Site, staging: &mut Staging) -> Result<Self, Failure> {
        let mut overlays = Self::default();
        if site.without(Mechanism::Overlay) {
            return Ok(overlays);
        }
        overlays.split(Path::new("/"), site, staging).blame(Mechanism::Overlay, "finding directories")?;
        // It may lie in /tmp, or below a directory that has too many parts.
        let has_home = |layer: &Layer| site.home.starts_with(&layer.path) || layer.path.starts_with(&site.home);
        if !overlays.layers.iter().any(has_home) && site.home.is_dir() {
            overlays.add(&site.home, site, staging).blame_at(
                Mechanism::Overlay,
                "making the home layer",
                &site.home,
            )?;
        }
        Ok(overlays)
    }

    fn add(&mut self, directory: &Path, site: &Site, staging: &mut Staging) -> io::Result<()> {
        if mountinfo::any_below(&site.mounts, directory) || leads_home_through_others(directory, site) {
            return self.split(directory, site, staging);
        }
        let on = mountinfo::of(&site.mounts, directory);
        if on.is_some_and(|mount| mount.read_only || NOT_DISKS.contains(&mount.kind.as_str())) {
            self.bare.push(directory.to_owned());
            return Ok(());
        }
        let original = match fs::symlink_metadata(directory) {
            // Gone since it was listed: there is nothing to lay a layer over.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        if !can_own(&original, site) && is_empty(directory, &original) {
            // Nothing to hide and no right to write.
            return Ok(());
        }
        let look = Look::of(&original, site);
        let upper = staging.directory(look)?;
        self.layers.push(Layer { path: directory.to_owned(), upper, ours: HashMap::new() });
        Ok(())
    }

    fn split(&mut self, directory: &Path, site: &Site, staging: &mut Staging) -> io::Result<()> {
        let entries = match fs::read_dir(directory) {
            // Nobody inside can read it either, or it is gone since it was listed.
            Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound) => {
                return Ok(());
            }
            other => other?,
        };
        let mut parts = Vec::new();
        for entry in entries {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_socket() {
                self.sockets.push(path);
            } else if kind.is_dir() && !is_own(&path) {
                parts.push(path);
            }
        }
        if parts.len() > MOST_PARTS && !can_own(&fs::symlink_metadata(directory)?, site) {
            self.read_only.push(directory.to_owned());
            return Ok(());
        }
        parts.iter().try_for_each(|part| self.add(part, site, staging))
    }

    /// The layer in which `path` lies.
    fn layer_of(&mut self, path: &Path) -> Option<&mut Layer> {
        self.layers
            .iter_mut()
            .filter(|layer| path.starts_with(&layer.path))
            .max_by_key(|layer| layer.path.as_os_str().len())
    }

    /// Whether `path` lies in a layer.
    pub(super) fn carry(&self, path: &Path) -> bool {
        self.layers.iter().any(|layer| path.starts_with(&layer.path))
    }

    /// Where a layer holds its own copy of `path`.
    pub(super) fn copy_of(&self, path: &Path) -> Option<PathBuf> {
        let layers = self.layers.iter().filter(|layer| path.starts_with(&layer.path));
        let layer = layers.max_by_key(|layer| layer.path.as_os_str().len())?;
        Some(layer.upper.join(path.strip_prefix(&layer.path).ok()?))
    }

    /// Puts `mask` into the upper layer it belongs to; false if no layer can hold it.
    pub(super) fn hide(&mut self, mask: &Mask, site: &Site) -> Result<bool, Failure> {
        if site.without(Mechanism::HiddenPlaces) {
            return Ok(true);
        }
        let Some(layer) = self.layer_of(&mask.path) else { return Ok(false) };
        layer.hide(mask, site).blame_at(Mechanism::HiddenPlaces, "hiding", &mask.path)
    }

    /// Remembers that we wrote `path` through its overlay.
    pub(super) fn is_ours(&mut self, path: &Path) {
        let Some(layer) = self.layer_of(path) else { return };
        let Ok(below) = path.strip_prefix(&layer.path).map(Path::to_owned) else { return };
        if let Ok(made) = fs::symlink_metadata(layer.upper.join(&below)) {
            layer.ours.insert(below, (made.ino(), made.mtime_nsec()));
        }
    }

    /// Mounts them all. One that the kernel refuses is left read-only and remembered.
    pub(super) fn mount(&mut self, site: &Site, staging: &mut Staging) {
        let mut mounted = Vec::new();
        for layer in std::mem::take(&mut self.layers) {
            match layer.mount(site, staging) {
                Ok(()) => mounted.push(layer),
                // What the user cannot enter is out of reach inside as well.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(_) => self.read_only.push(layer.path),
            }
        }
        self.layers = mounted;
        let shows = |path: &PathBuf| {
            let mut without_layer = self.read_only.iter().chain(&self.bare);
            let read_only = without_layer.any(|directory| path.starts_with(directory));
            site.tree_of(path).is_some() || read_only && !self.carry(path)
        };
        let found = seen(host_sockets(), &site.mounts).into_iter().filter(shows).collect::<Vec<_>>();
        self.sockets.extend(found);
    }
}

/// Sockets with a name in the file system that host processes have bound (`/proc/net/unix`, unix(7)).
///
/// Asked of the stage, which is in the host's network namespace, through the host's /proc, which is still in sight.
/// Best effort beside the parent's walk of the trees: it finds those that were bound by an absolute path.
fn host_sockets() -> Vec<PathBuf> {
    let status = kernel::text("/proc/self/status").unwrap_or_default();
    let stage = status.lines().find_map(|line| line.strip_prefix("PPid:")).map(str::trim).unwrap_or_default();
    let table = kernel::read(Path::new("/proc").join(stage).join("net/unix")).unwrap_or_default();
    let lines = table.split(|&byte| byte == b'\n').skip(1);
    // The eighth field is the path, which may hold spaces; abstract names begin with `@`.
    let names = lines.filter_map(|line| line.iter().position(|&byte| byte == b'/').map(|at| &line[at..]));
    names.map(|name| PathBuf::from(OsStr::from_bytes(name))).collect()
}

/// The paths at which these sockets can be seen, second mounts included. A name may be that of another mount namespace.
fn seen(sockets: Vec<PathBuf>, mounts: &[Mount]) -> Vec<PathBuf> {
    let aliases = sockets.iter().flat_map(|socket| mountinfo::aliases(mounts, socket)).collect::<Vec<_>>();
    let is_socket = |path: &PathBuf| path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket());
    sockets.into_iter().chain(aliases).filter(is_socket).collect()
}

/// Whether the seal has a directory of its own there, or a kernel file system.
fn is_own(path: &Path) -> bool {
    ["/proc", "/sys"].iter().any(|kernel| path == Path::new(kernel))
        || VOLATILE.iter().any(|(directory, _)| path == Path::new(directory))
}

impl Layer {
    fn hide(&mut self, mask: &Mask, site: &Site) -> io::Result<bool> {
        let Ok(below) = mask.path.strip_prefix(&self.path) else { return Ok(false) };
        if below.as_os_str().is_empty() {
            // The layer's own directory is mounted over.
            return Ok(false);
        }
        let original = fs::symlink_metadata(&mask.path)?;
        if !self.make_parents(below, site)? || !can_own(&original, site) {
            return Ok(false);
        }
        let (path, look) = (self.upper.join(below), Look::of(&original, site));
        match &mask.kind {
            MaskKind::File { bytes } => write_new(&path, &bytes.0, look)?,
            MaskKind::EmptyDirectory {} => {
                fs::create_dir(&path)?;
                if set_attribute(&path, c"user.overlay.opaque", b"y").is_err() {
                    // Before Linux 6.6 a tmpfs has no user attributes: the directory is mounted over instead.
                    fs::remove_dir(&path)?;
                    return Ok(false);
                }
                look.put_on(&path)?;
            }
        }
        let made = fs::symlink_metadata(&path)?;
        self.ours.insert(below.to_owned(), (made.ino(), made.mtime_nsec()));
        Ok(true)
    }

    /// Makes the directories above `below` in the upper layer, each as the host's; false if one cannot be.
    fn make_parents(&self, below: &Path, site: &Site) -> io::Result<bool> {
        let mut parents: Vec<&Path> = below.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
        parents.reverse();
        for parent in parents {
            let upper = self.upper.join(parent);
            if upper.symlink_metadata().is_ok() {
                continue;
            }
            let original = fs::symlink_metadata(self.path.join(parent))?;
            if !original.is_dir() || !can_own(&original, site) {
                return Ok(false);
            }
            Look::of(&original, site).make_directory(&upper)?;
        }
        Ok(true)
    }

    /// Mounts this layer over its directory.
    fn mount(&self, site: &Site, staging: &mut Staging) -> io::Result<()> {
        // Relative, because commas and colons in a path would end the option.
        std::env::set_current_dir(&self.path)?;
        let may_execute = !statvfs(".")?.flags().contains(FsFlags::ST_NOEXEC);
        if may_execute && is_empty(Path::new("."), &fs::symlink_metadata(".")?) {
            // Nothing shows through: the layer alone is the same, and takes a tenth of the time.
            std::env::set_current_dir("/")?;
            return bind(&self.upper, &self.path, WRITABLE);
        }
        let work = staging.directory(Look::own(0o700, site))?;
        let options = format!("lowerdir=.,upperdir={},workdir={},userxattr", self.upper.display(), work.display());
        let mut flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        flags.set(MsFlags::MS_NOEXEC, !may_execute);
        let mounted = mount(Some("overlay"), &self.path, Some("overlay"), flags, Some(options.as_str()));
        std::env::set_current_dir("/")?;
        Ok(mounted?)
    }
}

/// Whether nothing is in a directory, as far as it can be listed.
fn is_empty(directory: &Path, facts: &fs::Metadata) -> bool {
    // Where a file system counts directories among the links to their parent, there is no need to list it.
    facts.nlink() <= 2 && fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

/// Whether the home directory lies below `directory` in one that a layer cannot copy up, so that a write in the home
/// through this layer would fail: `/var` for a home in `/var/lib`.
fn leads_home_through_others(directory: &Path, site: &Site) -> bool {
    let Ok(below) = site.home.strip_prefix(directory) else { return false };
    let mut steps = below.components();
    let (Some(next), Some(_)) = (steps.next(), steps.next()) else { return false };
    fs::symlink_metadata(directory.join(next)).is_ok_and(|next| !can_own(&next, site))
}

/// Whether a copy can belong to whom the original belongs to.
fn can_own(original: &fs::Metadata, site: &Site) -> bool {
    site.real_root || original.uid() == site.user
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_sockets_at_every_mount() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().canonicalize().unwrap();
        for name in ["one", "two"] {
            fs::create_dir(base.join(name)).unwrap();
        }
        let socket = base.join("two/s");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        fs::write(base.join("one/file"), "").unwrap();
        let mount = |point: &str| Mount {
            device: "0:9".into(),
            root: "/".into(),
            point: base.join(point),
            kind: "tmpfs".into(),
            read_only: true,
        };
        let mounts = [mount("one"), mount("two")];
        // Bound by the name at the other mount; the second is a file here, the third is nothing.
        let bound = ["one/s", "one/file", "none"].map(|name| base.join(name)).to_vec();
        assert_eq!(seen(bound, &mounts), [socket]);
    }
}
