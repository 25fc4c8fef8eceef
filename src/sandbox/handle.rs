//! The parent's end of a seal, or of a guard.
//!
//! **Invariants.** Nothing inside outlives a [`Stage`]: dropping it kills the init, which takes the whole tree with it,
//! and waits until the kernel says that all are gone; a guard's monitor is told to end its tree, and what it would leave
//! falls to this process. An [`Enforcement`] exists only after what holds the command was verified from inside, and a
//! command can be executed only with one.

use std::ffi::OsString;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Child;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::change::{Change, Ended, Status};
use super::channel;
use super::doors::Doors;
use super::error::{ExecError, SandboxError};
use super::failure::Failure;
use super::guard::{GuardFacts, GuardProfile, end_orphans};
use super::left::Left;
use super::mend::mend;
use super::message::{Answer, BEFORE, Facts, NOTHING, Order, Wanted};
use super::port_table::PortTable;
use super::processes::Processes;
use super::profile::{Mask, Place, Profile, Put};
use crate::sys::process;

/// A stage process and, once established, the seal that its init holds; or the monitor of a guard.
///
/// Start a stage from the main thread: the kernel ends it when the *thread* that started it ends.
#[derive(Debug)]
pub struct Stage {
    child: Child,
    control: UnixStream,
    hold: Hold,
    /// How the command ended, where that came while another answer was waited for.
    early: Option<(Answer, Vec<OwnedFd>)>,
}

/// By what the tree inside is held.
#[derive(Debug)]
enum Hold {
    /// The init of its process namespace, once it exists.
    Init { init: Option<OwnedFd>, loopback: UnixStream },
    /// The adopter of its orphans; whom this process spares of what a dead one leaves.
    Monitor { spared: Option<u32> },
}

/// Proof that a seal or a guard stands and was verified from inside.
#[derive(Debug)]
pub struct Enforcement(());

/// What [`Stage::established`] gives.
#[derive(Debug)]
pub struct Established {
    /// The proof that the command may be executed.
    pub enforcement: Enforcement,
    /// What the seal turned out to be on this machine.
    pub facts: Facts,
    /// The sockets on which the broker hears the child.
    pub doors: Doors,
    /// The master of the child's own terminal, if it has one.
    pub terminal: Option<OwnedFd>,
}

/// What [`Stage::guard`] gives.
#[derive(Debug)]
pub struct Guarded {
    /// The proof that the command may be executed.
    pub enforcement: Enforcement,
    /// What the guard turned out to be on this machine.
    pub facts: GuardFacts,
    /// The master of the child's own terminal, if it has one.
    pub terminal: Option<OwnedFd>,
}

impl Stage {
    /// Takes over a stage process that was just started with the other ends of `control` and `loopback`.
    pub fn new(child: Child, control: UnixStream, loopback: UnixStream) -> Self {
        Self { child, control, hold: Hold::Init { init: None, loopback }, early: None }
    }

    /// Takes over the monitor of a guard that was just started with the other end of `control`, by a process that adopts
    /// orphans (`PR_SET_CHILD_SUBREAPER`) and has no other children than a keeper of the terminal.
    pub fn monitor(child: Child, control: UnixStream) -> Self {
        Self { child, control, hold: Hold::Monitor { spared: None }, early: None }
    }

    /// Has the guard put up and verified.
    pub fn guard(&mut self, profile: &GuardProfile) -> Result<Guarded, SandboxError> {
        self.hold = Hold::Monitor { spared: profile.keeper };
        self.send(&Order::Guard { profile: Box::new(profile.clone()) })?;
        match self.receive()? {
            (Answer::Guarded { facts }, descriptors) => {
                let terminal = descriptors.into_iter().next();
                Ok(Guarded { enforcement: Enforcement(()), facts, terminal })
            }
            (Answer::Failed { failure }, _) => Err(refused(failure)),
            _ => Err(SandboxError::Unexpected),
        }
    }

    /// Has the seal built and verified, which takes some milliseconds: [`Self::lay`] what belongs in it meanwhile, then
    /// wait for it with [`Self::established`].
    pub fn establish(&self, profile: Profile) -> Result<(), SandboxError> {
        self.send(&Order::Establish { profile: Box::new(profile) })
    }

    /// Has these files laid in the seal that is being built. There is none without this, be there no file.
    pub fn lay(&self, places: Vec<Place>) -> Result<(), SandboxError> {
        self.send(&Order::Lay { places })
    }

    /// Waits until the seal stands.
    pub fn established(&mut self) -> Result<Established, SandboxError> {
        loop {
            match self.receive()? {
                (Answer::Init { .. }, descriptors) => {
                    if let Hold::Init { init, .. } = &mut self.hold {
                        *init = descriptors.into_iter().next();
                    }
                }
                (Answer::Established { facts, doors }, mut descriptors) => {
                    let terminal = if doors.terminal { descriptors.pop() } else { None };
                    let doors = doors.open(descriptors).ok_or(SandboxError::Unexpected)?;
                    return Ok(Established { enforcement: Enforcement(()), facts, doors, terminal });
                }
                (Answer::Failed { failure }, _) => return Err(refused(failure)),
                _ => return Err(SandboxError::Unexpected),
            }
        }
    }

    /// Executes the command; returns when the kernel has replaced the waiting process by it, or refused to.
    ///
    /// `environment` is the whole environment of the command. Its PATH finds `arguments[0]` if that has no slash.
    /// `foreground` puts it in front of its terminal; behind it, it stops as soon as it wants something of it.
    pub fn execute(
        &mut self,
        arguments: &[OsString],
        environment: &[(OsString, OsString)],
        foreground: bool,
        _: &Enforcement,
    ) -> Result<(), ExecError> {
        let command = arguments.first().ok_or(ExecError::Malformed)?.to_string_lossy().into_owned();
        let (arguments, environment) = (arguments.to_vec(), environment.to_vec());
        self.send(&Order::Execute { arguments, environment, foreground })?;
        match self.receive()? {
            (Answer::Started {}, _) => Ok(()),
            (Answer::NotStarted { errno: libc::ENOENT | libc::ENOTDIR }, _) => Err(ExecError::NotFound { command }),
            (Answer::NotStarted { errno: libc::EINVAL }, _) => Err(ExecError::Malformed),
            (Answer::NotStarted { errno }, _) => {
                Err(ExecError::NotExecutable { command, source: io::Error::from_raw_os_error(errno) })
            }
            _ => Err(SandboxError::Unexpected.into()),
        }
    }

    /// Sends signal `number` to the command. A command that is gone already is no error.
    pub fn signal(&self, number: i32) -> Result<(), SandboxError> {
        self.send(&Order::Signal { number, group: false })
    }

    /// Sends signal `number` to the whole process group that the command leads, as a terminal does.
    pub fn signal_group(&self, number: i32) -> Result<(), SandboxError> {
        self.send(&Order::Signal { number, group: true })
    }

    /// Continues the command's group, in front of its terminal or behind it; returns when it is there, so that a key that
    /// is handed on afterwards is its own. What stopped it before is over then, told or not.
    pub fn resume(&mut self, foreground: bool) -> Result<(), SandboxError> {
        self.send(&Order::Continue { foreground })?;
        // A stage that is gone is missed by whoever asks what became of the command.
        while let Some(answer) = self.hear()? {
            match answer.0 {
                Answer::Stopped { .. } => {}
                Answer::Continued {} => break,
                _ => {
                    self.early = Some(answer);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Another handle that makes sockets of the child's network namespace; a guarded child has none of its own.
    pub fn loopback(&self) -> io::Result<Loopback> {
        let Hold::Init { loopback, .. } = &self.hold else { return Err(io::ErrorKind::Unsupported.into()) };
        Ok(Loopback { requests: std::sync::Mutex::new(loopback.try_clone()?) })
    }

    /// The processes of the seal, as they are seen from here; `None` before it is established.
    pub fn processes(&self) -> Option<Processes> {
        let Hold::Init { init: Some(init), .. } = &self.hold else { return None };
        Some(Processes::around(init.as_fd()))
    }

    /// What became of the command, if anything has. Never blocks; the socket of `as_fd` is readable when there is an answer
    /// that did not come during a [`Self::resume`].
    pub fn try_wait(&mut self) -> Result<Option<Change>, SandboxError> {
        if self.early.is_some() {
            return self.wait().map(Some);
        }
        let mut polled = [PollFd::new(self.control.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, PollTimeout::ZERO) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => Ok(None),
            Ok(_) => self.wait().map(Some),
            Err(error) => Err(SandboxError::Channel { source: error.into() }),
        }
    }

    /// Waits until the command was stopped, or has ended and every process inside is gone.
    pub fn wait(&mut self) -> Result<Change, SandboxError> {
        match self.receive()? {
            (Answer::Stopped { signal }, _) => Ok(Change::Stopped(signal)),
            (Answer::Ended { status, left, merged }, descriptors) => {
                let left = descriptors.into_iter().next().map(|staging| Left::new(staging, left, merged));
                Ok(Change::Ended(Ended { status: Status::of(status), left }))
            }
            _ => Err(SandboxError::Unexpected),
        }
    }

    /// Kills all that is inside. It is gone when the [`Stage`] is dropped.
    pub fn end(&self) {
        // The init ends the run at this end of file; the kill is for one that cannot.
        let _ = self.control.shutdown(Shutdown::Write);
        if let Hold::Init { init: Some(init), .. } = &self.hold {
            let _ = process::signal(init, libc::SIGKILL);
        }
    }

    fn send(&self, order: &Order) -> Result<(), SandboxError> {
        match channel::send(&self.control, order, channel::NONE) {
            // The stage is gone; what it said before that is still to be read.
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Ok(()),
            other => other.map_err(|source| SandboxError::Channel { source }),
        }
    }

    fn receive(&mut self) -> Result<(Answer, Vec<OwnedFd>), SandboxError> {
        match self.early.take() {
            Some(early) => Ok(early),
            None => self.hear()?.ok_or_else(|| self.lost()),
        }
    }

    /// The next answer as it comes; none where the stage is gone.
    fn hear(&self) -> Result<Option<(Answer, Vec<OwnedFd>)>, SandboxError> {
        match channel::receive(&self.control) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            heard => heard.map_err(|source| SandboxError::Channel { source }),
        }
    }

    /// The stage closed its socket: it is about to end, or has ended.
    fn lost(&mut self) -> SandboxError {
        match self.child.wait() {
            Ok(status) => SandboxError::Lost { status },
            Err(source) => SandboxError::Channel { source },
        }
    }
}

impl AsFd for Stage {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.end();
        match &self.hold {
            Hold::Init { init: Some(init), .. } => {
                let mut gone = [PollFd::new(init.as_fd(), PollFlags::POLLIN)];
                // An init becomes a corpse, and its pidfd readable, when all that it was init of is gone.
                while poll(&mut gone, PollTimeout::NONE) == Err(nix::errno::Errno::EINTR) {}
            }
            Hold::Init { init: None, .. } => {
                // An init that has not been announced yet dies with the stage; the socket closes when both are gone.
                let _ = self.child.kill();
                while let Ok(Some(_)) = channel::receive::<Answer>(&self.control) {}
            }
            Hold::Monitor { .. } => {}
        }
        let _ = self.child.wait();
        if let Hold::Monitor { spared } = self.hold {
            // There are some only where the child could kill its monitor.
            let _ = end_orphans(spared);
        }
    }
}

fn refused(failure: Failure) -> SandboxError {
    let mend = mend(&failure);
    SandboxError::Refused { failure, mend }
}

/// Makes sockets of the child's network namespace, so that the parent can connect to the child's own loopback.
#[derive(Debug)]
pub struct Loopback {
    requests: std::sync::Mutex<UnixStream>,
}

impl Loopback {
    /// An unconnected, non-blocking TCP socket of the child's network namespace, for IPv6 if `v6`.
    ///
    /// Asks the init and waits for its answer: some tens of microseconds.
    pub fn socket(&self, v6: bool) -> io::Result<OwnedFd> {
        self.ask(&Wanted::Stream { v6 })
    }

    /// What lists the listening sockets of the child's network namespace.
    pub fn port_table(&self) -> io::Result<PortTable> {
        self.ask(&Wanted::PortTable {}).map(PortTable::new)
    }

    /// Puts `mask` over what is at its path now.
    pub fn mask(&self, mask: &Mask) -> io::Result<Put> {
        let requests = self.requests.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        channel::send(&*requests, &Wanted::Mask { mask: mask.clone() }, channel::NONE)?;
        match channel::receive::<i32>(&*requests)?.ok_or(io::ErrorKind::UnexpectedEof)? {
            (0, _) => Ok(Put::Now),
            (BEFORE, _) => Ok(Put::Before),
            (NOTHING, _) => Ok(Put::Nothing),
            (errno, _) => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    fn ask(&self, wanted: &Wanted) -> io::Result<OwnedFd> {
        let requests = self.requests.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        channel::send(&*requests, wanted, channel::NONE)?;
        let (errno, sockets) = channel::receive::<i32>(&*requests)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        sockets.into_iter().next().ok_or_else(|| io::Error::from_raw_os_error(errno))
    }
}
