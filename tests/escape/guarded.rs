//! The second host table: what the level `guarded` stops, and what it does not, each tried. An attack that is said to win
//! must win: the table is what a user is told. Then the guard's own mechanisms, each left out once.

use agentsecrets::attack::{Control, Opening, Trial};
use agentsecrets::sandbox::Mechanism;

use crate::mechanisms::{Row, root, row};
use crate::suite::{Ground, Programs, wins};
use crate::support::Run;
use crate::support::place::users;
use crate::trials;

/// A run that was told `--allow-readable-dotenv`, as those of this table are, shows this too.
const READABLE: &str = "read-dotenv";

/// What is tried; which of it wins, and why, stands with the attacks themselves, for `prove` says it too.
const TABLE: &[&str] = &[
    "tcp-other-port",
    "tcp-address-literal",
    "tcp-ipv6",
    "tcp-link-local",
    "tcp-fast-open",
    "tcp-multipath",
    "tcp-port-of-the-broker",
    "host-loopback",
    "host-loopback-connect",
    "lan-web",
    "metadata-web",
    "udp-other-port",
    "udp-quic",
    "udp-to-port-53",
    "dns-denied-name",
    "icmp-datagram",
    "icmp-raw",
    "packet-socket",
    "vsock",
    "netlink-audit",
    "host-network-by-stdin",
    "unix-abstract",
    "unix-in-tmp",
    "unix-outside",
    "unix-in-home",
    "unix-in-project",
    "read-dotenv",
    "read-credentials",
    "read-credentials-in-directory",
    "read-credentials-by-new-link",
    "read-credentials-by-renamed-home",
    "read-credentials-replaced",
    "read-made-by-host",
    "read-made-in-new-folder",
    "host-loopback-connect-when-spent",
    "own-secrets-list",
    "own-policy-show",
    "own-log-list",
    "own-log-show",
    "own-call",
    "helper-on-path",
    "plant-helper-on-path",
    "replace-path-directory",
    "replace-path-ancestor",
    "read-own-state",
    "read-own-configuration",
    "read-by-stdin-hidden-file",
    "read-host-tmp",
    "read-host-shm",
    "read-host-run",
    "write-shell-start",
    "write-home",
    "write-outside",
    "write-cron",
    "truncate-outside",
    "replace-own-state",
    "write-path-directory",
    "write-git-hook",
    "write-git-configuration",
    "write-hooks-elsewhere",
    "write-included-configuration",
    "replace-git",
    "replace-hooks-folder",
    "io-uring",
    "foreign-architecture",
    "keyring",
    "userfaultfd",
    "type-into-terminal",
    "resize-terminal-by-descriptor",
    "resize-terminal-by-number",
    "resize-terminal-by-other-process",
    "resize-terminal-by-name",
    "resize-terminal-by-path",
    "take-the-front",
    "steal-terminal",
    "block-device",
    "device-kernel-log",
    "core-pattern",
    "device-mode",
    "device-mode-by-stdin",
    "kernel-keys",
    "control-group-path",
    "sysrq",
    "sys",
    "shared-memory",
    "host-name",
    "mount-over",
    "join-namespace",
    "see-parent",
    "environments",
    "parent-memory",
    "parent-environment",
    "parent-root",
    "parent-descriptors",
    "parent-trace",
    "parent-read-memory",
    "parent-take-descriptor",
    "signal-parent",
    "privileges-by-program",
    "capability-admin",
    "capability-network",
    "outlive",
    "outlive-as-daemon",
];

const MECHANISMS: &[Row] = &[
    row("landlock", &["landlock", "dumpable"], "parent-descriptors"),
    row("dumpable", &["dumpable", "landlock"], "parent-descriptors"),
    row("landlock-reading", &["landlock-reading"], "read-credentials"),
    row("landlock-writing", &["landlock-writing"], "write-home"),
    row("landlock-truncation", &["landlock-truncation"], "truncate-outside"),
    row("landlock-connections", &["landlock-connections"], "tcp-other-port"),
    row("landlock-abstract-sockets", &["landlock-abstract-sockets", "filter-unix-sockets"], "unix-abstract"),
    row("landlock-signals", &["landlock-signals", "filter-processes"], "signal-parent"),
    row("filter-processes", &["filter-processes", "landlock-signals"], "signal-parent"),
    row("filter-unix-sockets", &["filter-unix-sockets"], "unix-in-home"),
    row("filter-datagrams", &["filter-datagrams"], "udp-other-port"),
    row("filter-connections", &["filter-connections"], "tcp-fast-open"),
    row("filter-connections", &["filter-connections"], "tcp-multipath"),
    row("filter-sockets", &["filter-sockets"], "vsock"),
    row("filter", &["filter"], "io-uring"),
    row("filter-keyrings", &["filter-keyrings"], "keyring"),
    row("own-terminal", &["own-terminal"], "resize-terminal-by-descriptor"),
    row("own-terminal", &["own-terminal"], "resize-terminal-by-name"),
    row("own-terminal", &["own-terminal"], "take-the-front"),
    row("filter-terminal", &["filter-terminal", "own-terminal"], "type-into-terminal"),
    row("masked-descriptors", &["masked-descriptors"], "read-by-stdin-hidden-file"),
    row("socket-descriptors", &["socket-descriptors"], "host-network-by-stdin"),
    root("capabilities", &["capabilities", "landlock"], "capability-admin"),
    row("end-of-file", &["end-of-file"], "outlive"),
    row("subreaper", &["subreaper", "landlock-signals"], "outlive-as-daemon"),
];

/// Mechanisms of the guard that no attack can show, and why.
const UNSHOWN: &[(&str, &str)] =
    &[("landlock-devices", "a device that is not granted cannot be opened, and takes no calls")];

/// What is tried on older kernels.
const OLDER: &[&str] = &["tcp-other-port", "truncate-outside", "read-credentials", "write-home", "signal-parent"];

/// Versions of Landlock, with what makes this kernel one of them.
const VERSIONS: [(u32, &[&str]); 4] =
    [(1, &["landlock-until-1"]), (2, &["landlock-until-2"]), (3, &["landlock-until-3"]), (4, &["landlock-until-4"])];

/// The level on a kernel whose Landlock ends with `version`: what it says of itself, and what it holds.
fn on_older_kernels(programs: &Programs, note: &mut impl FnMut(&str, Result<String, String>)) {
    let run = |version: u32, script: &str| {
        let run = Run::at("guarded").unobserved().program(&programs.without).shell(script);
        run.variable("AGENTSECRETS_LEAVE_OUT", format!("landlock-until-{version}")).run()
    };
    let refused = run(0, "echo ran");
    let is_right =
        refused.code() == 125 && refused.stdout().is_empty() && refused.stderr().contains("`lsm=` parameter");
    note("guarded without Landlock", if is_right { Ok("refused".into()) } else { Err(refused.stderr()) });
    for (version, left_out) in VERSIONS {
        let script = "mkdir d && echo x >f && python3 -c 'import os; os.rename(\"f\", \"d/f\")' 2>/dev/null; ls d; cat f 2>/dev/null";
        let finished = run(version, script);
        let (said, moved) = (finished.stderr(), finished.stdout() == "f\n");
        let tells = |from: u32, text: &str| said.contains(text) == (version < from);
        let is_right = moved == (version >= 2)
            && tells(4, "connect to every host on its own")
            && tells(3, "cut files short")
            && tells(2, "cannot move files")
            && tells(5, "control calls to devices")
            && tells(6, "signals to your other processes");
        let outcome = if is_right { Ok(format!("moves a file: {moved}")) } else { Err(format!("{moved} {said}")) };
        note(&format!("guarded by version {version}"), outcome);
        for attack in OLDER {
            let (trial, user) = (trials::of(attack), users()[users().len() - 1]);
            let is_open = trial.opening.is_some_and(|opening| opening.is_open(version));
            let result = match wins(programs, trial, user, &Ground::GuardedWithout(left_out)) {
                Ok((won, said)) if won == is_open => {
                    Ok(format!("{}: {said}", if won { "NOT STOPPED" } else { "stopped" }))
                }
                Ok((_, said)) | Err(said) => Err(said),
            };
            note(&format!("guarded by version {version}: {attack}"), result);
        }
    }
}

/// Why an attack wins here.
fn reason(trial: &Trial) -> Option<&'static str> {
    let for_good = trial.opening.filter(|opening: &Opening| opening.is_for_good()).map(|opening| opening.reason);
    for_good.or((trial.attack == READABLE).then_some("the run was told --allow-readable-dotenv"))
}

/// Tries all of it, or what is picked.
pub(crate) fn run(
    programs: &Programs,
    picked: impl Fn(&str) -> bool,
    note: &mut impl FnMut(&str, Result<String, String>),
) {
    for attack in TABLE.iter().filter(|attack| picked(attack) || picked("guarded")) {
        let trial = trials::of(attack);
        if !trials::is_possible(trial) {
            continue;
        }
        for user in users().iter().filter(|user| trials::is_for(trial, **user)) {
            let own = trial.guarded_only && trial.control == Control::Outside;
            let control = if own { wins(programs, trial, *user, &Ground::Outside) } else { Ok((true, String::new())) };
            let result = match (control, wins(programs, trial, *user, &Ground::Guarded), reason(trial)) {
                (Ok((false, said)), ..) => Err(format!("the control lost: {said}")),
                (_, Ok((false, said)), None) => Ok(format!("stopped: {said}")),
                (_, Ok((true, _)), Some(reason)) => Ok(format!("NOT STOPPED: {reason}")),
                (_, Ok((true, said)), None) => Err(format!("it escaped: {said}")),
                (_, Ok((false, said)), Some(_)) => Err(format!("it is said to win, and does not: {said}")),
                (Err(said), ..) | (_, Err(said), _) => Err(said),
            };
            note(&format!("guarded: {attack} as {user:?}"), result);
        }
    }
    if picked("guarded") {
        on_older_kernels(programs, note);
    }
    for mechanism in Mechanism::GUARD {
        let name = mechanism.name();
        let has_row = MECHANISMS.iter().any(|row| row.mechanism == name);
        if has_row == UNSHOWN.iter().any(|(known, _)| *known == name) {
            note(name, Err("stands in the guard's table and in its exceptions, or in neither".into()));
        }
    }
    for row in MECHANISMS.iter().filter(|row| picked(row.attack) || picked(row.mechanism) || picked("guarded")) {
        let Some(user) = row.user() else { continue };
        note(
            &format!("guarded without {}", row.mechanism),
            row.examine(programs, user, &Ground::GuardedWithout(row.left_out)),
        );
    }
}
