//! The only place where this program starts processes of its own accord: the stage of a seal, or, without isolation,
//! the command itself; and the user's own opener of links.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{setsockopt, sockopt::SndBuf};

use super::Bare;
use super::streams::Streams;
use super::terminal::{Keeper, UserTerminal};
use crate::sandbox::{LeftOut, Stage};
use crate::scrub::ScrubbedEnv;

/// Bytes that the stage's socket may hold.
const LARGE: usize = 1 << 20;

/// The hidden verb that starts the stage of a seal.
pub const STAGE_VERB: &str = "__stage";
/// The hidden verb that starts the monitor of a guard.
pub const GUARD_VERB: &str = "__guard";

/// The hidden verb that starts the keeper of the user's terminal.
pub const KEEPER_VERB: &str = "__terminal";

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
    /// The keeper of the terminal.
    #[error("cannot start the process that keeps the terminal's settings")]
    Keeper {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No such command in the directories of PATH (exit 127).
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

/// Starts the command itself, without a seal: the environment that was decided, our process group.
///
/// Call it from the main thread, for the reason that [`stage`] gives.
#[expect(clippy::disallowed_methods, reason = "this is the place where processes are started")]
pub fn bare(arguments: &[OsString], environment: &ScrubbedEnv, streams: &Streams) -> Result<Bare, SpawnError> {
    let program = arguments.first().cloned().unwrap_or_default();
    let mut command = Command::new(&program);
    command.args(arguments.iter().skip(1)).env_clear().envs(environment.iter());
    crate::sys::start_clean(&mut command, true);
    let failed = |source: io::Error| {
        let command = program.to_string_lossy().into_owned();
        match source.kind() {
            io::ErrorKind::NotFound => SpawnError::NotFound { command },
            _ => SpawnError::NotExecutable { command, source },
        }
    };
    streams.give(&mut command).and_then(|()| command.spawn()).and_then(Bare::watch).map_err(failed)
}

/// Starts the stage of a seal: this executable anew, with an empty environment, the command's standard streams and two
/// sockets.
///
/// Call it from the main thread (the kernel ends the stage when the thread that started it ends), before other threads
/// start programs: those would inherit the sockets.
pub fn stage(left_out: &LeftOut, streams: &Streams) -> Result<Stage, SpawnError> {
    start_stage(left_out, streams).map_err(|source| SpawnError::Stage { source })
}

/// Starts the monitor of a guard: this executable anew, with an empty environment, the command's standard streams and one
/// socket. From here on this process adopts the orphans of its descendants: those that a killed monitor leaves.
pub fn monitor(left_out: &LeftOut, streams: &Streams) -> Result<Stage, SpawnError> {
    start_monitor(left_out, streams).map_err(|source| SpawnError::Stage { source })
}

#[expect(clippy::disallowed_methods, reason = "this is the place where processes are started")]
fn start_monitor(left_out: &LeftOut, streams: &Streams) -> io::Result<Stage> {
    nix::sys::prctl::set_child_subreaper(true)?;
    let (control, monitors) = UnixStream::pair()?;
    fcntl(&monitors, FcntlArg::F_SETFD(FdFlag::empty()))?;
    let mut command = Command::new("/proc/self/exe");
    command.arg(GUARD_VERB).arg(monitors.as_raw_fd().to_string()).arg(left_out.argument()).env_clear();
    streams.give(&mut command)?;
    let child = command.spawn()?;
    Ok(Stage::monitor(child, control))
}

#[expect(clippy::disallowed_methods, reason = "this is the place where processes are started")]
fn start_stage(left_out: &LeftOut, streams: &Streams) -> io::Result<Stage> {
    let (control, stage_control) = UnixStream::pair()?;
    let (loopback, stage_loopback) = UnixStream::pair()?;
    // The largest message, a certificate bundle, is not to wait for its reader. The kernel has a bound of its own.
    setsockopt(&control, SndBuf, &LARGE)?;
    for socket in [&stage_control, &stage_loopback] {
        fcntl(socket, FcntlArg::F_SETFD(FdFlag::empty()))?;
    }
    let mut command = Command::new("/proc/self/exe");
    command.arg(STAGE_VERB).arg(stage_control.as_raw_fd().to_string()).arg(stage_loopback.as_raw_fd().to_string());
    command.arg(left_out.argument()).env_clear();
    streams.give(&mut command)?;
    let child = command.spawn()?;
    Ok(Stage::new(child, control, loopback))
}

/// Starts this program anew, as one that attacks: it dies with us and gets this environment alone. What it says goes to `output`, or, where there is none, can be read.
#[expect(clippy::disallowed_methods, reason = "this is the place where processes are started")]
pub fn attacker(
    arguments: &[OsString],
    environment: &[(OsString, OsString)],
    folder: &Path,
    output: Option<File>,
) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.args(arguments).env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    command.current_dir(folder).stdin(Stdio::null());
    match output {
        Some(file) => command.stdout(file.try_clone()?).stderr(file),
        None => command.stdout(Stdio::piped()).stderr(Stdio::null()),
    };
    crate::sys::start_clean(&mut command, true);
    command.spawn()
}

/// Starts this program anew, as what removes things of ours when we are gone: its standard input ends with us. It gets this
/// environment alone.
#[expect(clippy::disallowed_methods, reason = "this is the place where processes are started")]
pub fn remover(arguments: &[OsString], environment: &[(OsString, OsString)]) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.args(arguments).env_clear().envs(environment.iter().map(|(name, value)| (name, value))).current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn()
}

/// Starts the user's opener of links, with nothing of ours: from `/`, without standard streams, in a process group that no
/// key of the terminal reaches. It outlives the run, as a browser should; a thread waits for it.
///
/// `words` are the program by its absolute path and its arguments; `environment` is all that it gets.
#[expect(clippy::disallowed_methods, reason = "this is the place where processes are started")]
pub fn opener(words: &[OsString], environment: &[(OsString, OsString)]) -> io::Result<()> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    command.current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    crate::sys::start_clean(&mut command, false);
    let mut child = command.spawn()?;
    // How it ends is the user's to see.
    std::thread::Builder::new().name("opener".into()).spawn(move || child.wait()).map(drop)
}

/// Starts the keeper of the user's terminal: this executable anew, with the terminal, a line to us and nothing else.
pub fn keeper(terminal: &UserTerminal) -> Result<Keeper, SpawnError> {
    start_keeper(terminal).map_err(|source| SpawnError::Keeper { source })
}

#[expect(clippy::disallowed_methods, reason = "this is the place where processes are started")]
fn start_keeper(terminal: &UserTerminal) -> io::Result<Keeper> {
    let (line, other) = UnixStream::pair()?;
    let process = Command::new("/proc/self/exe")
        .arg(KEEPER_VERB)
        .env_clear()
        .stdin(OwnedFd::from(other))
        .stdout(terminal.as_fd().try_clone_to_owned()?)
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Keeper::new(process, line))
}
