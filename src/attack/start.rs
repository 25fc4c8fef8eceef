//! Becomes the program that is to be attacked, or the control in its place, with a descriptor that an attack is about.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, fcntl};
use nix::unistd::{Pid, setpgid, setsid};

use super::Aim;

/// The descriptor that is passed on beside the standard streams.
const PASSED: i32 = 7;

/// Executes the program; returns why it could not.
pub(super) fn start(aim: &Aim, how: &OsStr, program: &OsStr, arguments: &[&OsStr]) -> String {
    match become_program(aim, how, program, arguments) {
        Ok(never) => match never {},
        Err(error) => format!("start: {error}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "it does not start a process but becomes one")]
fn become_program(aim: &Aim, how: &OsStr, program: &OsStr, arguments: &[&OsStr]) -> io::Result<Infallible> {
    // Whoever started it can end everything below it at once.
    if how == "terminal" {
        setsid()?;
    } else {
        setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    }
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(input) = input(aim, how)? {
        command.stdin(Stdio::from(input));
    }
    Err(command.exec())
}

/// What is to be the standard input; descriptor 7 is passed on as it is.
fn input(aim: &Aim, how: &OsStr) -> io::Result<Option<OwnedFd>> {
    let opened = |path: &Path| File::open(path).map(|file| Some(OwnedFd::from(file)));
    match how.to_str() {
        Some("plain" | "null") => Ok(None),
        Some("directory") => opened(Path::new(".")),
        Some("dotenv") => opened(Path::new(".env")),
        Some("inherited-directory") => pass_on(Path::new(".")),
        Some("inherited-dotenv") => pass_on(Path::new(".env")),
        Some("datagrams") => {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.connect((Ipv4Addr::LOCALHOST, 9))?;
            Ok(Some(socket.into()))
        }
        Some("terminal") => {
            let (path, ..) = aim.terminal.as_ref().ok_or(io::ErrorKind::NotFound)?;
            // The first terminal that the leader of a session opens is its controlling one.
            OpenOptions::new().read(true).write(true).open(path).map(|file| Some(file.into()))
        }
        _ => opened(&aim.home.join(how)),
    }
}

fn pass_on(path: &Path) -> io::Result<Option<OwnedFd>> {
    let file = File::open(path)?;
    let passed = fcntl(&file, FcntlArg::F_DUPFD(PASSED))?;
    if passed != PASSED {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // It stays open for the program; so does the first one, which is closed on exec.
    let _ = file.into_raw_fd();
    Ok(None)
}
