//! The user's terminal: which one it is, and whether we stand in front of it.
//!
//! **Invariant.** What is opened here is our own open file description: that it does not block is nobody else's matter.
//! Where a terminal cannot be opened anew, the shared one is used as it is.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use nix::fcntl::OFlag;
use nix::unistd::{getpgrp, tcgetpgrp};

/// The terminal that this program was started at.
#[derive(Debug)]
pub struct UserTerminal {
    device: File,
}

impl UserTerminal {
    /// The controlling terminal; without one, the first standard stream that is a terminal.
    pub fn find() -> Option<Self> {
        let standard = || {
            stream(&io::stdin(), "/proc/self/fd/0")
                .or_else(|| stream(&io::stdout(), "/proc/self/fd/1"))
                .or_else(|| stream(&io::stderr(), "/proc/self/fd/2"))
        };
        open("/dev/tty").ok().filter(File::is_terminal).or_else(standard).map(|device| Self { device })
    }

    /// Another handle on it.
    pub(super) fn try_clone(&self) -> io::Result<File> {
        self.device.try_clone()
    }

    /// Whether our process group is in front of it. One that is not our controlling terminal knows no front.
    pub(super) fn is_in_front(&self) -> bool {
        tcgetpgrp(&self.device).is_ok_and(|group| group == getpgrp()) || !self.is_controlling()
    }

    fn is_controlling(&self) -> bool {
        !matches!(tcgetpgrp(&self.device), Err(nix::Error::ENOTTY))
    }

    /// Whether the command is a program in front of its user from the start: what stands in a pipeline shares the terminal
    /// with others, and gets it when it asks for it.
    pub(super) fn is_for_the_command_alone(&self) -> bool {
        io::stdin().is_terminal() && !leads_to_another(io::stdout()) && self.is_in_front()
    }
}

impl AsFd for UserTerminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

fn open(path: &str) -> io::Result<File> {
    let flags = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path)
}

/// A standard stream that is a terminal, opened anew where its mode lets us.
fn stream(stream: &(impl AsFd + IsTerminal), path: &str) -> Option<File> {
    if !stream.is_terminal() {
        return None;
    }
    open(path).or_else(|_| stream.as_fd().try_clone_to_owned().map(File::from)).ok()
}

/// Whether a stream is a pipe or a socket, with a program at its other end.
fn leads_to_another(stream: impl AsFd) -> bool {
    let kind = stream.as_fd().try_clone_to_owned().and_then(|stream| Ok(File::from(stream).metadata()?.file_type()));
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
}
