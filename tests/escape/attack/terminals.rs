//! The user's terminal: every way to a descriptor of it, and what can be done with one. The sign is a size that the host
//! looks for: whoever can set it can read what is typed and set the keys as well.

use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::{Act, Outcome, call, why};
use crate::suite::ROWS;

pub(crate) const ATTACKS: &[(&str, Act)] = &[
    ("resize-terminal-by-descriptor", by_descriptor),
    ("resize-terminal-by-number", |_| by_path(Path::new(&host_terminal()))),
    ("resize-terminal-by-other-process", by_other_process),
    ("resize-terminal-by-name", |_| by_path(Path::new("/dev/tty"))),
    ("resize-terminal-by-path", |_| by_path(Path::new("/proc/self/fd/0"))),
    ("take-the-front", take_the_front),
    ("steal-terminal", steal),
];

fn host_terminal() -> String {
    std::env::var("HOST_TERMINAL").unwrap()
}

fn resize(descriptor: RawFd) -> Result<(), String> {
    let size = [ROWS, 80, 0, 0];
    let arguments = [usize::try_from(descriptor).unwrap(), usize::try_from(libc::TIOCSWINSZ).unwrap()];
    call(libc::SYS_ioctl, &[arguments[0], arguments[1], size.as_ptr().addr()]).map(drop).map_err(why("TIOCSWINSZ"))
}

/// Everything that is open here, whatever its number.
fn by_descriptor(_: &str) -> Outcome {
    let numbers = fs::read_dir("/proc/self/fd").map_err(why("list"))?.flatten();
    let numbers: Vec<RawFd> = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let resized: Vec<RawFd> = numbers.into_iter().filter(|number| resize(*number).is_ok()).collect();
    if resized.is_empty() { Err("no descriptor is a terminal".into()) } else { Ok(format!("{resized:?}")) }
}

fn open(path: &Path) -> Result<File, String> {
    let opened = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path);
    opened.map_err(why(&path.display().to_string()))
}

fn by_path(path: &Path) -> Outcome {
    resize(open(path)?.as_raw_fd())?;
    Ok(path.display().to_string())
}

/// What other processes hold: the one that runs this, and the init of the run.
fn by_other_process(_: &str) -> Outcome {
    let mut resized = Vec::new();
    for process in fs::read_dir("/proc").map_err(why("list"))?.flatten() {
        let Ok(entries) = fs::read_dir(process.path().join("fd")) else { continue };
        for path in entries.flatten().map(|entry| entry.path()).filter(|_| process.file_name() != *own_number()) {
            if fs::read_link(&path).is_ok_and(|target| target == Path::new(&host_terminal())) && by_path(&path).is_ok()
            {
                resized.push(path);
            }
        }
    }
    if resized.is_empty() { Err("none holds it within reach".into()) } else { Ok(format!("{resized:?}")) }
}

fn own_number() -> String {
    std::process::id().to_string()
}

/// A standard stream that is the host's terminal: the same inode of the same file system.
fn of_the_host() -> Result<usize, String> {
    let wanted = std::env::var("HOST_TERMINAL_INODE").unwrap();
    let is_it = |number: &usize| {
        let facts = fs::metadata(format!("/proc/self/fd/{number}"));
        facts.is_ok_and(|facts| format!("{} {}", facts.dev(), facts.ino()) == wanted)
    };
    (0..3).find(is_it).ok_or_else(|| "no stream is the host's terminal".into())
}

/// Puts a group of its own in front: the user's keys and signals are its own then.
fn take_the_front(_: &str) -> Outcome {
    let terminal = of_the_host()?;
    let _ = nix::unistd::setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0));
    nix::sys::signal::SigSet::all().thread_block().unwrap();
    let own = std::process::id();
    call(libc::SYS_ioctl, &[terminal, usize::try_from(libc::TIOCSPGRP).unwrap(), (&raw const own).addr()])
        .map_err(why("TIOCSPGRP"))?;
    Ok(format!("group {own} stands in front"))
}

/// Takes the terminal away from the session that has it (`ioctl_tty(2)`, `TIOCSCTTY` with 1).
fn steal(_: &str) -> Outcome {
    let terminal = of_the_host()?;
    // SAFETY: the child makes three system calls and ends.
    match unsafe { libc::fork() } {
        0 => {
            let _ = nix::unistd::setsid();
            let stolen = call(libc::SYS_ioctl, &[terminal, usize::try_from(libc::TIOCSCTTY).unwrap(), 1]);
            std::process::exit(i32::from(stolen.is_err()))
        }
        child => match nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None) {
            Ok(nix::sys::wait::WaitStatus::Exited(_, 0)) => {
                Ok("it is the controlling terminal of another session".into())
            }
            other => Err(format!("{other:?}")),
        },
    }
}
