//! `policy show`, `policy check`, `policy test`: what holds, where it comes from, and what it says of a request.

use crate::support::{Run, fresh_key};

const USER: &str = "[secrets.STRIPE_KEY]\nrules = [\"GET /v1/**\", \"POST /v1/charges\"]\n\
                    [secrets.BILLING]\nsource = { command = [\"/bin/false\"] }\nhosts = [\"billing.example:8443\"]\n";

fn policy(words: &[&str]) -> Run {
    let run = Run::new().verb(["policy"]).config_file("config.toml", USER);
    run.secret("STRIPE_KEY", &fresh_key("sk_live_")).flags(words)
}

#[test]
fn requests_are_judged_and_nothing_is_sent_or_fetched() {
    for (words, decision, said) in [
        (&["GET", "https://api.stripe.com/v1/balance"][..], "allow", "rule `GET /v1/**`"),
        (&["POST", "https://api.stripe.com/v1/charges"], "allow", "rule `POST /v1/charges`"),
        (&["DELETE", "https://api.stripe.com/v1/charges/1"], "deny", "none of the 2 rules covers"),
        (&["GET", "https://api.stripe.com/v1/../admin"], "deny", "none of the 2 rules covers"),
        (&["GET", "https://evil.example/v1/balance"], "deny", "bound to `api.stripe.com"),
        (&["GET", "http://api.stripe.com/v1/balance"], "deny", "bound to `api.stripe.com"),
    ] {
        let all = ["test"].iter().chain(words).chain(&["--secret", "STRIPE_KEY"]).copied().collect::<Vec<_>>();
        let run = policy(&all).run().ended_with(i32::from(decision == "deny"));
        assert!(run.stdout().starts_with(decision) && run.stdout().contains(said), "{words:?}: {}", run.stdout());
        assert!(run.changed().is_empty(), "{:?}", run.changed());
    }
    // The source of this one fails, and is not asked.
    let run =
        policy(&["test", "GET", "https://billing.example:8443/", "--secret", "BILLING", "--json"]).run().succeeded();
    let judged: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
    assert_eq!(judged["decision"], "allow");
    assert!(judged["rules"][0].as_str().unwrap().contains("config.toml:3"), "{judged}");
    let run = policy(&["test", "GET", "https://any.example/"]).run().succeeded();
    assert!(run.stdout().contains("requests may go to `any.example:443`"), "{}", run.stdout());
    policy(&["test", "GET", "https://any.example:22/"]).run().ended_with(1);
    policy(&["test", "GET", "https://10.0.0.1:8443/", "--secret", "ABSENT"]).run().ended_with(125);
    policy(&["test", "GET", "nonsense"]).run().ended_with(2);
}

#[test]
fn a_project_narrows_what_is_shown_and_tested() {
    let narrow = "[secrets.STRIPE_KEY]\nrules = [\"GET /v1/balance\"]\n";
    let run = policy(&["test", "GET", "https://api.stripe.com/v1/charges", "--secret", "STRIPE_KEY"]);
    let run = run.project_file("agentsecrets.toml", narrow).run().ended_with(1);
    assert!(run.stdout().contains("none of the 1 rules of the project"), "{}", run.stdout());
    let run = policy(&["show", "--origin"]).project_file("agentsecrets.toml", narrow).run().succeeded();
    let shown = run.stdout();
    assert!(shown.contains("here only for GET /v1/balance") && shown.contains("config.toml:1"), "{shown}");
    assert!(shown.contains("from command /bin/false, to billing.example:8443"), "{shown}");
    let run = policy(&["check"]).project_file("agentsecrets.toml", narrow).run().succeeded();
    assert_eq!(run.stdout().lines().count(), 2, "{}", run.stdout());
    for (text, said) in [
        ("[egres]\n", "agentsecrets.toml:1:"),
        ("workspace = \"x\"\n", "a project file cannot"),
        ("[secrets.STRIPE_KEY]\nhosts = [\"evil.example\"]\n", "a project file cannot"),
        ("[egress", "agentsecrets.toml:1:"),
    ] {
        let run = policy(&["check"]).project_file("agentsecrets.toml", text).run().ended_with(125);
        assert!(run.stderr().contains(said), "{text}: {}", run.stderr());
    }
}
