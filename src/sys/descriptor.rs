//! Descriptors: those that arrive by number, and those that must not go on.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::check;

/// Takes over a descriptor that this process was started with. It is closed on exec from now on.
///
/// A number that is not open is an error. Call it once a number, before anything else opens descriptors.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the caller was started with this number by its parent, for itself alone; a number that is not open is
    // found out by the next call and then forgotten, not closed.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    match fcntl(&descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)) {
        Ok(_) => Ok(descriptor),
        Err(error) => {
            std::mem::forget(descriptor);
            Err(error.into())
        }
    }
}

/// Marks every open descriptor from `first` to `last` to be closed on exec (`close_range(2)`).
pub fn close_on_exec(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: the call takes numbers alone and closes nothing now.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) }).map(drop)
}
