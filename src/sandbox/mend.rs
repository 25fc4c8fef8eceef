//! What the user can do about a mechanism that is missing: one line, a command where there is one.
//!
//! The machine's switches are read only to find the right advice; whether a mechanism works is found by using it.

use std::fs;
use std::path::Path;

use super::failure::Failure;
use super::mechanism::Mechanism;

/// What this machine says of itself that helps to explain a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Machine {
    /// Ubuntu's AppArmor restriction of unprivileged user namespaces is on.
    apparmor: bool,
    /// Debian's switch for unprivileged user namespaces is off.
    switched_off: bool,
    /// The limit of user namespaces is zero.
    no_namespaces: bool,
    /// A container around us filters system calls or hides parts of /proc.
    container: bool,
}

impl Machine {
    fn read() -> Self {
        let sysctl = |name: &str| fs::read_to_string(Path::new("/proc/sys").join(name)).unwrap_or_default();
        let is = |name: &str, value: &str| sysctl(name).trim() == value;
        let filtered = fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nSeccomp:\t2"));
        Self {
            apparmor: is("kernel/apparmor_restrict_unprivileged_userns", "1"),
            switched_off: is("kernel/unprivileged_userns_clone", "0"),
            no_namespaces: is("user/max_user_namespaces", "0"),
            container: filtered || Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists(),
        }
    }
}

/// One line that says what to do about `failure`.
pub(super) fn mend(failure: &Failure) -> String {
    advice(failure, Machine::read()).to_owned()
}

const APPARMOR: &str = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
const SWITCH: &str = "sudo sysctl -w kernel.unprivileged_userns_clone=1";
const LIMIT: &str = "sudo sysctl -w user.max_user_namespaces=15000";
const CONTAINER: &str =
    "start the container with: docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined …";
const KERNEL: &str = "Linux 5.15 or later is needed, with namespaces, overlayfs and seccomp built in";

fn advice(failure: &Failure, machine: Machine) -> &'static str {
    use Mechanism as M;
    let refused = matches!(failure.errno, Some(libc::EPERM | libc::EACCES));
    match failure.mechanism {
        M::DirectoryDescriptors => "redirect it from a file, or add </dev/null",
        M::MaskedDescriptors => "let the command open the file by its name: it sees placeholders there",
        M::MaskBinds | M::HiddenPlaces if matches!(failure.errno, Some(libc::ENOENT | libc::ENOTDIR)) => {
            "a file changed while the seal was built: run it again"
        }
        M::OwnState => "make the directory, or take it out of the writable directories",
        _ if matches!(failure.errno, Some(libc::ENOSYS | libc::EINVAL)) => KERNEL,
        _ if machine.no_namespaces => LIMIT,
        _ if refused && machine.switched_off => SWITCH,
        _ if refused && machine.apparmor => APPARMOR,
        _ if refused && machine.container => CONTAINER,
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
        let plain = Machine::default();
        let ubuntu = Machine { apparmor: true, ..plain };
        let docker = Machine { container: true, ..plain };
        let none = Machine { no_namespaces: true, ..plain };
        let debian = Machine { switched_off: true, ..plain };
        for (mechanism, errno, machine, expected) in [
            (Mechanism::Routes, libc::EPERM, ubuntu, "apparmor_restrict"),
            (Mechanism::MountNamespace, libc::EACCES, ubuntu, "apparmor_restrict"),
            (Mechanism::UserNamespace, libc::EPERM, docker, "seccomp=unconfined"),
            (Mechanism::FreshProc, libc::EPERM, docker, "systempaths=unconfined"),
            (Mechanism::FreshProc, libc::EPERM, plain, "/proc"),
            (Mechanism::UserNamespace, libc::ENOSPC, none, "max_user_namespaces"),
            (Mechanism::UserNamespace, libc::EPERM, debian, "unprivileged_userns_clone"),
            (Mechanism::NetworkNamespace, libc::ENOSPC, plain, "sysctl user"),
            (Mechanism::ReadOnlyRoot, libc::ENOSYS, plain, "5.15"),
            (Mechanism::MaskBinds, libc::ENOENT, plain, "again"),
            (Mechanism::MaskBinds, libc::EIO, plain, "doctor"),
        ] {
            let failure = Failure { mechanism, step: String::new(), path: None, errno: Some(errno) };
            let advice = advice(&failure, machine);
            assert!(advice.contains(expected), "{mechanism} {errno}: {advice}");
        }
    }
}
