//! Process 1 of the seal: builds it, starts the command in it, reaps, hands on signals, and ends it.
//!
//! **Invariants.** It never executes anything and never holds a real value. Its own user cannot read it: it is not
//! dumpable and has capabilities that nobody else inside has. It ends, and the kernel ends everything inside with it,
//! when the parent's socket closes, and when the stage dies.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;

use super::super::channel;
use super::super::command::{Command, Terminal, lead_session};
use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use super::super::message::{Answer, BEFORE, Facts, NOTHING, Order, Wanted};
use super::super::profile::{Place, Put};
use super::build::{Built, build};
use super::changes::Layers;
use super::descriptors;
use super::read_files::{self, ReadFile};
use super::remask::Remask;
use super::site::Site;
use super::waiting::{Report, Waiting};
use super::{Start, network};
use crate::sys::process;

/// Runs in the new namespaces; `mapped` tells when the ids are mapped.
pub(super) fn run(start: &Start, mapped: UnixStream) -> io::Result<()> {
    if !start.left_out.has(Mechanism::ParentDeathSignal) {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
    }
    // End of file: the stage died, perhaps before the line above.
    let Some((real_root, _)) = channel::receive::<bool>(&mapped)? else { return Ok(()) };
    drop(mapped);
    if !start.left_out.has(Mechanism::Dumpable) {
        prctl::set_dumpable(false)?;
    }
    // Now, while the parent may still be planning.
    let routed = network::route(&start.left_out);
    let Some((Order::Establish { profile }, _)) = channel::receive(&start.control)? else { return Ok(()) };
    let umask = umask(Mode::empty());
    match routed.and_then(|()| Site::survey(&profile, &start.left_out, real_root)) {
        Ok(site) => establish(start, &site, umask),
        Err(failure) => fail(&start.control, failure),
    }
}

fn fail(control: &UnixStream, failure: Failure) -> io::Result<()> {
    channel::send(control, &Answer::Failed { failure }, channel::NONE)
}

/// Our own files: what the parent sends after the profile.
fn places(control: &UnixStream) -> Result<Vec<Place>, Failure> {
    let received = match channel::receive(control) {
        Ok(Some((Order::Lay { places }, _))) => Ok(places),
        Ok(_) => Err(io::Error::from(io::ErrorKind::InvalidData)),
        Err(error) => Err(error),
    };
    received.blame(Mechanism::Places, "receiving files to lay")
}

/// What the init holds once the seal stands.
struct Seal<'a> {
    start: &'a Start,
    layers: Layers,
    remask: Remask<'a>,
    files: Vec<ReadFile>,
    command: Command,
}

fn establish<'a>(start: &'a Start, site: &'a Site<'a>, umask: Mode) -> io::Result<()> {
    let (mut doors, mut sockets) = match network::doors(&site.profile.transparent_ports, site.left_out) {
        Ok(doors) => doors,
        Err(failure) => return fail(&start.control, failure),
    };
    let prepared =
        descriptors::check(site).and_then(|()| Ok((read_files::renew(site)?, build(site, || places(&start.control))?)));
    let (files, built) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return fail(&start.control, failure),
    };
    let Built { layers, home_is_overlaid, read_only, covers, listeners } = built;
    doors.listeners = u8::try_from(listeners.len()).map_err(io::Error::other)?;
    sockets.extend(listeners);
    let (terminal, master) = match own_terminal(site) {
        Ok(pair) => pair.unzip(),
        Err(failure) => return fail(&start.control, failure),
    };
    let (link, other) = UnixStream::pair()?;
    let command = match process::fork(CloneFlags::empty())? {
        process::Side::Child => {
            drop(master);
            let waiting = Waiting { link: other, site, covers: &covers, ignored: start.ignored, umask };
            return waiting.run();
        }
        process::Side::Parent(number, handle) => Command { number, handle, link, terminal },
    };
    drop(other);
    doors.terminal = master.is_some();
    sockets.extend(master);
    let facts = Facts { real_root: site.real_root, home_is_overlaid, read_only, verified_masks: 0 };
    match channel::receive(&command.link)? {
        Some((Report::Verified { masks }, _)) => {
            let facts = Facts { verified_masks: masks, ..facts };
            channel::send(&start.control, &Answer::Established { facts, doors }, &sockets)?;
            // What belongs to the parent alone, the master of the terminal not least.
            drop(sockets);
            Seal { start, layers, remask: Remask::new(site), files, command }.serve()
        }
        Some((Report::Failed { failure }, _)) => fail(&start.control, failure),
        _ => fail(&start.control, Failure::found(Mechanism::Filter, "the verifying process ended", None)),
    }
}

/// The session in which the command is a job, with a terminal if the run has one.
fn own_terminal(site: &Site) -> Result<Option<(Terminal, OwnedFd)>, Failure> {
    if site.without(Mechanism::OwnTerminal) {
        return Ok(None);
    }
    lead_session(site.profile.own_terminal)
}

impl Seal<'_> {
    /// Serves the parent until the command or the parent ends.
    fn serve(self) -> io::Result<()> {
        let mut child = SigSet::empty();
        child.add(Signal::SIGCHLD);
        let ended = SignalFd::with_flags(&child, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        loop {
            let ready = {
                let mut polled = [
                    PollFd::new(self.start.control.as_fd(), PollFlags::POLLIN),
                    PollFd::new(self.start.loopback.as_fd(), PollFlags::POLLIN),
                    PollFd::new(ended.as_fd(), PollFlags::POLLIN),
                ];
                match poll(&mut polled, PollTimeout::NONE) {
                    Err(Errno::EINTR) => continue,
                    other => other?,
                };
                polled.map(|polled| polled.any().unwrap_or(false))
            };
            if ready[0] && !self.obey()? {
                return Ok(());
            }
            if ready[1] {
                self.give()?;
            }
            if ready[2] {
                while ended.read_signal()?.is_some() {}
                if let Some(status) = self.command.reap(&self.start.control)? {
                    return self.end(status);
                }
            }
        }
    }

    /// Carries out one order; false when the parent is gone.
    fn obey(&self) -> io::Result<bool> {
        let control = &self.start.control;
        match channel::receive(control)? {
            Some((order, _)) if self.command.obey(&order, control)? => Ok(true),
            Some(_) => Err(io::ErrorKind::InvalidData.into()),
            None => Ok(self.start.left_out.has(Mechanism::EndOfFile)),
        }
    }

    /// What the parent wants: a socket of this network namespace, or a mask.
    fn give(&self) -> io::Result<()> {
        let Some((wanted, _)) = channel::receive::<Wanted>(&self.start.loopback)? else { return Ok(()) };
        let made = match wanted {
            Wanted::Stream { v6 } => network::stream(v6),
            Wanted::PortTable {} => network::port_table(),
            Wanted::Mask { mask } => {
                let answer = match self.remask.put(&mask, &self.layers) {
                    Ok(Put::Now) => 0,
                    Ok(Put::Before) => BEFORE,
                    Ok(Put::Nothing) => NOTHING,
                    Err(error) => error.raw_os_error().unwrap_or(Errno::EIO as i32),
                };
                return channel::send(&self.start.loopback, &answer, channel::NONE);
            }
        };
        match made {
            Ok(socket) => channel::send(&self.start.loopback, &0_i32, &[socket]),
            Err(errno) => channel::send(&self.start.loopback, &(errno as i32), channel::NONE),
        }
    }

    /// The command has ended: ends all that it left behind, then tells the parent.
    fn end(&self, status: i32) -> io::Result<()> {
        // Everybody but this process: in its namespace there is nobody else to hit.
        if !self.start.left_out.has(Mechanism::PidNamespace) {
            let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        }
        self.files.iter().for_each(ReadFile::pass_position_on);
        let ended = Answer::Ended { status, left: self.layers.listed(), merged: self.layers.copies() };
        channel::send(&self.start.control, &ended, &[self.layers.staging()])
    }
}
