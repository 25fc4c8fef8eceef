//! What a run could leave behind: processes, namespaces, mounts, listeners, files. Noted while it lives, looked for when
//! it is over.
//!
//! Every process of a run is recognised by the path of the run's own world, which no other process knows: it stands in
//! its arguments, its environment, its working directory or its mounts.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::deadline::poll;
use super::running::Running;

/// The kinds of namespace that a seal has of its own.
const NAMESPACES: &[&str] = &["net", "mnt", "pid", "ipc", "uts", "user", "cgroup"];

/// What was there while a run lived.
#[derive(Debug)]
pub(crate) struct Remains {
    world: PathBuf,
    namespaces: BTreeSet<PathBuf>,
}

fn numbers() -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn children(process: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

fn descendants(process: i32, found: &mut BTreeSet<i32>) {
    for child in children(process) {
        if found.insert(child) {
            descendants(child, found);
        }
    }
}

fn namespaces(process: i32) -> BTreeSet<PathBuf> {
    let link = |kind| fs::read_link(format!("/proc/{process}/ns/{kind}")).ok();
    NAMESPACES.iter().filter_map(link).collect()
}

/// Whether anything that the kernel tells about a process names `world`.
fn belongs(process: i32, world: &Path) -> bool {
    let names = |file: &str| {
        let bytes = fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
        memchr::memmem::find(&bytes, world.as_os_str().as_bytes()).is_some()
    };
    let stands_in =
        |link: &str| fs::read_link(format!("/proc/{process}/{link}")).is_ok_and(|path| path.starts_with(world));
    names("cmdline") || names("environ") || names("mountinfo") || stands_in("cwd") || stands_in("root")
}

/// A process that has ended and only waits to be reaped holds nothing.
fn lives(process: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z') && !line.contains('X'))
}

impl Remains {
    /// Notes what the run has now.
    pub(crate) fn of(running: &Running) -> Self {
        let mut processes = BTreeSet::from([running.pid().as_raw()]);
        descendants(running.pid().as_raw(), &mut processes);
        let own = namespaces(std::process::id().cast_signed());
        let all: BTreeSet<PathBuf> = processes.iter().flat_map(|process| namespaces(*process)).collect();
        let world = running.world().root().to_owned();
        Self { world, namespaces: all.difference(&own).cloned().collect() }
    }

    /// How many namespaces the run had that its parent had not.
    pub(crate) fn namespaces(&self) -> usize {
        self.namespaces.len()
    }

    /// The processes of the run that still live.
    fn living(&self) -> Vec<i32> {
        let own = std::process::id().cast_signed();
        let others = numbers().into_iter().filter(|process| *process != own && lives(*process));
        others
            .filter(|process| belongs(*process, &self.world) || !self.namespaces.is_disjoint(&namespaces(*process)))
            .collect()
    }

    /// Gives the kernel a moment to end what must end, and tells which processes live on.
    pub(crate) fn settle(&self) -> Vec<i32> {
        let moment = Instant::now() + Duration::from_secs(3);
        poll("the end of the run", || {
            let living = self.living();
            (living.is_empty() || Instant::now() > moment).then_some(living)
        })
    }

    /// Waits until nothing of the run is there any more; panics when something stays.
    pub(crate) fn assert_none(&self) {
        poll("the end of every process and namespace of the run", || self.living().is_empty().then_some(()));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.world.to_str().unwrap()), "a mount remains:\n{mounts}");
        let temporary = fs::read_dir(self.world.join("temporary")).unwrap().flatten().map(|entry| entry.file_name());
        assert_eq!(temporary.collect::<Vec<_>>(), Vec::<std::ffi::OsString>::new(), "temporary files remain");
    }

    /// Waits until the run has started a process.
    pub(crate) fn wait_for_child(running: &Running) {
        poll("the first child", || (running.has_ended() || !children(running.pid().as_raw()).is_empty()).then_some(()));
    }

    /// Waits until one of its processes has namespaces of its own.
    pub(crate) fn wait_for_namespaces(running: &Running) {
        poll("the first namespace", || (running.has_ended() || Self::of(running).namespaces() > 0).then_some(()));
    }
}
