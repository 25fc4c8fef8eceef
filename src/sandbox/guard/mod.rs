//! The guard: what stands in for the seal on machines that allow no namespaces (DESIGN §6, `guarded`).
//!
//! A monitor (the same executable with a hidden verb) leads a session with a terminal of the run's own, starts the command
//! in a Landlock domain, behind a system call filter, without capabilities, and ends whatever it leaves behind. There are
//! no masks: what holds credentials outside the project cannot be read at all, and a project that shows a secret is
//! refused before anything starts.
//!
//! **What it does not give.** A connection is judged by its port alone, so that a host which listens on the broker's port
//! number is reached past it; the child may listen, and be connected to. Files are judged when they are opened: metadata
//! can be changed, and whatever lies outside the denied places can be read. `/tmp`, `/var/tmp` and `/dev/shm` are the
//! host's own. Names and arguments of other processes can be seen. Nothing in a writable tree can be kept read-only:
//! Landlock only grants, and a directory of which parts are granted takes no new files. [`gaps`] says what an older
//! kernel lacks besides.

mod domain;
mod grants;
mod monitor;
mod profile;
mod rights;
mod tree;
mod verify;
mod waiting;

use std::io;

use super::left_out::LeftOut;

pub use monitor::guard_main;
pub use profile::{GuardFacts, GuardProfile};

/// What the Landlock of this kernel does not hold, each as a sentence about the child; an error where there is none.
pub fn gaps(left_out: &LeftOut) -> io::Result<Vec<&'static str>> {
    version(left_out).map(rights::gaps)
}

/// The version of Landlock; an error where there is none.
pub fn version(left_out: &LeftOut) -> io::Result<u32> {
    match left_out.landlock(crate::sys::landlock::version()?) {
        0 => Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
        version => Ok(version),
    }
}

/// Ends all that a monitor which is dead has left to this process, its adopter, which has no other child than `spared`.
pub(super) fn end_orphans(spared: Option<u32>) -> io::Result<()> {
    tree::end_others(spared)
}
