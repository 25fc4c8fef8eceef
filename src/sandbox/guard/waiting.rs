//! The process that becomes the command of a guarded run: gives up everything, tries the guard as the child will meet
//! it, then waits for the command line.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, setpgid};

use super::super::channel;
use super::super::command::{Inherited, ROOT_KEEPS, close_the_rest, wait_and_execute};
use super::super::failure::{Blame, Failure};
use super::super::left_out::LeftOut;
use super::super::mechanism::Mechanism;
use super::super::seccomp::{self, Around};
use super::super::wire::wire_enum;
use super::domain::Domain;
use super::profile::GuardProfile;
use super::verify::Canaries;
use crate::sys::capability;

/// What the waiting process tells the monitor before it waits.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// The guard holds.
    Verified { rules: u32, verified: u32 },
    /// It does not.
    Failed { failure: Failure },
}

wire_enum!(Tried { 0 => Verified(rules, verified), 1 => Failed(failure) });

/// What the waiting process inherits from the monitor.
pub(super) struct Waiting<'a> {
    pub(super) link: UnixStream,
    pub(super) profile: &'a GuardProfile,
    pub(super) left_out: &'a LeftOut,
    pub(super) version: u32,
    /// Signals that stay ignored.
    pub(super) ignored: u64,
    pub(super) parent: u32,
    pub(super) monitor: Pid,
    /// The run's own terminal.
    pub(super) terminal: Option<&'a Path>,
}

impl Waiting<'_> {
    /// Verifies, waits, executes. Returns only when there is nothing to execute any more.
    pub(super) fn run(self) -> io::Result<()> {
        if !self.left_out.has(Mechanism::ParentDeathSignal) {
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            if nix::unistd::getppid() != self.monitor {
                return Ok(());
            }
        }
        let tried = match self.enter() {
            Ok((rules, verified)) => Tried::Verified { rules, verified },
            Err(failure) => Tried::Failed { failure },
        };
        channel::send(&self.link, &tried, channel::NONE)?;
        wait_and_execute(&self.link, self.ignored)
    }

    fn enter(&self) -> Result<(u32, u32), Failure> {
        let domain = Domain::survey(self.profile, self.left_out, self.version, self.terminal)?;
        let denied: Vec<&Path> = domain.denied().iter().map(PathBuf::as_path).collect();
        let (directories, files) = denied.iter().copied().partition(|path| path.is_dir());
        let kept = &self.profile.kept_descriptors;
        Inherited { kept, files, directories, way_out: false, left_out: self.left_out }.check()?;
        if !self.left_out.has(Mechanism::Descriptors) {
            close_the_rest(kept)?;
        }
        if !self.left_out.has(Mechanism::OwnTerminal) {
            // A job of the session that the monitor leads.
            setpgid(Pid::from_raw(0), Pid::from_raw(0)).blame(Mechanism::OwnTerminal, "making a process group")?;
        }
        let directory = &self.profile.working_directory;
        std::env::set_current_dir(directory).blame_at(Mechanism::Landlock, "entering the directory", directory)?;
        prctl::set_no_new_privs().blame(Mechanism::NoNewPrivileges, "setting no_new_privs")?;
        let rules = if self.left_out.has(Mechanism::Landlock) { 0 } else { domain.enter()? };
        if !self.left_out.has(Mechanism::Filter) {
            let monitor = self.monitor.as_raw().unsigned_abs();
            let keepers: Vec<u32> = [monitor, self.parent].into_iter().chain(self.profile.keeper).collect();
            let around = Around::Guard { unix_sockets: self.profile.unix_sockets, keepers: &keepers };
            let program = seccomp::program(self.left_out, around)
                .ok_or_else(|| Failure::found(Mechanism::Filter, "assembling the system call filter", None))?;
            crate::sys::seccomp::load(&program).blame(Mechanism::Filter, "loading the system call filter")?;
        }
        // CAP_PERFMON alone would read other processes past Landlock.
        if !self.left_out.has(Mechanism::Capabilities) {
            let kept = held().blame(Mechanism::Capabilities, "reading our own status")?;
            capability::keep_only_held(&kept).blame(Mechanism::Capabilities, "giving up capabilities")?;
        }
        let denied = domain.denied().iter().cloned().collect();
        let Self { profile, left_out, version, monitor, .. } = *self;
        let verified = Canaries { profile, left_out, version, denied, monitor }.verify()?;
        Ok((rules, verified))
    }
}

/// The capabilities that root keeps, of those that it has; a container's root has fewer.
fn held() -> io::Result<Vec<u32>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(Vec::new());
    }
    let permitted = status_field("CapPrm")?;
    Ok(ROOT_KEEPS.iter().copied().filter(|number| permitted >> number & 1 == 1).collect())
}

/// The capabilities that may be left, as the kernel shows a set.
pub(super) fn kept_mask() -> u64 {
    if nix::unistd::geteuid().is_root() { ROOT_KEEPS.iter().fold(0, |mask, number| mask | 1 << number) } else { 0 }
}

/// A hexadecimal field of `/proc/self/status` (`proc_pid_status(5)`).
pub(super) fn status_field(name: &str) -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|value| u64::from_str_radix(value.trim(), 16).ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
