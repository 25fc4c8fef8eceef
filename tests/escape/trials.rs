//! The list of attacks: who may try them, how they are staged, and what shows that one has won.

use std::os::unix::fs::MetadataExt;

use nix::unistd::geteuid;

use crate::attack::handle_of;
use crate::support::place::{self, User};
use crate::support::requirement;

/// What shows that an attack has won.
#[derive(Clone, Copy)]
pub(crate) enum Evidence {
    /// The attacker holds what it wanted.
    Said,
    /// Its mark reached a listener of the host.
    Arrived,
    /// Its mark stands in this file of the host, below the run's root.
    Planted(&'static str),
    /// Its mark is among the scheduled jobs of the host.
    Scheduled,
    /// Its mark is input of the host's terminal.
    Typed,
    /// The host's terminal has another size.
    Resized,
    /// The host has a new name.
    Renamed,
    /// It lives when the run's first process is dead.
    Outlived,
}

/// What must be shown beside the run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// It wins outside.
    Outside,
    /// Outside there is nothing to win; a row of the table of mechanisms shows that it can.
    Table,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Both,
    Root,
    /// Root has this right anywhere, or the attack makes no sense for it.
    Ordinary,
}

/// A name, and whether this kernel has it.
type Need = (&'static str, fn() -> bool);

/// One attack and its circumstances.
pub(crate) struct Trial {
    pub(crate) attack: &'static str,
    pub(crate) evidence: Evidence,
    pub(crate) control: Control,
    pub(crate) flags: &'static [&'static str],
    /// A shell line that starts the program, `{}`, with its arguments.
    pub(crate) wrapper: &'static str,
    /// The host's terminal is its standard input and the controlling one of its session.
    pub(crate) at_terminal: bool,
    /// The program is started from a copy in the project.
    pub(crate) own_copy: bool,
    who: Who,
    /// What the kernel must have: a name for the list of what was skipped.
    needs: Option<Need>,
}

impl Trial {
    pub(crate) const fn new(attack: &'static str, evidence: Evidence) -> Self {
        Self {
            attack,
            evidence,
            control: Control::Outside,
            flags: &[],
            wrapper: "",
            at_terminal: matches!(evidence, Evidence::Typed | Evidence::Resized),
            own_copy: false,
            who: Who::Both,
            needs: None,
        }
    }

    pub(crate) const fn by_table(mut self) -> Self {
        self.control = Control::Table;
        self
    }

    const fn root(mut self) -> Self {
        self.who = Who::Root;
        self
    }

    pub(crate) const fn ordinary(mut self) -> Self {
        self.who = Who::Ordinary;
        self
    }

    const fn flags(mut self, flags: &'static [&'static str]) -> Self {
        self.flags = flags;
        self
    }

    const fn wrapped(mut self, wrapper: &'static str) -> Self {
        self.wrapper = wrapper;
        self
    }

    const fn at_terminal(mut self) -> Self {
        self.at_terminal = true;
        self
    }

    pub(crate) const fn needs(mut self, name: &'static str, is_there: fn() -> bool) -> Self {
        self.needs = Some((name, is_there));
        self
    }

    /// Whether it wins outside.
    pub(crate) fn has_control(&self) -> bool {
        self.control == Control::Outside
    }

    /// Whether the kernel has what the attack needs.
    pub(crate) fn is_possible(&self) -> bool {
        let missing = self.needs.filter(|(_, is_there)| !is_there());
        missing.is_none_or(|(name, _)| requirement::met(name, Some("this kernel does not have it")))
    }

    pub(crate) fn is_for(&self, user: User) -> bool {
        let is_root = user.effective() == 0;
        match self.who {
            Who::Both => true,
            Who::Root => is_root,
            Who::Ordinary => !is_root || !geteuid().is_root(),
        }
    }
}

/// The trial of that attack.
pub(crate) fn of(attack: &str) -> &'static Trial {
    TRIALS
        .iter()
        .chain(crate::guarded::TRIALS)
        .find(|trial| trial.attack == attack)
        .unwrap_or_else(|| panic!("no trial of `{attack}`"))
}

fn has_x32() -> bool {
    // SAFETY: getppid by its x32 number takes nothing and touches no memory.
    unsafe { libc::syscall(0x4000_0000 | libc::SYS_getppid) > 0 }
}

fn types_into_terminals() -> bool {
    std::fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti").is_ok_and(|text| text.trim() == "1")
}

fn exists(path: &str) -> bool {
    std::path::Path::new(path).exists()
}

/// Whether the tests work on the file system of the root directory, and it gives handles.
fn root_has_a_handle() -> bool {
    let device = |path: &std::path::Path| path.metadata().unwrap().dev();
    device("/".as_ref()) == device(place::root()) && handle_of("/").is_ok()
}

fn is_in_a_group() -> bool {
    std::fs::read_to_string("/proc/self/cgroup").is_ok_and(|text| text.lines().any(|line| !line.ends_with(":/")))
}

use Evidence::{Arrived, Planted, Said};

const ALLOWLIST: &[&str] = &["--egress", "allowlist"];

pub(crate) const TRIALS: &[Trial] = &[
    // Ways out.
    Trial::new("tcp-other-port", Arrived),
    Trial::new("tcp-address-literal", Arrived).flags(ALLOWLIST),
    Trial::new("tcp-ipv6", Arrived),
    Trial::new("tcp-ipv6-web", Arrived).flags(ALLOWLIST),
    Trial::new("tcp-link-local", Arrived),
    Trial::new("host-loopback", Arrived),
    Trial::new("host-loopback-ipv6", Arrived),
    Trial::new("host-loopback-connect", Arrived),
    Trial::new("host-loopback-connect-name", Arrived),
    Trial::new("host-loopback-connect-mapped", Arrived),
    Trial::new("lan-web", Arrived),
    Trial::new("lan-connect", Arrived),
    Trial::new("lan-by-name", Arrived),
    Trial::new("metadata-web", Arrived),
    Trial::new("metadata-connect", Arrived),
    Trial::new("udp-other-port", Arrived),
    Trial::new("udp-quic", Arrived),
    Trial::new("udp-ipv6", Arrived),
    Trial::new("udp-to-port-53", Arrived),
    Trial::new("dns-denied-name", Arrived).flags(ALLOWLIST),
    Trial::new("dns-denied-name-by-libc", Arrived).flags(ALLOWLIST),
    Trial::new("icmp-datagram", Arrived),
    Trial::new("icmp-raw", Arrived).root(),
    Trial::new("packet-socket", Said).root(),
    Trial::new("vsock", Said),
    Trial::new("netlink-audit", Said),
    Trial::new("host-network-by-stdin", Said)
        .wrapped("exec bash -c 'exec \"$0\" \"$@\" </dev/udp/127.0.0.1/9' {} \"$@\""),
    Trial::new("browser-file", Arrived),
    Trial::new("browser-script", Arrived),
    Trial::new("browser-option", Arrived),
    Trial::new("browser-shell", Arrived),
    Trial::new("browser-unlisted-host", Arrived).flags(ALLOWLIST),
    Trial::new("browser-host-loopback", Arrived),
    Trial::new("unix-abstract", Arrived),
    Trial::new("unix-in-tmp", Arrived),
    Trial::new("unix-in-run", Arrived).root(),
    Trial::new("unix-outside", Arrived),
    Trial::new("unix-in-home", Arrived),
    Trial::new("unix-in-project", Arrived),
    Trial::new("unix-in-cache", Arrived),
    // Files that are masked or hidden.
    Trial::new("read-dotenv", Said),
    Trial::new("read-dotenv-deep", Said),
    Trial::new("read-dotenv-by-link", Said),
    Trial::new("read-dotenv-by-hard-link", Said),
    Trial::new("read-dotenv-moved", Said),
    Trial::new("read-dotenv-by-new-link", Said),
    Trial::new("read-dotenv-by-handle", Said).root(),
    Trial::new("read-credentials-by-handle", Said).root().needs("handles", root_has_a_handle),
    Trial::new("read-credentials", Said),
    Trial::new("read-credentials-in-directory", Said),
    Trial::new("read-own-state", Said),
    Trial::new("read-own-configuration", Said),
    Trial::new("read-host-tmp", Said),
    Trial::new("read-host-run", Said).root(),
    Trial::new("read-host-shm", Said),
    Trial::new("read-by-inherited-directory", Said).wrapped("exec 7<.; exec {} \"$@\""),
    Trial::new("read-by-inherited-file", Said).wrapped("exec 7<.env; exec {} \"$@\""),
    Trial::new("read-by-stdin-directory", Said).wrapped("exec {} \"$@\" <."),
    Trial::new("read-by-stdin-hidden-file", Said).wrapped("exec {} \"$@\" <\"$HOME/.ssh/id_ed25519\""),
    Trial::new("read-by-stdin-file", Said).wrapped("exec {} \"$@\" <.env"),
    // Files that outlive the run.
    Trial::new("write-dotenv", Planted("project/.env")),
    Trial::new("write-shell-start", Planted("home/.bashrc")),
    Trial::new("write-home", Planted("home/planted")),
    Trial::new("write-outside", Planted("planted")),
    Trial::new("write-by-stdin-file", Planted("home/.bashrc")).wrapped("exec {} \"$@\" <\"$HOME/.bashrc\""),
    Trial::new("write-cron", Evidence::Scheduled).root(),
    Trial::new("write-path-directory", Planted("home/.cache/bin/ls")),
    Trial::new("write-git-hook", Planted("project/.git/hooks/post-checkout")),
    Trial::new("write-git-configuration", Planted("project/.git/config")),
    Trial::new("write-hooks-elsewhere", Planted("project/tools/hooks/post-checkout")),
    Trial::new("write-included-configuration", Planted("project/shared.gitconfig")),
    Trial::new("replace-git", Planted("project/.git/hooks/post-checkout")),
    Trial { own_copy: true, ..Trial::new("replace-own-program", Planted("project/agentsecrets")) },
    Trial::new("replace-own-state", Planted("state/agentsecrets/planted")),
    // The kernel.
    Trial::new("io-uring", Said),
    Trial::new("foreign-architecture", Said),
    Trial::new("x32", Said).needs("x32", has_x32),
    Trial::new("keyring", Said),
    Trial::new("userfaultfd", Said),
    Trial::new("fanotify", Said),
    Trial::new("bpf", Said).root(),
    Trial::new("perf", Said),
    Trial::new("shared-memory", Said),
    Trial::new("type-into-terminal", Evidence::Typed).needs("tiocsti", types_into_terminals),
    Trial::new("type-into-terminal-high-bits", Evidence::Typed).needs("tiocsti", types_into_terminals),
    Trial::new("resize-terminal-by-descriptor", Evidence::Resized),
    Trial::new("resize-terminal-by-number", Evidence::Resized),
    Trial::new("resize-terminal-by-other-process", Evidence::Resized),
    Trial::new("resize-terminal-by-name", Evidence::Resized),
    Trial::new("resize-terminal-by-path", Evidence::Resized),
    Trial::new("take-the-front", Said).at_terminal(),
    Trial::new("steal-terminal", Said).at_terminal().root(),
    Trial::new("block-device", Said).root(),
    Trial::new("device-mode", Said).root(),
    Trial::new("device-mode-by-stdin", Said).root().wrapped("exec {} \"$@\" </dev/null"),
    Trial::new("device-kernel-log", Said).root(),
    Trial::new("core-pattern", Said).root(),
    Trial::new("sysrq", Said).root().needs("sysrq", || exists("/proc/sysrq-trigger")),
    Trial::new("sys", Said).root(),
    Trial::new("control-groups", Said).root(),
    Trial::new("control-group-path", Said).needs("cgroup", is_in_a_group),
    Trial::new("kernel-memory", Said).root().needs("kcore", || exists("/proc/kcore")),
    Trial::new("kernel-keys", Said),
    Trial::new("kernel-log", Said).root(),
    Trial::new("host-name", Evidence::Renamed).root(),
    // Below the masks.
    Trial::new("unmount-mask", Said).by_table(),
    Trial::new("pivot-and-rename", Said).by_table(),
    Trial::new("pivot-and-rename-by-clone", Said).by_table(),
    Trial::new("open-tree", Said).by_table(),
    Trial::new("mount-over", Said).root(),
    Trial::new("join-namespace", Said).root(),
    // Other processes.
    Trial::new("environments", Said),
    Trial::new("see-parent", Said),
    Trial::new("parent-memory", Said),
    Trial::new("parent-environment", Said),
    Trial::new("parent-root", Said),
    Trial::new("parent-working-directory", Said),
    Trial::new("parent-descriptors", Said),
    Trial::new("parent-trace", Said),
    Trial::new("parent-read-memory", Said),
    Trial::new("parent-take-descriptor", Said),
    Trial::new("privileges-by-program", Said),
    Trial::new("capability-admin", Said).root(),
    Trial::new("capability-trace", Said).root(),
    Trial::new("capability-network", Said).root(),
    Trial::new("outlive", Evidence::Outlived).ordinary(),
];
