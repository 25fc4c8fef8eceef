//! What the user can do about a mechanism that is missing: one line, a command where there is one.
//!
//! The machine's switches are read only to find the right advice; whether a mechanism works is found by using it.

use std::fs;
use std::path::Path;

use super::failure::Failure;
use super::mechanism::Mechanism;
use super::mountinfo;

/// What of this machine is against us, found to explain a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent fact")]
struct Around {
    /// The limit of user namespaces is zero.
    no_namespaces: bool,
    /// Debian's switch for unprivileged user namespaces is off.
    switched_off: bool,
    /// Ubuntu's restriction of unprivileged user namespaces by `AppArmor` is on.
    restricted: bool,
    /// System calls are filtered already.
    filtered: bool,
    /// An `AppArmor` profile holds this process.
    confined: bool,
    /// Parts of /proc are mounted over, which the kernel lets nobody undo by a fresh one.
    covered: bool,
    /// Whose machine it is, where that matters.
    kind: Option<Kind>,
}

/// Kinds of machine with ways of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Docker,
    Podman,
    Kubernetes,
    Wsl1,
    GVisor,
}

impl Around {
    fn look() -> Self {
        let sysctl = |name: &str| fs::read_to_string(Path::new("/proc/sys").join(name)).unwrap_or_default();
        let is = |name: &str, value: &str| sysctl(name).trim() == value;
        let mounts = fs::read("/proc/self/mountinfo").ok().and_then(|text| mountinfo::parse(&text));
        let label = fs::read_to_string("/proc/self/attr/current").unwrap_or_default();
        Self {
            no_namespaces: is("user/max_user_namespaces", "0"),
            switched_off: is("kernel/unprivileged_userns_clone", "0"),
            restricted: is("kernel/apparmor_restrict_unprivileged_userns", "1"),
            filtered: fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nSeccomp:\t2")),
            confined: label.trim_end_matches(['\0', '\n']).ends_with(')') && !label.starts_with("unconfined"),
            covered: mounts.is_some_and(|mounts| mounts.iter().any(|mount| covers_proc(&mount.point))),
            kind: Kind::find(),
        }
    }

    /// Whether a container's runtime stands in the way.
    fn is_container(self) -> bool {
        self.filtered || self.confined || self.covered || self.kind.is_some()
    }
}

/// `binfmt_misc` is where every system has it, and counts not as covered.
fn covers_proc(point: &Path) -> bool {
    point != Path::new("/proc") && point.starts_with("/proc") && !point.starts_with("/proc/sys/fs/binfmt_misc")
}

impl Kind {
    fn find() -> Option<Self> {
        let exists = |path: &str| Path::new(path).exists();
        let version = fs::read_to_string("/proc/version").unwrap_or_default();
        Self::of_kernel(&version)
            .or_else(|| exists("/var/run/secrets/kubernetes.io").then_some(Self::Kubernetes))
            .or_else(|| exists("/run/.containerenv").then_some(Self::Podman))
            .or_else(|| exists("/.dockerenv").then_some(Self::Docker))
    }

    /// What the kernel says of itself. Version 2 of WSL has a Linux of its own, where all works.
    fn of_kernel(version: &str) -> Option<Self> {
        if version.contains("-Microsoft ") {
            Some(Self::Wsl1)
        } else if version.contains("Sun Jan 10 15:06:54 PST 2016") {
            // The date of every gVisor kernel.
            Some(Self::GVisor)
        } else {
            None
        }
    }
}

/// One line that says what to do about `failure`.
pub(super) fn mend(failure: &Failure) -> String {
    advice(failure, Around::look())
}

const APPARMOR: &str = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0   # or, for this program alone: \
     agentsecrets doctor --apparmor | sudo tee /etc/apparmor.d/agentsecrets && sudo systemctl reload apparmor";
const SWITCH: &str = "sudo sysctl -w kernel.unprivileged_userns_clone=1";
const LIMIT: &str = "sudo sysctl -w user.max_user_namespaces=15000";
const KERNEL: &str = "Linux 5.15 or later is needed, with namespaces, overlayfs and seccomp built in";
const LANDLOCK: &str = "Linux 5.13 or later with Landlock is needed: add `landlock` to the kernel's `lsm=` parameter";
const WSL: &str = "this is WSL 1, which has no namespaces: wsl --set-version DISTRIBUTION 2";
const GVISOR: &str = "gVisor has neither these namespaces nor Landlock: start the container with --runtime=runc";

/// How the container is to be started, with what is really in the way; everything where that cannot be told.
fn container(around: Around) -> String {
    let all = !(around.filtered || around.confined || around.covered);
    let picked = |options: [&'static str; 3]| {
        let wanted = [all || around.covered, all || around.filtered, all || around.confined];
        let picked: Vec<&'static str> =
            options.into_iter().zip(wanted).filter(|(_, is)| *is).map(|(option, _)| option).collect();
        picked
    };
    let docker = ["systempaths=unconfined", "seccomp=unconfined", "apparmor=unconfined"];
    let podman = ["unmask=ALL", "seccomp=unconfined", "apparmor=unconfined"];
    let pod = ["procMount: Unmasked", "seccompProfile: {type: Unconfined}", "appArmorProfile: {type: Unconfined}"];
    let flags = |options| picked(options).iter().flat_map(|option| [" --security-opt ", option]).collect::<String>();
    match around.kind {
        Some(Kind::Kubernetes) => format!(
            "in the pod's spec: hostUsers: false; in the container's securityContext: {}",
            picked(pod).join(", ")
        ),
        Some(Kind::Podman) => format!("start the container with: podman run{} …", flags(podman)),
        _ => format!("start the container with: docker run{} …", flags(docker)),
    }
}

fn advice(failure: &Failure, around: Around) -> String {
    use Mechanism as M;
    let refused = matches!(failure.errno, Some(libc::EPERM | libc::EACCES));
    let fixed = match failure.mechanism {
        M::DirectoryDescriptors => "redirect it from a file, or add </dev/null",
        M::SocketDescriptors => "put a pipe between: cat | agentsecrets run … | cat",
        M::MaskedDescriptors => "let the command open the file by its name",
        M::ReadOnlyDescriptors => "put a pipe between: cat FILE | agentsecrets run …",
        M::MaskBinds | M::HiddenPlaces if matches!(failure.errno, Some(libc::ENOENT | libc::ENOTDIR)) => {
            "a file changed while the seal was built: run it again"
        }
        M::HiddenPlaces if failure.path.is_some() && failure.errno.is_none() => {
            "start it in another directory, or unmount one of the two (`findmnt` lists them)"
        }
        M::OwnDev if failure.path.is_some() => "name a device node below /dev with --device",
        M::MountNamespace if failure.errno == Some(libc::ENOENT) => {
            "start it in the project, or name the directory with --writable"
        }
        M::ReadOnlyRoot if failure.path.is_some() && failure.errno.is_none() => {
            "name another directory with --writable: not your home or one above it, and none that is hidden or guarded"
        }
        M::OwnState => "make the directory, or take it out of the writable directories",
        _ if around.kind == Some(Kind::Wsl1) => WSL,
        _ if around.kind == Some(Kind::GVisor) => GVISOR,
        M::Landlock if failure.path.is_none() && failure.errno.is_some() => LANDLOCK,
        _ if matches!(failure.errno, Some(libc::ENOSYS | libc::EINVAL)) => KERNEL,
        _ if around.no_namespaces => LIMIT,
        _ if refused && around.switched_off => SWITCH,
        _ if refused && around.restricted && !around.covered => APPARMOR,
        _ if refused && around.is_container() => return container(around),
        M::FreshProc if refused => "parts of /proc are mounted over on this machine: umount them, or run as root",
        _ if failure.errno == Some(libc::ENOSPC) => "the limit of a kind of namespace is reached: see sysctl user",
        _ => "agentsecrets doctor",
    };
    fixed.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fits_the_machine() {
        let none = Around::default();
        let ubuntu = Around { restricted: true, ..none };
        let (limit, debian) = (Around { no_namespaces: true, ..none }, Around { switched_off: true, ..none });
        let docker = Around { filtered: true, covered: true, kind: Some(Kind::Docker), ..none };
        let kind = |kind| Around { kind: Some(kind), ..none };
        for (mechanism, errno, around, expected) in [
            (Mechanism::Routes, libc::EPERM, ubuntu, "apparmor_restrict"),
            (Mechanism::MountNamespace, libc::EACCES, ubuntu, "doctor --apparmor"),
            (Mechanism::UserNamespace, libc::EPERM, docker, "seccomp=unconfined"),
            (Mechanism::FreshProc, libc::EPERM, docker, "docker run --security-opt systempaths=unconfined"),
            (Mechanism::FreshProc, libc::EPERM, Around { covered: true, ..ubuntu }, "systempaths=unconfined …"),
            (
                Mechanism::FreshProc,
                libc::EPERM,
                Around { covered: true, ..kind(Kind::Podman) },
                "podman run --security-opt unmask=ALL …",
            ),
            (Mechanism::FreshProc, libc::EPERM, kind(Kind::Kubernetes), "procMount: Unmasked, seccompProfile"),
            (Mechanism::UserNamespace, libc::EINVAL, kind(Kind::Wsl1), "wsl --set-version"),
            (Mechanism::UserNamespace, libc::EPERM, kind(Kind::GVisor), "gVisor"),
            (Mechanism::FreshProc, libc::EPERM, none, "/proc"),
            (Mechanism::UserNamespace, libc::ENOSPC, limit, "max_user_namespaces"),
            (Mechanism::UserNamespace, libc::EPERM, debian, "unprivileged_userns_clone"),
            (Mechanism::NetworkNamespace, libc::ENOSPC, none, "sysctl user"),
            (Mechanism::ReadOnlyRoot, libc::ENOSYS, none, "5.15"),
            (Mechanism::Landlock, libc::EOPNOTSUPP, none, "lsm="),
            (Mechanism::MaskBinds, libc::ENOENT, none, "again"),
            (Mechanism::MaskBinds, libc::EIO, none, "doctor"),
        ] {
            let failure = Failure { mechanism, step: String::new(), path: None, errno: Some(errno) };
            let advice = advice(&failure, around);
            assert!(advice.contains(expected), "{mechanism} {errno}: {advice}");
        }
        assert!(!container(docker).contains("apparmor"), "what is not in the way is not asked for");
    }

    #[test]
    fn kernels_are_told_apart() {
        for (version, expected) in [
            ("Linux version 4.4.0-19041-Microsoft (Microsoft@Microsoft.com) #1", Some(Kind::Wsl1)),
            ("Linux version 5.15.153.1-microsoft-standard-WSL2 (root@x) #1 SMP", None),
            ("Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016", Some(Kind::GVisor)),
            ("Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)", None),
        ] {
            assert_eq!(Kind::of_kernel(version), expected, "{version}");
        }
        for (point, expected) in [("/proc", false), ("/proc/sys", true), ("/proc/kcore", true), ("/process", false)] {
            assert_eq!(covers_proc(Path::new(point)), expected, "{point}");
        }
        assert!(!covers_proc(Path::new("/proc/sys/fs/binfmt_misc")));
    }
}
