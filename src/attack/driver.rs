//! The attacker's process: the hidden verb that runs one attack, or many in a row.
//!
//! `__attack AIM start HOW PROGRAM…` becomes the program, with standard streams and descriptors as the start asks.
//! `__attack AIM one NAME MARK` says on standard output what came of it. `__attack AIM each RESULTS NAME=MARK…` forks for
//! each attack and appends a [`Found`] a line to the file. `__attack AIM run RESULTS NAME=MARK…` is the control's stage: a
//! plain parent that holds the value in its environment, as everything does outside of a run.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, geteuid, getppid};
use serde::{Deserialize, Serialize};

use super::{Aim, Outcome, Scene, find, start};
use crate::sys::process::{self, Side};

/// The hidden verb that starts an attacker.
pub const ATTACK_VERB: &str = "__attack";

/// The longest that one attack may take, in milliseconds.
const PATIENCE: u16 = 30_000;

/// What one attack said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its name.
    pub attack: String,
    /// Whether it holds what it wanted.
    pub won: bool,
    /// What it got, or what stopped it.
    pub said: String,
}

/// Runs the attacker: status 0 when an attack won, 1 when it lost, 2 when there is none such.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let words: Vec<&OsStr> = arguments.iter().skip(2).map(OsString::as_os_str).collect();
    let [aim, mode, rest @ ..] = words.as_slice() else { return ExitCode::from(2) };
    let done =
        Aim::read(Path::new(aim)).map_err(|error| error.to_string()).and_then(|aim| match (mode.to_str(), rest) {
            (Some("one"), [name, mark]) => one(&aim, &name.to_string_lossy(), &mark.to_string_lossy()),
            (Some("below"), [name, mark]) => below(&aim, &name.to_string_lossy(), &mark.to_string_lossy()),
            (Some("start"), [start, program, rest @ ..]) => Err(start::start(&aim, start, program, rest)),
            (Some("each"), [results, attacks @ ..]) => each(&aim, Path::new(results), attacks, getppid()),
            (Some("run"), [results, attacks @ ..]) => run(&aim, Path::new(results), attacks),
            (Some("arrive"), words) => {
                let words: Vec<_> = words.iter().map(|word| OsString::from(*word)).collect();
                arrive(&aim, &words).map(|()| true)
            }
            _ => Err("no such attack".into()),
        });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(reason) => {
            say(&reason);
            ExitCode::from(2)
        }
    }
}

pub(super) fn say(line: &str) {
    // Whoever does not listen any more misses nothing.
    let _ = writeln!(io::stdout(), "{line}");
}

fn one(aim: &Aim, name: &str, mark: &str) -> Result<bool, String> {
    let act = find(name).ok_or_else(|| format!("no such attack: {name}"))?;
    let outcome = act(&Scene { mark, aim, parent: getppid() });
    match &outcome {
        Ok(evidence) => say(&format!("won: {evidence}")),
        Err(reason) => say(&format!("lost: {reason}")),
    }
    Ok(outcome.is_ok())
}

/// The same with a plain parent, as outside of a run.
fn below(aim: &Aim, name: &str, mark: &str) -> Result<bool, String> {
    match process::fork(CloneFlags::empty()).map_err(|error| format!("fork: {error}"))? {
        Side::Child => one(aim, name, mark),
        Side::Parent(child, _) => waitpid(child, None).map(|_| true).map_err(|error| error.to_string()),
    }
}

/// What the user's browser is to a run: it passes on what it is to open.
pub(super) fn arrive(aim: &Aim, words: &[OsString]) -> Result<(), String> {
    let text: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let address = (std::net::Ipv4Addr::LOCALHOST, aim.host_port);
    let mut stream = std::net::TcpStream::connect(address).map_err(|error| error.to_string())?;
    writeln!(stream, "{}", text.join("\n")).map_err(|error| error.to_string())
}

/// Runs attacks in processes of their own, so that none changes what the next one finds in its process.
fn each(aim: &Aim, results: &Path, attacks: &[&OsStr], parent: Pid) -> Result<bool, String> {
    for attack in attacks {
        let text = attack.to_string_lossy();
        let (name, mark) = text.split_once('=').ok_or("write NAME=MARK")?;
        let act = find(name).ok_or_else(|| format!("no such attack: {name}"))?;
        match process::fork(CloneFlags::empty()).map_err(|error| format!("fork: {error}"))? {
            Side::Child => {
                let outcome = act(&Scene { mark, aim, parent });
                return record(results, name, &outcome).map(|()| true).map_err(|error| error.to_string());
            }
            Side::Parent(child, handle) => {
                if let Some(reason) = ended_badly(child, &handle) {
                    record(results, name, &Err(reason)).map_err(|error| error.to_string())?;
                }
            }
        }
    }
    Ok(true)
}

/// Waits for an attack; why it left no word of its own.
fn ended_badly(child: Pid, handle: &OwnedFd) -> Option<String> {
    let mut descriptors = [PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
    let is_over = poll(&mut descriptors, PollTimeout::from(PATIENCE)).is_ok_and(|ready| ready > 0);
    if !is_over {
        // It may have ended meanwhile.
        let _ = process::signal(handle, libc::SIGKILL);
    }
    match waitpid(child, None) {
        _ if !is_over => Some("it waited and nothing came".into()),
        Ok(nix::sys::wait::WaitStatus::Exited(_, 0)) => None,
        Ok(nix::sys::wait::WaitStatus::Signaled(_, signal, _)) => Some(format!("ended by {signal}")),
        other => Some(format!("ended: {other:?}")),
    }
}

fn record(results: &Path, name: &str, outcome: &Outcome) -> io::Result<()> {
    let (won, said) = match outcome {
        Ok(said) => (true, said.clone()),
        Err(said) => (false, said.clone()),
    };
    let mut line = serde_json::to_vec(&Found { attack: name.into(), won, said })?;
    line.push(b'\n');
    OpenOptions::new().append(true).create(true).open(results)?.write_all(&line)
}

/// Plays the part of a run: the parent of the attacks. What root mounts or names in a control ends with it.
fn run(aim: &Aim, results: &Path, attacks: &[&OsStr]) -> Result<bool, String> {
    if geteuid().is_root() {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS).map_err(|error| format!("unshare: {error}"))?;
        mount(None::<&Path>, &PathBuf::from("/"), None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
            .map_err(|error| format!("make private: {error}"))?;
    }
    match process::fork(CloneFlags::empty()).map_err(|error| format!("fork: {error}"))? {
        Side::Child => each(aim, results, attacks, getppid()),
        Side::Parent(child, _) => waitpid(child, None).map(|_| true).map_err(|error| error.to_string()),
    }
}
