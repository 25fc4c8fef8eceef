//! Processes: an init in new namespaces, its child, and handles that no reused process id can fool.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::sched::CloneFlags;
use nix::unistd::Pid;

use super::check;

/// Which side of a fork this is.
#[derive(Debug)]
pub enum Side<T> {
    /// The process that called.
    Parent(T),
    /// The new process.
    Child,
}

/// Forks this single-threaded process into the new namespaces of `flags`; the parent gets the child's pidfd
/// (`clone(2)`, `CLONE_PIDFD`).
pub fn clone_init(flags: CloneFlags) -> io::Result<Side<(Pid, OwnedFd)>> {
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
            Ok(Side::Parent((child, unsafe { OwnedFd::from_raw_fd(descriptor) })))
        }
    }
}

/// Forks this single-threaded process.
pub fn fork() -> io::Result<Side<Pid>> {
    // SAFETY: the callers are stage processes with one thread, so that no lock is held by a thread the child lacks.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(Side::Parent(child)),
        nix::unistd::ForkResult::Child => Ok(Side::Child),
    }
}

/// Kills the process behind `pidfd`. A process that is gone already is no error.
pub fn kill(pidfd: impl AsFd) -> io::Result<()> {
    let (pidfd, no_information) = (pidfd.as_fd().as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: `pidfd_send_signal` accepts a null `siginfo` and touches no memory then.
    let returned = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, libc::SIGKILL, no_information, 0) };
    match check(returned) {
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => Err(error),
        _ => Ok(()),
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
