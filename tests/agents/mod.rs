//! Real agents, unmodified, sealed, as root and as an ordinary user. The model is scripted: it has the agent run one
//! command in its own shell tool, which shows all that a tool can see, and then ends its turn.
//!
//! The upstream stands for the agent's real hosts and accepts the real credential alone; every other host is refused.
//! What the command printed lands in transcripts, in the project and on standard output, and each of them is searched
//! for the real values at the end of the run.

mod claude;
mod codex;
mod listed;
mod logins;
mod others;
mod screens;
mod state;

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::place::{User, clients};
use crate::support::upstream::Seen;
use crate::support::upstream::scripted::DONE;
use crate::support::{Finished, Run, Upstream, requirement};

/// What the model has the agent run: environment, files and processes as its tools see them.
const LOOK: &str = "env; env > seen-by-the-tool; cat .env ~/.claude/.credentials.json ~/.claude/settings.json \
                    ~/.codex/auth.json ~/.codex/.env .claude/settings.json 2>/dev/null; \
                    tr '\\0' '\\n' < /proc/self/environ; cat /proc/*/cmdline | tr '\\0' ' '; echo looked";

/// Whether an agent is installed; a skip says so.
fn installed(name: &str) -> bool {
    let program = clients().join("agents/bin").join(name);
    let missing = (!program.exists()).then(|| format!("{}: not installed; tests/run does it", program.display()));
    requirement::met(name, missing.as_deref())
}

/// A run of an agent by its name, as a user types it: every host is refused for which `upstream` does not stand.
fn agent(upstream: &Upstream, user: User, command: &[&str]) -> Run {
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", clients().join("agents/bin").display());
    let run = Run::new().user(user).upstream(upstream).flags(["--egress", "allowlist"]).unobserved();
    run.variable("PATH", path).args(command)
}

/// The run went through its one tool call and its end, logged in all the time.
fn worked(upstream: &Upstream, finished: Finished) -> Finished {
    let asked: Vec<_> = upstream.seen().iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect();
    assert_eq!(finished.code(), 0, "{}\n{}\n{asked:#?}", finished.stdout(), finished.stderr());
    let said = finished.stdout() + &finished.stderr();
    assert!(finished.stdout().contains(DONE), "{said}\n{asked:#?}");
    for complaint in ["not logged in", "/login", "bwrap", "invalid api key"] {
        assert!(!said.to_lowercase().contains(complaint), "`{complaint}` in\n{said}");
    }
    let seen = fs::read_to_string(finished.world().project().join("seen-by-the-tool")).unwrap();
    assert!(seen.contains("HTTPS_PROXY=http://agentsecrets:"), "the tool had another environment:\n{seen}");
    finished
}

/// The transcript below a folder of the home, which holds what the tool printed.
fn transcript(finished: &Finished, folder: &str) -> String {
    let mut text = String::new();
    read_all(&finished.world().home().join(folder), &mut text);
    assert!(text.contains("looked"), "no transcript in {folder}; stderr:\n{}", finished.stderr());
    text
}

fn read_all(folder: &Path, text: &mut String) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read_all(&path, text);
        } else {
            text.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap()));
        }
    }
}

/// Every request that carried a credential carried a real one, once; those to the model carried `value` in `header`.
fn authenticated(upstream: &Upstream, path: &str, header: &str, value: &str, others: &[&str]) -> Vec<Seen> {
    for seen in upstream.seen() {
        let carried = carried(&seen);
        assert!(carried.len() <= 1, "two credentials: {:#?}", seen.headers);
        // A scheme's case and word are the client's own.
        let bare = |text: &str| text.rsplit(' ').next().unwrap_or_default().to_owned();
        let is_real = |carried: &&str| bare(carried) == bare(value) || others.contains(carried);
        assert!(carried.iter().all(is_real), "{}: {:#?}", seen.target, seen.headers);
        assert_eq!(seen.header("proxy-authorization"), None);
    }
    let turns = upstream.seen_at(path);
    let wrong = turns.iter().find(|turn| turn.header(header) != Some(value));
    assert!(wrong.is_none(), "{:#?}", wrong.map(|turn| &turn.headers));
    turns
}

/// The credentials of a request.
fn carried(seen: &Seen) -> Vec<&str> {
    ["authorization", "x-api-key", "x-goog-api-key"].iter().filter_map(|name| seen.header(name)).collect()
}
