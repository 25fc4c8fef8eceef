//! Searches files of the project that were written while the command runs for the values that were known at the start.
//!
//! **Invariants.** It has a thread of its own, so that no mask of a secret file waits for it. What waits is bounded: where
//! more comes, all of it is let go and the project is walked for what was changed since. It masks nothing itself.
//!
//! **Trade-off.** What the child writes is searched like what the host writes, for nothing tells them apart; a large file
//! that is written again and again is searched a tenth of the time at most.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::held::Held;
use crate::mask::{HeldContent, LiveSweep};
use crate::plan::{Live, PlanError};
use crate::run::RunError;

/// Files that may wait.
const MOST: usize = 20_000;
/// A file that took longer to be searched is not searched again at once.
const LONG: Duration = Duration::from_millis(5);
/// The part of the time that one file may take.
const PART: u32 = 10;
/// What a clock of a file system, in whole seconds, may be behind.
const SLACK: Duration = Duration::from_secs(2);

/// The searching thread. Dropping it ends it.
pub(super) struct Sweeping {
    backlog: Arc<Backlog>,
    found: Receiver<Suspect>,
    woken: PipeReader,
    thread: Option<JoinHandle<()>>,
}

/// A file that holds a value, or may.
pub(super) struct Suspect {
    pub(super) path: PathBuf,
    /// As it was before it was searched.
    pub(super) held: Held,
    pub(super) content: HeldContent,
}

#[derive(Default)]
struct Backlog {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    order: VecDeque<PathBuf>,
    /// What waits, and whether it was written; else it is of interest only if it is another name of a file.
    waiting: HashMap<PathBuf, bool>,
    /// By when they may be searched again.
    later: BTreeSet<(Instant, PathBuf)>,
    /// Everything that was changed since is to be searched.
    since: Option<SystemTime>,
    is_over: bool,
}

/// What is to be done next.
enum Next {
    Look { path: PathBuf, is_written: bool },
    Walk { since: SystemTime },
    Over,
}

impl Sweeping {
    /// Begins to search what is told of from now on; `None` where there is nothing to search for.
    pub(super) fn begin(live: &Live, project: &Path) -> Result<Option<Self>, RunError> {
        let values = live.sought();
        if values.is_empty() || live.directories.is_empty() {
            return Ok(None);
        }
        let sweep = LiveSweep::new(&values).map_err(PlanError::from)?;
        let backlog = Arc::new(Backlog::default());
        let (sender, found) = mpsc::channel();
        let (woken, wake) = io::pipe().map_err(RunError::Watch)?;
        let mut searcher =
            Searcher { sweep, project: project.to_owned(), backlog: Arc::clone(&backlog), found: sender, wake };
        let serve = move || searcher.serve();
        let thread = std::thread::Builder::new().name("sweep".into()).spawn(serve).map_err(RunError::Watch)?;
        Ok(Some(Self { backlog, found, woken, thread: Some(thread) }))
    }

    /// Has these searched: those that were written, and those that were made if they are other names of a file.
    pub(super) fn add(&self, written: Vec<PathBuf>, made: Vec<PathBuf>, quiet: SystemTime) {
        if written.is_empty() && made.is_empty() {
            return;
        }
        let mut state = self.backlog.lock();
        let all = written.into_iter().map(|path| (path, true)).chain(made.into_iter().map(|path| (path, false)));
        all.for_each(|(path, is_written)| state.add(path, is_written, quiet));
        self.backlog.changed.notify_one();
    }

    /// Has everything searched that was changed since `quiet`.
    pub(super) fn lose(&self, quiet: SystemTime) {
        self.backlog.lock().lose(quiet);
        self.backlog.changed.notify_one();
    }

    /// What was found by now.
    pub(super) fn found(&mut self) -> io::Result<Vec<Suspect>> {
        // As many bytes as there are, of which there is one at least.
        let _ = self.woken.read(&mut [0; 64])?;
        Ok(self.found.try_iter().collect())
    }
}

impl AsFd for Sweeping {
    /// Readable when something was found.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        self.backlog.lock().is_over = true;
        self.backlog.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Backlog {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// Waits for something to do.
    fn next(&self) -> Next {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if let Some(next) = state.next(now) {
                return next;
            }
            let first = state.later.first().map(|(time, _)| time.saturating_duration_since(now));
            state = match first {
                Some(time) => self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl State {
    fn add(&mut self, path: PathBuf, is_written: bool, quiet: SystemTime) {
        if self.order.len() >= MOST {
            self.lose(quiet);
        }
        // What is walked for needs no place of its own.
        if self.since.is_some() {
            return;
        }
        if let Some(was_written) = self.waiting.get_mut(&path) {
            *was_written |= is_written;
        } else {
            self.order.push_back(path.clone());
            self.waiting.insert(path, is_written);
        }
    }

    fn lose(&mut self, quiet: SystemTime) {
        self.order.clear();
        self.waiting.clear();
        self.later.clear();
        let since = quiet.checked_sub(SLACK).unwrap_or(SystemTime::UNIX_EPOCH);
        self.since = Some(self.since.map_or(since, |known| known.min(since)));
    }

    fn next(&mut self, now: Instant) -> Option<Next> {
        if self.is_over {
            return Some(Next::Over);
        }
        if let Some(since) = self.since.take() {
            return Some(Next::Walk { since });
        }
        if let Some((time, path)) = self.later.pop_first() {
            if time <= now {
                return Some(Next::Look { path, is_written: true });
            }
            self.later.insert((time, path));
        }
        let path = self.order.pop_front()?;
        let is_written = self.waiting.remove(&path).unwrap_or(true);
        Some(Next::Look { path, is_written })
    }
}

struct Searcher {
    sweep: LiveSweep,
    project: PathBuf,
    backlog: Arc<Backlog>,
    found: Sender<Suspect>,
    wake: PipeWriter,
}

impl Searcher {
    fn serve(&mut self) {
        // Files that took long, and until when they are let be.
        let mut busy: HashMap<PathBuf, Instant> = HashMap::new();
        loop {
            match self.backlog.next() {
                Next::Over => return,
                Next::Walk { since } => self.walk(since),
                Next::Look { path, is_written } => {
                    let begin = Instant::now();
                    if let Some(time) = busy.get(&path).filter(|time| **time > begin) {
                        self.backlog.lock().later.insert((*time, path));
                        continue;
                    }
                    busy.retain(|_, time| *time > begin);
                    if is_written || has_other_names(&path) {
                        self.look(&path);
                    }
                    let end = Instant::now();
                    if end - begin > LONG {
                        busy.insert(path, end + (end - begin) * PART);
                    }
                }
            }
        }
    }

    fn walk(&mut self, since: SystemTime) {
        let project = self.project.clone();
        LiveSweep::changed(&project, since, &mut |path| {
            self.look(path);
            !self.backlog.is_over()
        });
    }

    fn look(&mut self, path: &Path) {
        let Some(held) = Held::at(path) else { return };
        let Some(content) = self.sweep.look(path) else { return };
        // Whoever hears of it is gone only when the run is over.
        if self.found.send(Suspect { path: path.to_owned(), held, content }).is_ok() {
            let _ = self.wake.write(&[0]);
        }
    }
}

fn has_other_names(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.nlink() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(number: usize) -> PathBuf {
        format!("/p/{number}").into()
    }

    #[test]
    fn each_file_waits_once_and_too_many_are_walked_for() {
        let (mut state, now, quiet) = (State::default(), Instant::now(), SystemTime::now());
        for is_written in [false, true, false] {
            state.add(path(1), is_written, quiet);
        }
        state.add(path(2), false, quiet);
        for (expected, was_written) in [(path(1), true), (path(2), false)] {
            let Some(Next::Look { path, is_written }) = state.next(now) else { panic!() };
            assert_eq!((path, is_written), (expected, was_written));
        }
        assert!(state.next(now).is_none());
        (0..MOST + 5).for_each(|number| state.add(path(number), true, quiet));
        state.add(path(0), true, quiet + SLACK * 5);
        let Some(Next::Walk { since }) = state.next(now) else { panic!() };
        assert!(since < quiet && state.next(now).is_none() && state.waiting.is_empty());
        state.later.insert((now + LONG, path(1)));
        assert!(state.next(now).is_none());
        assert!(matches!(state.next(now + LONG), Some(Next::Look { .. })));
        state.is_over = true;
        assert!(matches!(state.next(now), Some(Next::Over)));
    }
}
