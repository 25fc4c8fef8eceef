//! The process that becomes the command: gives up everything, looks at the seal as the child will see it, then waits
//! for the command line.
//!
//! **Invariants.** What verifies is the very process that executes, after it gave up capabilities and after the filter
//! is loaded: nothing is verified with rights that the child lacks, and nothing is given up after verification.

use std::io;
use std::os::unix::net::UnixStream;

use nix::sys::prctl;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, setpgid};

use super::super::channel;
use super::super::command::{ROOT_KEEPS, close_the_rest, wait_and_execute};
use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use super::super::seccomp;
use super::super::wire::wire_enum;
use super::covers::Covers;
use super::descriptors;
use super::site::Site;
use super::verify;
use crate::sys::capability;

/// What the waiting process tells the init.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// The seal is as promised; this many masks were read back.
    Verified { masks: u32 },
    /// It is not.
    Failed { failure: Failure },
}

wire_enum!(Report { 0 => Verified(masks), 1 => Failed(failure) });

/// What the waiting process inherits from the init.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    /// To the init. Closed by the kernel when the command is executed.
    pub(super) link: UnixStream,
    /// The ground.
    pub(super) site: &'a Site<'a>,
    /// What is to be verified.
    pub(super) covers: &'a Covers<'a>,
    /// Signals that stay ignored.
    pub(super) ignored: u64,
    /// The file mode mask that the program was started with.
    pub(super) umask: Mode,
}

impl Waiting<'_> {
    /// Verifies, waits, executes. Returns only when there is nothing to execute any more.
    pub(super) fn run(self) -> io::Result<()> {
        let report = match self.give_up().and_then(|()| verify::verify(self.site, self.covers)) {
            Ok(masks) => Report::Verified { masks },
            Err(failure) => Report::Failed { failure },
        };
        channel::send(&self.link, &report, channel::NONE)?;
        umask(self.umask);
        wait_and_execute(&self.link, self.ignored)
    }

    fn give_up(&self) -> Result<(), Failure> {
        if !self.site.without(Mechanism::Descriptors) {
            close_the_rest(&self.site.profile.kept_descriptors)?;
        }
        descriptors::renew_devices(self.site)?;
        if !self.site.without(Mechanism::OwnTerminal) {
            // A job of the session that the init leads.
            setpgid(Pid::from_raw(0), Pid::from_raw(0)).blame(Mechanism::OwnTerminal, "making a process group")?;
        }
        if !self.site.without(Mechanism::NoNewPrivileges) {
            prctl::set_no_new_privs().blame(Mechanism::NoNewPrivileges, "setting no_new_privs")?;
        }
        // Before the capabilities go: without no_new_privs the kernel takes a filter only from CAP_SYS_ADMIN.
        if !self.site.without(Mechanism::Filter) {
            let program = seccomp::program(self.site.left_out, seccomp::Around::Seal)
                .ok_or_else(|| Failure::found(Mechanism::Filter, "assembling the system call filter", None))?;
            crate::sys::seccomp::load(&program).blame(Mechanism::Filter, "loading the system call filter")?;
        }
        if !self.site.without(Mechanism::Capabilities) {
            let kept = if self.site.real_root { ROOT_KEEPS } else { &[] };
            capability::keep_only(kept).blame(Mechanism::Capabilities, "giving up capabilities")?;
        }
        let directory = &self.site.profile.working_directory;
        std::env::set_current_dir(directory).blame_at(Mechanism::MountNamespace, "entering the directory", directory)
    }
}
