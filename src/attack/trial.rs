//! What belongs to an attack: who may try it, how its process is started, what the kernel must have, and what shows that
//! it has won.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::handle_of;
use crate::sys::attempt::{X32, call};

/// What an attack is after; the report card has a line for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Reading what is masked or hidden.
    Files,
    /// Memory, environment and descriptors of other processes.
    Processes,
    /// Ways out past the broker.
    Network,
    /// Services of the host behind Unix sockets, and its browser.
    Sockets,
    /// Writing what outlives the run.
    Persistence,
    /// The user's terminal.
    Terminals,
    /// System calls, keyrings and what the kernel keeps.
    Kernel,
    /// Devices and the kernel's own files.
    Devices,
    /// Getting below a mask.
    Mounts,
    /// agentsecrets itself, from inside.
    Own,
}

impl Group {
    /// All, in the order of the card.
    pub const ALL: [Self; 10] = [
        Self::Files,
        Self::Processes,
        Self::Network,
        Self::Sockets,
        Self::Persistence,
        Self::Terminals,
        Self::Kernel,
        Self::Devices,
        Self::Mounts,
        Self::Own,
    ];

    /// Its name, as printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Processes => "processes",
            Self::Network => "network",
            Self::Sockets => "sockets",
            Self::Persistence => "persistence",
            Self::Terminals => "terminals",
            Self::Kernel => "kernel",
            Self::Devices => "devices",
            Self::Mounts => "mounts",
            Self::Own => "agentsecrets",
        }
    }

    /// Whether a machine may refuse such an attack to everyone, by a kernel without the call or a rule of its own.
    pub const fn may_be_refused_by_the_machine(self) -> bool {
        matches!(self, Self::Processes | Self::Kernel | Self::Devices | Self::Mounts | Self::Terminals)
    }
}

/// What shows that an attack has won.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The attacker holds what it wanted.
    Said,
    /// Its mark reached a listener of the host.
    Arrived,
    /// Its mark stands in this file of the host, below the folder that holds home and project.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// It wins outside.
    Outside,
    /// Outside there is nothing to win; a row of the table of mechanisms shows that it can.
    Table,
}

/// As whom an attack makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everyone.
    Both,
    /// Root alone: nobody else could do it outside.
    Root,
    /// Root has this right anywhere, or the attack makes no sense for it.
    Ordinary,
}

/// How the run is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Without anything on its standard input.
    Plain,
    /// With the flags of an allowlist that lists nothing.
    Allowlist,
    /// With the host's terminal as its standard input and the controlling one of its session.
    Terminal,
    /// With the project as its standard input.
    StdinDirectory,
    /// With this file of the home as its standard input.
    StdinHome(&'static str),
    /// With the project's `.env` as its standard input.
    StdinDotenv,
    /// With `/dev/null` as its standard input.
    StdinNull,
    /// With a UDP socket of the host as its standard input.
    StdinDatagrams,
    /// With the project as descriptor 7.
    InheritedDirectory,
    /// With the project's `.env` as descriptor 7.
    InheritedDotenv,
    /// From a copy of the program in the project.
    OwnCopy,
    /// By a user who has kept a secret in the store and has made a run before.
    Kept,
    /// With BROWSER naming a program that an earlier command has left in a directory of PATH in the project.
    Helper,
    /// By a user whose programs change files while it goes on: see [`super::Accomplice`].
    WithHost,
}

impl Start {
    /// Its word on the attacker's command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plain | Self::Allowlist | Self::OwnCopy | Self::Kept | Self::Helper | Self::WithHost => "plain",
            Self::Terminal => "terminal",
            Self::StdinDirectory => "directory",
            Self::StdinHome(path) => path,
            Self::StdinDotenv => "dotenv",
            Self::StdinNull => "null",
            Self::StdinDatagrams => "datagrams",
            Self::InheritedDirectory => "inherited-directory",
            Self::InheritedDotenv => "inherited-dotenv",
        }
    }
}

/// What the kernel or the machine must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// System calls by the x32 table.
    X32,
    /// `TIOCSTI`.
    Typing,
    /// File handles, on the file system of the root directory.
    Handles,
    /// `/proc/sysrq-trigger`.
    Sysrq,
    /// `/proc/kcore`.
    Kcore,
    /// A control group that is not the root.
    ControlGroup,
    /// Multipath TCP.
    Multipath,
    /// Processes may trace others of the same user (Yama).
    Tracing,
    /// A Secret Service on the session's bus, which only the program that plants knows.
    Keychain,
}

impl Need {
    /// Its name in lists of what was skipped.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X32 => "x32",
            Self::Typing => "tiocsti",
            Self::Handles => "handles",
            Self::Sysrq => "sysrq",
            Self::Kcore => "kcore",
            Self::ControlGroup => "cgroup",
            Self::Multipath => "mptcp",
            Self::Tracing => "tracing",
            Self::Keychain => "keychain",
        }
    }

    /// What is missing here; `place` is where the run works.
    pub fn missing(self, place: &Path) -> Option<&'static str> {
        let is_one = |path: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == "1");
        let (is_there, reason) = match self {
            Self::X32 => (call(X32 | libc::SYS_getppid, vec![]).is_ok(), "the kernel has no x32 calls"),
            Self::Typing => (is_one("/proc/sys/dev/tty/legacy_tiocsti"), "the kernel has no TIOCSTI"),
            Self::Handles => (root_has_a_handle(place), "the work is on another file system than `/`"),
            Self::Sysrq => (Path::new("/proc/sysrq-trigger").exists(), "the kernel has no SysRq"),
            Self::Kcore => (Path::new("/proc/kcore").exists(), "the kernel has no /proc/kcore"),
            Self::ControlGroup => (is_in_a_group(), "the run starts in the root control group"),
            Self::Multipath => (is_one("/proc/sys/net/mptcp/enabled"), "the kernel has no multipath TCP"),
            // Whoever plants an item says what hinders it.
            Self::Keychain => (true, ""),
            Self::Tracing => (may_trace(), "Yama keeps processes from tracing their parents"),
        };
        (!is_there).then_some(reason)
    }
}

fn root_has_a_handle(place: &Path) -> bool {
    let device = |path: &Path| path.metadata().map(|facts| facts.dev()).ok();
    device("/".as_ref()) == device(place) && handle_of("/").is_ok()
}

fn is_in_a_group() -> bool {
    fs::read_to_string("/proc/self/cgroup").is_ok_and(|text| text.lines().any(|line| !line.ends_with(":/")))
}

fn may_trace() -> bool {
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let limit = if nix::unistd::geteuid().is_root() { ["3", "3"] } else { ["1", "2"] };
    scope.trim() != "3" && !limit.contains(&scope.trim())
}

/// What the level `guarded` leaves open, as the manual says; an attack that has none must not win there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Why, as a sentence.
    pub reason: &'static str,
    /// The last version of Landlock that leaves it open.
    until: u32,
}

impl Opening {
    /// Whether a kernel with this version of Landlock leaves it open.
    pub const fn is_open(self, landlock: u32) -> bool {
        landlock <= self.until
    }

    /// Whether every kernel does.
    pub const fn is_for_good(self) -> bool {
        self.until == u32::MAX
    }
}

/// One attack and its circumstances.
#[derive(Debug)]
pub struct Trial {
    /// Its name.
    pub attack: &'static str,
    /// What it is after.
    pub group: Group,
    /// What shows that it won.
    pub evidence: Evidence,
    /// What is shown beside it.
    pub control: Control,
    /// How the run is started.
    pub start: Start,
    /// As whom.
    pub who: Who,
    /// What the kernel must have.
    pub needs: Option<Need>,
    /// What it does would change what the next attack finds.
    pub spoils: bool,
    /// Only a host of its own can show it, with addresses and files that no user's machine has.
    pub suite_only: bool,
    /// Only the level `guarded` has to fear it.
    pub guarded_only: bool,
    /// Why the level `guarded` does not stop it.
    pub opening: Option<Opening>,
}

impl Trial {
    pub(super) const fn new(attack: &'static str, group: Group, evidence: Evidence) -> Self {
        let start =
            if matches!(evidence, Evidence::Typed | Evidence::Resized) { Start::Terminal } else { Start::Plain };
        Self {
            attack,
            group,
            evidence,
            control: Control::Outside,
            start,
            who: Who::Both,
            needs: None,
            spoils: matches!(evidence, Evidence::Resized | Evidence::Typed),
            suite_only: false,
            guarded_only: false,
            opening: None,
        }
    }

    pub(super) const fn by_table(mut self) -> Self {
        self.control = Control::Table;
        self
    }

    pub(super) const fn root(mut self) -> Self {
        self.who = Who::Root;
        self
    }

    pub(super) const fn ordinary(mut self) -> Self {
        self.who = Who::Ordinary;
        self
    }

    pub(super) const fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    pub(super) const fn needs(mut self, need: Need) -> Self {
        self.needs = Some(need);
        self
    }

    pub(super) const fn spoils(mut self) -> Self {
        self.spoils = true;
        self
    }

    /// The host takes part, and what it changes would change what the next attack finds.
    pub(super) const fn with_host(self) -> Self {
        self.start(Start::WithHost).spoils()
    }

    pub(super) const fn suite_only(mut self) -> Self {
        self.suite_only = true;
        self
    }

    pub(super) const fn guarded_only(mut self) -> Self {
        self.guarded_only = true;
        self
    }

    pub(super) const fn open_when_guarded(mut self, reason: &'static str) -> Self {
        self.opening = Some(Opening { reason, until: u32::MAX });
        self
    }

    /// The same where Landlock has no later version than this.
    pub(super) const fn open_until(mut self, version: u32, reason: &'static str) -> Self {
        self.opening = Some(Opening { reason, until: version });
        self
    }
}
