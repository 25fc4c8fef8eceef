//! Places that a binding opts in to: the value goes there at the bound host, and nowhere else.

use crate::support::upstream::Seen;
use crate::support::{Finished, Run, Upstream, fresh_key};

const HOST: &str = "api.places.example";
const POLICY: &str = r#"
[secrets.PLACED]
source = "env"
hosts = ["api.places.example"]
inject = [{ query = "key" }, { cookie = "sid" }, { json = "/auth/key" }, { form = "client_secret" }]
"#;

/// Runs `script`, in which `ask` is curl with the bound host's URL as its last word.
fn run(script: &str) -> (Finished, Upstream, String, String) {
    let key = fresh_key("placed-");
    let upstream = Upstream::start([HOST]);
    let script = format!(
        "ask() {{ curl --silent --show-error \"$@\"; }}; J='Content-Type: application/json'; P=$PLACED; U=https://{HOST}/test/echo\n{script}"
    );
    let run = Run::new().secret("PLACED", &key).config_file("config.toml", POLICY).upstream(&upstream);
    let finished = run.shell(&script).run().succeeded();
    let placeholder = finished.child_variable("PLACED").unwrap();
    (finished, upstream, key, placeholder)
}

fn holds(seen: &Seen, key: &str) -> bool {
    seen.target.contains(key) || seen.text().contains(key) || format!("{:?}", seen.headers).contains(key)
}

#[test]
fn each_place_gets_the_value_over_both_protocols_and_framings() {
    let (finished, upstream, key, placeholder) = run(
        "for version in --http1.1 --http2; do for framing in 'X-Framing: length' 'Transfer-Encoding: chunked'; do
           ask $version -H \"$framing\" -d a=b \"$U?a=1%2f&key=$P&b=2\"
           ask $version -H \"$framing\" -H \"Cookie: a=b; sid=$P; c=d\" -d a=b $U
           ask $version -H \"$framing\" -H \"$J\" -d \"{ \\\"n\\\": 1.00e2, \\\"auth\\\" : {\\\"key\\\":\\\"$P\\\"} }\" $U
           ask $version -H \"$framing\" -d \"a=%41&client_secret=$P&b=+\" $U
           ask $version -H \"$framing\" -H \"$J\" -H 'Expect: 100-continue' -d \"{\\\"auth\\\":{\\\"key\\\":\\\"$P\\\"}}\" $U
         done; done",
    );
    let all = upstream.seen();
    assert_eq!(all.len(), 20);
    for five in all.chunks(5) {
        assert_eq!(five[0].target, format!("/test/echo?a=1%2f&key={key}&b=2"));
        assert_eq!(five[1].header("cookie"), Some(format!("a=b; sid={key}; c=d").as_str()));
        assert_eq!(five[2].text(), format!("{{ \"n\": 1.00e2, \"auth\" : {{\"key\":\"{key}\"}} }}"));
        assert_eq!(five[3].text(), format!("a=%41&client_secret={key}&b=+"));
        assert_eq!(five[4].text(), format!("{{\"auth\":{{\"key\":\"{key}\"}}}}"));
        for seen in &five[2..] {
            assert_eq!(seen.header("content-length"), Some(seen.body.len().to_string().as_str()), "{seen:?}");
        }
    }
    assert!(finished.stdout().contains(&placeholder), "what came back is the placeholder");
    let decisions = finished.audit_of("decision");
    for place in ["query key", "cookie sid", "JSON field /auth/key", "form field client_secret"] {
        assert!(decisions.iter().any(|decision| decision["placements"][0] == place), "{place}: {decisions:?}");
    }
}

#[test]
fn a_placeholder_anywhere_else_stays_one() {
    let (_, upstream, key, placeholder) = run("for version in --http1.1 --http2; do
           ask $version -H \"$J\" -d \"{\\\"prompt\\\":\\\"$P\\\",\\\"auth\\\":{\\\"kez\\\":\\\"$P\\\"}}\" $U
           ask $version -H \"$J\" -d \"{\\\"auth\\\":{\\\"key\\\":\\\"x $P\\\"}}\" $U
           ask $version -H \"$J\" -d \"{\\\"auth\\\":{\\\"key\\\":\\\"$P\\\",\\\"key\\\":1}}\" $U
           ask $version -H \"$J\" -d \"{\\\"auth\\\":{\\\"key\\\":\\\"$P\\\"},\\\"auth\\\":{}}\" $U
           ask $version -H \"$J\" -d \"{\\\"auth\\\":{\\\"key\\\":\\\"$P\\\"}\" $U
           ask $version -H \"$J; charset=utf-16\" -d \"{\\\"auth\\\":{\\\"key\\\":\\\"$P\\\"}}\" $U
           ask $version -H \"$J\" -H 'Content-Encoding: gzip' -d \"{\\\"auth\\\":{\\\"key\\\":\\\"$P\\\"}}\" $U
           ask $version -H 'Content-Type: text/plain' -d \"client_secret=$P\" $U
           ask $version -d \"client_secretx=$P&x=client_secret=$P\" \"$U?kez=$P&x=$P\"
           ask $version -H \"Cookie: sidx=$P; x=$P\" -H \"Authorization: Bearer $P\" $U
         done");
    assert_eq!(upstream.seen().len(), 20);
    for seen in upstream.seen() {
        assert!(!holds(&seen, &key) && holds(&seen, &placeholder), "{seen:?}");
    }
}

#[test]
fn another_host_gets_the_placeholder_and_a_huge_body_is_refused() {
    let key = fresh_key("placed-");
    let upstream = Upstream::start([HOST, "other.example"]);
    let run = Run::new().secret("PLACED", &key).config_file("config.toml", POLICY).upstream(&upstream);
    let script = format!(
        "curl --silent --insecure -d \"client_secret=$PLACED\" \"https://other.example/test/ok?key=$PLACED\"; echo
         head -c 5000000 /dev/zero | tr '\\0' x > big
         for version in --http1.1 --http2; do for framing in 'X-Framing: length' 'Transfer-Encoding: chunked'; do
           curl --silent --output answer --write-out '%{{http_code}}\\n' $version -H \"$framing\" -d @big https://{HOST}/test/echo
         done; done; cat answer"
    );
    let finished = run.shell(&script).run().succeeded();
    assert!(finished.stdout().starts_with("ok\n413\n413\n413\n413\n"), "{}", finished.stdout());
    assert!(finished.stdout().contains("body_too_large"));
    let seen = upstream.seen();
    assert!(seen.len() == 1 && !holds(&seen[0], &key), "{seen:?}");
    assert!(finished.audit_of("decision").iter().filter(|decision| decision["rule"] == "body_too_large").count() == 4);
}
