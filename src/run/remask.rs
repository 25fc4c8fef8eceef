//! Keeps secret files masked while the command runs: what the host puts in the place of a masked file is masked again, and
//! a new secret file of the project is masked when it appears, also where the child moves or links it within that moment.
//!
//! **Invariants.** What was changed between the plan and the first watch is looked at before the command starts. A file that
//! was masked is held until every name that it has is masked. Where a file cannot be masked or watched any more the run
//! ends (C1).
//!
//! **Trade-off.** The kernel tells of a new file after it is there: for some milliseconds the child could read it.

mod cases;
mod held;
mod judge;
mod made;
mod sweep;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::fs;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::{mpsc, oneshot};

use super::RunError;
use super::profile::mask_of;
use crate::audit::{Masked, Sink};
use crate::mask::{self, Arrival, Watch};
use crate::plan::{Live, PlanError, Planned, SweepPlan};
use crate::sandbox::{Loopback, Mask, Put};
use crate::supervise::News;
use crate::sys::socket;
use crate::world::World;
use cases::{Case, TURNS};
use held::{Held, Identity, identity};
use judge::{Judge, Place};
use made::Made;
use sweep::{Suspect, Sweeping};

/// Files that are looked at, of those that were made while a secret one came and went.
const MOST_SUSPECTS: usize = 200;

/// What is to be watched, and what it was when it was planned.
pub(super) struct Prepared {
    masks: BTreeMap<PathBuf, Mask>,
    identities: Vec<(PathBuf, Option<Identity>)>,
    place: Place,
    /// Whether files are searched for known values.
    sweeps: bool,
}

/// The watch while the command runs. Dropping it ends it.
pub(super) struct Remasking {
    /// Closed, it ends the thread.
    stop: Option<PipeWriter>,
    /// Says nothing, and is closed when no mask is put any more and nothing is held but the watch itself.
    over: Receiver<Infallible>,
    failed: oneshot::Receiver<RunError>,
}

/// Where masks are put, and who hears of it.
pub(super) struct Hands {
    pub(super) loopback: Arc<Loopback>,
    pub(super) log: Arc<Sink>,
    pub(super) news: mpsc::Sender<News>,
}

impl Prepared {
    /// Notes what the masked files are. Before the seal is asked to mask them, so that no change is missed.
    pub(super) fn new(world: &World, planned: &Planned) -> Self {
        let masks: BTreeMap<PathBuf, Mask> =
            planned.plan.masks.iter().map(|mask| (mask.path.clone(), mask_of(&mask.path, &mask.content))).collect();
        let identities = masks.keys().map(|path| (path.clone(), identity(path))).collect();
        let sweeps = matches!(planned.plan.sweep, SweepPlan::Done { .. });
        Self { masks, identities, place: Place::new(world, &planned.plan), sweeps }
    }

    /// Begins to watch, and deals with what has changed since. The seal must stand, and the command not yet run.
    pub(super) fn begin(self, live: Live, hands: Hands) -> Result<Remasking, RunError> {
        let Self { masks, identities, place, sweeps } = self;
        let begun = Watch::begin(&place.project, &live.directories, live.began, &place.home, masks.keys());
        let watch = begun.map_err(PlanError::from)?;
        let sweeping = if sweeps { Sweeping::begin(&live, &place.project)? } else { None };
        let inodes = identities.iter().filter_map(|(path, identity)| Some(((*identity)?, path.clone()))).collect();
        let (cases, suspects, quiet) = (Vec::new(), BTreeMap::new(), live.began);
        let (gone, made) = (BTreeMap::new(), Made::default());
        let mut masker = Masker { watch, masks, inodes, cases, suspects, gone, made, sweeping, quiet, hands };
        let is_changed = |(path, before): &&(PathBuf, Option<Identity>)| identity(path) != *before;
        let changed = identities.iter().filter(is_changed).map(|(path, _)| path.clone());
        let changed: Vec<Arrival> = changed.map(Arrival::at).collect();
        judge::with(&place, &live, |judge| masker.catch_up(judge, changed))?;
        let (stopped, stop) = io::pipe().map_err(RunError::Watch)?;
        let (sender, failed) = oneshot::channel();
        let (serving, over) = channel();
        let serve = move || {
            if let Err(error) = judge::with(&place, &live, |judge| masker.serve(judge, &stopped)) {
                // Nobody waits any more where the run is ending anyway.
                drop(sender.send(error));
            }
            let watch = masker.into_watch();
            drop((place, live, serving));
            // It ends when every processor has seen it go, which takes ten milliseconds. Nobody waits for that.
            socket::close_aside(watch.into());
        };
        std::thread::Builder::new().name("masks".into()).spawn(serve).map_err(RunError::Watch)?;
        Ok(Remasking { stop: Some(stop), over, failed })
    }
}

impl Remasking {
    /// Returns when a file cannot be masked any more; never while all is well.
    pub(super) async fn failed(&mut self) -> RunError {
        match (&mut self.failed).await {
            Ok(error) => error,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Remasking {
    fn drop(&mut self) {
        self.stop = None;
        // Nothing is ever sent: this is the end of the thread's work, by whatever way.
        let _ = self.over.recv();
    }
}

struct Masker {
    watch: Watch,
    masks: BTreeMap<PathBuf, Mask>,
    /// By what they are: where the masked files stand.
    inodes: HashMap<Identity, PathBuf>,
    cases: Vec<Case>,
    /// By the path at which a secret file came and went: what was made meanwhile, and may be it.
    suspects: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// Where such a file was missing, and for how many turns not all has been told that may say where it is.
    gone: BTreeMap<PathBuf, u32>,
    made: Made,
    sweeping: Option<Sweeping>,
    /// When all that had happened was last known.
    quiet: SystemTime,
    hands: Hands,
}

impl Masker {
    /// Lets all else go.
    fn into_watch(self) -> Watch {
        self.watch
    }

    fn serve(&mut self, judge: &Judge<'_>, stopped: &PipeReader) -> Result<(), RunError> {
        loop {
            let timeout = match (self.watch.has_more(), self.cases.is_empty()) {
                (true, _) => PollTimeout::ZERO,
                (false, false) => PollTimeout::from(1_u8),
                (false, true) => PollTimeout::NONE,
            };
            let sweeping = self.sweeping.as_ref().map(AsFd::as_fd);
            let fds = [Some(stopped.as_fd()), Some(self.watch.as_fd()), sweeping];
            let mut polled: Vec<PollFd<'_>> =
                fds.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
            match poll(&mut polled, timeout) {
                Err(Errno::EINTR) => continue,
                other => other.map_err(|errno| RunError::Watch(errno.into()))?,
            };
            let is_ready = |at: usize| polled.get(at).is_some_and(|polled| polled.any().unwrap_or(true));
            let (is_over, has_found) = (is_ready(0), is_ready(2));
            if is_over {
                return Ok(());
            }
            self.turn(judge)?;
            if has_found {
                self.take_suspects(judge)?;
            }
        }
    }

    /// Looks at what has changed, and takes in all that is told by now.
    fn catch_up(&mut self, judge: &Judge<'_>, changed: Vec<Arrival>) -> Result<(), RunError> {
        changed.into_iter().try_for_each(|arrival| self.take(judge, arrival).map(drop))?;
        while self.watch.has_more() {
            self.turn(judge)?;
        }
        Ok(())
    }

    fn turn(&mut self, judge: &Judge<'_>) -> Result<(), RunError> {
        let now = SystemTime::now();
        let turn = self.watch.turn(&judge.names).map_err(PlanError::from)?;
        let mut told = HashSet::new();
        if !self.cases.is_empty() {
            told.extend(turn.written.iter().chain(&turn.made).cloned());
            told.extend(turn.pressing.iter().map(|arrival| arrival.path.clone()));
        }
        self.made.begin(turn.pressing.iter().map(|arrival| &arrival.like));
        let mut seen = HashSet::new();
        for arrival in turn.pressing.into_iter().filter(|arrival| seen.insert(arrival.clone())) {
            let gone = self.take(judge, arrival)?;
            self.gone.extend(gone.map(|path| (path, 1)));
        }
        self.cover_second_names(&turn.made)?;
        self.made.add(turn.made.iter().chain(&turn.written));
        // Where to a file was moved is known.
        self.gone.retain(|path, _| !turn.left.contains(path));
        let is_time = |turns: u32| !self.watch.has_more() || turns.is_multiple_of(TURNS);
        let due: Vec<PathBuf> =
            self.gone.iter().filter(|(_, turns)| is_time(**turns)).map(|(path, _)| path.clone()).collect();
        let mut most = MOST_SUSPECTS;
        due.iter().try_for_each(|like| self.suspect(judge, like, &mut most))?;
        self.gone.values_mut().for_each(|turns| *turns += 1);
        if !self.watch.has_more() {
            // What went in this very turn may be told of by the next one.
            for (path, _) in self.gone.extract_if(.., |_, turns| *turns > 2) {
                self.made.forget(&path);
            }
            self.made.all_is_told();
        }
        if let Some(sweeping) = &self.sweeping {
            sweeping.add(turn.written, turn.made, self.quiet);
            if turn.has_lost {
                sweeping.lose(self.quiet);
            }
        }
        if !self.watch.has_more() {
            self.quiet = now;
        }
        self.chase(&judge.place.trees, &told)
    }

    /// Masks what has to be masked. Gives the path back at which nothing was found.
    fn take(&mut self, judge: &Judge<'_>, arrival: Arrival) -> Result<Option<PathBuf>, RunError> {
        let Arrival { path, like } = arrival;
        // Before it is masked, so that it is known whether it was this file.
        let held = Held::at(&path);
        if let Some(mask) = self.masks.get(&path) {
            let mask = mask.clone();
            let put = self.put(&mask)?;
            if put == Put::Now {
                self.tell(&path, Vec::new(), "was replaced")?;
            }
            // Of a file that is hidden whole other names are let be at the start as well: package stores link such files.
            if !mask.is_empty_file() {
                self.check(judge, held, mask, put);
            }
            return Ok((put == Put::Nothing).then_some(like));
        }
        let Some(held) = held else { return Ok((path == like).then_some(like)) };
        let (mask, keys) = match self.masks.get(&like) {
            Some(known) => (Mask { path: path.clone(), kind: known.kind.clone() }, Vec::new()),
            None => match judge.judge(&path, &like, &self.masks)? {
                Some(judged) => judged,
                // It went while it was looked at.
                None if path == like && !held.is_at(&path) => return Ok(Some(like)),
                None => return Ok(None),
            },
        };
        let put = self.put(&mask)?;
        if put == Put::Now {
            self.tell(&mask.path, keys, if path == like { "appeared" } else { "was moved" })?;
        }
        // Whatever comes to such a name later is masked, and not what comes to any other.
        if put != Put::Nothing || path == like {
            self.keep(mask.clone());
        }
        self.check(judge, Some(held), mask, put);
        Ok(None)
    }

    /// A secret file came to `like` and is gone, by no move that was told of: it may be one of the files that were made
    /// meanwhile, for a link(2) is told of as a new file is. Whoever writes it may do so later. `most` of them are looked at
    /// in one turn, the last ones first: such names can come and go by the thousand.
    fn suspect(&mut self, judge: &Judge<'_>, like: &Path, most: &mut usize) -> Result<(), RunError> {
        let suspects = self.suspects.entry(like.to_owned()).or_default();
        for path in self.made.since(like) {
            if !suspects.contains(path) {
                suspects.push(path.clone());
            }
        }
        suspects.drain(..suspects.len().saturating_sub(MOST_SUSPECTS));
        let suspects: Vec<PathBuf> = suspects.iter().rev().take(*most).cloned().collect();
        *most -= suspects.len();
        for path in suspects {
            if self.masks.contains_key(&path) {
                continue;
            }
            let Some(held) = Held::at(&path) else { continue };
            // By what stands in it alone: most of them are the child's own.
            let Some((mask, keys)) = judge.judge(&path, like, &self.masks)? else { continue };
            let put = self.put(&mask)?;
            if put == Put::Now {
                self.tell(&mask.path, keys, "was moved")?;
                self.keep(mask.clone());
            }
            self.check(judge, Some(held), mask, put);
        }
        if self.suspects.len() > MOST_SUSPECTS {
            self.suspects.pop_first();
        }
        Ok(())
    }

    /// Masks the files in which known values were found.
    fn take_suspects(&mut self, judge: &Judge<'_>) -> Result<(), RunError> {
        let Some(sweeping) = &mut self.sweeping else { return Ok(()) };
        for Suspect { path, held, content } in sweeping.found().map_err(RunError::Watch)? {
            if self.masks.contains_key(&path) {
                continue;
            }
            let Some((mask, keys)) = judge.judge_held(&path, &content) else { continue };
            let put = self.put(&mask)?;
            if put == Put::Now {
                self.tell(&path, keys, "holds a known value")?;
            }
            if put != Put::Nothing {
                self.keep(mask.clone());
            }
            self.check(judge, Some(held), mask, put);
        }
        Ok(())
    }

    fn keep(&mut self, mask: Mask) {
        self.watch.press(&mask.path);
        self.masks.entry(mask.path.clone()).or_insert(mask);
    }

    /// Puts a mask, and the same wherever second mounts show the file.
    fn put(&self, mask: &Mask) -> Result<Put, RunError> {
        let put = self.put_at(mask)?;
        if put == Put::Now {
            let mounts = fs::read("/proc/self/mountinfo").map_err(RunError::Watch)?;
            for path in mask::second_mounts(&mounts, &mask.path) {
                self.put_at(&Mask { path, kind: mask.kind.clone() })?;
            }
        }
        Ok(put)
    }

    fn put_at(&self, mask: &Mask) -> Result<Put, RunError> {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        match self.hands.loopback.mask(mask) {
            // Who puts masks has ended, and everything inside with it.
            Err(error) if matches!(error.kind(), UnexpectedEof | BrokenPipe | ConnectionReset) => Ok(Put::Nothing),
            put => put.map_err(|source| RunError::Remask { path: mask.path.clone(), source }),
        }
    }

    fn tell(&self, path: &Path, keys: Vec<String>, why: &'static str) -> Result<(), RunError> {
        let file = path.to_string_lossy().into_owned();
        self.hands.log.masked(Masked { file, keys: keys.clone(), reason: why.into() })?;
        // One that nobody hears is in the log.
        drop(self.hands.news.try_send(News::Masked { path: path.to_owned(), keys, why }));
        Ok(())
    }
}
