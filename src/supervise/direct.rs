//! The command without isolation: a plain child of this process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::Child;

use nix::unistd::Pid;

use crate::sandbox::Status;
use crate::sys::process;

/// A running command that nothing confines. Dropping it kills the command, not what the command has started.
#[derive(Debug)]
pub struct Direct {
    child: Child,
    handle: OwnedFd,
}

impl Direct {
    /// Takes over a child that has not been waited for.
    pub(super) fn new(child: Child) -> io::Result<Self> {
        let number = i32::try_from(child.id()).map_err(io::Error::other)?;
        let handle = process::handle(Pid::from_raw(number))?;
        Ok(Self { child, handle })
    }

    /// Sends signal `number` to the command. A command that is gone already is no error.
    pub fn signal(&self, number: i32) -> io::Result<()> {
        process::signal(&self.handle, number)
    }

    /// How the command ended, if it has. Never blocks; the descriptor of `as_fd` is readable when it has.
    pub fn try_wait(&mut self) -> io::Result<Option<Status>> {
        let status = self.child.try_wait()?;
        Ok(status.map(|status| Status::of(status.into_raw())))
    }
}

impl AsFd for Direct {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
