//! The mount calls of Linux 5.2 and later (`open_tree(2)`, `move_mount(2)`, `mount_setattr(2)`), and `lsetxattr(2)`.
//!
//! They work on descriptors of detached trees, so nothing can be exchanged between looking and mounting.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::check;

/// What a mount forbids. Flags only ever add restrictions here; nothing clears one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restrictions {
    /// `MOUNT_ATTR_RDONLY`.
    pub read_only: bool,
    /// `MOUNT_ATTR_NOSUID`.
    pub no_setuid: bool,
    /// `MOUNT_ATTR_NODEV`.
    pub no_devices: bool,
}

impl Restrictions {
    fn bits(self) -> u64 {
        let mut bits = 0;
        if self.read_only {
            bits |= libc::MOUNT_ATTR_RDONLY;
        }
        if self.no_setuid {
            bits |= libc::MOUNT_ATTR_NOSUID;
        }
        if self.no_devices {
            bits |= libc::MOUNT_ATTR_NODEV;
        }
        bits
    }
}

fn c_path(path: &Path) -> io::Result<std::ffi::CString> {
    std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from)
}

/// A detached copy of the mount at `path`, with every mount below it if `recursive`. A final symlink is not followed.
pub fn clone_tree(path: &Path, recursive: bool) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let mut flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_SYMLINK_NOFOLLOW.cast_unsigned();
    if recursive {
        flags |= libc::AT_RECURSIVE.cast_unsigned();
    }
    // SAFETY: `open_tree` reads a NUL-terminated path, which lives through the call, and touches no other memory.
    let returned = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) };
    let descriptor = RawFd::try_from(check(returned)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Attaches a detached tree on top of `path`. A final symlink is not followed.
pub fn attach_tree(tree: impl AsFd, path: &Path) -> io::Result<()> {
    const EMPTY: &CStr = c"";
    let path = c_path(path)?;
    let (tree, flags) = (tree.as_fd().as_raw_fd(), libc::MOVE_MOUNT_F_EMPTY_PATH);
    // SAFETY: `move_mount` reads two NUL-terminated paths, which live through the call.
    let returned =
        unsafe { libc::syscall(libc::SYS_move_mount, tree, EMPTY.as_ptr(), libc::AT_FDCWD, path.as_ptr(), flags) };
    check(returned).map(drop)
}

/// Adds `restrictions` to the mount `tree`, and to every mount below it if `recursive`.
pub fn restrict(tree: impl AsFd, restrictions: Restrictions, recursive: bool) -> io::Result<()> {
    const EMPTY: &CStr = c"";
    let attributes = libc::mount_attr { attr_set: restrictions.bits(), attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: `mount_setattr` reads one NUL-terminated path and one `mount_attr` of the size we state.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_fd().as_raw_fd(),
            EMPTY.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    check(returned).map(drop)
}

/// Sets an extended attribute on `path` itself.
pub fn set_attribute(path: &Path, name: &CStr, value: &[u8]) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: both strings are NUL-terminated, the value has the length we state, and all three live through the call.
    let returned = unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    check(returned.into()).map(drop)
}
