//! System calls that nix does not wrap: the only room with unsafe code.
//!
//! **Invariants.** Each unsafe block holds one operation and says why its rule holds; every function here is safe to
//! call with any argument, except that [`process::fork`] is for single-threaded callers alone.
//! No decision is taken here: callers in `sandbox` and `supervise` decide.
#![expect(unsafe_code, reason = "system calls without a safe wrapper; the rest of the crate denies unsafe code")]

pub mod attempt;
pub mod capability;
pub mod descriptor;
mod disposition;
mod harden;
pub mod landlock;
pub mod mount;
pub mod process;
pub mod seccomp;
pub mod socket;
pub mod terminal;

pub use disposition::{is_ignored, start_clean};
pub use harden::harden;

/// Turns the C convention of -1 and `errno` into a result.
fn check(returned: libc::c_long) -> std::io::Result<libc::c_long> {
    if returned == -1 { Err(std::io::Error::last_os_error()) } else { Ok(returned) }
}
