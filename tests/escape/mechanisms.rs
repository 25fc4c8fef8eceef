//! The table of mechanisms: each of the seal's is left out once, alone or with those that would stand in for it, and the
//! attack beside it must then win. A mechanism without a row says why no attack can show it.

use agentsecrets::attack::{Control, TRIALS};
use agentsecrets::sandbox::Mechanism;

use crate::suite::{Ground, Programs, wins};
use crate::support::place::{User, users};
use crate::trials;

/// A mechanism and the attack that wins without it.
pub(crate) struct Row {
    pub(crate) mechanism: &'static str,
    /// What is left out: the mechanism, and others that would stop the same attack.
    pub(crate) left_out: &'static [&'static str],
    pub(crate) attack: &'static str,
    as_root: bool,
}

impl Row {
    /// Who attacks; `None` where this machine has no such user, or lacks what the attack needs.
    pub(crate) fn user(&self) -> Option<User> {
        if !trials::is_possible(trials::of(self.attack)) {
            return None;
        }
        users().iter().copied().find(|user| (user.effective() == 0) == self.as_root)
    }

    /// The attack with the mechanism left out must win.
    pub(crate) fn examine(&self, programs: &Programs, user: User, ground: &Ground) -> Result<String, String> {
        let trial = trials::of(self.attack);
        match wins(programs, trial, user, ground)? {
            (true, said) => Ok(format!("{} wins without {}: {said}", self.attack, self.left_out.join(" and "))),
            (false, said) => {
                Err(format!("{} loses all the same without {}: {said}", self.attack, self.left_out.join(" and ")))
            }
        }
    }
}

pub(crate) const fn row(mechanism: &'static str, left_out: &'static [&'static str], attack: &'static str) -> Row {
    Row { mechanism, left_out, attack, as_root: false }
}

pub(crate) const fn root(mechanism: &'static str, left_out: &'static [&'static str], attack: &'static str) -> Row {
    Row { mechanism, left_out, attack, as_root: true }
}

pub(crate) const TABLE: &[Row] = &[
    root("user-namespace", &["user-namespace", "dumpable", "capabilities"], "block-device"),
    row("network-namespace", &["network-namespace"], "tcp-other-port"),
    row("pid-namespace", &["pid-namespace", "fresh-proc"], "see-parent"),
    row("ipc-namespace", &["ipc-namespace"], "shared-memory"),
    root("hostname-namespace", &["hostname-namespace", "user-namespace", "dumpable", "capabilities"], "host-name"),
    row("cgroup-namespace", &["cgroup-namespace"], "control-group-path"),
    row("read-only-root", &["read-only-root", "overlay"], "write-outside"),
    row("overlay", &["overlay", "read-only-root"], "write-home"),
    row("hidden-places", &["hidden-places"], "read-credentials"),
    // A file that was planted just before is masked as a new one, too.
    row("mask-binds", &["mask-binds", "live-masks"], "read-dotenv"),
    row("ancestor-binds", &["ancestor-binds", "guard-binds"], "replace-git"),
    row("guard-binds", &["guard-binds"], "write-git-hook"),
    row("guard-binds", &["guard-binds"], "write-hooks-elsewhere"),
    row("guard-binds", &["guard-binds"], "write-included-configuration"),
    row("protected-binds", &["protected-binds"], "write-path-directory"),
    row("protected-binds", &["protected-binds"], "plant-helper-on-path"),
    row("ancestor-binds", &["ancestor-binds", "protected-binds"], "replace-path-ancestor"),
    row("live-masks", &["live-masks"], "read-dotenv-replaced"),
    row("live-masks", &["live-masks"], "read-made-by-host"),
    row("live-masks", &["live-masks"], "read-made-in-new-folder"),
    row("socket-masks", &["socket-masks"], "unix-in-project"),
    row("own-state", &["own-state"], "read-own-state"),
    row("own-state", &["own-state"], "own-secrets-list"),
    row("own-state", &["own-state"], "own-policy-show"),
    row("own-state", &["own-state"], "own-log-show"),
    row(
        "network-namespace",
        &["network-namespace", "own-state", "read-only-root", "overlay", "sys-read-only"],
        "own-call",
    ),
    root("own-dev", &["own-dev", "read-only-root"], "device-kernel-log"),
    row("own-terminal", &["own-terminal"], "resize-terminal-by-descriptor"),
    row("own-terminal", &["own-terminal"], "resize-terminal-by-name"),
    row("own-terminal", &["own-terminal"], "take-the-front"),
    row("own-tmp", &["own-tmp"], "read-host-tmp"),
    root("own-run", &["own-run"], "read-host-run"),
    row("fresh-proc", &["fresh-proc", "pid-namespace"], "see-parent"),
    root("proc-read-only", &["proc-read-only"], "core-pattern"),
    root("proc-hidden", &["proc-hidden"], "kernel-keys"),
    root("sys-read-only", &["sys-read-only", "read-only-root"], "sys"),
    root("capabilities", &["capabilities"], "capability-admin"),
    row("no-new-privileges", &["no-new-privileges"], "privileges-by-program"),
    row("descriptors", &["descriptors"], "read-by-inherited-directory"),
    row("directory-descriptors", &["directory-descriptors"], "read-by-stdin-directory"),
    row("socket-descriptors", &["socket-descriptors"], "host-network-by-stdin"),
    row("masked-descriptors", &["masked-descriptors"], "read-by-stdin-file"),
    row("read-only-descriptors", &["read-only-descriptors"], "write-by-stdin-file"),
    root("dumpable", &["dumpable", "capabilities"], "parent-descriptors"),
    row("parent-death-signal", &["parent-death-signal", "end-of-file"], "outlive"),
    row("end-of-file", &["end-of-file", "parent-death-signal"], "outlive"),
    row("filter", &["filter"], "io-uring"),
    row("filter-architecture", &["filter-architecture"], "foreign-architecture"),
    row("filter-x32", &["filter-x32"], "x32"),
    row("filter-mounts", &["filter-mounts", "filter-namespaces"], "pivot-and-rename"),
    root("filter-mounts", &["filter-mounts", "capabilities"], "unmount-mask"),
    root("filter-mounts", &["filter-mounts", "capabilities"], "open-tree"),
    row("filter-namespaces", &["filter-namespaces", "filter-mounts"], "pivot-and-rename-by-clone"),
    row("filter-io-uring", &["filter-io-uring"], "io-uring"),
    row("filter-keyrings", &["filter-keyrings"], "keyring"),
    root("filter-processes", &["filter-processes", "dumpable", "capabilities"], "parent-read-memory"),
    root(
        "filter-handles",
        &["filter-handles", "user-namespace", "dumpable", "capabilities"],
        "read-credentials-by-handle",
    ),
    root("filter-system", &["filter-system", "user-namespace", "dumpable", "capabilities"], "kernel-log"),
    row("filter-tracing", &["filter-tracing"], "userfaultfd"),
    row("filter-terminal", &["filter-terminal", "own-terminal"], "type-into-terminal"),
    row("filter-sockets", &["filter-sockets"], "vsock"),
];

/// Mechanisms that no attack can show, and why.
const UNSHOWN: &[(&str, &str)] = &[
    ("filter-snapshots", "it takes a project on btrfs; the filter's own tests show that the call is refused"),
    ("mount-namespace", "the masks would be made on the host itself"),
    ("routes", "not a wall: without it nothing is reached at all"),
    ("listeners", "not a wall: without them nothing is reached at all"),
    ("places", "not a wall: without them clients find no name and trust no broker"),
];

/// Every mechanism stands in the table or says why not, and attacks that have their control here stand in it.
pub(crate) fn check_table(note: &mut impl FnMut(&str, Result<String, String>)) {
    for mechanism in Mechanism::SEAL {
        let name = mechanism.name();
        let has_row = TABLE.iter().any(|row| row.mechanism == name);
        match UNSHOWN.iter().find(|(known, _)| *known == name) {
            Some((_, reason)) if !has_row => println!("unshown {name}: {reason}"),
            None if has_row => {}
            _ => note(name, Err("stands in the table and in its exceptions, or in neither".into())),
        }
    }
    let named = TABLE.iter().flat_map(|row| row.left_out).chain(UNSHOWN.iter().map(|(name, _)| name));
    for name in named.filter(|name| Mechanism::parse(name).is_none()) {
        note(name, Err("the seal has no such mechanism".into()));
    }
    for trial in TRIALS.iter().filter(|trial| trial.control == Control::Table && !trial.guarded_only) {
        if !TABLE.iter().any(|row| row.attack == trial.attack) {
            note(trial.attack, Err("it has neither a control outside nor a row in the table".into()));
        }
    }
}
