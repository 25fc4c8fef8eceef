//! Variables and the command line.

use super::*;

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
fn settings_of_git_are_judged_by_what_they_set() {
    for (setting, value, expected) in [
        ("safe.directory", "*", "kept"),
        ("Core.AutoCRLF", "input", "kept"),
        ("http.https://git.example/.extraheader", "X-Own: 0123456789abcdef", "hidden"),
        ("credential.helper", "!echo password=0123456789abcdef", "hidden"),
        ("user.email", GITHUB, "brokered"),
    ] {
        let case = Case::default().variable("GIT_CONFIG_COUNT", "1").variable("GIT_CONFIG_KEY_0", setting);
        let planned = case.variable("GIT_CONFIG_VALUE_0", value).plan();
        let decisions = serde_json::to_value(&planned.plan.variables).unwrap();
        let decided: Vec<&str> = (0..3).map(|index| decisions[index]["decision"].as_str().unwrap()).collect();
        assert_eq!(decided, ["kept", "kept", expected], "{setting}={value}");
    }
    // One whose setting is not named, or that the user has hidden.
    let planned =
        Case::default().variable("GIT_CONFIG_KEY_1", "safe.directory").variable("GIT_CONFIG_VALUE_0", "/p").plan();
    assert_eq!(serde_json::to_value(&planned.plan.variables[1]).unwrap()["decision"], "hidden");
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
fn the_command_line_must_not_hold_a_known_value() {
    let mut case = Case::default().variable("STRIPE_KEY", STRIPE);
    case.arguments = vec!["curl".into(), format!("-uu:{STRIPE}").into()];
    let error = case.try_plan().err().unwrap();
    assert_eq!(error.to_string(), "argument 1 of the command holds the value of `STRIPE_KEY`");
    assert!(error.hint().unwrap().contains("$STRIPE_KEY") && !error.hint().unwrap().contains(STRIPE));

    let mut case = Case::default().variable("MY_PASSWORD", "production").variable("PIN_CODE_SECRET", "1234567");
    case.arguments = vec!["deploy".into(), "production".into(), "1234567".into()];
    assert!(case.try_plan().is_ok(), "plain and short values may stand anywhere");

    let planned = Case { arguments: vec!["grep".into(), GITHUB.into()], ..Case::default() }.plan();
    assert!(planned.plan.warnings[0].starts_with("argument 1 of the command holds what looks like a GitHub"));
    assert_eq!(planned.plan.arguments, ["grep", "[redacted]"]);
}

#[test]
fn a_server_that_the_user_names_is_a_target_and_one_that_a_file_names_is_none() {
    let planned = Case::default()
        .variable("ANTHROPIC_API_KEY", ANTHROPIC)
        .variable("ANTHROPIC_BASE_URL", "https://gateway.example/v1")
        .dotenv("/p/.env", "ANTHROPIC_API_URL=https://elsewhere.example/\n")
        .plan();
    let hosts = planned.hosts("ANTHROPIC_API_KEY");
    assert!(
        hosts.contains(&"gateway.example".to_owned()) && !hosts.contains(&"elsewhere.example".to_owned()),
        "{hosts:?}"
    );
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
