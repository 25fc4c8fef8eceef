//! Whole plans: from an environment and files to what the child sees.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use base64::Engine;
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::mask::{Content, Found, Realm};
use crate::policy::{Field, Form, Format, Judge, Render};

const STRIPE: &str = "sk_live_4eC39HqLyjWDarjtT1zdp7dc";
const ANTHROPIC: &str = "sk-ant-api03-R2D2abcdefghijklmnopqrstuvwxyz0123456789-_R2D2C3PO";
const GITHUB: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

/// What a plan is made of in these tests, and what came of it.
#[derive(Default)]
struct Case {
    environment: Vec<(OsString, OsString)>,
    arguments: Vec<OsString>,
    findings: Findings,
    policy: Merged,
}

impl Case {
    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn found(mut self, path: &str, render: Option<Render>, content: Content) -> Self {
        self.findings.found.push(Found {
            path: path.into(),
            aliases: Vec::new(),
            unseen_links: 0,
            realm: Realm::Project,
            id: None,
            render,
            content,
            reason: "a name like it".into(),
            origin: Origin::Builtin { file: "files.toml".into() },
        });
        self
    }

    fn dotenv(self, path: &str, text: &str) -> Self {
        let render = Render { format: Format::Dotenv, fields: Vec::new() };
        self.found(path, Some(render), bytes(text))
    }

    fn json(self, path: &str, id: &str, fields: &[(&str, Option<&str>, Judge, Form)], text: &str) -> Self {
        let field = |(at, credential, judge, form): &(&str, Option<&str>, Judge, Form)| Field {
            at: (*at).into(),
            credential: credential.map(Into::into),
            judge: *judge,
            form: *form,
        };
        let fields = fields.iter().map(field).collect();
        let mut case = self.found(path, Some(Render { format: Format::Json, fields }), bytes(text));
        let found = case.findings.found.last_mut().unwrap();
        found.id = Some(id.into());
        found.realm = Realm::Home;
        case
    }

    fn try_plan(self) -> Result<Planned, PlanError> {
        build(
            Request {
                run: "run-1".into(),
                arguments: &self.arguments,
                environment: &self.environment,
                project: Path::new("/p"),
                project_is_bound: true,
                current_directory: Path::new("/p"),
                findings: self.findings,
                writable: Vec::new(),
                now: "2026-11-23T10:00:00Z".parse().unwrap(),
            },
            &self.policy,
        )
    }

    fn plan(self) -> Planned {
        self.try_plan().unwrap()
    }
}

fn bytes(text: &str) -> Content {
    Content::Bytes(Zeroizing::new(text.as_bytes().to_vec()))
}

impl Planned {
    fn value(&self, name: &str) -> String {
        let found = self.environment.iter().find(|(known, _)| known == name);
        found.map_or("(unset)".into(), |(_, value)| value.to_string_lossy().into_owned())
    }

    fn placeholder(&self, name: &str) -> String {
        let id = self.secrets.named(&SecretName::new(name).unwrap()).unwrap_or_else(|| panic!("no secret `{name}`"));
        self.secrets.get(id).unwrap().placeholder.to_string()
    }

    fn masked(&self, path: &str) -> String {
        match self.plan.masks.iter().find(|mask| mask.path == Path::new(path)).map(|mask| &mask.content) {
            Some(MaskContent::File { bytes }) => String::from_utf8_lossy(bytes).into_owned(),
            Some(MaskContent::EmptyFile) => "(empty)".into(),
            Some(MaskContent::EmptyDirectory) => "(no entries)".into(),
            None => "(not masked)".into(),
        }
    }

    /// The masked file with the names of secrets in the place of their placeholders.
    fn named(&self, path: &str) -> String {
        self.secrets.iter().fold(self.masked(path), |text, (_, held)| {
            text.replace(held.placeholder.as_str(), &format!("<{}>", held.name))
        })
    }

    fn hosts(&self, name: &str) -> Vec<String> {
        let secret = self.plan.secrets.iter().find(|secret| secret.name.as_str() == name).unwrap();
        secret.hosts.iter().map(ToString::to_string).collect()
    }

    /// Everything that the child or a log could see of a plan.
    fn visible(&self) -> Vec<u8> {
        let mut visible = format!("{:?}{}", self.plan, serde_json::to_string(&self.plan).unwrap()).into_bytes();
        for (name, value) in &self.environment {
            visible.extend_from_slice(name.as_bytes());
            visible.extend_from_slice(value.as_bytes());
        }
        for mask in &self.plan.masks {
            if let MaskContent::File { bytes } = &mask.content {
                visible.extend_from_slice(bytes);
            }
        }
        visible
    }

    fn assert_hides(&self, value: &str) {
        assert!(memchr::memmem::find(&self.visible(), value.as_bytes()).is_none(), "`{value}` is visible");
    }
}

#[test]
fn variables_are_judged_by_name_then_by_form() {
    let cases = [
        ("STRIPE_KEY", STRIPE, "brokered"),
        ("STRIPE_KEY", "no-known-form", "brokered"),
        ("ANTHROPIC_API_KEY", ANTHROPIC, "brokered"),
        ("WHATEVER", GITHUB, "brokered"),
        ("HELLO", "world", "kept"),
        ("MY_SERVICE_TOKEN", "abcdefgh12345678", "hidden"),
        ("MY_SERVICE_TOKEN", "", "kept"),
        ("ENABLE_AUTH", "true", "kept"),
        ("DATABASE_URL", "postgres://ann:hunter2hunter2@db/app", "hidden"),
        ("DATABASE_URL", "sqlite:///app.db", "kept"),
        ("HOMEPAGE", "https://ann:hunter2hunter2@example.com/", "hidden"),
        ("SOME_TEXT", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N", "hidden"),
        ("SSH_AUTH_SOCK", "/run/user/1000/agent", "removed"),
        ("MAX_TOKENS", "4096", "kept"),
        ("KUBECONFIG", "/home/ann/.kube/config", "kept"),
    ];
    for (name, value, expected) in cases {
        let planned = Case::default().variable(name, value).plan();
        let decision = serde_json::to_value(&planned.plan.variables[0]).unwrap();
        assert_eq!(decision["decision"], expected, "{name}={value}");
        if expected == "kept" {
            assert_eq!(planned.value(name), value);
        }
    }
}

#[test]
fn a_password_in_a_url_leaves_the_rest_of_it() {
    let planned = Case::default().variable("DATABASE_URL", "postgres://ann:hunter2hunter2@db:5432/app?x=1").plan();
    let placeholder = planned.placeholder("DATABASE_URL");
    assert_eq!(planned.value("DATABASE_URL"), format!("postgres://ann:{placeholder}@db:5432/app?x=1"));
    planned.assert_hides("hunter2hunter2");
}

#[test]
fn the_first_of_duplicates_counts_and_odd_entries_go() {
    let mut case = Case::default().variable("A", "first").variable("A", "second").variable("", "nameless");
    case.environment.push((OsString::from("B"), OsStr::from_bytes(b"caf\xe9").to_owned()));
    let planned = case.plan();
    let names: Vec<_> = planned.environment.iter().map(|(name, _)| name.to_str().unwrap()).collect();
    assert_eq!(names, ["A", "B"]);
    assert_eq!(planned.value("A"), "first");
    assert_eq!(planned.environment[1].1.as_bytes(), b"caf\xe9");
}

#[test]
fn equal_values_share_one_placeholder_wherever_they_are() {
    let planned = Case::default()
        .variable("MY_TOKEN", STRIPE)
        .variable("NOTE", &format!("use {STRIPE} please"))
        .dotenv("/p/.env", &format!("STRIPE_KEY={STRIPE}\nOTHER='{STRIPE}'\nTEXT=a {STRIPE} b\n"))
        .plan();
    assert_eq!(planned.secrets.len(), 1);
    let name = planned.plan.secrets[0].name.to_string();
    let placeholder = planned.placeholder(&name);
    assert_eq!(planned.value("MY_TOKEN"), placeholder);
    assert_eq!(planned.value("NOTE"), format!("use {placeholder} please"));
    assert_eq!(
        planned.masked("/p/.env"),
        format!("STRIPE_KEY={placeholder}\nOTHER='{placeholder}'\nTEXT=a {placeholder} b\n")
    );
    assert_eq!(planned.plan.secrets[0].places, ["the environment", "/p/.env"]);
    planned.assert_hides(STRIPE);
}

#[test]
fn a_value_that_only_a_file_binds_is_bound_everywhere() {
    let planned = Case::default()
        .variable("SOMETHING_SECRET", "opaque-value-1234")
        .dotenv("/p/.env", "STRIPE_KEY=opaque-value-1234\n")
        .plan();
    assert_eq!(planned.plan.secrets.len(), 1);
    assert!(planned.hosts("STRIPE_KEY").contains(&"api.stripe.com".to_owned()));
    assert_eq!(planned.value("SOMETHING_SECRET"), planned.placeholder("STRIPE_KEY"));
}

#[test]
fn different_values_of_one_name_are_two_secrets() {
    let planned = Case::default()
        .variable("STRIPE_KEY", STRIPE)
        .dotenv("/p/.env", "STRIPE_KEY=sk_live_another0123456789\n")
        .plan();
    assert_eq!(planned.named("/p/.env"), "STRIPE_KEY=<STRIPE_KEY.2>\n");
    assert_eq!(planned.bindings.len(), 2);
    assert_eq!(planned.bindings[1].secret.as_str(), "STRIPE_KEY.2");
}

#[test]
fn dotenv_files_keep_everything_but_secrets() {
    let text = format!(
        "# Stripe, old: STRIPE_KEY=sk_live_oldoldoldoldold42\r\n\
         export STRIPE_KEY=\"{STRIPE}\"   # do not share\r\n\
         PORT=3000\r\n\
         DATABASE_URL='postgres://ann:p4ssw0rd-p4ss@db/app'\r\n\
         AUTH_HEADER=\"Bearer ${{STRIPE_KEY}}\"\r\n\
         API_KEY=${{RAW:-fallback-9876543210}}\r\n\
         RAW=rawvalue-1234567890\r\n\
         OTHER_TOKEN=${{RAW}}\r\n\
         PRIVATE_KEY=\"-----BEGIN PRIVATE KEY-----\r\nMIIEvQIBADANBg\r\n-----END PRIVATE KEY-----\"\r\n\
         EMPTY=\r\n\
         GREETING='hello # world'"
    );
    let planned = Case::default().dotenv("/p/.env", &text).plan();
    assert_eq!(
        planned.named("/p/.env"),
        "# Stripe, old: STRIPE_KEY=<STRIPE_KEY.2>\r\n\
         export STRIPE_KEY=\"<STRIPE_KEY>\"   # do not share\r\n\
         PORT=3000\r\n\
         DATABASE_URL='postgres://ann:<DATABASE_URL>@db/app'\r\n\
         AUTH_HEADER=\"Bearer ${STRIPE_KEY}\"\r\n\
         API_KEY=${RAW:-<API_KEY>}\r\n\
         RAW=<RAW>\r\n\
         OTHER_TOKEN=${RAW}\r\n\
         PRIVATE_KEY=\"<PRIVATE_KEY>\r\n\r\n\"\r\n\
         EMPTY=\r\n\
         GREETING='hello # world'"
    );
    assert!(planned.hosts("STRIPE_KEY.2").is_empty(), "an old key in a comment is never used");
}

#[test]
fn a_key_that_lost_its_quotes_is_hidden_line_by_line() {
    let text = "KEY_PEM=-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nQ2hpY2tlbg==\n-----END PRIVATE KEY-----\nA=b\n";
    let planned = Case::default().dotenv("/p/.env", text).plan();
    for line in ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "Q2hpY2tlbg"] {
        planned.assert_hides(line);
    }
    assert!(planned.masked("/p/.env").ends_with("A=b\n"), "{}", planned.masked("/p/.env"));
    assert_eq!(planned.masked("/p/.env").lines().count(), 5);
}

#[test]
fn what_cannot_be_read_for_sure_is_hidden_whole() {
    let planned = Case::default()
        .dotenv("/p/.env", "A=b\nSTRIPE_KEY='sk_live_open0123456789\n")
        .dotenv("/p/.env.utf16", "\u{0}A=b")
        .json("/p/.mcp.json", "x", &[("/**", None, Judge::ByName, Form::Plain)], "{ broken")
        .found("/p/.env.fifo", None, Content::Unreadable)
        .found("/p/.ssh", None, Content::Directory)
        .plan();
    for path in ["/p/.env", "/p/.env.utf16", "/p/.mcp.json", "/p/.env.fifo"] {
        assert_eq!(planned.masked(path), "(empty)", "{path}");
    }
    assert_eq!(planned.masked("/p/.ssh"), "(no entries)");
    assert_eq!(planned.plan.warnings.len(), 4, "{:?}", planned.plan.warnings);
    planned.assert_hides("sk_live_open0123456789");
}

#[test]
fn files_without_secrets_stay() {
    let planned =
        Case::default().dotenv("/p/.env", "PORT=3000\n# a comment\n").found("/p/id_rsa", None, Content::Unread).plan();
    assert_eq!(planned.masked("/p/.env"), "(not masked)");
    assert_eq!(planned.masked("/p/id_rsa"), "(empty)");
}

#[test]
fn every_name_of_a_masked_file_is_masked_and_an_unseen_one_refused() {
    let mut case = Case::default().dotenv("/p/.env", "STRIPE_KEY=sk_live_0123456789abcdef\n");
    case.findings.found[0].aliases = vec!["/p/copy".into(), "/mnt/p/.env".into()];
    let planned = case.plan();
    assert_eq!(planned.masked("/p/copy"), planned.masked("/p/.env"));
    assert_eq!(planned.masked("/mnt/p/.env"), planned.masked("/p/.env"));

    let mut case = Case::default().dotenv("/p/.env", "STRIPE_KEY=sk_live_0123456789abcdef\n");
    case.findings.found[0].unseen_links = 1;
    let error = case.try_plan().err().unwrap();
    assert_eq!(error.to_string(), "`/p/.env`: has 2 hard links, and only 1 could be found");
    assert!(error.hint().unwrap().contains("-samefile"));

    let mut case = Case::default().dotenv("/p/.env", "PORT=1\n");
    case.findings.found[0].unseen_links = 1;
    assert!(case.try_plan().is_ok(), "without a secret there is nothing to refuse");
}

#[test]
fn the_command_line_must_not_hold_a_known_value() {
    let mut case = Case::default().variable("STRIPE_KEY", STRIPE);
    case.arguments = vec!["curl".into(), format!("-uu:{STRIPE}").into()];
    let error = case.try_plan().err().unwrap();
    assert_eq!(error.to_string(), "argument 1 of the command holds the value of `STRIPE_KEY`");
    assert!(error.hint().unwrap().contains("$STRIPE_KEY") && !error.hint().unwrap().contains(STRIPE));

    let mut case = Case::default().variable("MY_PASSWORD", "production").variable("PIN_CODE_SECRET", "1234567");
    case.arguments = vec!["deploy".into(), "production".into(), "1234567".into()];
    assert!(case.try_plan().is_ok(), "plain and short values may stand anywhere");

    let mut case = Case::default();
    case.arguments = vec!["grep".into(), GITHUB.into()];
    let planned = case.plan();
    assert!(planned.plan.warnings[0].starts_with("argument 1 of the command holds what looks like a GitHub"));
}

#[test]
fn flags_decide_over_rules() {
    let flag = |name: &str, flag: &str| Sourced { value: name.into(), origin: Origin::Flag { flag: flag.into() } };
    let mut case = Case::default()
        .variable("STRIPE_KEY", STRIPE)
        .variable("INNOCENT", "looks harmless")
        .dotenv("/p/.env", &format!("STRIPE_KEY={STRIPE}\nINNOCENT=another one\n"));
    case.policy.keep.push(flag("STRIPE_KEY", "--keep STRIPE_KEY"));
    case.policy.scrub.push(flag("INNOCENT", "--scrub INNOCENT"));
    let planned = case.plan();
    assert_eq!(planned.value("STRIPE_KEY"), STRIPE);
    assert_eq!(planned.value("INNOCENT"), planned.placeholder("INNOCENT"));
    assert_eq!(planned.named("/p/.env"), format!("STRIPE_KEY={STRIPE}\nINNOCENT=<INNOCENT.2>\n"));
    assert_eq!(planned.plan.variables[0].reason, "you asked to keep it");
}

#[test]
fn a_credential_is_given_under_the_names_that_its_clients_read() {
    let planned = Case::default()
        .variable("OPENAI_API_KEY", "sk-proj-abcdefghijklmnopqrstuvwxyz")
        .variable("CODEX_API_KEY", "")
        .plan();
    assert_eq!(planned.value("CODEX_API_KEY"), planned.placeholder("OPENAI_API_KEY"));
    assert_eq!(planned.environment.iter().filter(|(name, _)| name == "CODEX_API_KEY").count(), 1);

    let planned = Case::default()
        .variable("OPENAI_API_KEY", "sk-proj-abcdefghijklmnopqrstuvwxyz")
        .json("/h/.codex/auth.json", "codex-login", &[], "{}")
        .plan();
    assert_eq!(planned.value("CODEX_API_KEY"), "(unset)");
}

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
        "flags": {"args": ["--api-key=AbCdEf0123456789", "--verbose"]},
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
    for hidden in [GITHUB, "sw0rdfish-4711", "opaque-value-0815", "AbCdEf0123456789"] {
        planned.assert_hides(hidden);
    }
}

#[test]
fn guards_give_way_to_masks() {
    let mut case = Case::default().dotenv("/p/.env", "STRIPE_KEY=sk_live_0123456789abcdef\n");
    case.findings.guarded = vec!["/p/.env".into(), "/p/.git/hooks".into()];
    assert_eq!(case.plan().plan.guarded, [PathBuf::from("/p/.git/hooks")]);
}

fn any_secret() -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9+/=_.-]{10,38}[0-9][A-Z]"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_secret_is_visible_wherever_it_stands(
        secrets in proptest::collection::vec(any_secret(), 1..4),
        quote in prop_oneof![Just(""), Just("'"), Just("\"")],
        filler in "[ -!#-&(-~]{0,20}",
    ) {
        let mut case = Case::default();
        let mut text = String::new();
        for (index, secret) in secrets.iter().enumerate() {
            case = case.variable(&format!("TOKEN_{index}"), secret).variable(&format!("TEXT_{index}"), &format!("{filler}{secret}"));
            text.push_str(&format!("# was {secret}\nSECRET_{index}={quote}{secret}{quote}\nCOPY={quote}x-{secret}{quote}\n{filler}\n"));
        }
        let planned = case.dotenv("/p/.env", &text).plan();
        for secret in &secrets {
            prop_assert!(memchr::memmem::find(&planned.visible(), secret.as_bytes()).is_none(), "{} in {:?}", secret, planned.masked("/p/.env"));
        }
        let names: BTreeMap<_, _> = planned.environment.iter().cloned().collect();
        prop_assert_eq!(names.len(), planned.environment.len());
    }
}
