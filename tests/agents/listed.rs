//! What is said of agents: `policy agents`, `policy services`, `explain`.

use std::fs;

use crate::support::place::users;
use crate::support::{Finished, Run, Upstream, fresh_key};

fn policy(words: &[&str]) -> Finished {
    Run::new().verb(["policy"].iter().chain(words)).run().succeeded()
}

#[test]
fn agents_and_services_are_listed() {
    let text = policy(&["agents"]).stdout();
    for word in
        ["claude  Claude Code\n", "@openai/codex", "python -m aider", "GEMINI_SANDBOX=false", ".codex/sessions/"]
    {
        assert!(text.contains(word), "`{word}` is missing in:\n{text}");
    }
    let objects = |words: &[&str]| -> Vec<serde_json::Value> {
        policy(words).stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let agents = objects(&["agents", "--json"]);
    assert_eq!(agents.len(), 9);
    let codex = agents.iter().find(|agent| agent["id"] == "codex").unwrap();
    assert_eq!(codex["sealed"]["arguments"][0], "-c");
    let services = objects(&["services", "--json"]);
    assert!(services.iter().any(|service| service["id"] == "stripe"), "{services:?}");
    assert!(policy(&["services"]).stdout().contains("ANTHROPIC_API_KEY"));
}

/// What is put into a command line and an environment is shown before it happens.
#[test]
fn explain_shows_what_an_agent_is_told() {
    let explain = |command: &[&str]| Run::new().verb(["explain"]).args(command).run().succeeded().stdout();
    let text = explain(&["codex", "exec", "hello"]);
    assert!(text.contains("Codex") && text.contains("put into the command line"), "{text}");
    assert!(text.contains("codex -c 'sandbox_mode=\"danger-full-access\"' exec hello"), "{text}");
    let text = explain(&["npx", "@google/gemini-cli"]);
    assert!(text.contains("GEMINI_SANDBOX: set to false"), "{text}");
    let text = explain(&["make"]);
    assert!(!text.contains("agent ") && !text.contains("put into"), "{text}");
}

/// A program with roots of its own is named at its first failure, with the variable that it looks at.
#[test]
fn a_program_that_does_not_trust_the_run_is_named() {
    for user in users() {
        let key = fresh_key("sk-proj-");
        let upstream = Upstream::start(["api.openai.com"]).accepting("api.openai.com", &key);
        let stranger = Upstream::start(["other.example"]);
        let run = Run::new().user(*user).secret("OPENAI_API_KEY", &key).upstream(&upstream);
        let run = run.project_file("other.pem", fs::read(stranger.authority()).unwrap());
        let finished = run.shell("curl -s --cacert other.pem https://api.openai.com/v1/models").run().ended_with(60);
        let said = finished.stderr();
        assert!(said.contains("curl did not accept the run's certificate for api.openai.com"), "{said}");
        assert!(said.contains("CURL_CA_BUNDLE"), "{said}");
    }
}
