//! The other agents that the registries have: Gemini CLI, Qwen Code, opencode, Copilot CLI; each with its own API.

use super::{LOOK, agent, authenticated, installed, transcript, worked};
use crate::support::place::User;
use crate::support::tmux::{Tmux, Way};
use crate::support::{Finished, Run, Upstream, fresh_key};

/// Runs one whose model is asked at `path` of the last of `hosts`, with the key in `header`.
fn run(
    hosts: &[&str],
    key: &str,
    command: &[&str],
    describe: impl FnOnce(Run) -> Run,
    (path, header, value): (&str, &str, &str),
) -> Finished {
    let upstream = Upstream::start(hosts.iter().copied()).scripted(LOOK);
    let upstream = hosts.iter().fold(upstream, |upstream, host| upstream.accepting(host, key));
    let finished = worked(&upstream, describe(agent(&upstream, User::Ordinary, command)).run());
    let turns = authenticated(&upstream, path, header, value, &[]);
    assert!(turns.len() >= 2, "the tool call and the end: {turns:#?}");
    let told = turns.iter().find(|turn| turn.text().contains(key));
    assert!(told.is_none(), "the model was told the key");
    assert!(turns.iter().any(|turn| turn.text().contains("looked")), "the model saw what the tool printed");
    finished
}

/// It takes a key from the project's `.env` as well as from the environment.
#[test]
fn gemini() {
    if !installed("gemini") {
        return;
    }
    let path = "/v1beta/models/gemini-2.5-pro:streamGenerateContent";
    let command = ["gemini", "--skip-trust", "--yolo", "-m", "gemini-2.5-pro", "-p", "look around"];
    for from_file in [false, true] {
        let key = fresh_key("AIza");
        let describe = |run: Run| {
            let run = run.declare("GEMINI_API_KEY", &key).dotenv(&format!("GEMINI_API_KEY={key}\n"));
            if from_file { run } else { run.secret("GEMINI_API_KEY", &key) }
        };
        let hosts = ["generativelanguage.googleapis.com"];
        let finished = run(&hosts, &key, &command, describe, (path, "x-goog-api-key", &key));
        transcript(&finished, ".gemini/tmp");
    }
}

#[test]
fn qwen() {
    if !installed("qwen") {
        return;
    }
    let key = fresh_key("sk-proj-");
    let command = ["qwen", "--auth-type", "openai", "--yolo", "-m", "gpt-4.1", "-p", "look around"];
    let describe =
        |run: Run| run.secret("OPENAI_API_KEY", &key).variable("OPENAI_BASE_URL", "https://api.openai.com/v1");
    let bearer = format!("Bearer {key}");
    let asked = ("/v1/chat/completions", "authorization", bearer.as_str());
    let finished = run(&["api.openai.com"], &key, &command, describe, asked);
    transcript(&finished, ".qwen/projects");
}

/// A key in its own file wins over the environment. Its sessions are in a database.
#[test]
fn opencode() {
    if !installed("opencode") {
        return;
    }
    let command = ["opencode", "run", "--auto", "-m", "anthropic/claude-sonnet-4-5", "look around"];
    for in_a_file in [false, true] {
        let (key, other) = (fresh_key("sk-ant-api03-"), fresh_key("sk-ant-api03-"));
        let describe = |run: Run| {
            // An account's tokens are in the database of those outside.
            let run = run.declare("account", &other).home_file(".local/share/opencode/opencode.db", &other);
            let login = serde_json::json!({"anthropic": {"type": "api", "key": key}}).to_string();
            if in_a_file {
                let run = run.declare("file", &key).secret("ANTHROPIC_API_KEY", &fresh_key("sk-ant-api03-"));
                run.home_file(".local/share/opencode/auth.json", login)
            } else {
                run.secret("ANTHROPIC_API_KEY", &key)
            }
        };
        let finished = run(&["api.anthropic.com"], &key, &command, describe, ("/v1/messages", "x-api-key", &key));
        transcript(&finished, ".local/share/opencode/sealed");
        let database = finished.world().home().join(".local/share/opencode/opencode.db");
        assert_eq!(std::fs::read_to_string(database).unwrap(), other);
    }
}

/// It refuses tokens of a form that it does not know before it asks anybody.
#[test]
fn copilot() {
    if !installed("copilot") {
        return;
    }
    let key = fresh_key(&format!("github_pat_{}", "0".repeat(58)));
    let describe = |run: Run| run.secret("COPILOT_GITHUB_TOKEN", &key);
    let command = ["copilot", "--allow-all", "-p", "look around"];
    let bearer = format!("Bearer {key}");
    let asked = ("/chat/completions", "authorization", bearer.as_str());
    let finished = run(&["api.github.com", "api.githubcopilot.com"], &key, &command, describe, asked);
    transcript(&finished, ".copilot/session-state");
}

/// Two runs in the same home, the second of which goes on: its model is told what was said in the first. Where its
/// projects lie is in a file that is not kept; the folders themselves say so as well.
#[test]
fn gemini_goes_on_with_a_session() {
    if !installed("gemini") || !Tmux::has(&[]) {
        return;
    }
    let (host, key) = ("generativelanguage.googleapis.com", fresh_key("AIza"));
    let upstream = Upstream::start([host]).accepting(host, &key).scripted("echo looked");
    let run = agent(&upstream, User::Ordinary, &[]).secret("GEMINI_API_KEY", &key);
    let tmux = Tmux::start_in(run, Way::Wrapped, User::Ordinary);
    let command = "W gemini --skip-trust --yolo -m gemini-2.5-pro";
    tmux.resize(120, 50).shell(&format!("{command} -p 'the first question'"), 0);
    let asked = upstream.requests();
    tmux.shell(&format!("{command} --resume latest -p 'the second question'"), 0);
    let has_both = |text: String| text.contains("the first question") && text.contains("the second question");
    assert!(upstream.seen()[asked..].iter().any(|seen| has_both(seen.text())), "nothing of the first is left");
}
