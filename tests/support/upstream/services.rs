//! What the services of the catalogue answer to their own clients, as far as these look at it. Each accepts exactly the
//! key that the test gave it, so a client that succeeds proves that the real key arrived.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::answers::{json as json_answer, text};
use super::body::{Fed, Piece, fed};
use super::{Site, scripted, websocket};

/// Answers as the service at the site's host would.
pub(crate) fn answer(parts: &Parts, body: &Bytes, site: &Site) -> Response<Fed> {
    if site.host == "index.crates.io" {
        return json_answer(StatusCode::OK, &json!({"dl": "https://static.crates.io", "api": "https://crates.io"}));
    }
    let Some(key) = site.record.key(&site.host) else {
        return text(StatusCode::OK, "nobody in particular\n");
    };
    if !carries(&parts.headers, &key) {
        return wrong_key(&site.host);
    }
    let asked: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let streamed = asked["stream"] == true;
    if let Some(events) = next_turn(parts.uri.path(), &asked, site) {
        return event_stream(events);
    }
    match (site.host.as_str(), parts.uri.path()) {
        ("api.openai.com", "/v1/chat/completions") if streamed => event_stream(openai_events()),
        ("api.openai.com", "/v1/chat/completions") => json_answer(StatusCode::OK, &openai_completion()),
        ("api.openai.com", "/v1/models") => json_answer(StatusCode::OK, &json!({"data": [{"id": "a-model"}]})),
        ("api.anthropic.com", "/v1/messages") if streamed => event_stream(anthropic_events()),
        ("api.anthropic.com", "/v1/messages") => json_answer(StatusCode::OK, &anthropic_message()),
        ("api.anthropic.com", "/api/oauth/profile") => json_answer(StatusCode::OK, &anthropic_profile()),
        // What an account may have and a key has not.
        ("api.anthropic.com", path) if path.starts_with("/api/claude_") => text(StatusCode::NOT_FOUND, "nothing"),
        ("chatgpt.com", "/backend-api/wham/accounts/check") => json_answer(StatusCode::OK, &chatgpt_accounts()),
        ("api.stripe.com", "/v1/balance") => json_answer(StatusCode::OK, &stripe_balance()),
        ("crates.io", "/api/v1/crates/serde/owners") => json_answer(StatusCode::OK, &owners()),
        ("huggingface.co", "/api/whoami-v2") => {
            json_answer(StatusCode::OK, &json!({"name": "somebody", "type": "user"}))
        }
        ("kube.example", "/version" | "/version/") => json_answer(StatusCode::OK, &version()),
        (_, "/-/whoami") => json_answer(StatusCode::OK, &json!({"username": "somebody"})),
        ("api.github.com", "/user") => json_answer(StatusCode::OK, &json!({"login": "somebody"})),
        ("api.github.com", "/copilot_internal/user") => json_answer(StatusCode::OK, &copilot_user()),
        ("api.githubcopilot.com", "/models") => json_answer(StatusCode::OK, &copilot_models()),
        ("api.githubcopilot.com", "/models/session") => json_answer(StatusCode::OK, &copilot_session()),
        _ => json_answer(StatusCode::OK, &json!({"authenticated": true})),
    }
}

/// Answers a request for a WebSocket at a service: a Responses API conversation, or 426 where the test wants none.
pub(crate) fn upgrade(request: Request<Incoming>, site: &Site) -> Response<Fed> {
    if !site.record.key(&site.host).is_none_or(|key| carries(request.headers(), &key)) {
        return wrong_key(&site.host);
    }
    if site.record.refuses_upgrades() {
        return text(StatusCode::UPGRADE_REQUIRED, "no WebSocket here");
    }
    let command = site.record.script().unwrap_or_default();
    websocket::converse(request, &site.record, move |asked| {
        scripted::responses(asked, &command).into_iter().map(|(_, data)| data).collect()
    })
}

/// What the scripted model says to an agent's turn, where the test has one.
fn next_turn(path: &str, asked: &Value, site: &Site) -> Option<Vec<(Option<&'static str>, String)>> {
    let command = site.record.script()?;
    let named =
        |events: Vec<scripted::Event>| events.into_iter().map(|(name, data)| (Some(name), data.to_string())).collect();
    let plain = |data: Value| (None, data.to_string());
    match path.rsplit(['/', ':']).next() {
        Some("messages") => scripted::messages(asked, &command).map(named),
        Some("responses") => Some(named(scripted::responses(asked, &command))),
        Some("completions") if asked["stream"] == true => {
            let chunks = scripted::completions(asked, &command).into_iter().map(plain);
            Some(chunks.chain([(None, "[DONE]".to_owned())]).collect())
        }
        Some("streamGenerateContent") => scripted::contents(asked, &command).map(|turn| vec![plain(turn)]),
        _ => None,
    }
}

fn wrong_key(host: &str) -> Response<Fed> {
    let body = json!({"error": {"type": "authentication_error", "message": "wrong key"}});
    let mut refusal = json_answer(StatusCode::UNAUTHORIZED, &body);
    // A registry of containers says how it wants its password.
    let wanted = if host.starts_with("registry.") { "Basic realm=\"registry\"" } else { "Bearer" };
    refusal.headers_mut().insert(WWW_AUTHENTICATE, wanted.parse().unwrap());
    refusal
}

/// Whether the key stands where a service would look: a bearer (any scheme word), a key header, a Basic user or password.
pub(crate) fn carries(headers: &HeaderMap, key: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if ["x-api-key", "x-goog-api-key", "private-token"].iter().any(|name| text(name) == Some(key)) {
        return true;
    }
    match text(AUTHORIZATION.as_str()).map(|value| value.split_once(' ').unwrap_or(("", value))) {
        Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("basic") => {
            let decoded = BASE64_STANDARD.decode(encoded).unwrap_or_default();
            String::from_utf8_lossy(&decoded).split(':').any(|field| field == key)
        }
        Some((_, value)) => value == key,
        None => false,
    }
}

fn owners() -> Value {
    json!({"users": [{"id": 1, "login": "somebody", "name": null}]})
}

fn version() -> Value {
    json!({
        "major": "9", "minor": "9", "gitVersion": "v9.9.9", "gitCommit": "0", "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z", "goVersion": "go1", "compiler": "gc", "platform": "linux/amd64",
    })
}

fn event_stream(events: Vec<(Option<&'static str>, String)>) -> Response<Fed> {
    let (sender, body) = fed(None);
    tokio::spawn(async move {
        for (name, data) in events {
            let name = name.map(|name| format!("event: {name}\n")).unwrap_or_default();
            if sender.send(Piece::Data(format!("{name}data: {data}\n\n").into())).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, "text/event-stream".parse().unwrap());
    response
}

fn openai_completion() -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello from upstream"}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4},
    })
}

fn openai_events() -> Vec<(Option<&'static str>, String)> {
    let chunk = |delta: Value, reason: Value| {
        let choices = json!([{"index": 0, "delta": delta, "finish_reason": reason}]);
        let chunk = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": choices,
        });
        (None, chunk.to_string())
    };
    let words = ["hello ", "from ", "upstream"].map(|word| chunk(json!({"content": word}), Value::Null));
    let mut events = Vec::from(words);
    events.push(chunk(json!({}), json!("stop")));
    events.push((None, "[DONE]".into()));
    events
}

fn anthropic_message() -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "hello from upstream"}],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 3},
    })
}

fn anthropic_events() -> Vec<(Option<&'static str>, String)> {
    let mut start = anthropic_message();
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    let mut events = vec![
        ("message_start", json!({"type": "message_start", "message": start})),
        (
            "content_block_start",
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
    ];
    for word in ["hello ", "from ", "upstream"] {
        let delta = json!({"type": "text_delta", "text": word});
        events.push(("content_block_delta", json!({"type": "content_block_delta", "index": 0, "delta": delta})));
    }
    events.push(("content_block_stop", json!({"type": "content_block_stop", "index": 0})));
    let delta = json!({"stop_reason": "end_turn", "stop_sequence": null});
    events.push(("message_delta", json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 3}})));
    events.push(("message_stop", json!({"type": "message_stop"})));
    events.into_iter().map(|(name, data)| (Some(name), data.to_string())).collect()
}

fn anthropic_profile() -> Value {
    json!({
        "account": {"uuid": "00000000-0000-4000-8000-000000000001", "email": "ann@example.com", "has_claude_max": true},
        "organization": {"uuid": "00000000-0000-4000-8000-000000000002", "organization_type": "claude_max"},
    })
}

fn chatgpt_accounts() -> Value {
    let account = json!({
        "id": "acc-1", "account_id": "acc-1", "name": "Ann", "structure": "personal", "plan_type": "plus",
        "can_access_with_session": true, "is_deactivated": false, "workspace_backend_origin": "https://chatgpt.com",
        "account_routing_override": "us",
    });
    json!({"accounts": [account], "default_account_id": "acc-1", "account_ordering": ["acc-1"]})
}

fn copilot_user() -> Value {
    json!({
        "login": "somebody", "copilot_plan": "individual", "chat_enabled": true, "access_type_sku": "monthly_subscriber",
        "endpoints": {"api": "https://api.githubcopilot.com"},
    })
}

fn copilot_models() -> Value {
    let limits = json!({"max_context_window_tokens": 128_000, "max_output_tokens": 4096, "max_prompt_tokens": 100_000});
    let model = json!({
        "id": "gpt-4.1", "name": "GPT-4.1", "vendor": "Azure OpenAI", "version": "gpt-4.1", "object": "model",
        "preview": false, "model_picker_enabled": true, "is_chat_default": true, "is_chat_fallback": true,
        "policy": {"state": "enabled", "terms": ""}, "supported_endpoints": ["/chat/completions"],
        "capabilities": {
            "family": "gpt-4.1", "object": "model_capabilities", "type": "chat", "tokenizer": "o200k_base",
            "limits": limits, "supports": {"streaming": true, "tool_calls": true, "parallel_tool_calls": true},
        },
    });
    json!({"object": "list", "data": [model]})
}

fn copilot_session() -> Value {
    json!({
        "selected_model": "gpt-4.1", "available_models": ["gpt-4.1"], "session_token": "session", "expires_at": 2_000_000_000,
    })
}

fn stripe_balance() -> Value {
    json!({
        "object": "balance", "livemode": false,
        "available": [{"amount": 4242, "currency": "eur", "source_types": {"card": 4242}}], "pending": [],
    })
}
