//! The command in its seal or guard as a job of the user's shell: it stops, goes on, comes to the front and goes behind as a bare one
//! would, though it is a job of a session of its own.
//!
//! The shell sees our process group alone. So when the command stops inside, we give the terminal back and stop ourselves
//! by the same signal; when the shell continues us, we take the terminal again if we are in front, and continue the
//! command.
//!
//! **Invariants.** A signal of the user's terminal reaches the command's group once: raw, the terminal sends none, and the
//! child's own does; not raw, it is passed on. Behind its own terminal the command stops as soon as it wants something of
//! it, and only then it is brought to the front.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::libc;
use nix::sys::signal::Signal;

use super::signals::{Received, Signals};
use super::terminal::Attached;
use crate::sandbox::{Change, Ended, Enforcement, ExecError, SandboxError, Stage};

/// A command in its seal or guard, with its terminal if it has one.
#[derive(Debug)]
pub struct Job<'a> {
    stage: Stage,
    terminal: Option<Attached>,
    signals: &'a Signals,
    /// The command is to be in front whenever we are.
    wants_front: bool,
    is_in_front: bool,
    /// The key of a terminal that is gone.
    last_key: Option<i32>,
    /// The suspend key was passed on to the command, which has not stopped since.
    is_suspended: bool,
}

impl<'a> Job<'a> {
    /// A command that is not executed yet.
    pub fn new(stage: Stage, terminal: Option<Attached>, signals: &'a Signals) -> Self {
        let (wants_front, is_in_front, is_suspended) = (false, false, false);
        Self { stage, terminal, signals, wants_front, is_in_front, last_key: None, is_suspended }
    }

    /// Executes it; see [`Stage::execute`].
    pub fn execute(
        &mut self,
        arguments: &[OsString],
        environment: &[(OsString, OsString)],
        enforcement: &Enforcement,
    ) -> Result<(), ExecError> {
        self.wants_front = self.terminal.as_ref().is_some_and(Attached::is_for_the_command_alone);
        let foreground = self.come_to_the_front();
        self.stage.execute(arguments, environment, foreground, enforcement)?;
        self.listen(foreground);
        Ok(())
    }

    /// Readable when [`try_wait`](Self::try_wait) may have something to do.
    pub fn readiness(&self) -> io::Result<OwnedFd> {
        self.stage.as_fd().try_clone_to_owned()
    }

    /// Readable when the user's terminal is gone; none where there is no terminal.
    pub fn terminal_is_gone(&self) -> io::Result<Option<OwnedFd>> {
        self.terminal.as_ref().map(Attached::gone).transpose()
    }

    /// How the command ended, if it has. Where it was stopped, this process stops as well and returns when continued.
    pub fn try_wait(&mut self) -> Result<Option<Ended>, SandboxError> {
        loop {
            match self.stage.try_wait()? {
                Some(Change::Ended(ended)) => return Ok(Some(ended)),
                Some(Change::Stopped(number)) => self.stopped(number)?,
                None => return Ok(None),
            }
        }
    }

    /// Acts on a signal to this process.
    pub fn hear(&mut self, signal: Received) -> Result<(), SandboxError> {
        match signal.number {
            libc::SIGWINCH => self.resize(signal.from_terminal),
            libc::SIGCONT => self.go_on(),
            number if !signal.from_terminal => self.stage.signal(number),
            number => {
                self.is_suspended |= number == libc::SIGTSTP;
                self.stage.signal_group(number)
            }
        }
    }

    /// The user's terminal is gone: so is the child's, and it is told as a shell would.
    pub fn hang_up(&mut self) -> Result<(), SandboxError> {
        // The child's end is also the end of its terminal, and may be heard of first.
        self.last_key = self.key();
        self.terminal = None;
        self.is_in_front = false;
        self.stage.signal_group(libc::SIGHUP)?;
        self.stage.signal_group(libc::SIGCONT)
    }

    /// The signal that the user's last key of that kind has sent inside: a command that died of it died by the user's hand.
    pub fn key(&self) -> Option<i32> {
        self.terminal.as_ref().and_then(Attached::key).or(self.last_key)
    }

    /// Has all that is left inside killed, and does not wait for it.
    pub fn end(&mut self) {
        self.stage.end();
    }

    /// Waits until nothing is left inside, shows what was written, and gives the terminal back.
    pub fn finish(self) {
        drop(self.stage);
        if let Some(terminal) = self.terminal {
            terminal.finish(self.signals);
        }
    }

    fn come_to_the_front(&mut self) -> bool {
        let wants = self.wants_front;
        self.is_in_front = self.terminal.as_mut().is_some_and(|terminal| wants && terminal.take());
        self.is_in_front
    }

    fn stopped(&mut self, number: i32) -> Result<(), SandboxError> {
        let mut wants_terminal = matches!(number, libc::SIGTTIN | libc::SIGTTOU);
        let mut number = number;
        if wants_terminal && self.terminal.is_some() {
            self.wants_front = true;
            if std::mem::take(&mut self.is_suspended) {
                // The key came while the command was stopping for the terminal, and to continue it now would undo the key.
                (wants_terminal, number) = (false, libc::SIGTSTP);
            } else if !self.is_in_front && self.come_to_the_front() {
                return self.resume(true);
            }
        }
        self.is_suspended = false;
        if let Some(terminal) = &mut self.terminal {
            terminal.give_back();
        }
        // A key or the kernel stops a whole group, the others of a pipeline with it; a process that sent a signal meant
        // one process.
        let group = wants_terminal || (number == libc::SIGTSTP && self.is_in_front);
        self.is_in_front = false;
        let signal = Signal::try_from(number).unwrap_or(Signal::SIGSTOP);
        self.signals.stop(signal, group).map_err(|error| SandboxError::Channel { source: error.into() })?;
        self.go_on()?;
        // The news of being continued is old by now.
        while let Ok(Some(signal)) = self.signals.take() {
            if signal.number != libc::SIGCONT {
                self.hear(signal)?;
            }
        }
        Ok(())
    }

    /// Continued, in front or behind: so is the command.
    fn go_on(&mut self) -> Result<(), SandboxError> {
        if let Some(terminal) = &self.terminal {
            terminal.resize();
        }
        let foreground = self.come_to_the_front();
        self.resume(foreground)
    }

    fn resume(&mut self, foreground: bool) -> Result<(), SandboxError> {
        self.is_suspended = false;
        self.stage.resume(foreground)?;
        self.listen(foreground);
        Ok(())
    }

    /// Hands on what is typed, where the command is in front.
    fn listen(&self, foreground: bool) {
        if let Some(terminal) = self.terminal.as_ref().filter(|_| foreground) {
            terminal.begin_reading();
        }
    }

    fn resize(&mut self, from_terminal: bool) -> Result<(), SandboxError> {
        match &self.terminal {
            Some(terminal) => terminal.resize(),
            None if from_terminal => return Ok(()),
            None => {}
        }
        match (from_terminal, self.is_in_front) {
            // The kernel has told who is in front of the child's terminal.
            (true, true) => Ok(()),
            (true, false) => self.stage.signal_group(libc::SIGWINCH),
            (false, _) => self.stage.signal(libc::SIGWINCH),
        }
    }
}
