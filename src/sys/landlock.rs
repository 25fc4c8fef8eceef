//! Landlock (`landlock(7)`): a process and all that it will start give up rights, for good.
//!
//! **Trade-off.** The kernel's three calls and their numbers as they are, not a crate that takes care of older kernels:
//! which right is missing on which kernel is what the caller has to tell the user.

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::check;

/// `LANDLOCK_CREATE_RULESET_VERSION`.
const VERSION: u32 = 1;
/// `LANDLOCK_RULE_PATH_BENEATH` and `LANDLOCK_RULE_NET_PORT`.
const PATH_BENEATH: u32 = 1;
const NET_PORT: u32 = 2;

/// What a domain forbids where no rule allows it (`struct landlock_ruleset_attr`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Handled {
    /// `LANDLOCK_ACCESS_FS_*`.
    pub files: u64,
    /// `LANDLOCK_ACCESS_NET_*`, from version 4 on.
    pub network: u64,
    /// `LANDLOCK_SCOPE_*`, from version 6 on.
    pub scopes: u64,
}

/// `struct landlock_path_beneath_attr`, which is packed.
#[repr(C, packed)]
struct Beneath {
    rights: u64,
    place: RawFd,
}

/// `struct landlock_net_port_attr`.
#[repr(C)]
struct Port {
    rights: u64,
    port: u64,
}

/// The version of Landlock that this kernel has. One without it, or with it switched off, is an error.
pub fn version() -> io::Result<u32> {
    u32::try_from(create(None, VERSION)?).map_err(io::Error::other)
}

/// Rules under construction.
#[derive(Debug)]
pub struct Ruleset(OwnedFd);

impl Ruleset {
    /// Forbids everything in `handled`.
    pub fn new(handled: Handled) -> io::Result<Self> {
        let descriptor = RawFd::try_from(create(Some(&handled), 0)?).map_err(io::Error::other)?;
        // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// Allows `rights` to what `place` was opened on, and to all that lies below it.
    pub fn allow_beneath(&self, place: impl AsFd, rights: u64) -> io::Result<()> {
        let rule = Beneath { rights, place: place.as_fd().as_raw_fd() };
        self.add(PATH_BENEATH, (&raw const rule).cast())
    }

    /// Allows `rights` to a TCP port of any address.
    pub fn allow_port(&self, port: u16, rights: u64) -> io::Result<()> {
        let rule = Port { rights, port: port.into() };
        self.add(NET_PORT, (&raw const rule).cast())
    }

    fn add(&self, kind: u32, rule: *const c_void) -> io::Result<()> {
        // SAFETY: `landlock_add_rule` reads one structure of the kind that it is told; both callers pass their own, which
        // lives through the call.
        let returned = unsafe { libc::syscall(libc::SYS_landlock_add_rule, self.0.as_raw_fd(), kind, rule, 0) };
        check(returned).map(drop)
    }

    /// Puts this thread, and all that it will start, under the rules. `no_new_privs` must be set.
    pub fn restrict(self) -> io::Result<()> {
        // SAFETY: `landlock_restrict_self` takes two numbers and touches no memory of ours.
        let returned = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.0.as_raw_fd(), 0) };
        check(returned).map(drop)
    }
}

fn create(handled: Option<&Handled>, flags: u32) -> io::Result<libc::c_long> {
    let size = handled.map_or(0, size_of_val);
    let handled = handled.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the kernel reads as many bytes as we state, of a structure that lives through the call, or none. Fields that
    // an older kernel does not know are zero there, which it accepts.
    check(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, handled, size, flags) })
}
