//! Signals to the parent: which there are, who sent them, and which of them the child must be told of.
//!
//! **Invariants.** A signal from the terminal reaches the child once: a child that shares our process group has it from
//! the terminal itself, and one with a terminal of its own has it from us. A signal that was ignored when we were
//! started (`nohup`, background jobs) stays ignored, for the child too.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{getpgrp, getpid};

/// What can ask the run to end or tell the child something.
const WATCHED: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
];

/// What stops a job and lets it go on. A child in our own process group gets them from the terminal and the shell, and we
/// stop and go on with it; for one that does not, we have to act.
const JOB_CONTROL: [Signal; 4] = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU, Signal::SIGCONT];

/// What says that nobody waits for this process any more.
const ENDING: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// `si_code` of a signal that the kernel itself raised, as the terminal does (sigaction(2)).
const FROM_KERNEL: i32 = 0x80;

/// A signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Its number.
    pub number: i32,
    /// Whether the kernel raised it for the foreground group, so that the child has it already.
    pub from_terminal: bool,
}

/// The parent's signals as a descriptor.
#[derive(Debug)]
pub struct Signals {
    descriptor: SignalFd,
    ignored: Vec<i32>,
}

impl Signals {
    /// Blocks the watched signals for this thread and all that it starts; call it before the first thread is started.
    pub fn block() -> nix::Result<Self> {
        Self::watch(&WATCHED)
    }

    /// The same, with those of job control: for a child that has a session of its own.
    pub fn block_with_job_control() -> nix::Result<Self> {
        Self::watch(&[WATCHED.as_slice(), &JOB_CONTROL].concat())
    }

    fn watch(signals: &[Signal]) -> nix::Result<Self> {
        let ignored: Vec<Signal> = signals.iter().copied().filter(|signal| crate::sys::is_ignored(*signal)).collect();
        let mut set = SigSet::empty();
        for signal in signals.iter().copied().filter(|signal| !ignored.contains(signal)) {
            set.add(signal);
        }
        set.thread_block()?;
        let descriptor = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { descriptor, ignored: ignored.into_iter().map(|signal| signal as i32).collect() })
    }

    /// The next signal that is pending, without waiting.
    pub fn take(&self) -> nix::Result<Option<Received>> {
        let Some(info) = self.descriptor.read_signal()? else { return Ok(None) };
        let number = i32::try_from(info.ssi_signo).map_err(|_| nix::Error::EINVAL)?;
        Ok(Some(Received { number, from_terminal: info.ssi_code == FROM_KERNEL }))
    }

    /// Takes what is pending; says whether any of it asks this process to end.
    pub fn ask_to_end(&self) -> bool {
        let mut asked = false;
        while let Ok(Some(received)) = self.take() {
            asked |= ENDING.iter().any(|signal| *signal as i32 == received.number);
        }
        asked
    }

    /// Stops this process as `signal` does by default, its whole group if `group` says so, and returns when it is
    /// continued: at once where the kernel stops nobody, since no shell is there to continue an orphaned group.
    ///
    /// Call it from a thread in which the signals are blocked.
    pub fn stop(&self, signal: Signal, group: bool) -> nix::Result<()> {
        if group {
            killpg(getpgrp(), signal)?;
        } else {
            kill(getpid(), signal)?;
        }
        let mut set = SigSet::empty();
        set.add(signal);
        set.thread_unblock()?;
        set.thread_block()
    }

    /// The numbers that were ignored when we were started.
    pub fn ignored(&self) -> &[i32] {
        &self.ignored
    }
}

/// Ends this process by a signal, its whole group if `group` says so. Returns where that signal ends nobody: one that was
/// ignored when we were started still is.
pub fn die(number: i32, group: bool) -> nix::Result<()> {
    let signal = Signal::try_from(number)?;
    let mut set = SigSet::empty();
    set.add(signal);
    set.thread_unblock()?;
    if group { killpg(getpgrp(), signal) } else { kill(getpid(), signal) }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_from_a_process_is_told_from_the_terminals() {
        let signals = Signals::block().unwrap();
        assert_eq!(signals.take().unwrap(), None);
        nix::sys::signal::raise(Signal::SIGUSR1).unwrap();
        assert_eq!(signals.take().unwrap(), Some(Received { number: Signal::SIGUSR1 as i32, from_terminal: false }));
    }
}
