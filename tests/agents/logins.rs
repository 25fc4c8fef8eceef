//! Logins of real agents in the user's browser: the link is opened, and the answer comes back to the agent inside. What
//! the code would be exchanged for are tokens, which no run may read: there the login ends, and the agent is told so.

use std::fs;

use super::{agent, installed};
use crate::browser::with_browser;
use crate::support::Upstream;
use crate::support::place::users;

/// Logs in with `command`, whose link leads to the first of `hosts` and whose tokens come from the last; returns what
/// the agent's page in the browser and the agent itself said.
fn log_in(command: &[&str], hosts: [&str; 2]) -> Vec<(String, String)> {
    let log_in = |user| {
        let upstream = Upstream::start(hosts);
        let (run, folder) = with_browser(agent(&upstream, user, command));
        let finished = run.flags(["--allow", hosts[0], "--allow", hosts[1]]).run();
        assert_ne!(finished.code(), 0, "{}{}", finished.stdout(), finished.stderr());
        let opened = fs::read_to_string(folder.join("opened")).unwrap_or_default();
        assert!(opened.starts_with(&format!("https://{}/", hosts[0])), "`{opened}`\n{}", finished.stderr());
        let refused = |record: &serde_json::Value| record["host"] == hosts[1] && record["rule"] == "token_endpoint";
        assert!(finished.audit_of("decision").iter().any(refused), "{:#?}", finished.audit());
        assert!(!serde_json::to_string(&finished.audit()).unwrap().contains("the-code"));
        let to_tokens = upstream.seen().into_iter().find(|seen| seen.path().ends_with("/token"));
        assert!(to_tokens.is_none(), "{to_tokens:#?}");
        let page = fs::read_to_string(folder.join("page")).unwrap();
        (page, finished.stdout() + &finished.stderr())
    };
    users().iter().copied().map(log_in).collect()
}

#[test]
fn codex() {
    if !installed("codex") {
        return;
    }
    for (page, said) in log_in(&["codex", "login"], ["auth.openai.com"; 2]) {
        assert!(page.contains("problem:token_endpoint") && page.contains("log in outside the run"), "{page}");
        assert!(said.contains("log in outside the run, then start it again"), "{said}");
    }
}

#[test]
fn claude() {
    if !installed("claude") {
        return;
    }
    for (page, said) in log_in(&["claude", "auth", "login"], ["claude.com", "platform.claude.com"]) {
        assert!(page.contains("You can close this window"), "{page}");
        assert!(said.contains("status code 403"), "{said}");
    }
}
