//! Each place where a value can be put, as the upstream saw it; nothing of it comes back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{STRIPE, call};
use crate::support::place;
use crate::support::{Upstream, fresh_key};

#[test]
fn each_place_gets_the_value_and_the_answer_shows_none() {
    for protocols in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let upstream = Upstream::with_protocols(["api.stripe.com"], protocols);
        let key = fresh_key("sk_live_");
        let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
        let rows: [(&[&str], &str, String); 5] = [
            (&["--bearer", "STRIPE_KEY"], "authorization", format!("Bearer {key}")),
            (&["--basic", "STRIPE_KEY"], "authorization", basic(format!("{key}:"))),
            (&["--basic", "me:STRIPE_KEY"], "authorization", basic(format!("me:{key}"))),
            (&["--inject-header", "X-API-Key=STRIPE_KEY"], "x-api-key", key.clone()),
            (&["--cookie", "sid=STRIPE_KEY", "-H", "Cookie: a=b"], "cookie", format!("a=b; sid={key}")),
        ];
        for (words, header, wanted) in rows {
            let before = upstream.seen().len();
            let run = call(&upstream, &format!("{STRIPE}/test/echo")).secret("STRIPE_KEY", &key).flags(words).run();
            let run = run.succeeded();
            assert_eq!(upstream.seen()[before].header(header), Some(wanted.as_str()), "{words:?}");
            // Basic is encoded, and so is what stands for it.
            assert!(words[0] == "--basic" || run.stdout().contains("{STRIPE_KEY}"), "{words:?}: {}", run.stdout());
            let decision = &run.audit_of("decision")[0];
            assert_eq!((&decision["decision"], &decision["host"]), (&"injected".into(), &"api.stripe.com".into()));
            assert_eq!(run.audit_of("end")[0]["status"], 200);
            assert_eq!(run.audit_of("fetch")[0]["source"], "env");
        }
        assert!(upstream.seen().iter().all(|seen| seen.version.ends_with(if protocols.len() == 2 {
            "2.0"
        } else {
            "1.1"
        })));
    }
}

#[test]
fn queries_and_bodies_get_the_value_encoded_for_their_place() {
    let upstream = Upstream::start(["api.stripe.com"]);
    let key = "sk_live_4242&42=4 2\"42\\ü";
    let encoded = "sk_live_4242%2642%3D4%202%2242%5C%C3%BC";
    let send = |words: &[&str]| {
        let before = upstream.seen().len();
        let run = call(&upstream, &format!("{STRIPE}/test/echo?Kept=1%2f")).secret("STRIPE_KEY", key).flags(words);
        let run = run.run().succeeded();
        (upstream.seen().swap_remove(before), run)
    };
    let (seen, run) = send(&["--query", "API_Key=STRIPE_KEY"]);
    assert_eq!(seen.target, format!("/test/echo?Kept=1%2f&API_Key={encoded}"));
    // The log names the parameters and has no value.
    let path = run.audit_of("decision")[0]["path"].as_str().unwrap().to_owned();
    assert!(path.contains("API_Key") && !path.contains("4242"), "{path}");
    let (seen, _) = send(&["-d", "a=1", "-d", "b=2", "--form-field", "Card[number]=STRIPE_KEY"]);
    assert_eq!(seen.text(), format!("a=1&b=2&Card%5Bnumber%5D={encoded}"));
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    let json = r#" {"amount" : 1.000e+02, "big":12345678901234567890, "auth":{"list":[1, 2]} } "#;
    let (seen, _) = send(&["--json", json, "--json-field", "/auth/list/1=STRIPE_KEY"]);
    assert_eq!(
        seen.text(),
        " {\"amount\" : 1.000e+02, \"big\":12345678901234567890, \"auth\":{\"list\":[1, \"sk_live_4242&42=4 2\\\"42\\\\ü\"]} } "
    );
    assert_eq!(
        (seen.method.as_str(), seen.header("content-type"), seen.header("accept")),
        ("POST", Some("application/json"), Some("application/json"))
    );
    assert_eq!(seen.header("content-length").map(str::to_owned), Some(seen.body.len().to_string()));
    let (seen, _) = send(&["--json-field", "/a=STRIPE_KEY", "-X", "PUT"]);
    assert!(seen.method == "PUT" && seen.text().starts_with("{\"a\":\"sk_live_"));
}

#[test]
fn two_secrets_go_each_to_its_place() {
    let upstream = Upstream::start(["api.example.com"]);
    let (one, two) = (fresh_key("first-"), fresh_key("second-"));
    let policy = "[secrets.ONE]\nsource = \"env\"\nhosts = [\"api.example.com\"]\n\
                  [secrets.TWO]\nsource = { env = \"ELSEWHERE\" }\nhosts = [\"*.example.com\"]\n";
    let run = call(&upstream, "https://api.example.com/test/echo")
        .secret("ONE", &one)
        .secret("ELSEWHERE", &two)
        .config_file("workspaces/default.toml", policy)
        .flags(["--query", "one=ONE", "--query", "two=TWO", "--inject-header", "X-Two=TWO", "-i"])
        .run()
        .succeeded();
    let seen = upstream.only("/test/echo");
    assert_eq!(seen.target, format!("/test/echo?one={one}&two={two}"));
    assert_eq!(seen.header("x-two"), Some(two.as_str()));
    let decision = &run.audit_of("decision")[0];
    assert_eq!(decision["secrets"].as_array().unwrap().len(), 3, "{decision}");
    assert!(run.stdout().starts_with("HTTP/2.0 200\r\n") && run.stdout().contains("x-echo-x-two: {TWO}"));
}

#[test]
fn works_as_every_user_and_without_any_input() {
    for user in place::users() {
        let key = fresh_key("sk_live_");
        let upstream = Upstream::start(["api.stripe.com"]).accepting("api.stripe.com", &key);
        let run = call(&upstream, &format!("{STRIPE}/v1/balance")).secret("STRIPE_KEY", &key).user(*user);
        let run = run.flags(["--bearer", "STRIPE_KEY"]).run().succeeded();
        assert!(run.stdout().contains("4242") && run.stderr().is_empty(), "{}", run.stderr());
    }
}
