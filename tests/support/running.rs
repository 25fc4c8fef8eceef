//! A run in progress: its output as it comes, signals to it, its end within bounds.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::deadline::{PATIENCE, Watched};
use super::finished::Finished;
use super::leak::Needle;
use super::run::World;
use super::snapshot::Snapshot;

/// What a stream has said so far.
#[derive(Debug, Default)]
struct Said {
    bytes: Vec<u8>,
    ended: bool,
}

#[derive(Debug)]
struct Stream {
    said: Arc<Watched<Said>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn read(source: Option<impl Read + Send + 'static>) -> Self {
        let said: Arc<Watched<Said>> = Arc::default();
        let shared = Arc::clone(&said);
        let reader = source.map(|mut source| {
            thread::spawn(move || {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(length @ 1..) = source.read(&mut buffer) {
                    shared.change(|said| said.bytes.extend_from_slice(&buffer[..length]));
                }
                shared.change(|said| said.ended = true);
            })
        });
        Self { said, reader }
    }

    fn bytes(&self) -> Vec<u8> {
        self.said.change(|said| said.bytes.clone())
    }
}

/// A started run. Dropping it ends it and all that it started.
#[derive(Debug)]
pub(crate) struct Running {
    pid: Pid,
    input: Option<ChildStdin>,
    output: Stream,
    errors: Stream,
    status: Arc<Watched<Option<ExitStatus>>>,
    world: Option<World>,
    before: Snapshot,
    needles: Vec<Needle>,
    environment_dump: Option<PathBuf>,
}

impl Running {
    pub(crate) fn new(
        mut child: Child,
        input: Option<Vec<u8>>,
        world: World,
        before: Snapshot,
        needles: Vec<Needle>,
        environment_dump: Option<PathBuf>,
    ) -> Self {
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let output = Stream::read(child.stdout.take());
        let errors = Stream::read(child.stderr.take());
        let mut stdin = child.stdin.take();
        if let (Some(pipe), Some(bytes)) = (&mut stdin, input) {
            // A program that ends without reading closes the pipe; that is its right.
            let _ = pipe.write_all(&bytes);
        }
        let status: Arc<Watched<Option<ExitStatus>>> = Arc::default();
        let shared = Arc::clone(&status);
        thread::spawn(move || {
            let ended = child.wait().unwrap();
            shared.change(|status| *status = Some(ended));
        });
        Self { pid, input: stdin, output, errors, status, world: Some(world), before, needles, environment_dump }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    pub(crate) fn world(&self) -> &World {
        self.world.as_ref().unwrap()
    }

    /// Writes to the run's stdin, which [`super::Run::input`] has opened.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits until `text` stands in stdout.
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_stream(&self.output, text, PATIENCE);
    }

    /// As [`Running::wait_for`], for what takes its time.
    pub(crate) fn wait_long_for(&self, text: &str) {
        self.wait_stream(&self.output, text, PATIENCE * 10);
    }

    /// Waits until `text` stands in stderr.
    pub(crate) fn wait_for_error(&self, text: &str) {
        self.wait_stream(&self.errors, text, PATIENCE);
    }

    fn wait_stream(&self, stream: &Stream, text: &str, patience: Duration) {
        let look = |said: &Said| {
            let found = memchr::memmem::find(&said.bytes, text.as_bytes()).is_some();
            (found || said.ended).then_some(found)
        };
        let found = stream.said.wait(patience, look);
        assert!(found == Some(true), "`{text}` never came; stdout:\n{}\nstderr:\n{}", self.stdout(), self.stderr());
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.bytes()).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.errors.bytes()).into_owned()
    }

    /// Signals the run's first process, if it still lives.
    pub(crate) fn signal(&self, signal: Signal) {
        if !self.has_ended() {
            let _ = kill(self.pid, signal);
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.status.change(|status| status.is_some())
    }

    /// The end of the first process; `None` when `patience` ends before.
    pub(crate) fn wait(&self, patience: Duration) -> Option<ExitStatus> {
        self.status.wait(patience, |status| *status)
    }

    /// Waits for the end and checks the run for leaks.
    pub(crate) fn finish(mut self) -> Finished {
        self.input = None;
        let status = self.wait(PATIENCE * 2);
        let status = status
            .unwrap_or_else(|| panic!("the run does not end; stdout:\n{}\nstderr:\n{}", self.stdout(), self.stderr()));
        for stream in [&mut self.output, &mut self.errors] {
            let ended = stream.said.wait(PATIENCE, |said| said.ended.then_some(()));
            assert!(stream.reader.is_none() || ended.is_some(), "the run ended and something still holds its output");
            stream.reader.take().map(JoinHandle::join);
        }
        let world = self.world.take().unwrap();
        let needles = std::mem::take(&mut self.needles);
        let dump = self.environment_dump.take();
        Finished::new(status, self.output.bytes(), self.errors.bytes(), world, &self.before, needles, dump)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended() {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = self.wait(PATIENCE);
        }
    }
}
