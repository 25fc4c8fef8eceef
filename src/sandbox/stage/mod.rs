//! The stage: the parent's executable anew, with the hidden verb, single-threaded and without an environment.
//!
//! It forks the init into new namespaces, writes the id maps that only a process outside can write, hands the init's
//! pidfd to the parent, and waits. Everything else is the init's work.
//!
//! **Invariants.** The kernel kills the stage when the parent dies, and the init when the stage dies, whatever the signal
//! (L1). Stage and init hold back every signal: those of the terminal are for the command, and those of the user come
//! as orders from the parent.

mod build;
mod carried;
mod changes;
mod covers;
mod descriptors;
mod devices;
mod init;
mod kernel;
mod listeners;
mod namespaces;
mod network;
mod overlay;
mod places;
mod read_files;
mod remask;
mod site;
mod staging;
mod verify;
mod waiting;

use std::ffi::OsString;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::channel;
use super::command::ignored_signals;
use super::left_out::LeftOut;
use super::mechanism::Mechanism;
use super::message::Answer;
use crate::sys::{descriptor, process};

/// What the stage was started with.
struct Start {
    parent: u32,
    control: UnixStream,
    loopback: UnixStream,
    left_out: LeftOut,
    /// Signals that were ignored when the program was started, as `nohup` does: the command ignores them too.
    ignored: u64,
}

/// What `agentsecrets __stage …` runs. The command's status travels over the control socket; this one tells nothing.
pub fn stage_main() -> ExitCode {
    match start(std::env::args_os().skip(2)) {
        Ok(start) => match run(start) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(125),
        },
        Err(_) => ExitCode::from(125),
    }
}

fn start(mut arguments: impl Iterator<Item = OsString>) -> io::Result<Start> {
    let mut number = || {
        let argument = arguments.next().and_then(|argument| argument.into_string().ok());
        argument.and_then(|argument| argument.parse::<u32>().ok()).ok_or(io::ErrorKind::InvalidInput)
    };
    let (control, loopback) = (number()?, number()?);
    let inherited = |number: u32| descriptor::inherited(RawFd::try_from(number).map_err(io::Error::other)?);
    let (control, loopback) = (UnixStream::from(inherited(control)?), UnixStream::from(inherited(loopback)?));
    // Whoever made the socket pair; not an argument, for the command can read those of the init.
    let parent = u32::try_from(getsockopt(&control, PeerCredentials)?.pid()).map_err(io::Error::other)?;
    let left_out = LeftOut::from_argument(arguments.next())?;
    Ok(Start { parent, control, loopback, left_out, ignored: ignored_signals()? })
}

fn run(start: Start) -> io::Result<()> {
    SigSet::all().thread_block()?;
    if !start.left_out.has(Mechanism::ParentDeathSignal) {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        if std::os::unix::process::parent_id() != start.parent {
            return Ok(());
        }
    }
    let (mapped, mapping) = UnixStream::pair()?;
    match process::fork(namespaces::flags(&start.left_out)) {
        Ok(process::Side::Child) => {
            drop(mapping);
            init::run(&start, mapped)
        }
        Ok(process::Side::Parent(init, pidfd)) => {
            drop(mapped);
            watch(&start, init, pidfd, &mapping)?;
            // The sockets must be the init's alone, so that its end is their end.
            drop((start, mapping));
            waitpid(init, None)?;
            Ok(())
        }
        Err(error) => {
            let failure = namespaces::diagnose(&start.left_out, &error);
            channel::send(&start.control, &Answer::Failed { failure }, channel::NONE)
        }
    }
}

/// Maps the init's ids and tells both ends.
fn watch(start: &Start, init: Pid, pidfd: OwnedFd, mapping: &UnixStream) -> io::Result<()> {
    let control = &start.control;
    match namespaces::map_ids(init, &start.left_out) {
        Ok(real_root) => {
            channel::send(control, &Answer::Init { real_root }, &[pidfd])?;
            channel::send(mapping, &real_root, channel::NONE)
        }
        Err(failure) => channel::send(control, &Answer::Failed { failure }, channel::NONE),
    }
}
