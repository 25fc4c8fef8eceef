//! The keeper's side: the command, waiting or running, and what it does about it by the parent's orders.
//!
//! **Invariants.** The command is signalled by a handle that no reused process number can fool. That it was stopped is told,
//! and only its end ends the run.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use nix::unistd::Pid;

use super::super::channel;
use super::super::message::{Answer, Order};
use super::terminal::{self, Terminal};
use crate::sys::process;

/// The command, waiting or running.
#[derive(Debug)]
pub(in crate::sandbox) struct Command {
    /// Its process.
    pub(in crate::sandbox) number: Pid,
    /// The same, as a pidfd.
    pub(in crate::sandbox) handle: OwnedFd,
    /// To the waiting process. Closed by the kernel when the command is executed.
    pub(in crate::sandbox) link: UnixStream,
    /// The run's own terminal, if it has one.
    pub(in crate::sandbox) terminal: Option<Terminal>,
}

/// Tells the parent. One that is gone is heard of as the end of its socket.
fn tell(control: &UnixStream, answer: &Answer) -> io::Result<()> {
    match channel::send(control, answer, channel::NONE) {
        Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => Ok(()),
        told => told,
    }
}

impl Command {
    /// Carries out an order that concerns the command and answers to `control`; false for another order.
    pub(in crate::sandbox) fn obey(&self, order: &Order, control: &UnixStream) -> io::Result<bool> {
        match order {
            Order::Execute { foreground, .. } => self.execute(order, *foreground, control)?,
            Order::Signal { number, group: false } => {
                // An unknown number is the sender's fault; a command that is gone needs no signal.
                let _ = process::signal(&self.handle, *number);
            }
            Order::Signal { number, group: true } => terminal::signal_group(self.number, *number),
            Order::Continue { foreground } => {
                terminal::resume(self.terminal.as_ref(), *foreground, self.number);
                tell(control, &Answer::Continued {})?;
            }
            Order::Establish { .. } | Order::Guard { .. } | Order::Lay { .. } => return Ok(false),
        }
        Ok(true)
    }

    /// Has the waiting process execute; its socket closes when the kernel has done it.
    fn execute(&self, order: &Order, foreground: bool, control: &UnixStream) -> io::Result<()> {
        if let (Some(terminal), true) = (&self.terminal, foreground) {
            terminal.give(true, self.number);
        }
        channel::send(&self.link, order, channel::NONE)?;
        let answer = match channel::receive::<i32>(&self.link)? {
            None => Answer::Started {},
            Some((errno, _)) => Answer::NotStarted { errno },
        };
        tell(control, &answer)
    }

    /// Reaps whatever has ended; the command's status if that is among them. That the command was stopped is told.
    pub(in crate::sandbox) fn reap(&self, control: &UnixStream) -> io::Result<Option<i32>> {
        let mut status = None;
        loop {
            match process::reap() {
                Ok(Some((number, changed))) if number == self.number => match terminal::stopped(changed) {
                    Some(signal) => tell(control, &Answer::Stopped { signal })?,
                    None => status = Some(changed),
                },
                Ok(Some(_)) => {}
                Ok(None) => return Ok(status),
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(status),
                Err(error) => return Err(error),
            }
        }
    }
}

/// The `SigIgn` line of /proc/self/status, without SIGPIPE, which Rust's own start-up ignores.
pub(in crate::sandbox) fn ignored_signals() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let bits = line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).ok_or(ErrorKind::InvalidData)?;
    Ok(bits & !(1 << (libc::SIGPIPE - 1)))
}
