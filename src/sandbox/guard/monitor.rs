//! The monitor of a guarded run: the parent's executable anew, single-threaded and without an environment.
//!
//! It leads the command's session, adopts whatever the command leaves behind, and ends all of it when the command ends, and
//! when the parent does.
//!
//! **Invariants.** It dies by no signal of the terminal's or of the user's. The parent's death, whatever the signal, is
//! the end of file of the control socket, which nobody else holds open. Killed itself, its command dies by the kernel's
//! hand, and the rest falls to the parent, which adopts as well (L1).

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Pid, getpid};

use super::super::channel;
use super::super::command::{Command, Terminal, ignored_signals, lead_session};
use super::super::failure::{Blame, Failure};
use super::super::left_out::LeftOut;
use super::super::mechanism::Mechanism;
use super::super::message::{Answer, Order};
use super::profile::{GuardFacts, GuardProfile};
use super::rights;
use super::tree::{self, Reach};
use super::waiting::{Tried, Waiting};
use crate::sys::landlock::Ruleset;
use crate::sys::{descriptor, process};

/// What the monitor was started with.
struct Start {
    parent: u32,
    control: UnixStream,
    left_out: LeftOut,
    ignored: u64,
}

/// What `agentsecrets __guard …` runs. The command's status travels over the control socket; this one tells nothing.
pub fn guard_main() -> ExitCode {
    let run = |start: Start| {
        SigSet::all().thread_block()?;
        let Some((Order::Guard { profile }, _)) = channel::receive(&start.control)? else { return Ok(()) };
        let ended = match lay(&profile) {
            Ok(()) => establish(&start, &profile),
            Err(failure) => fail(&start, failure),
        };
        // Whatever ended the run; the parent may be gone.
        let _ = fs::remove_dir_all(&profile.own);
        ended
    };
    match start(std::env::args_os().skip(2)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(125),
    }
}

fn start(mut arguments: impl Iterator<Item = OsString>) -> io::Result<Start> {
    let number = arguments.next().and_then(|argument| argument.into_string().ok());
    let number: RawFd = number.and_then(|number| number.parse().ok()).ok_or(io::ErrorKind::InvalidInput)?;
    let control = UnixStream::from(descriptor::inherited(number)?);
    let parent = u32::try_from(getsockopt(&control, PeerCredentials)?.pid()).map_err(io::Error::other)?;
    let left_out = LeftOut::from_argument(arguments.next())?;
    Ok(Start { parent, control, left_out, ignored: ignored_signals()? })
}

/// What the monitor holds once the guard stands.
struct Guard<'a> {
    start: &'a Start,
    command: Command,
    reach: Reach,
}

fn establish(start: &Start, profile: &GuardProfile) -> io::Result<()> {
    let prepared = prepare(start).and_then(|prepared| Ok((prepared, own_terminal(start, profile)?)));
    let ((version, reach), (terminal, master)) = match prepared {
        Ok((prepared, pair)) => (prepared, pair.unzip()),
        Err(failure) => return fail(start, failure),
    };
    let (link, other) = UnixStream::pair()?;
    let (parent, monitor) = (start.parent, getpid());
    let command = match process::fork(CloneFlags::empty())? {
        process::Side::Child => {
            drop((link, master));
            let (left_out, ignored) = (&start.left_out, start.ignored);
            let terminal = terminal.as_ref().map(Terminal::path);
            return Waiting { link: other, profile, left_out, version, ignored, parent, monitor, terminal }.run();
        }
        process::Side::Parent(number, handle) => Command { number, handle, link, terminal },
    };
    drop(other);
    let guard = Guard { start, command, reach };
    let failure = match channel::receive(&guard.command.link)? {
        Some((Tried::Verified { rules, verified }, _)) => {
            if !start.left_out.has(Mechanism::Dumpable) {
                prctl::set_dumpable(false)?;
            }
            let facts = GuardFacts { version, rules, verified };
            // The master is the parent's alone.
            let master: Vec<OwnedFd> = master.into_iter().collect();
            channel::send(&start.control, &Answer::Guarded { facts }, &master)?;
            drop(master);
            return guard.serve();
        }
        Some((Tried::Failed { failure }, _)) => failure,
        None => Failure::found(Mechanism::Filter, "the verifying process ended", None),
    };
    guard.clear()?;
    fail(start, failure)
}

/// Makes the run's own directory.
fn lay(profile: &GuardProfile) -> Result<(), Failure> {
    let (own, step) = (&profile.own, "making the run's own directory");
    let make = |directory: &Path| {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.blame_at(Mechanism::Places, step, directory)
    };
    make(own)?;
    for file in &profile.files {
        for path in &file.paths {
            path.parent().map_or(Ok(()), make)?;
            let mut options = fs::OpenOptions::new();
            let opened = options.write(true).create_new(true).mode(0o600).open(path);
            let written = opened.and_then(|mut opened| opened.write_all(&file.bytes.0));
            written.blame_at(Mechanism::Places, step, path)?;
        }
    }
    Ok(())
}

fn fail(start: &Start, failure: Failure) -> io::Result<()> {
    channel::send(&start.control, &Answer::Failed { failure }, channel::NONE)
}

/// Asks what Landlock there is, and readies this process to end a tree.
fn prepare(start: &Start) -> Result<(u32, Reach), Failure> {
    let version = super::version(&start.left_out).blame(Mechanism::Landlock, "asking the kernel for Landlock")?;
    if !start.left_out.has(Mechanism::Subreaper) {
        prctl::set_child_subreaper(true).blame(Mechanism::Subreaper, "adopting orphans")?;
    }
    let Some(scopes) = rights::monitors(version, &start.left_out) else { return Ok((version, Reach::Lookup)) };
    prctl::set_no_new_privs().blame(Mechanism::NoNewPrivileges, "setting no_new_privs")?;
    let entered = Ruleset::new(scopes).and_then(Ruleset::restrict);
    entered.blame(Mechanism::LandlockSignals, "keeping the monitor's signals in")?;
    // Whether the domain holds is known by trying: a signal to everybody from one that does not hits the user's session.
    let parent = Pid::from_raw(i32::try_from(start.parent).unwrap_or(0));
    let holds = parent.as_raw() > 0 && kill(parent, None) == Err(Errno::EPERM);
    Ok((version, if holds { Reach::Domain } else { Reach::Lookup }))
}

/// The session in which the command is a job, with a terminal if the run has one.
fn own_terminal(start: &Start, profile: &GuardProfile) -> Result<Option<(Terminal, OwnedFd)>, Failure> {
    if start.left_out.has(Mechanism::OwnTerminal) {
        return Ok(None);
    }
    lead_session(profile.own_terminal)
}

impl Guard<'_> {
    /// Serves the parent until the command or the parent ends.
    fn serve(self) -> io::Result<()> {
        let mut child = SigSet::empty();
        child.add(Signal::SIGCHLD);
        let ended = SignalFd::with_flags(&child, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        loop {
            let ready = {
                let mut polled = [
                    PollFd::new(self.start.control.as_fd(), PollFlags::POLLIN),
                    PollFd::new(ended.as_fd(), PollFlags::POLLIN),
                ];
                match poll(&mut polled, PollTimeout::NONE) {
                    Err(Errno::EINTR) => continue,
                    other => other?,
                };
                polled.map(|polled| polled.any().unwrap_or(false))
            };
            if ready[0] && !self.obey()? {
                return self.clear();
            }
            if ready[1] {
                while ended.read_signal()?.is_some() {}
                if let Some(status) = self.command.reap(&self.start.control)? {
                    self.clear()?;
                    let ended = Answer::Ended { status, left: Vec::new(), merged: Vec::new() };
                    return channel::send(&self.start.control, &ended, channel::NONE);
                }
            }
        }
    }

    /// Carries out one order; false when the parent is gone.
    fn obey(&self) -> io::Result<bool> {
        let control = &self.start.control;
        match channel::receive(control) {
            Ok(Some((order, _))) => self.command.obey(&order, control),
            Err(_) => Ok(false),
            Ok(None) => Ok(self.start.left_out.has(Mechanism::EndOfFile)),
        }
    }

    /// Ends everything below.
    fn clear(&self) -> io::Result<()> {
        tree::end(self.reach)
    }
}
