//! The keeper of the user's terminal: a process of its own that puts the settings back when the run is gone, also where
//! the run was killed and could not.
//!
//! **Invariants.** It lives no longer than its run: the end of the run, by whatever death, is the end of file that it
//! waits for. It stands in a session of its own, so that no signal of the terminal's reaches it and the kernel lets it
//! set a terminal that it is not in front of. It starts from this executable anew and holds nothing of the run's memory.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, ExitCode};

use nix::sys::signal::SigSet;
use nix::unistd::setsid;

use super::settings::{LENGTH, Settings};

/// The keeper, as the run sees it.
#[derive(Debug)]
pub struct Keeper {
    process: Child,
    line: UnixStream,
}

impl Keeper {
    /// Takes over a process that was just started with the other end of `line`.
    pub(in crate::supervise) fn new(process: Child, line: UnixStream) -> Self {
        Self { process, line }
    }

    /// The number of its process.
    pub fn number(&self) -> u32 {
        self.process.id()
    }

    /// From now on the terminal has the settings `before` whenever the run ends while it has those of `made`.
    pub(super) fn keep(&mut self, before: Settings, made: Settings) -> io::Result<()> {
        self.line.write_all(&[before.encode(), made.encode()].concat())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // What is to be put back was put back before; to wait for its start only to see it end would cost time.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What `agentsecrets __terminal` runs: standard input is the line to the run, standard output the terminal.
pub fn keep_terminal() -> ExitCode {
    match keep() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(125),
    }
}

fn keep() -> io::Result<()> {
    SigSet::all().thread_block()?;
    setsid()?;
    std::env::set_current_dir("/")?;
    let mut line = io::stdin().lock();
    let mut message = [0; 2 * LENGTH];
    let mut kept = None;
    while line.read_exact(&mut message).is_ok() {
        let (before, made) = message.split_at(LENGTH);
        let settings = |bytes: &[u8]| bytes.try_into().ok().map(Settings::decode);
        kept = settings(before).zip(settings(made));
    }
    if let Some((before, made)) = kept {
        before.put_back(io::stdout(), made)?;
    }
    Ok(())
}
