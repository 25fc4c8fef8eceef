//! A command without a seal: a plain child process that can be waited for without blocking.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::exit::Exit;

const KILL: i32 = Signal::SIGKILL as i32;

/// The command's process. Dropped while it runs, it is killed.
#[derive(Debug)]
pub struct Bare {
    process: Pid,
    ended: UnixStream,
    state: Arc<Mutex<State>>,
}

/// The number of a process means that process only until it was waited for.
#[derive(Debug, Default)]
struct State {
    status: Option<ExitStatus>,
}

impl Bare {
    /// Takes over a process that was just started.
    pub(super) fn watch(mut child: Child) -> io::Result<Self> {
        let process = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        let (ended, mut tell) = UnixStream::pair()?;
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::Builder::new().name("wait".into()).spawn(move || {
            // The corpse keeps the process number until the lock is held, so that no signal goes to a stranger.
            let waited = nix::sys::wait::waitid(
                nix::sys::wait::Id::Pid(process),
                nix::sys::wait::WaitPidFlag::WEXITED | nix::sys::wait::WaitPidFlag::WNOWAIT,
            );
            let mut state = lock(&shared);
            state.status = child.wait().ok().filter(|_| waited.is_ok()).or(Some(ExitStatus::from_raw(KILL)));
            drop(state);
            // A reader that is gone has no use for the news.
            let _ = tell.write_all(&[0]);
        })?;
        Ok(Self { process, ended, state })
    }

    /// Readable when the command has ended.
    pub fn readiness(&self) -> io::Result<OwnedFd> {
        self.ended.try_clone().map(OwnedFd::from)
    }

    /// How the command ended, if it has.
    pub fn try_wait(&mut self) -> io::Result<Option<Exit>> {
        let Some(status) = lock(&self.state).status else { return Ok(None) };
        let byte = |number: i32| u8::try_from(number & 0xff).unwrap_or(u8::MAX);
        Ok(Some(match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Child(byte(code)),
            (None, signal) => Exit::Signal(byte(signal.unwrap_or(KILL))),
        }))
    }

    /// Sends a signal to the command; one that has ended gets none.
    pub fn signal(&self, number: i32) -> io::Result<()> {
        let state = lock(&self.state);
        if state.status.is_some() {
            return Ok(());
        }
        kill(self.process, Signal::try_from(number)?).map_err(Into::into)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // Ended already is the usual case.
        let _ = self.signal(KILL);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
