//! The command `prove` against a program that lacks something: it must say so.

use serde_json::{Map, Value};

use crate::suite::Programs;
use crate::support::Run;
use crate::support::place::users;

/// What is left out, and the attacks that must win then.
const TABLE: &[(&str, &[&str])] = &[
    // A file that was planted just before is masked as a new one, too.
    ("mask-binds,live-masks", &["read-dotenv", "read-dotenv-deep"]),
    ("hidden-places", &["read-credentials", "read-credentials-in-directory"]),
    ("network-namespace", &["tcp-other-port", "host-loopback", "udp-other-port", "unix-abstract"]),
    ("guard-binds", &["write-git-hook", "write-git-configuration"]),
    ("filter-keyrings", &["keyring"]),
    ("own-terminal", &["resize-terminal-by-descriptor"]),
];

/// At the level `guarded`: what is left out, the status, and how what the attack came to begins.
const GUARDED: &[(&str, i32, &str, &str)] = &[
    ("", 0, "write-git-hook", "open by design: nothing in a writable directory"),
    ("landlock-until-3", 0, "tcp-other-port", "open by design: Landlock judges connections from version 4 on; won: "),
    ("landlock-until-3", 0, "truncate-outside", "lost: "),
    ("landlock-until-2", 0, "truncate-outside", "open by design: Landlock judges the cutting"),
    ("landlock-writing", 1, "write-home", "won: "),
];

/// Tries all of it.
pub(crate) fn run(programs: &Programs, note: &mut impl FnMut(&str, Result<String, String>)) {
    for (left_out, attacks) in TABLE {
        let user = users()[users().len() - 1];
        let run = Run::new().user(user).verb(["prove", "--json"]).program(&programs.without);
        let finished = run.variable("AGENTSECRETS_LEAVE_OUT", left_out).run();
        let rows: Vec<Map<String, Value>> = serde_json::from_str(&finished.stdout()).unwrap_or_default();
        let has_won = |attack: &str| rows.iter().any(|row| row["attack"] == attack && row["won"] == Value::Bool(true));
        let outcome = match attacks.iter().find(|attack| !has_won(attack)) {
            None if finished.code() == 1 => Ok(format!("status 1, and {} won", attacks.join(" "))),
            None => Err(format!("status {}", finished.code())),
            Some(attack) => Err(format!("{attack} did not win: {}", finished.stderr())),
        };
        note(&format!("prove without {left_out}"), outcome);
    }
    for (left_out, status, attack, expected) in GUARDED {
        let user = users()[users().len() - 1];
        let run = Run::new().user(user).verb(["prove", "--isolation", "guarded", "--json"]).program(&programs.without);
        let finished = run.variable("AGENTSECRETS_LEAVE_OUT", left_out).run();
        let rows: Vec<Map<String, Value>> = serde_json::from_str(&finished.stdout()).unwrap_or_default();
        let inside = rows.iter().find(|row| row["attack"] == *attack).and_then(|row| row["inside"].as_str());
        let is_right = finished.code() == *status && inside.is_some_and(|inside| inside.starts_with(expected));
        let said = format!("status {}, {attack}: {}", finished.code(), inside.unwrap_or_default());
        note(&format!("prove guarded without {left_out}"), if is_right { Ok(said) } else { Err(said) });
    }
}
