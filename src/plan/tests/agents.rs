//! Agents as they are shipped: what they are told in a seal, and how their own files read to them.

use super::*;
use crate::policy::{Action, file_rules};

impl Case {
    fn command(mut self, line: &str) -> Self {
        self.arguments = line.split(' ').map(OsString::from).collect();
        self
    }

    /// A file of the home, rendered as the shipped rules say.
    fn home(self, path: &str, text: &str) -> Self {
        let entry = file_rules().home.iter().find(|entry| entry.path == path).unwrap();
        let Action::Render(render) = &entry.action else { panic!("{path} is hidden") };
        let mut case = self.found(&format!("/h/{path}"), Some(render.clone()), bytes(text));
        let found = case.findings.found.last_mut().unwrap();
        (found.id, found.realm) = (entry.id.clone(), Realm::Home);
        case
    }
}

fn line(planned: &Planned) -> String {
    planned.arguments.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_argument_is_put_before_the_agents_own_and_shown() {
    const OFF: &str = "-c sandbox_mode=\"danger-full-access\"";
    for (line_of, expected) in [
        ("codex exec x", format!("codex {OFF} exec x")),
        ("npx -y @openai/codex exec", format!("npx -y @openai/codex {OFF} exec")),
        ("npm exec @openai/codex", format!("npm exec @openai/codex -- {OFF}")),
        ("codex --sandbox=read-only", "codex --sandbox=read-only".into()),
        ("codex exec --yolo x", "codex exec --yolo x".into()),
        ("codex exec -- --yolo", format!("codex {OFF} exec -- --yolo")),
        ("echo codex", "echo codex".into()),
    ] {
        let planned = Case::default().command(line_of).plan();
        assert_eq!(line(&planned), expected, "{line_of}");
        assert_eq!(planned.plan.arguments, planned.arguments);
    }
    let planned = Case::default().command("codex").plan();
    let text = crate::report::explain(&planned.plan);
    for shown in ["agent      Codex [policies/agents/codex.toml]", "put into the command line, for Codex", OFF] {
        let shown = shown.replace(OFF, "-c 'sandbox_mode=\"danger-full-access\"'; its own sandbox needs");
        assert!(text.contains(&shown), "{shown} in\n{text}");
    }
}

#[test]
fn a_variable_is_set_over_the_users_own_and_shown() {
    let planned = Case::default().variable("GEMINI_SANDBOX", "docker").command("gemini").plan();
    assert_eq!(planned.value("GEMINI_SANDBOX"), "false");
    let set = Decision::Set { value: "false".into() };
    let plans: Vec<_> = planned.plan.variables.iter().filter(|variable| variable.name == "GEMINI_SANDBOX").collect();
    assert!(plans.len() == 1 && plans[0].decision == set && plans[0].reason.contains("Gemini CLI"), "{plans:?}");
    let planned = Case::default().variable("GEMINI_SANDBOX", "docker").command("make").plan();
    assert_eq!(planned.value("GEMINI_SANDBOX"), "docker");
}

#[test]
fn without_a_seal_an_agent_keeps_its_own_sandbox() {
    let mut case = Case::default().command("codex exec");
    case.policy.isolation.value = Isolation::None;
    let planned = case.plan();
    assert_eq!(line(&planned), "codex exec");
    assert_eq!(planned.plan.agent.unwrap().id, "codex");
}

#[test]
fn settings_lose_what_would_win_over_the_run() {
    let text = format!(
        r#"{{"env":{{"ANTHROPIC_API_KEY":"{ANTHROPIC}","HTTPS_PROXY":"http://corp:3128","NODE_EXTRA_CA_CERTS":"/x","EDITOR":"vi"}},"sandbox":{{"enabled":true,"network":{{"enabled":true}}}},"apiKeyHelper":"~/key.sh","HTTPS_PROXY":"x"}}"#
    );
    let planned = Case::default().home(".claude/settings.json", &text).plan();
    assert_eq!(
        planned.named("/h/.claude/settings.json"),
        r#"{"env":{"ANTHROPIC_API_KEY":"<ANTHROPIC_API_KEY>","AGENTSECRETS_OVERRULED_HTTPS_PROXY":"http://corp:3128","AGENTSECRETS_OVERRULED_NODE_EXTRA_CA_CERTS":"/x","EDITOR":"vi"},"sandbox":{"enabled":false,"network":{"enabled":true}},"apiKeyHelper":"~/key.sh","HTTPS_PROXY":"x"}"#
    );
    assert!(planned.hosts("ANTHROPIC_API_KEY").contains(&"api.anthropic.com".to_owned()));
    let said = planned.plan.warnings.join("\n");
    assert!(
        said.contains("`HTTPS_PROXY` in it is the run's own") && said.contains("`apiKeyHelper` in it runs"),
        "{said}"
    );
    let planned = Case::default().home(".codex/.env", "A=b\nexport HTTPS_PROXY='http://corp:3128' # x\n").plan();
    let expected = "A=b\nexport AGENTSECRETS_OVERRULED_HTTPS_PROXY='http://corp:3128' # x\n";
    assert_eq!(planned.named("/h/.codex/.env"), expected);
    // What a project's own settings say is told to others as well, and changes nothing.
    let planned = Case::default().dotenv("/p/.env", "HTTPS_PROXY=http://corp:3128\n").plan();
    assert_eq!(planned.masked("/p/.env"), "(not masked)");
}

#[test]
fn a_gateway_in_the_users_settings_gets_the_key_and_one_in_the_projects_does_not() {
    let text = r#"{"env":{"ANTHROPIC_BASE_URL":"https://gateway.example/v1"}}"#;
    let planned = Case::default().variable("ANTHROPIC_API_KEY", ANTHROPIC).home(".claude/settings.json", text).plan();
    assert!(planned.hosts("ANTHROPIC_API_KEY").contains(&"gateway.example".to_owned()));
    let mut case = Case::default().variable("ANTHROPIC_API_KEY", ANTHROPIC).home(".claude/settings.json", text);
    case.findings.found[0].realm = Realm::Project;
    assert!(!case.plan().hosts("ANTHROPIC_API_KEY").contains(&"gateway.example".to_owned()));
}

#[test]
fn an_approved_key_is_an_approved_placeholder() {
    let end = |text: &str| text[text.len() - 20..].to_owned();
    let text = format!(
        r#"{{"customApiKeyResponses":{{"approved":["{}","another-key-s-ending"],"rejected":[]}}}}"#,
        end(ANTHROPIC)
    );
    let planned = Case::default().variable("ANTHROPIC_API_KEY", ANTHROPIC).home(".claude.json", &text).plan();
    let masked: serde_json::Value = serde_json::from_str(&planned.masked("/h/.claude.json")).unwrap();
    let approved = &masked["customApiKeyResponses"]["approved"];
    assert_eq!(approved[0], end(&planned.placeholder("ANTHROPIC_API_KEY")).as_str());
    assert_eq!(approved[1], "another-key-s-ending");
    planned.assert_hides(&end(ANTHROPIC));
}

#[test]
fn logins_of_every_agent_are_bound_and_never_expire() {
    let google = "ya29.REALREALREALREALREALREAL";
    let file =
        format!(r#"{{"access_token":"{google}","refresh_token":"1//REFRESHREFRESH","expiry_date":4000000000001}}"#);
    let planned = Case::default().home(".gemini/oauth_creds.json", &file).plan();
    assert!(planned.hosts("GOOGLE_CLOUD_ACCESS_TOKEN").contains(&"cloudcode-pa.googleapis.com".to_owned()));
    assert!(planned.masked("/h/.gemini/oauth_creds.json").contains("4000000000000"));
    planned.assert_hides("REALREAL");
    planned.assert_hides("REFRESHREFRESH");

    let file = r#"{"access_token":"QwenREALREALREALREAL0","refresh_token":"QwenREFRESHREFRESH0","expiry_date":1}"#;
    let planned = Case::default().home(".qwen/oauth_creds.json", file).plan();
    assert_eq!(planned.hosts("QWEN_OAUTH_TOKEN"), ["portal.qwen.ai"]);
    planned.assert_hides("REALREAL");
    planned.assert_hides("REFRESHREFRESH");

    let file = format!(
        r#"{{"anthropic":{{"type":"api","key":"{ANTHROPIC}"}},"github-copilot":{{"type":"oauth","refresh":"{GITHUB}","access":"tid=REALREALREAL0","expires":1}},"odd":{{"type":"api","key":"ODDKEYODDKEYODDKEY0"}}}}"#
    );
    let planned = Case::default().home(".local/share/opencode/auth.json", &file).plan();
    assert!(planned.hosts("ANTHROPIC_API_KEY").contains(&"api.anthropic.com".to_owned()));
    assert!(planned.hosts("GH_TOKEN").contains(&"api.githubcopilot.com".to_owned()));
    for value in [ANTHROPIC, GITHUB, "REALREALREAL", "ODDKEYODDKEY"] {
        planned.assert_hides(value);
    }
    let masked = planned.masked("/h/.local/share/opencode/auth.json");
    assert!(masked.contains(r#""type":"oauth""#) && masked.contains(r#""expires":4000000000}"#), "{masked}");

    let file = format!(r#"{{"copilot_tokens":{{"https://github.com:ann":"{GITHUB}"}}}}"#);
    let planned = Case::default().home(".copilot/config.json", &file).plan();
    planned.assert_hides(GITHUB);
    assert!(planned.plan.secrets.iter().any(|secret| secret.hosts.len() > 5), "{:?}", planned.plan.secrets);
}
