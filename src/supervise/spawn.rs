//! The only place where this program starts processes of its own accord: the stage of a seal, or, without isolation,
//! the command itself.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::Direct;
use crate::sandbox::{LeftOut, Stage};
use crate::sys::process;

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
    /// No such program in the directories of PATH (exit 127).
    #[error("`{command}`: command not found")]
    NotFound {
        /// The command as the user wrote it.
        command: String,
    },
    /// It is there and cannot be executed (exit 126).
    #[error("`{command}`: cannot be executed")]
    NotExecutable {
        /// The command as the user wrote it.
        command: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// Starts the command without isolation. `environment` is the whole of its environment.
///
/// Call it from the main thread: the kernel kills the command when the thread that started it ends.
pub fn direct(arguments: &[OsString], environment: &[(OsString, OsString)]) -> Result<Direct, SpawnError> {
    let (name, rest) = arguments.split_first().map_or((OsStr::new(""), arguments), |(name, rest)| (name, rest));
    start_direct(name, rest, environment).map_err(|source| {
        let command = name.to_string_lossy().into_owned();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SpawnError::NotFound { command },
            _ => SpawnError::NotExecutable { command, source },
        }
    })
}

#[expect(clippy::disallowed_methods, reason = "this is the place where processes are started")]
fn start_direct(name: &OsStr, rest: &[OsString], environment: &[(OsString, OsString)]) -> io::Result<Direct> {
    let mut command = Command::new(name);
    command.args(rest).env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    process::die_with_parent(&mut command);
    Direct::new(command.spawn()?)
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
        .arg(std::process::id().to_string())
        .arg(stage_control.as_raw_fd().to_string())
        .arg(stage_loopback.as_raw_fd().to_string())
        .arg(left_out.argument())
        .env_clear()
        .spawn()?;
    Ok(Stage::new(child, control, loopback))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Status;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;

    fn run(arguments: &[&str]) -> Result<Direct, SpawnError> {
        let arguments: Vec<OsString> = arguments.iter().map(Into::into).collect();
        direct(&arguments, &[("PATH".into(), "/usr/bin:/bin".into()), ("NAME".into(), "7".into())])
    }

    fn ended(mut direct: Direct) -> Status {
        poll(&mut [PollFd::new(direct.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
        direct.try_wait().unwrap().unwrap()
    }

    #[test]
    fn tells_how_the_command_ended() {
        assert_eq!(ended(run(&["sh", "-c", "exit $NAME"]).unwrap()), Status::Exited(7));
        let sleeping = run(&["sleep", "1000"]).unwrap();
        sleeping.signal(15).unwrap();
        assert_eq!(ended(sleeping), Status::Signaled(15));
    }

    #[test]
    fn tells_why_nothing_was_started() {
        assert!(matches!(run(&["no-such-command"]), Err(SpawnError::NotFound { .. })));
        assert!(matches!(run(&[]), Err(SpawnError::NotFound { .. })));
        assert!(matches!(run(&["/etc"]), Err(SpawnError::NotExecutable { .. })));
    }
}
