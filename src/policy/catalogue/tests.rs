//! The catalogue against its own promises, and the forms of keys as tables. Every key here is made up.

use super::*;
use crate::policy::effort::assert_linear;
use crate::policy::{HostPattern, Slot, catalogue};

fn made_up(prefix: &str, length: usize) -> String {
    let alphabet = "0123456789abcdefABCDEFxyzXYZ";
    prefix.chars().chain(alphabet.chars().cycle().take(length)).collect()
}

fn kind(value: &str) -> String {
    match catalogue().recognise_value(value.as_bytes()) {
        Some(ValueKind::Key(entry)) => format!("{}/{}", entry.service.id.0, entry.credential.id),
        Some(ValueKind::Known(title)) => title.to_owned(),
        Some(other) => format!("{other:?}"),
        None => "none".into(),
    }
}

#[test]
fn every_service_is_complete() {
    let ids: Vec<_> = catalogue().services().iter().map(|service| service.id.0.as_str()).collect();
    let expected = [
        "anthropic",
        "crates-io",
        "gemini",
        "github",
        "gitlab",
        "groq",
        "hugging-face",
        "mistral",
        "npm",
        "openai",
        "openrouter",
        "pypi",
        "qwen",
        "stripe",
    ];
    assert_eq!(ids, expected);
    for service in catalogue().services() {
        assert!(!service.credentials.is_empty() && service.docs.starts_with("https://"), "{}", service.id.0);
        for credential in &service.credentials {
            let name = format!("{}/{}", service.id.0, credential.id);
            assert!(!credential.targets.is_empty() && !credential.slots.is_empty(), "{name}");
            assert!(!credential.variables.is_empty(), "{name}");
            let headers = credential.slots.iter().filter_map(Slot::header);
            assert!(headers.clone().all(|header| header == header.to_ascii_lowercase()), "{name}");
            assert!(
                credential.attach.as_ref().is_none_or(|attach| headers.clone().any(|header| header == attach.header))
            );
        }
    }
}

#[test]
fn no_target_reaches_another_tenant() {
    for entry in catalogue().entries() {
        for target in &entry.credential.targets {
            let HostPattern::Exact(host) = &target.host else { panic!("{target} is a wildcard") };
            let name = host.name().unwrap();
            assert_eq!(target.port, 443, "{target}");
            for foreign in ["githubusercontent.com", "github.io", "gitlab.io", "hf.space", "huggingface.cloud"] {
                assert!(!name.ends_with(foreign), "{name}");
            }
        }
    }
}

#[test]
fn a_variable_belongs_to_one_credential() {
    let mut variables: Vec<_> = catalogue().entries().flat_map(|entry| &entry.credential.variables).collect();
    variables.sort();
    let count = variables.len();
    variables.dedup();
    assert_eq!(variables.len(), count);
}

#[test]
fn token_endpoints_are_known() {
    let refused = |authority: &str, method: &str, path: &str| {
        let authority = crate::policy::Authority::parse(authority, Some(443)).unwrap();
        let path = crate::policy::RequestPath::parse(path).unwrap();
        catalogue().token_endpoints().any(|endpoint| endpoint.matches(&authority, method, &path))
    };
    for (host, path) in [
        ("platform.claude.com", "/v1/oauth/token"),
        ("console.anthropic.com", "/v1/oauth/token"),
        ("api.anthropic.com", "/api/oauth/claude_cli/create_api_key"),
        ("auth.openai.com", "/oauth/token"),
        ("github.com", "/login/oauth/access_token"),
        ("api.openai.com", "/v1/organization/admin_api_keys"),
        ("api.openai.com", "/v1/organization/projects/proj_1/service_accounts"),
        ("gitlab.com", "/oauth/token"),
        ("gitlab.com", "/api/v4/projects/group%2Fname/access_tokens"),
        ("gitlab.com", "/api/v4/groups/7/access_tokens/3/rotate"),
        ("oauth2.googleapis.com", "/token"),
        ("huggingface.co", "/oauth/token"),
        ("registry.npmjs.org", "/-/npm/v1/tokens"),
        ("pypi.org", "/_/oidc/mint-token"),
        ("connect.stripe.com", "/oauth/token"),
        ("openrouter.ai", "/api/v1/auth/keys"),
    ] {
        assert!(refused(host, "POST", path), "{host}{path}");
    }
    assert!(!refused("api.anthropic.com", "POST", "/v1/messages"));
    assert!(!refused("registry.npmjs.org", "GET", "/-/npm/v1/tokens"));
}

#[test]
fn credential_headers_are_those_of_every_kind() {
    let headers = |id: &str| catalogue().service(&ServiceId(id.into())).unwrap().credential_headers();
    assert_eq!(headers("anthropic"), ["x-api-key", "authorization"]);
    assert_eq!(headers("gitlab"), ["private-token", "authorization", "job-token", "deploy-token"]);
    assert_eq!(catalogue().credential_headers().len(), 6);
}

#[test]
fn values_are_recognised_by_their_form() {
    for (value, expected) in [
        (made_up("sk-ant-api03-", 93), "anthropic/api-key"),
        (made_up("sk-ant-oat01-", 93), "anthropic/oauth-token"),
        (made_up("sk-ant-ort01-", 93), "Anthropic refresh token"),
        (made_up("sk-proj-", 120), "openai/api-key"),
        (made_up("sk-svcacct-", 120), "openai/api-key"),
        (made_up("sk-", 48), "API key"),
        (format!("sk-or-v1-{}", "0a".repeat(32)), "openrouter/api-key"),
        (made_up("gsk_", 52), "groq/api-key"),
        (made_up("hf_", 34), "hugging-face/token"),
        (made_up("ghp_", 36), "github/token"),
        (made_up("ghs_", 36), "github/token"),
        (format!("ghs_{}.{}.{}", "a".repeat(40), "b".repeat(400), "c".repeat(40)), "github/token"),
        (made_up("github_pat_", 82), "github/token"),
        (made_up("ghr_", 76), "GitHub refresh token"),
        (made_up("glpat-", 20), "gitlab/token"),
        (format!("{}.01.0w1234567", made_up("glpat-", 27)), "gitlab/token"),
        (made_up("npm_", 36), "npm/token"),
        (made_up("pypi-AgEIcHlwaS5vcmc", 150), "pypi/token"),
        (made_up("pypi-AgENdGVzdC5weXBpLm9yZw", 150), "pypi/test-token"),
        (made_up("sk_live_", 99), "stripe/secret-key"),
        (made_up("rk_test_", 24), "stripe/secret-key"),
        (made_up("whsec_", 32), "Stripe webhook secret"),
        ("AKIAABCDEFGHIJKLMNOP".into(), "AWS access key"),
        (made_up("AIza", 35), "Google credential"),
        (made_up("xoxb-1234-5678-", 24), "Slack credential"),
        (format!("1234567890:AA{}", "h".repeat(33)), "Telegram bot token"),
        (format!(" {}\n", made_up("ghp_", 36)), "github/token"),
        (format!("eyJhbGciOiJub25l.eyJzdWIiOiIx.{}", "s".repeat(20)), "Jwt"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----".into(), "PrivateKey"),
        ("-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----".into(), "none"),
        (made_up("ghp_", 12), "none"),
        (made_up("npm_", 37), "none"),
        (made_up("AKIA", 15), "none"),
        ("task-force-abcdefghijklmnopqrstuvwxyz0123456789".into(), "none"),
        ("1ea0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2".into(), "none"),
        (String::new(), "none"),
    ] {
        assert_eq!(kind(&value), expected, "{value}");
    }
}

#[test]
fn the_form_wins_over_the_name() {
    let id = |name: &str, value: String| {
        catalogue().recognise(name, value.as_bytes()).map(|entry| entry.service.id.0.clone())
    };
    assert_eq!(id("OPENAI_API_KEY", format!("sk-or-v1-{}", "0a".repeat(32))).as_deref(), Some("openrouter"));
    assert_eq!(id("NODE_AUTH_TOKEN", made_up("ghp_", 36)).as_deref(), Some("github"));
    assert_eq!(id("NODE_AUTH_TOKEN", "whatever".into()).as_deref(), Some("npm"));
    assert_eq!(id("CODEX_API_KEY", "whatever".into()).as_deref(), Some("openai"));
    assert_eq!(id("OTHER", made_up("sk_test_", 24)).as_deref(), Some("stripe"));
    assert_eq!(id("OTHER", "whatever".into()), None);
}

#[test]
fn finds_keys_within_longer_texts() {
    let key = made_up("ghp_", 36);
    let jwt = "eyJhbGciOiJub25l.eyJzdWIiOiIx.c2lnbmF0dXJl";
    for (text, expected) in [
        (format!("Authorization: token {key}, again {key}"), vec![key.as_str(), &key]),
        (format!("{{\"a\":\"x\\n{key}\"}}"), vec![&key]),
        (format!("token%3D{key}&x=1"), vec![&key]),
        (format!("x{key}"), vec![]),
        (format!("https://user:{key}@github.com/a"), vec![&key]),
        ("postgres://u:p@ss@db/x?y=http://u2:p2@h".into(), vec!["p@ss", "p2"]),
        ("https://user:${PASSWORD}@h https://u:@h https://u@h http://h:80/@".into(), vec![]),
        (format!("a {jwt} b"), vec![jwt]),
        ("eyJhbGciOiJub25l.eyJzdWIiOiIx. eyJhbGciOiJub25l.abc.def".into(), vec![]),
        ("x -----BEGIN PRIVATE KEY-----\\nMII".into(), vec!["-----BEGIN PRIVATE KEY-----\\nMII"]),
    ] {
        let found = catalogue().keys_within(text.as_bytes());
        let found: Vec<_> = found.into_iter().map(|found| &text[found.range]).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn hostile_texts_take_linear_time() {
    for unit in ["sk-", "eyJ-", "eyJaaaaaaaa.eyJ-", "://", "://a:b@", "-----BEGIN PRIVATE KEY-----", "ghs_.", "glcbt-"]
    {
        assert_linear(unit, |size| {
            std::hint::black_box(catalogue().keys_within(unit.repeat(size).as_bytes()));
        });
    }
}

proptest::proptest! {
    #[test]
    fn finds_are_in_order_and_within_the_text(
        text in "(sk-|ghp_|eyJ|://|:AA|[a-z0-9.@:/ -]|-----BEGIN PRIVATE KEY-----){0,60}",
    ) {
        let mut end = 0;
        for found in catalogue().keys_within(text.as_bytes()) {
            let range = found.range;
            proptest::prop_assert!(end <= range.start && range.start < range.end && range.end <= text.len());
            end = range.end;
        }
    }
}
