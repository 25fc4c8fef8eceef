//! The second host table: what the level `guarded` stops, and what it does not, each tried. An attack that is said to win
//! must win: the table is what a user is told. Then the guard's own mechanisms, each left out once.

use agentsecrets::attack::Control;
use agentsecrets::sandbox::Mechanism;

use crate::mechanisms::{Row, root, row};
use crate::suite::{Ground, Programs, wins};
use crate::support::Run;
use crate::support::place::users;
use crate::trials;

/// What becomes of an attack.
enum Stand {
    Stopped,
    /// It wins, because of this.
    Open(&'static str),
}

use Stand::{Open, Stopped};

const HOST_TMP: &str = "/tmp, /var/tmp and /dev/shm are the host's own";
const WRITABLE: &str = "nothing in a writable directory can be kept read-only; a changed hook is reported";

const TABLE: &[(&str, Stand)] = &[
    ("tcp-other-port", Stopped),
    ("tcp-address-literal", Stopped),
    ("tcp-ipv6", Stopped),
    ("tcp-link-local", Stopped),
    ("tcp-fast-open", Stopped),
    ("tcp-multipath", Stopped),
    ("tcp-port-of-the-broker", Open("Landlock knows ports and no addresses")),
    ("host-loopback", Stopped),
    ("host-loopback-connect", Stopped),
    ("lan-web", Stopped),
    ("metadata-web", Stopped),
    ("udp-other-port", Stopped),
    ("udp-quic", Stopped),
    ("udp-to-port-53", Stopped),
    ("dns-denied-name", Stopped),
    ("icmp-datagram", Stopped),
    ("icmp-raw", Stopped),
    ("packet-socket", Stopped),
    ("vsock", Stopped),
    ("netlink-audit", Stopped),
    ("host-network-by-stdin", Stopped),
    ("unix-abstract", Stopped),
    ("unix-in-tmp", Stopped),
    ("unix-outside", Stopped),
    ("unix-in-home", Stopped),
    ("unix-in-project", Stopped),
    ("read-dotenv", Open("the run was told --allow-readable-dotenv; without that it does not start")),
    ("read-credentials", Stopped),
    ("read-credentials-in-directory", Stopped),
    ("read-own-state", Stopped),
    ("read-own-configuration", Stopped),
    ("read-by-stdin-hidden-file", Stopped),
    ("read-host-tmp", Open(HOST_TMP)),
    ("read-host-shm", Open(HOST_TMP)),
    ("read-host-run", Stopped),
    ("write-shell-start", Stopped),
    ("write-home", Stopped),
    ("write-outside", Stopped),
    ("write-cron", Stopped),
    ("truncate-outside", Stopped),
    ("replace-own-state", Stopped),
    ("write-path-directory", Open(WRITABLE)),
    ("write-git-hook", Open(WRITABLE)),
    ("io-uring", Stopped),
    ("foreign-architecture", Stopped),
    ("keyring", Stopped),
    ("userfaultfd", Stopped),
    ("type-into-terminal", Stopped),
    ("resize-terminal-by-descriptor", Stopped),
    ("resize-terminal-by-number", Stopped),
    ("resize-terminal-by-other-process", Stopped),
    ("resize-terminal-by-name", Stopped),
    ("resize-terminal-by-path", Stopped),
    ("take-the-front", Stopped),
    ("steal-terminal", Stopped),
    ("block-device", Stopped),
    ("device-kernel-log", Stopped),
    ("core-pattern", Stopped),
    ("sysrq", Stopped),
    ("sys", Stopped),
    ("shared-memory", Open("System V segments of the host are in the same namespace")),
    ("host-name", Stopped),
    ("mount-over", Stopped),
    ("join-namespace", Stopped),
    ("see-parent", Open("names and arguments of other processes can be seen")),
    ("environments", Stopped),
    ("parent-memory", Stopped),
    ("parent-environment", Stopped),
    ("parent-root", Stopped),
    ("parent-descriptors", Stopped),
    ("parent-trace", Stopped),
    ("parent-read-memory", Stopped),
    ("parent-take-descriptor", Stopped),
    ("signal-parent", Stopped),
    ("privileges-by-program", Stopped),
    ("capability-admin", Stopped),
    ("capability-network", Stopped),
    ("outlive", Stopped),
    ("outlive-as-daemon", Stopped),
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

/// What becomes of an attack on older kernels: up to which version of Landlock it wins. Elsewhere it is stopped.
const OLDER: &[(&str, u32)] =
    &[("tcp-other-port", 3), ("truncate-outside", 2), ("read-credentials", 0), ("write-home", 0), ("signal-parent", 0)];

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
        for (attack, last) in OLDER {
            let user = users()[users().len() - 1];
            let result = match wins(programs, trials::of(attack), user, &Ground::GuardedWithout(left_out)) {
                Ok((won, said)) if won == (version <= *last) => {
                    Ok(format!("{}: {said}", if won { "NOT STOPPED" } else { "stopped" }))
                }
                Ok((_, said)) | Err(said) => Err(said),
            };
            note(&format!("guarded by version {version}: {attack}"), result);
        }
    }
}

/// Tries all of it, or what is picked.
pub(crate) fn run(
    programs: &Programs,
    picked: impl Fn(&str) -> bool,
    note: &mut impl FnMut(&str, Result<String, String>),
) {
    for (attack, stand) in TABLE.iter().filter(|(attack, _)| picked(attack) || picked("guarded")) {
        let trial = trials::of(attack);
        if !trials::is_possible(trial) {
            continue;
        }
        for user in users().iter().filter(|user| trials::is_for(trial, **user)) {
            let own = trial.guarded_only && trial.control == Control::Outside;
            let control = if own { wins(programs, trial, *user, &Ground::Outside) } else { Ok((true, String::new())) };
            let result = match (control, wins(programs, trial, *user, &Ground::Guarded), stand) {
                (Ok((false, said)), ..) => Err(format!("the control lost: {said}")),
                (_, Ok((false, said)), Stopped) => Ok(format!("stopped: {said}")),
                (_, Ok((true, _)), Open(reason)) => Ok(format!("NOT STOPPED: {reason}")),
                (_, Ok((true, said)), Stopped) => Err(format!("it escaped: {said}")),
                (_, Ok((false, said)), Open(_)) => Err(format!("it is said to win, and does not: {said}")),
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
