//! What signals do to this process, and what the death of this process does to a child.

use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::Signal;

/// Whether `signal` is ignored, as it was inherited from whoever started us (`nohup`, a shell's background job).
pub fn is_ignored(signal: Signal) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action only asks; the kernel writes the old one into memory of its size.
    let returned = unsafe { libc::sigaction(signal as i32, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all-zero bytes are a valid `sigaction`, so this holds whether the call wrote it or failed.
    let action = unsafe { action.assume_init() };
    returned == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Has the kernel kill the program when the thread that starts it ends (`PR_SET_PDEATHSIG`, prctl(2)).
pub fn die_with_parent(command: &mut Command) {
    let ask = || {
        #[cfg(target_os = "linux")]
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from)?;
        Ok(())
    };
    // SAFETY: between fork and exec only one async-signal-safe system call is made, and nothing is allocated.
    unsafe { command.pre_exec(ask) };
}
