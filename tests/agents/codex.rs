//! Codex: over its WebSocket, over its fallback to HTTP, and with the login of an account.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::{LOOK, agent, authenticated, installed, transcript, worked};
use crate::support::place::{User, users};
use crate::support::{Finished, Run, Upstream, fresh_key};

const EXEC: &[&str] = &["codex", "exec", "--json", "look around"];

fn upstream(host: &str, key: &str) -> Upstream {
    Upstream::start([host]).accepting(host, key).scripted(LOOK)
}

/// Runs it once; `path` was asked with the bearer token alone.
fn run(upstream: &Upstream, run: Run, path: &str, token: &str) -> Finished {
    let finished = worked(upstream, run.run());
    let turns = authenticated(upstream, path, "authorization", &format!("Bearer {token}"), &[]);
    assert!(!turns.is_empty(), "{:#?}", upstream.seen());
    let transcript = transcript(&finished, ".codex/sessions");
    assert!(transcript.contains("HTTPS_PROXY=http://agentsecrets:"), "{transcript}");
    finished
}

#[test]
fn over_a_websocket() {
    if !installed("codex") {
        return;
    }
    for user in users() {
        let key = fresh_key("sk-proj-");
        let upstream = upstream("api.openai.com", &key);
        let described = agent(&upstream, *user, EXEC).secret("OPENAI_API_KEY", &key);
        run(&upstream, described.dotenv(&format!("OPENAI_API_KEY={key}\n")), "/v1/responses", &key);
        let frames = upstream.frames();
        assert!(frames.iter().any(|frame| frame.contains("_call_output\"")), "{frames:?}");
        assert!(frames.iter().all(|frame| !frame.contains(&key)), "the model was told the key");
    }
}

#[test]
fn over_its_fallback_to_http() {
    if !installed("codex") {
        return;
    }
    for user in users() {
        let key = fresh_key("sk-proj-");
        let upstream = upstream("api.openai.com", &key).without_websockets();
        let described = agent(&upstream, *user, EXEC).secret("OPENAI_API_KEY", &key);
        run(&upstream, described, "/v1/responses", &key);
        let posts: Vec<_> =
            upstream.seen_at("/v1/responses").into_iter().filter(|seen| seen.method == "POST").collect();
        assert_eq!(posts.len(), 2, "the tool call and the end");
        assert!(posts.iter().all(|post| !post.text().contains(&key)), "the model was told the key");
    }
}

/// The tokens of an account are JSON web tokens; Codex reads their claims, and refreshes what it takes for old.
#[test]
fn with_a_chatgpt_login() {
    if !installed("codex") {
        return;
    }
    for user in users() {
        let token = || {
            let claims = serde_json::json!({
                "email": "ann@example.com", "exp": 1_800_000_000, "iss": "https://auth.openai.com",
                "https://api.openai.com/auth": {"chatgpt_account_id": "acc-1", "chatgpt_plan_type": "plus"},
            });
            let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
            format!("{header}.{}.{}", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()), fresh_key("sig"))
        };
        let (access, id, refresh) = (token(), token(), fresh_key("rt_"));
        let upstream = upstream("chatgpt.com", &access);
        let login = serde_json::json!({
            "OPENAI_API_KEY": null, "last_refresh": "2026-01-01T00:00:00Z",
            "tokens": {"id_token": id, "access_token": access, "refresh_token": refresh, "account_id": "acc-1"},
        });
        let mut described = agent(&upstream, *user, EXEC).home_file(".codex/auth.json", login.to_string());
        for (name, value) in [("access", &access), ("id", &id), ("refresh", &refresh)] {
            // The claims say who the account is, and are shown; the signature is what makes a token.
            described = described.declare(name, value.rsplit('.').next().unwrap());
        }
        run(&upstream, described, "/backend-api/codex/responses", &access);
        let accounts: Vec<_> = upstream.seen_at("/backend-api/codex/responses");
        assert!(accounts.iter().all(|seen| seen.header("chatgpt-account-id") == Some("acc-1")), "{accounts:#?}");
    }
}

/// A proxy and roots in its own `.env` win over the environment, and the run over them.
#[test]
fn with_an_environment_file_of_its_own() {
    if !installed("codex") {
        return;
    }
    let key = fresh_key("sk-proj-");
    let upstream = upstream("api.openai.com", &key);
    let described = agent(&upstream, User::Ordinary, EXEC).secret("OPENAI_API_KEY", &key);
    let file = "HTTPS_PROXY=http://127.0.0.1:9\nhttps_proxy=http://127.0.0.1:9\nSSL_CERT_FILE=/nonexistent\n";
    run(&upstream, described.home_file(".codex/.env", file), "/v1/responses", &key);
}
