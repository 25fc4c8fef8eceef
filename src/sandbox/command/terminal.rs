//! The child's own terminal, and the session in which the command is a job.
//!
//! Its keeper leads the session and the command stands in a process group of its own. Its parent is in the same session
//! and in another group, so that group is not orphaned (POSIX, "Orphaned Process Group"): what stops a job stops the
//! command, and the keeper sees it and tells the parent.
//!
//! **Invariants.** No descriptor of the keeper's or the command's leads to a terminal of the host's once the session is
//! made; /dev/tty is the child's own or nothing. The master goes to the parent, and nobody inside keeps it.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::pty::{posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::stat::Mode;
use nix::sys::termios::tcgetsid;
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, getpgrp, getsid, isatty, setsid, tcgetpgrp, tcsetpgrp};

use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use crate::sys::terminal::is_terminal;

/// The slave of the child's own terminal, which is the controlling terminal of this session.
#[derive(Debug)]
pub(in crate::sandbox) struct Terminal {
    slave: OwnedFd,
    path: PathBuf,
    /// The group that had the terminal when it was taken from the child.
    aside: Cell<Option<Pid>>,
}

/// Makes this process the leader of a session of its own: with a terminal if one is wanted, whose master comes along.
///
/// Standard streams that are terminals become the new one; without one they are refused, for they would be the host's.
pub(in crate::sandbox) fn lead_session(wanted: bool) -> Result<Option<(Terminal, OwnedFd)>, Failure> {
    setsid().blame(Mechanism::OwnTerminal, "making a session")?;
    if !wanted {
        return Ok(None);
    }
    let (slave, path, master) = pair().blame(Mechanism::OwnTerminal, "making a terminal")?;
    let step = "putting the terminal in the place of another";
    if isatty(io::stdin()).unwrap_or(false) {
        dup2_stdin(&slave).blame(Mechanism::OwnTerminal, step)?;
    }
    if isatty(io::stdout()).unwrap_or(false) {
        dup2_stdout(&slave).blame(Mechanism::OwnTerminal, step)?;
    }
    if isatty(io::stderr()).unwrap_or(false) {
        dup2_stderr(&slave).blame(Mechanism::OwnTerminal, step)?;
    }
    Ok(Some((Terminal { slave, path, aside: Cell::new(None) }, master)))
}

/// Slave, its path and master. A session leader without a controlling terminal gets the one that it opens (`tty(4)`, `open(2)`).
fn pair() -> nix::Result<(OwnedFd, PathBuf, OwnedFd)> {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
    unlockpt(&master)?;
    let path = PathBuf::from(ptsname_r(&master)?);
    let slave = open(&path, OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    Ok((slave, path, master.into()))
}

/// Whether `descriptor` is a terminal of another session than this one's, or of none.
fn is_foreign(descriptor: impl AsFd) -> bool {
    let descriptor = descriptor.as_fd();
    isatty(descriptor).unwrap_or(false) && tcgetsid(descriptor) != getsid(None)
}

/// By the command's own eyes: /dev/tty is the terminal of this session or nothing, and no descriptor leads to another.
pub(in crate::sandbox) fn verify(own: bool, kept: &[RawFd]) -> Result<(), Failure> {
    let tty = Path::new("/dev/tty");
    let controlling = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(tty);
    match controlling {
        Ok(terminal) if !own || is_foreign(&terminal) => {
            return Err(Failure::found(Mechanism::OwnTerminal, "another terminal can be opened", Some(tty)));
        }
        Err(error) if own && tty.exists() => {
            return Err(error).blame_at(Mechanism::OwnTerminal, "opening our own terminal", tty);
        }
        _ => {}
    }
    let kept = kept.iter().any(|number| is_terminal(*number));
    if kept || is_foreign(io::stdin()) || is_foreign(io::stdout()) || is_foreign(io::stderr()) {
        let step = "the command would inherit a terminal that is not its own";
        return Err(Failure::found(Mechanism::OwnTerminal, step, None));
    }
    Ok(())
}

impl Terminal {
    /// Its name, by which programs open it.
    pub(in crate::sandbox) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the terminal to the group that had it last, at first to that of `command`; or takes it, so that whoever
    /// inside wants it stops.
    ///
    /// This process holds SIGTTOU back, without which the kernel would refuse it to a group in the background.
    pub(super) fn give(&self, foreground: bool, command: Pid) {
        let (own, Ok(holder)) = (getpgrp(), tcgetpgrp(&self.slave)) else { return };
        if !foreground && holder != own {
            self.aside.set(Some(holder));
        }
        // A terminal that was hung up belongs to nobody, and a group may have ended in the meantime.
        let _ = match (foreground, holder == own) {
            (true, true) => {
                let last = self.aside.take().unwrap_or(command);
                tcsetpgrp(&self.slave, last).or_else(|_| tcsetpgrp(&self.slave, command))
            }
            (false, false) => tcsetpgrp(&self.slave, own),
            _ => Ok(()),
        };
    }
}

/// Continues the command, in front of its terminal if it has one and `foreground` says so.
pub(super) fn resume(terminal: Option<&Terminal>, foreground: bool, command: Pid) {
    if let Some(terminal) = terminal {
        terminal.give(foreground, command);
    }
    signal_group(command, Signal::SIGCONT as i32);
}

/// Sends signal `number` to the group that the command leads. Where nobody is left in it there is nobody to tell.
pub(super) fn signal_group(command: Pid, number: i32) {
    let Ok(signal) = Signal::try_from(number) else { return };
    if killpg(command, signal) == Err(Errno::ESRCH) {
        // It has gone into another group, as the leader of one may.
        let _ = kill(command, signal);
    }
}

/// The signal that stopped a process, if its `status` (`wait(2)`) says that it was stopped.
pub(super) fn stopped(status: i32) -> Option<i32> {
    libc::WIFSTOPPED(status).then(|| libc::WSTOPSIG(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_of_no_session_is_foreign_and_a_pipe_is_none() {
        let pair = nix::pty::openpty(None, None).unwrap();
        assert!(is_foreign(&pair.slave));
        assert!(is_foreign(&pair.master));
        let (reader, _writer) = io::pipe().unwrap();
        assert!(!is_foreign(&reader));
    }

    #[test]
    fn a_stop_is_told_from_an_end() {
        assert_eq!(stopped(libc::SIGTSTP << 8 | 0x7f), Some(libc::SIGTSTP));
        for ended in [0, 1 << 8, libc::SIGKILL, 0x7f << 8] {
            assert_eq!(stopped(ended), None, "{ended:#x}");
        }
    }
}
