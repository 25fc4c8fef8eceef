//! The process that becomes the command: gives up everything, looks at the seal as the child will see it, then waits
//! for the command line.
//!
//! **Invariants.** What verifies is the very process that executes, after it gave up capabilities and after the filter
//! is loaded: nothing is verified with rights that the child lacks, and nothing is given up after verification.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, execve, setpgid};

use super::super::channel;
use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use super::super::message::Order;
use super::super::seccomp;
use super::super::wire::wire_enum;
use super::covers::Covers;
use super::descriptors;
use super::site::Site;
use super::verify;
use crate::sys::{capability, process};

/// What the waiting process tells the init.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Report {
    /// The seal is as promised; this many masks were read back.
    Verified { masks: u32 },
    /// It is not.
    Failed { failure: Failure },
    /// The kernel refused to execute the command.
    NotExecuted { errno: i32 },
}

wire_enum!(Report { 0 => Verified(masks), 1 => Failed(failure), 2 => NotExecuted(errno) });

/// Capabilities that real root keeps, so that package managers work in the layers. Each holds only over files whose
/// owner is mapped, on mounts without devices and set-id programs.
pub(in crate::sandbox) const ROOT_KEEPS: &[u32] =
    &[capability::CHOWN, capability::DAC_OVERRIDE, capability::FOWNER, capability::FSETID];

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
        let Some((Order::Execute { arguments, environment, .. }, _)) = channel::receive(&self.link)? else {
            return Ok(());
        };
        process::reset_dispositions(self.ignored);
        umask(self.umask);
        SigSet::empty().thread_set_mask()?;
        let errno = execute(&arguments, &environment) as i32;
        channel::send(&self.link, &Report::NotExecuted { errno }, channel::NONE)
    }

    fn give_up(&self) -> Result<(), Failure> {
        if !self.site.without(Mechanism::Descriptors) {
            descriptors::close_the_rest(&self.site.profile.kept_descriptors)?;
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

/// Where programs are looked for without a PATH (`confstr(_CS_PATH)`).
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// Replaces this process, as execvp(3) does but with the PATH of the new environment. Returns why it could not.
pub(in crate::sandbox) fn execute(arguments: &[OsString], environment: &[(OsString, OsString)]) -> Errno {
    let Some(name) = arguments.first() else { return Errno::ENOENT };
    let strings = || -> Result<_, std::ffi::NulError> {
        let arguments = arguments.iter().map(|argument| CString::new(argument.as_bytes()));
        let entries =
            environment.iter().map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()));
        Ok((arguments.collect::<Result<Vec<_>, _>>()?, entries.collect::<Result<Vec<_>, _>>()?))
    };
    let Ok((arguments, entries)) = strings() else { return Errno::EINVAL };
    let path = environment.iter().find(|(name, _)| name == "PATH").map_or(DEFAULT_PATH, |(_, path)| path.as_bytes());
    let mut refused = Errno::ENOENT;
    for candidate in candidates(name, path) {
        match execute_at(&candidate, &arguments, &entries) {
            Errno::ENOENT | Errno::ENOTDIR | Errno::ENODEV | Errno::ESTALE | Errno::ETIMEDOUT => {}
            // Another directory may have one that can be executed.
            Errno::EACCES => refused = Errno::EACCES,
            other => return other,
        }
    }
    refused
}

/// The paths to try for `name`, in order.
fn candidates(name: &OsStr, path: &[u8]) -> Vec<Vec<u8>> {
    let name = name.as_bytes();
    if name.is_empty() {
        return Vec::new();
    }
    if name.contains(&b'/') {
        return vec![name.to_vec()];
    }
    let directories = path.split(|&byte| byte == b':');
    directories
        .map(|directory| if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() })
        .collect()
}

fn execute_at(path: &[u8], arguments: &[CString], environment: &[CString]) -> Errno {
    let Ok(program) = CString::new(path) else { return Errno::EINVAL };
    let Err(error) = execve(&program, arguments, environment);
    if error != Errno::ENOEXEC {
        return error;
    }
    // A script without an interpreter line belongs to the shell (POSIX, execvp).
    let shell = c"/bin/sh".to_owned();
    let script = [shell.clone(), program].into_iter().chain(arguments.iter().skip(1).cloned()).collect::<Vec<_>>();
    let Err(error) = execve(&shell, &script, environment);
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn looks_where_execvp_looks() {
        let tried = |name: &str, path: &str| {
            let paths = candidates(OsStr::new(name), path.as_bytes());
            paths.into_iter().map(|path| OsString::from_vec(path).into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(tried("ls", "/a:/b"), ["/a/ls", "/b/ls"]);
        assert_eq!(tried("ls", "/a::/b/"), ["/a/ls", "ls", "/b//ls"]);
        assert_eq!(tried("./ls", "/a"), ["./ls"]);
        assert_eq!(tried("", "/a"), Vec::<String>::new());
    }

    #[test]
    fn says_why_nothing_was_executed() {
        let run = |name: &str, path: &str| execute(&[name.into()], &[("PATH".into(), path.into())]);
        assert_eq!(run("no-such-command", "/usr/bin:/bin"), Errno::ENOENT);
        assert_eq!(run("/etc", ""), Errno::EACCES);
        assert_eq!(run("a\0b", "/bin"), Errno::EINVAL);
        assert_eq!(execute(&[], &[]), Errno::ENOENT);
    }
}
