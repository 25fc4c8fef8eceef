//! Keeps the memory of a process that holds real values away from other processes of the same user.

use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Makes this process unreadable to its own user's other processes (`/proc/PID/mem`, ptrace) and keeps it from
/// writing a core file.
///
/// The soft limit alone is lowered: what we start may raise its own again.
pub fn harden() -> std::io::Result<()> {
    prctl::set_dumpable(false)?;
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
    setrlimit(Resource::RLIMIT_CORE, 0, hard)?;
    Ok(())
}
