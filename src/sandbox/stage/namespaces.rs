//! The namespaces of the seal, and whose ids hold inside.

use std::fs;
use std::io;

use nix::sched::CloneFlags;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getegid, geteuid, pause};

use super::super::failure::{Blame, Failure};
use super::super::left_out::LeftOut;
use super::super::mechanism::Mechanism;
use crate::sys::process::{Side, fork, signal};

/// Each namespace with the mechanism that it carries.
const NAMESPACES: &[(CloneFlags, Mechanism)] = &[
    (CloneFlags::CLONE_NEWUSER, Mechanism::UserNamespace),
    (CloneFlags::CLONE_NEWNS, Mechanism::MountNamespace),
    (CloneFlags::CLONE_NEWNET, Mechanism::NetworkNamespace),
    (CloneFlags::CLONE_NEWPID, Mechanism::PidNamespace),
    (CloneFlags::CLONE_NEWIPC, Mechanism::IpcNamespace),
    (CloneFlags::CLONE_NEWUTS, Mechanism::HostnameNamespace),
    (CloneFlags::CLONE_NEWCGROUP, Mechanism::CgroupNamespace),
];

/// What the init is forked into.
pub(super) fn flags(left_out: &LeftOut) -> CloneFlags {
    wanted(left_out).fold(CloneFlags::empty(), |flags, (flag, _)| flags | flag)
}

/// The mount namespace cannot be left out: the seal would be built on the host. Nor can the user namespace but by root,
/// who has the right to build the others without it.
fn wanted(left_out: &LeftOut) -> impl Iterator<Item = (CloneFlags, Mechanism)> {
    let is_ground = |mechanism| match mechanism {
        Mechanism::MountNamespace => true,
        Mechanism::UserNamespace => !geteuid().is_root(),
        _ => false,
    };
    let namespaces = NAMESPACES.iter().copied();
    namespaces.filter(move |(_, mechanism)| is_ground(*mechanism) || !left_out.has(*mechanism))
}

/// Which of the namespaces the kernel refused: tries them one by one.
pub(super) fn diagnose(left_out: &LeftOut, error: &io::Error) -> Failure {
    let refused = wanted(left_out).find(|(flag, _)| !can_make(*flag | CloneFlags::CLONE_NEWUSER));
    let mechanism = refused.map_or(Mechanism::UserNamespace, |(_, mechanism)| mechanism);
    Failure { mechanism, step: "making namespaces".to_owned(), path: None, errno: error.raw_os_error() }
}

fn can_make(flags: CloneFlags) -> bool {
    match fork(flags) {
        // The parent kills it.
        Ok(Side::Child) => loop {
            pause();
        },
        Ok(Side::Parent(child, pidfd)) => signal(&pidfd, libc::SIGKILL).is_ok() && waitpid(child, None).is_ok(),
        Err(_) => false,
    }
}

/// Maps ids for `init`, from outside: real root one to one, everybody else their own alone. Says whether it is real root.
pub(super) fn map_ids(init: Pid, left_out: &LeftOut) -> Result<bool, Failure> {
    if geteuid().is_root() && left_out.has(Mechanism::UserNamespace) {
        return Ok(true);
    }
    if geteuid().is_root() && map_all(init).is_ok() {
        return Ok(true);
    }
    let write = |file: &str, text: String| {
        let path = format!("/proc/{init}/{file}");
        fs::write(&path, text).blame_at(Mechanism::UserNamespace, "mapping ids", path.as_ref())
    };
    write("setgroups", "deny".to_owned())?;
    let (user, group) = (geteuid(), getegid());
    write("uid_map", format!("{user} {user} 1"))?;
    write("gid_map", format!("{group} {group} 1"))?;
    Ok(false)
}

/// Needs `CAP_SETUID` and `CAP_SETGID` here, which a root in some container may lack.
fn map_all(init: Pid) -> io::Result<()> {
    for file in ["gid_map", "uid_map"] {
        let here = fs::read_to_string(format!("/proc/self/{file}"))?;
        fs::write(format!("/proc/{init}/{file}"), one_to_one(&here))?;
    }
    Ok(())
}

/// The map under which every id of this namespace (`inside outside count` a line) means itself.
fn one_to_one(map: &str) -> String {
    let ranges = map.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        Some((fields.next()?, fields.nth(1)?))
    });
    ranges.map(|(first, count)| [first, " ", first, " ", count, "\n"].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_every_id_to_itself() {
        assert_eq!(one_to_one("         0          0 4294967295\n"), "0 0 4294967295\n");
        assert_eq!(one_to_one("0 1000 1\n1 100000 65536\n"), "0 0 1\n1 1 65536\n");
    }
}
