//! What an agent keeps between its runs, and what it must not: places that the same agent would run outside the seal.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::Run;
use crate::support::place::users;

/// An agent's places in the home.
struct Places {
    agent: &'static str,
    /// Its own to keep.
    kept: &'static [&'static str],
    /// Out of which it would start programs outside, or read what names them.
    dropped: &'static [&'static str],
    /// The same below what is kept or a cache: closed where they stand already.
    closed: &'static [&'static str],
}

const PLACES: &[Places] = &[
    Places {
        agent: "claude",
        kept: &[".claude/projects/p/one.jsonl"],
        dropped: &[".claude/hooks/one", ".claude/shell-snapshots/one.sh"],
        closed: &[],
    },
    Places {
        agent: "codex",
        kept: &[".codex/sessions/one.jsonl"],
        dropped: &[".codex/config.toml", ".codex/shell_snapshots/one.sh"],
        closed: &[],
    },
    Places {
        agent: "copilot",
        kept: &[".copilot/session-state/one/events.jsonl"],
        dropped: &[".copilot/pkg/linux-x64/9.9.9/index.js"],
        closed: &[".cache/copilot/pkg/linux-x64/9.9.9/index.js"],
    },
    Places {
        agent: "gemini",
        kept: &[".gemini/tmp/p/chats/one.json"],
        dropped: &[".gemini/history/p/.git/config", ".gemini/extensions/one/gemini-extension.json"],
        closed: &[".gemini/tmp/bin/rg"],
    },
    Places {
        agent: "opencode",
        kept: &[".local/share/opencode/sealed/opencode.db", ".local/share/opencode/storage/one.json"],
        dropped: &[
            ".local/share/opencode/snapshot/p/h/config",
            ".local/share/opencode/bin/rg",
            ".local/share/opencode/opencode.db",
            ".config/opencode/plugin/one.js",
        ],
        closed: &[
            ".cache/opencode/bin/rg",
            ".cache/opencode/packages/one/index.js",
            ".cache/opencode/node_modules/one/index.js",
        ],
    },
    Places {
        agent: "qwen",
        kept: &[".qwen/projects/p/chats/one.jsonl"],
        dropped: &[".qwen/bin/one", ".qwen/extensions/one/qwen-extension.json"],
        closed: &[],
    },
];

/// Stands for the agent: tries to write to all of its places, and to a cache that is nobody's.
fn writer(program: &Path, places: &[&str]) {
    let write = "mkdir -p \"$(dirname \"$place\")\"; echo after >\"$place\"";
    let places = places.join(" ");
    fs::write(program, format!("#!/bin/sh\ncd\nfor place in {places} .cache/two; do {write}; done 2>&1\n:\n")).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn an_agent_keeps_its_sessions_and_writes_nothing_that_it_would_run() {
    for user in users() {
        for Places { agent, kept, dropped, closed } in PLACES {
            // In a home that the agent has not been used in, and in one where all of it stands.
            for before in ["", "before"] {
                let run = Run::new().user(*user).home_file(".cache/one", "");
                let tried =
                    if before.is_empty() { [*kept, *dropped].concat() } else { [*kept, *dropped, *closed].concat() };
                let standing = tried.iter().filter(|_| !before.is_empty());
                let run = standing.fold(run, |run, path| run.home_file(path, before));
                let program = run.world().root().join(agent);
                writer(&program, &tried);
                let finished = run.unobserved().args([program]).run().succeeded();
                let home = finished.world().home();
                let read = |path: &str| fs::read_to_string(home.join(path)).unwrap_or_default();
                let context = format!("{user:?} {agent} {before}\n{}{}", finished.stdout(), finished.stderr());
                assert_eq!(read(".cache/two"), "after\n", "{context}");
                for path in tried {
                    let expected = if kept.contains(&path) { "after\n" } else { before };
                    assert_eq!(read(path), expected, "{path}: {context}");
                }
            }
        }
    }
}
