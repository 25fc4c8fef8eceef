//! The only place where this program starts processes of its own accord: the stage of a seal, or, without isolation,
//! the command itself.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::sandbox::{LeftOut, Stage};

/// A process could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The stage of a seal.
    #[error("cannot start the stage process")]
    Stage {
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Starts the stage of a seal: this executable anew, with an empty environment, our standard streams and two sockets.
///
/// Call it from the main thread (the kernel ends the stage when the thread that started it ends), before other threads
/// start programs: those would inherit the sockets.
pub fn stage(left_out: &LeftOut) -> Result<Stage, SpawnError> {
    start_stage(left_out).map_err(|source| SpawnError::Stage { source })
}

#[expect(clippy::disallowed_methods, reason = "this is the place where processes are started")]
fn start_stage(left_out: &LeftOut) -> io::Result<Stage> {
    let (control, stage_control) = UnixStream::pair()?;
    let (loopback, stage_loopback) = UnixStream::pair()?;
    for socket in [&stage_control, &stage_loopback] {
        fcntl(socket, FcntlArg::F_SETFD(FdFlag::empty()))?;
    }
    let child = Command::new("/proc/self/exe")
        .arg("__stage")
        .arg(stage_control.as_raw_fd().to_string())
        .arg(stage_loopback.as_raw_fd().to_string())
        .arg(left_out.argument())
        .env_clear()
        .spawn()?;
    Ok(Stage::new(child, control, loopback))
}
