//! Claude Code: with a key, with a subscriber's login, and with settings that win over the environment.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{LOOK, agent, authenticated, carried, installed, transcript, worked};
use crate::support::place::{User, users};
use crate::support::{Finished, Run, Upstream, fresh_key};

const HOST: &str = "api.anthropic.com";
const PRINT: &[&str] = &["claude", "-p", "look around", "--allowedTools", "Bash"];

fn upstream(key: &str) -> Upstream {
    Upstream::start([HOST]).accepting(HOST, key).scripted(LOOK)
}

/// Runs it once; the model was asked for the tool call and for the end, with the credential in `header`. `others` are
/// credentials that it may carry before it has read its settings.
fn run(upstream: &Upstream, run: Run, (header, value): (&str, &str), others: &[&str]) -> Finished {
    let finished = worked(upstream, run.run());
    let turns = authenticated(upstream, "/v1/messages", header, value, others);
    let results = turns.iter().filter(|turn| turn.text().contains("\"tool_result\"")).count();
    assert_eq!(results, 1, "{}", finished.stdout());
    let transcript = transcript(&finished, ".claude/projects");
    assert!(transcript.contains("HTTPS_PROXY=http://agentsecrets:"), "{transcript}");
    finished
}

#[test]
fn with_a_key() {
    if !installed("claude") {
        return;
    }
    for user in users() {
        let key = fresh_key("sk-ant-api03-");
        let upstream = upstream(&key);
        let described = agent(&upstream, *user, PRINT).secret("ANTHROPIC_API_KEY", &key);
        let described = described.dotenv(&format!("ANTHROPIC_API_KEY={key}\n"));
        let finished = run(&upstream, described, ("x-api-key", &key), &[]);
        let seen = std::fs::read_to_string(finished.world().project().join("seen-by-the-tool")).unwrap();
        assert!(seen.contains("ANTHROPIC_API_KEY=sk-ant-api03-") && seen.contains("agentsecrets-phantom\n"), "{seen}");
    }
}

/// A subscription that would have to be refreshed if its end were the real one: the placeholder's is far.
#[test]
fn with_a_login_file() {
    if !installed("claude") {
        return;
    }
    for user in users() {
        let (token, refresh) = (fresh_key("sk-ant-oat01-"), fresh_key("sk-ant-ort01-"));
        let upstream = upstream(&token);
        let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() + 60_000;
        let login = serde_json::json!({"claudeAiOauth": {
            "accessToken": token, "refreshToken": refresh, "expiresAt": u64::try_from(soon).unwrap(),
            "scopes": ["user:inference", "user:profile"], "subscriptionType": "max",
        }});
        let described = agent(&upstream, *user, PRINT).declare("access", &token).declare("refresh", &refresh);
        let described = described.home_file(".claude/.credentials.json", login.to_string());
        run(&upstream, described, ("authorization", &format!("Bearer {token}")), &[]);
    }
}

/// What the settings say of key, proxy, roots and sandbox wins over the environment, and the run over the settings.
#[test]
fn with_settings_that_win_over_the_environment() {
    if !installed("claude") {
        return;
    }
    for (user, project) in users().iter().map(|user| (*user, false)).chain([(User::Ordinary, true)]) {
        let (key, other) = (fresh_key("sk-ant-api03-"), fresh_key("sk-ant-api03-"));
        let upstream = upstream(&key);
        let settings = serde_json::json!({
            "env": {
                "ANTHROPIC_API_KEY": key, "HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9",
                "NODE_EXTRA_CA_CERTS": "/nonexistent", "SSL_CERT_FILE": "/nonexistent",
            },
            "sandbox": {"enabled": true},
        });
        let described = agent(&upstream, user, PRINT).secret("ANTHROPIC_API_KEY", &other).declare("settings", &key);
        let described = if project {
            described.project_file(".claude/settings.json", settings.to_string())
        } else {
            described.home_file(".claude/settings.json", settings.to_string())
        };
        // A project's settings count once its folder is trusted.
        let trusted = serde_json::json!({"hasCompletedOnboarding": true, "projects": {
            described.world().project().to_str().unwrap(): {"hasTrustDialogAccepted": true},
        }});
        let described = described.home_file(".claude.json", trusted.to_string());
        let finished = run(&upstream, described, ("x-api-key", &key), &[&other]);
        assert!(finished.stderr().contains("is the run's own inside"), "{}", finished.stderr());
    }
}

#[test]
fn with_tokens_in_variables() {
    if !installed("claude") {
        return;
    }
    for variable in ["ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"] {
        let token = fresh_key("sk-ant-oat01-");
        let upstream = upstream(&token);
        let described = agent(&upstream, User::Ordinary, PRINT).secret(variable, &token);
        run(&upstream, described, ("authorization", &format!("Bearer {token}")), &[]);
    }
}

/// The helper runs inside and prints what the seal shows; the agent then sends it in two headers, both bound.
#[test]
fn with_a_key_helper() {
    if !installed("claude") {
        return;
    }
    let key = fresh_key("sk-ant-api03-");
    let upstream = upstream(&key);
    let settings = r#"{"apiKeyHelper": "cut -d= -f2 ~/.env"}"#;
    let described = agent(&upstream, User::Ordinary, PRINT).secret("ANTHROPIC_API_KEY", &key);
    let described = described.home_file(".claude/settings.json", settings);
    let described = described.home_file(".env", format!("ANTHROPIC_API_KEY={key}\n"));
    let finished = worked(&upstream, described.run());
    assert!(finished.stderr().contains("`apiKeyHelper` in it runs inside the seal"), "{}", finished.stderr());
    for turn in upstream.seen_at("/v1/messages") {
        let carried = carried(&turn);
        let is_key = |value: &&str| value.trim_start_matches("Bearer ") == key;
        assert!(!carried.is_empty() && carried.iter().all(is_key), "{:#?}", turn.headers);
    }
}

/// With a login that cannot be refreshed inside, the endpoint that would mint tokens is closed.
#[test]
fn a_refresh_is_refused() {
    let (token, refresh) = (fresh_key("sk-ant-oat01-"), fresh_key("sk-ant-ort01-"));
    let upstream = Upstream::start([HOST, "platform.claude.com"]).accepting(HOST, &token);
    let login = serde_json::json!({"claudeAiOauth": {
        "accessToken": token, "refreshToken": refresh, "expiresAt": 4_000_000_000_000_u64, "scopes": [],
    }});
    let script = "token=$(sed 's/.*\"refreshToken\":\"\\([^\"]*\\)\".*/\\1/' ~/.claude/.credentials.json)
        curl -s -d \"{\\\"grant_type\\\":\\\"refresh_token\\\",\\\"refresh_token\\\":\\\"$token\\\"}\" \
        https://platform.claude.com/v1/oauth/token";
    let run = Run::new().declare("access", &token).declare("refresh", &refresh).upstream(&upstream);
    let finished = run.home_file(".claude/.credentials.json", login.to_string()).shell(script).run().succeeded();
    assert!(finished.stdout().contains("token_endpoint"), "{}", finished.stdout());
    assert_eq!(upstream.requests(), 0);
}
