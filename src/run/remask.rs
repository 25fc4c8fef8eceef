//! Keeps secret files masked while the command runs: what the host puts in the place of a masked file is masked again, and
//! a new secret file of the project is masked when it appears.
//!
//! **Invariants.** What was changed between the plan and the first watch is looked at before the command starts. Where a
//! file cannot be masked or watched any more the run ends (C1).
//!
//! **Trade-off.** The kernel tells of a new file after it is there: for some milliseconds the child could read it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use jiff::Timestamp;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::{mpsc, oneshot};

use super::RunError;
use super::profile::mask_of;
use crate::audit::{Masked, Sink};
use crate::mask::{MaskError, ProjectNames, Search, Watch};
use crate::plan::{Live, PlanError, Planned};
use crate::policy;
use crate::sandbox::{Loopback, Mask};
use crate::supervise::News;
use crate::world::World;

/// A file as it was: device and inode; nothing where there is none.
type Identity = Option<(u64, u64)>;

/// What is to be watched, and what it was when it was planned.
pub(super) struct Prepared {
    masks: BTreeMap<PathBuf, Mask>,
    identities: Vec<(PathBuf, Identity)>,
    project: PathBuf,
    home: PathBuf,
    uid: u32,
}

/// The watch while the command runs. Dropping it ends it.
pub(super) struct Remasking {
    /// Closed, it ends the thread.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
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
        let (project, home) = (planned.plan.project.clone(), world.home.clone());
        Self { masks, identities, project, home, uid: world.user.uid }
    }

    /// Begins to watch, and deals with what has changed since. The seal must stand, and the command not yet run.
    pub(super) fn begin(self, live: Live, hands: Hands) -> Result<Remasking, RunError> {
        let begun = Watch::begin(&self.project, &live.directories, live.began, &self.home, self.masks.keys());
        let watch = begun.map_err(PlanError::from)?;
        let is_changed = |(path, before): &&(PathBuf, Identity)| identity(path) != *before;
        let changed = self.identities.iter().filter(is_changed).map(|(path, _)| path.clone()).collect();
        let mut masker = Masker { watch, prepared: self, live, hands };
        masker.take(changed)?;
        let (stopped, stop) = io::pipe().map_err(RunError::Watch)?;
        let (sender, failed) = oneshot::channel();
        let serve = move || {
            if let Err(error) = masker.serve(&stopped) {
                // Nobody waits any more where the run is ending anyway.
                drop(sender.send(error));
            }
        };
        let thread = std::thread::Builder::new().name("masks".into()).spawn(serve).map_err(RunError::Watch)?;
        Ok(Remasking { stop: Some(stop), thread: Some(thread), failed })
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
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Masker {
    watch: Watch,
    prepared: Prepared,
    live: Live,
    hands: Hands,
}

impl Masker {
    fn serve(&mut self, stopped: &PipeReader) -> Result<(), RunError> {
        loop {
            let mut polled =
                [PollFd::new(self.watch.as_fd(), PollFlags::POLLIN), PollFd::new(stopped.as_fd(), PollFlags::POLLIN)];
            match poll(&mut polled, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other.map_err(|errno| RunError::Watch(errno.into()))?,
            };
            if polled[1].any().unwrap_or(true) {
                return Ok(());
            }
            let arrived = self.watch.arrivals().map_err(PlanError::from)?;
            self.take(arrived)?;
        }
    }

    /// Masks what has to be masked among these.
    fn take(&mut self, arrived: BTreeSet<PathBuf>) -> Result<(), RunError> {
        for path in arrived {
            if let Some(mask) = self.prepared.masks.get(&path) {
                if self.put(mask)? {
                    self.tell(&path, Vec::new(), "was replaced")?;
                }
                continue;
            }
            let Some((path, mask, keys)) = self.judge(&path)? else { continue };
            if self.put(&mask)? {
                self.tell(&path, keys, "appeared")?;
            }
            self.prepared.masks.insert(path, mask);
        }
        Ok(())
    }

    /// A file that no mask is for: what is to be seen of it, if it is secret.
    fn judge(&self, path: &Path) -> Result<Option<(PathBuf, Mask, Vec<String>)>, RunError> {
        let nothing = |_: &str| None;
        let search = Search {
            rules: policy::file_rules(),
            mask: self.live.masked(),
            project: &self.prepared.project,
            home: &self.prepared.home,
            current_directory: &self.prepared.project,
            variable: &nothing,
            writable: &[],
            trees: &[],
            repository: None,
            needed: &[],
            uid: self.prepared.uid,
            mounts: b"",
        };
        let found = match ProjectNames::new(&search).look(path) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            // Closed to the user: whoever opens it up writes it first.
            Err(MaskError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
                return Ok(None);
            }
            // A child that uses up our descriptors must not see more for it.
            Err(MaskError::Unreadable { .. }) => {
                return Ok(Some((path.to_owned(), Mask::file(path, Vec::new()), Vec::new())));
            }
            Err(error) => return Err(PlanError::from(error).into()),
        };
        let judged = self.live.judge(&found, Timestamp::now());
        Ok(judged.map(|(content, keys)| (found.path.clone(), mask_of(&found.path, &content), keys)))
    }

    fn put(&self, mask: &Mask) -> Result<bool, RunError> {
        let failed = |source| RunError::Remask { path: mask.path.clone(), source };
        self.hands.loopback.mask(mask).map_err(failed)
    }

    fn tell(&self, path: &Path, keys: Vec<String>, why: &'static str) -> Result<(), RunError> {
        let file = path.to_string_lossy().into_owned();
        self.hands.log.masked(Masked { file, keys: keys.clone(), reason: why.into() })?;
        // One that nobody hears is in the log.
        drop(self.hands.news.try_send(News::Masked { path: path.to_owned(), keys, why }));
        Ok(())
    }
}

fn identity(path: &Path) -> Identity {
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
