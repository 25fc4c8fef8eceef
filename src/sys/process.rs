//! Processes: an init in new namespaces, its child, and handles that no reused process id can fool.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::sched::CloneFlags;
use nix::unistd::Pid;

use super::check;

/// Which side of a fork this is.
#[derive(Debug)]
pub enum Side {
    /// The process that called: the child's number and pidfd.
    Parent(Pid, OwnedFd),
    /// The new process.
    Child,
}

/// Forks this single-threaded process, into the new namespaces of `flags` if there are any; the parent gets the child's
/// pidfd (`clone(2)`, `CLONE_PIDFD`).
pub fn fork(flags: CloneFlags) -> io::Result<Side> {
    let mut descriptor: RawFd = -1;
    let flags = libc::c_long::from(flags.bits() | libc::CLONE_PIDFD | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with a null stack this is fork(2): the child gets its own copy of all memory, and
    // the process has one thread, so that no lock is held by a thread that the child lacks. The kernel writes one int.
    let returned = unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, &raw mut descriptor, 0_usize, 0_usize) };
    match check(returned)? {
        0 => Ok(Side::Child),
        child => {
            let child = Pid::from_raw(i32::try_from(child).map_err(io::Error::other)?);
            // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
            Ok(Side::Parent(child, unsafe { OwnedFd::from_raw_fd(descriptor) }))
        }
    }
}

/// Sends signal `number` to the process behind `pidfd`. A process that is gone already is no error.
pub fn signal(pidfd: impl AsFd, number: i32) -> io::Result<()> {
    let (pidfd, no_information) = (pidfd.as_fd().as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: `pidfd_send_signal` accepts a null `siginfo` and touches no memory then.
    let returned = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, number, no_information, 0) };
    match check(returned) {
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => Err(error),
        _ => Ok(()),
    }
}

/// The next child that has ended or was stopped, with its status as `wait(2)` gives it; `None` if there is none yet.
///
/// Unlike nix's, this one knows real-time signals. No children at all is `ECHILD`.
pub fn reap() -> io::Result<Option<(Pid, i32)>> {
    let mut status = 0;
    // SAFETY: the kernel writes one int.
    match check(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::WUNTRACED) }.into())? {
        0 => Ok(None),
        child => Ok(Some((Pid::from_raw(i32::try_from(child).map_err(io::Error::other)?), status))),
    }
}

/// Gives every signal its default disposition, apart from those whose bit (number - 1) is set in `ignored`.
pub fn reset_dispositions(ignored: u64) {
    for number in 1..=libc::SIGRTMAX() {
        let disposition = if ignored >> (number - 1) & 1 == 1 { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: neither SIG_DFL nor SIG_IGN runs code of ours; for SIGKILL and the C library's own signals the call
        // fails without effect.
        unsafe { libc::signal(number, disposition) };
    }
}
