//! Logins of agents and configurations of their tools.

use super::*;

#[test]
fn a_claude_login_works_with_placeholders() {
    let fields = [
        ("/claudeAiOauth/accessToken", Some("anthropic/oauth-token"), Judge::Always, Form::Plain),
        ("/claudeAiOauth/refreshToken", None, Judge::Always, Form::Plain),
        ("/**", None, Judge::ByName, Form::Plain),
    ];
    let text = r#"{"claudeAiOauth":{"accessToken":"sk-ant-oat01-REALREALREALREALREALREAL","refreshToken":"sk-ant-ort01-REFRESHREFRESHREFRESH","expiresAt":1700000000000,"scopes":["user:inference"],"subscriptionType":"max"}}"#;
    let planned = Case::default().json("/h/.claude/.credentials.json", "claude-login", &fields, text).plan();
    let masked: serde_json::Value = serde_json::from_str(&planned.masked("/h/.claude/.credentials.json")).unwrap();
    let login = &masked["claudeAiOauth"];
    assert_eq!(login["accessToken"], planned.placeholder("CLAUDE_CODE_OAUTH_TOKEN").as_str());
    assert!(login["accessToken"].as_str().unwrap().starts_with("sk-ant-oat01-"));
    assert!(login["refreshToken"].as_str().unwrap().starts_with("sk-ant-ort01-"));
    assert_eq!(login["expiresAt"], 4_000_000_000_000_u64);
    assert_eq!((&login["scopes"][0], &login["subscriptionType"]), (&"user:inference".into(), &"max".into()));
    assert!(planned.hosts("CLAUDE_CODE_OAUTH_TOKEN").contains(&"api.anthropic.com".to_owned()));
    assert!(planned.hosts("claude-login.refreshToken").is_empty(), "a refresh token is never sent");
    assert!(planned.plan.warnings[0].contains("has expired"), "{:?}", planned.plan.warnings);
    planned.assert_hides("REALREAL");
    planned.assert_hides("REFRESHREFRESH");
}

#[test]
fn a_codex_login_works_with_placeholders() {
    let encode = |value: serde_json::Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let token = |signature: &str| {
        let claims = serde_json::json!({
            "email": "ann@example.com", "exp": 1,
            "https://api.openai.com/auth": {"chatgpt_account_id": "acc-1", "chatgpt_plan_type": "plus"},
        });
        format!("{}.{}.{signature}", encode(serde_json::json!({"alg": "RS256", "typ": "JWT"})), encode(claims))
    };
    let fields = [
        ("/OPENAI_API_KEY", Some("openai/api-key"), Judge::Always, Form::Plain),
        ("/tokens/access_token", Some("openai/chatgpt"), Judge::Always, Form::Jwt),
        ("/tokens/id_token", None, Judge::Always, Form::Jwt),
        ("/tokens/refresh_token", None, Judge::Always, Form::Plain),
        ("/**", None, Judge::ByName, Form::Plain),
    ];
    let file = serde_json::json!({
        "OPENAI_API_KEY": null,
        "tokens": {
            "id_token": token("aWRzaWduYXR1cmU"), "access_token": token("YWNjZXNzc2lnbmF0dXJl"),
            "refresh_token": "rt_REFRESHREFRESH", "account_id": "acc-1",
        },
        "last_refresh": "2020-01-01T00:00:00Z",
    });
    let planned = Case::default().json("/h/.codex/auth.json", "codex-login", &fields, &file.to_string()).plan();
    let masked: serde_json::Value = serde_json::from_str(&planned.masked("/h/.codex/auth.json")).unwrap();
    let access = masked["tokens"]["access_token"].as_str().unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(access.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["https://api.openai.com/auth"]["chatgpt_account_id"], "acc-1");
    assert!(claims.get("email").is_none() && claims["exp"].as_u64().unwrap() > 3_000_000_000);
    assert_eq!(masked["tokens"]["account_id"], "acc-1");
    assert_eq!(masked["OPENAI_API_KEY"], serde_json::Value::Null);
    assert_eq!(masked["last_refresh"], "2026-11-23T10:00:00Z");
    assert_eq!(planned.hosts("CODEX_ACCESS_TOKEN"), ["chatgpt.com"]);
    for hidden in ["aWRzaWduYXR1cmU", "YWNjZXNzc2lnbmF0dXJl", "REFRESHREFRESH"] {
        planned.assert_hides(hidden);
    }
}

#[test]
fn keys_in_tool_configurations_are_found_by_name_and_form() {
    let text = serde_json::json!({"mcpServers": {
        "github": {"command": "npx", "args": ["-y", "server"], "env": {"GITHUB_TOKEN": GITHUB, "LOG_LEVEL": "info"}},
        "remote": {"url": "https://ann:sw0rdfish-4711@mcp.example/", "headers": {"Authorization": "Bearer opaque-value-0815"}},
        "flags": {"args": ["--api-key=AbCdEf0123456789", "--verbose", "--token", "short-1", "-p", "80"]},
        "later": {"env": {"API_KEY": "${MY_KEY}", "OTHER_KEY": "${X:-fallback-4711}"}, "headers": {"Authorization": "Bearer ${T}"}},
    }});
    let text = serde_json::to_string_pretty(&text).unwrap();
    let planned =
        Case::default().json("/p/.mcp.json", "mcp", &[("/**", None, Judge::ByName, Form::Plain)], &text).plan();
    let masked: serde_json::Value = serde_json::from_str(&planned.named("/p/.mcp.json")).unwrap();
    let servers = &masked["mcpServers"];
    assert_eq!(servers["github"]["env"]["GITHUB_TOKEN"], "<GITHUB_TOKEN>");
    assert_eq!(servers["github"]["env"]["LOG_LEVEL"], "info");
    assert_eq!(servers["remote"]["url"], "https://ann:<url>@mcp.example/");
    assert_eq!(servers["remote"]["headers"]["Authorization"], "Bearer <Authorization>");
    assert_eq!(servers["flags"]["args"][0], "--api-key=<api-key>");
    assert_eq!(servers["flags"]["args"][1], "--verbose");
    assert_eq!(servers["flags"]["args"][3], "<args>");
    assert_eq!(servers["flags"]["args"][5], "80");
    assert_eq!(servers["later"]["env"]["API_KEY"], "${MY_KEY}");
    assert_eq!(servers["later"]["env"]["OTHER_KEY"], "${X:-<OTHER_KEY>}");
    assert_eq!(servers["later"]["headers"]["Authorization"], "Bearer ${T}");
    for hidden in [GITHUB, "sw0rdfish-4711", "opaque-value-0815", "AbCdEf0123456789"] {
        planned.assert_hides(hidden);
    }
}
