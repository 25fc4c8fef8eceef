//! What signals do to this process, and what the death of this process does to a child.

use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SigSet, Signal};

/// Whether `signal` is ignored, as it was inherited from whoever started us (`nohup`, a shell's background job).
pub fn is_ignored(signal: Signal) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action only asks; the kernel writes the old one into memory of its size.
    let returned = unsafe { libc::sigaction(signal as i32, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all-zero bytes are a valid `sigaction`, so this holds whether the call wrote it or failed.
    let action = unsafe { action.assume_init() };
    returned == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Has a program start with no signal blocked, whatever this process blocks; if `dies_with_us`, the kernel kills it when the
/// thread that starts it ends (`PR_SET_PDEATHSIG`, prctl(2)).
pub fn start_clean(command: &mut Command, dies_with_us: bool) {
    let ask = move || {
        #[cfg(target_os = "linux")]
        if dies_with_us {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from)?;
        }
        SigSet::empty().thread_set_mask().map_err(io::Error::from)
    };
    // SAFETY: between fork and exec only two async-signal-safe system calls are made, and nothing is allocated.
    unsafe { command.pre_exec(ask) };
}
