//! What the user can do about a mechanism that is missing: one line, a command where there is one.
//!
//! The machine's switches are read only to find the right advice; whether a mechanism works is found by using it.

use std::fs;
use std::path::Path;

use super::failure::Failure;
use super::mechanism::Mechanism;

/// A switch of this machine that is against us, found to explain a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    /// The limit of user namespaces is zero.
    NoNamespaces,
    /// Debian's switch for unprivileged user namespaces is off.
    SwitchedOff,
    /// Ubuntu's restriction of unprivileged user namespaces by `AppArmor` is on.
    Restricted,
    /// A container around us filters system calls or hides parts of /proc.
    Container,
}

impl Obstacle {
    /// The first one there is.
    fn find() -> Option<Self> {
        let sysctl = |name: &str| fs::read_to_string(Path::new("/proc/sys").join(name)).unwrap_or_default();
        let is = |name: &str, value: &str| sysctl(name).trim() == value;
        let filtered = || fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nSeccomp:\t2"));
        let marked = || ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists());
        if is("user/max_user_namespaces", "0") {
            Some(Self::NoNamespaces)
        } else if is("kernel/unprivileged_userns_clone", "0") {
            Some(Self::SwitchedOff)
        } else if is("kernel/apparmor_restrict_unprivileged_userns", "1") {
            Some(Self::Restricted)
        } else {
            (filtered() || marked()).then_some(Self::Container)
        }
    }
}

/// One line that says what to do about `failure`.
pub(super) fn mend(failure: &Failure) -> String {
    advice(failure, Obstacle::find()).to_owned()
}

const APPARMOR: &str = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
const SWITCH: &str = "sudo sysctl -w kernel.unprivileged_userns_clone=1";
const LIMIT: &str = "sudo sysctl -w user.max_user_namespaces=15000";
const CONTAINER: &str =
    "start the container with: docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined …";
const KERNEL: &str = "Linux 5.15 or later is needed, with namespaces, overlayfs and seccomp built in";

fn advice(failure: &Failure, obstacle: Option<Obstacle>) -> &'static str {
    use Mechanism as M;
    let refused = matches!(failure.errno, Some(libc::EPERM | libc::EACCES));
    match failure.mechanism {
        M::DirectoryDescriptors => "redirect it from a file, or add </dev/null",
        M::SocketDescriptors => "put a pipe between: cat | agentsecrets run … | cat",
        M::MaskedDescriptors => "let the command open the file by its name: it sees placeholders there",
        M::ReadOnlyDescriptors => "put a pipe between: cat FILE | agentsecrets run …",
        M::MaskBinds | M::HiddenPlaces if matches!(failure.errno, Some(libc::ENOENT | libc::ENOTDIR)) => {
            "a file changed while the seal was built: run it again"
        }
        M::OwnDev if failure.path.is_some() => "name a device node below /dev with --device",
        M::MountNamespace if failure.errno == Some(libc::ENOENT) => {
            "start it in the project, or name the directory with --writable"
        }
        M::OwnState => "make the directory, or take it out of the writable directories",
        _ if matches!(failure.errno, Some(libc::ENOSYS | libc::EINVAL)) => KERNEL,
        _ if obstacle == Some(Obstacle::NoNamespaces) => LIMIT,
        _ if refused && obstacle == Some(Obstacle::SwitchedOff) => SWITCH,
        _ if refused && obstacle == Some(Obstacle::Restricted) => APPARMOR,
        _ if refused && obstacle == Some(Obstacle::Container) => CONTAINER,
        M::FreshProc if refused => "parts of /proc are mounted over on this machine: umount them, or run as root",
        _ if failure.errno == Some(libc::ENOSPC) => "the limit of a kind of namespace is reached: see sysctl user",
        _ => "agentsecrets doctor",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fits_the_machine() {
        let (ubuntu, docker) = (Some(Obstacle::Restricted), Some(Obstacle::Container));
        let (none, debian) = (Some(Obstacle::NoNamespaces), Some(Obstacle::SwitchedOff));
        for (mechanism, errno, obstacle, expected) in [
            (Mechanism::Routes, libc::EPERM, ubuntu, "apparmor_restrict"),
            (Mechanism::MountNamespace, libc::EACCES, ubuntu, "apparmor_restrict"),
            (Mechanism::UserNamespace, libc::EPERM, docker, "seccomp=unconfined"),
            (Mechanism::FreshProc, libc::EPERM, docker, "systempaths=unconfined"),
            (Mechanism::FreshProc, libc::EPERM, None, "/proc"),
            (Mechanism::UserNamespace, libc::ENOSPC, none, "max_user_namespaces"),
            (Mechanism::UserNamespace, libc::EPERM, debian, "unprivileged_userns_clone"),
            (Mechanism::NetworkNamespace, libc::ENOSPC, None, "sysctl user"),
            (Mechanism::ReadOnlyRoot, libc::ENOSYS, None, "5.15"),
            (Mechanism::MaskBinds, libc::ENOENT, None, "again"),
            (Mechanism::MaskBinds, libc::EIO, None, "doctor"),
        ] {
            let failure = Failure { mechanism, step: String::new(), path: None, errno: Some(errno) };
            let advice = advice(&failure, obstacle);
            assert!(advice.contains(expected), "{mechanism} {errno}: {advice}");
        }
    }
}
