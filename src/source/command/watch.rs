//! Runs the program and watches it: its value, its words, its deadline.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use zeroize::Zeroizing;

use super::{CommandSource, SourceError};
use crate::secret::Secret;
use crate::source::LARGEST_VALUE;

/// The most bytes of its words that are shown.
const MOST_SAID: usize = 1024;

/// Ends the program with everything that it started, also when we leave early.
struct Group<'a> {
    child: Child,
    id: Pid,
    running: &'a Mutex<Vec<Pid>>,
}

impl<'a> Group<'a> {
    fn start(program: &Path, source: &'a CommandSource) -> io::Result<Self> {
        let running = &source.running;
        // Held until it is on the list, so that whoever gives up finds all that have begun.
        let mut list = running.lock().unwrap_or_else(PoisonError::into_inner);
        let child = start(program, source)?;
        let id = i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)?;
        list.push(id);
        drop(list);
        Ok(Self { child, id, running })
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        // Off the list before its number can be another's.
        self.running.lock().unwrap_or_else(PoisonError::into_inner).retain(|id| *id != self.id);
        // Its group is its own; where it is empty already there is nothing to end.
        let _ = killpg(self.id, Signal::SIGKILL);
        // Killed, it ends; nobody else waits for it.
        let _ = self.child.wait();
    }
}

/// The value that `program` prints, without the newline that ends it.
pub(super) fn run(program: &Path, source: &CommandSource) -> Result<Secret, SourceError> {
    let name = source.argv.first().map_or("", String::as_str).escape_debug().to_string();
    let end = Instant::now() + source.deadline;
    let failed = |source| SourceError::Start { program: name.clone(), source };
    let mut group = Group::start(program, source).map_err(failed)?;
    let printed = reader(group.child.stdout.take(), LARGEST_VALUE + 2);
    let said = reader(group.child.stderr.take(), 64 << 10);
    let slow = || SourceError::Slow { program: name.clone(), deadline: source.deadline };
    let rest = || end.saturating_duration_since(Instant::now());
    let mut value = printed.recv_timeout(rest()).map_err(|_| slow())?.map_err(failed)?;
    if value.len() > LARGEST_VALUE + 1 {
        return Err(SourceError::TooLarge { size: value.len() });
    }
    let status = wait(&mut group.child, rest).map_err(failed)?.ok_or_else(slow)?;
    if !status.success() {
        // Something that it started may keep standard error open: what came until now is enough.
        let words =
            said.recv_timeout(rest().min(Duration::from_millis(200))).ok().and_then(Result::ok).unwrap_or_default();
        let stderr = shown(&words, &value, source.surroundings.redact);
        return Err(SourceError::Failed { program: name, status: described(status), stderr });
    }
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
    Ok(Secret::new(std::mem::take(&mut *value)))
}

#[expect(clippy::disallowed_methods, reason = "this is the one source that starts a program")]
fn start(program: &Path, source: &CommandSource) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(&source.argv[1..]).env_clear().envs(source.surroundings.environment.iter().cloned());
    // Not in the project: programs read configuration from where they stand.
    command.current_dir("/").process_group(0);
    if let Some(name) = source.argv.first() {
        command.arg0(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// Reads at most `most` bytes of `pipe` on a thread of its own, to the end of what is written.
fn reader(pipe: Option<impl Read + Send + 'static>, most: usize) -> Receiver<io::Result<Zeroizing<Vec<u8>>>> {
    let (sender, receiver) = channel();
    let read = move || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(most));
        let done = pipe.map_or(Ok(0), |pipe| pipe.take(most as u64).read_to_end(&mut bytes)).map(|_| bytes);
        // Nobody may be waiting any more.
        let _ = sender.send(done);
    };
    // A thread that cannot be started drops the sender, which the receiver sees.
    let _ = std::thread::Builder::new().name("command".into()).spawn(read);
    receiver
}

/// The status once the program has ended; none at the deadline. Its standard output is closed by now, so that it is
/// about to end.
fn wait(child: &mut Child, rest: impl Fn() -> Duration) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if rest().is_zero() {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn described(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no status".into(),
    }
}

/// The end of what it said, without what it printed and without known keys.
fn shown(words: &[u8], printed: &[u8], redact: fn(&[u8]) -> Vec<u8>) -> String {
    let mut words = redact(words);
    let printed = printed.trim_ascii();
    if !printed.is_empty() {
        while let Some(at) = memchr::memmem::find(&words, printed) {
            drop(words.splice(at..at + printed.len(), *b"[redacted]"));
            if memchr::memmem::find(b"[redacted]", printed).is_some() {
                break;
            }
        }
    }
    let words = String::from_utf8_lossy(words.trim_ascii()).into_owned();
    let start = words.len().saturating_sub(MOST_SAID);
    words[words.ceil_char_boundary(start)..].to_owned()
}
