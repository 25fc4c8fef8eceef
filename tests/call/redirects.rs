//! Redirects: followed only when asked, and with a value only to where it may go.

use super::{STRIPE, call};
use crate::support::{Run, Upstream, fresh_key};

fn start() -> Upstream {
    Upstream::start(["api.stripe.com", "files.stripe.com", "evil.example"])
}

fn to(upstream: &Upstream, status: u16, target: &str, key: &str) -> Run {
    call(upstream, &format!("{STRIPE}/test/redirect/{status}?to={target}")).secret("STRIPE_KEY", key)
}

#[test]
fn a_redirect_is_an_answer_unless_it_is_to_be_followed() {
    for status in [301, 302, 303, 307, 308] {
        let upstream = start();
        let run = to(&upstream, status, "https://evil.example/test/ok", &fresh_key("sk_live_"));
        let run = run.flags(["--bearer", "STRIPE_KEY", "-i"]).run().succeeded();
        assert!(run.stdout().contains(&format!(" {status}\r\n")), "{}", run.stdout());
        assert_eq!(upstream.requests(), 1);
    }
}

#[test]
fn a_value_stays_behind_where_the_target_is_not_bound_to_it() {
    for status in [301, 302, 303, 307, 308] {
        let upstream = start();
        let key = fresh_key("sk_live_");
        let run = to(&upstream, status, "https://evil.example/test/echo", &key);
        let words = ["-L", "--bearer", "STRIPE_KEY", "--cookie", "s=STRIPE_KEY", "-H", "X-Own: 1"];
        let run = run.flags(words).run().succeeded();
        let seen = upstream.only("/test/echo");
        assert_eq!(
            (seen.header("authorization"), seen.header("cookie"), seen.header("x-own")),
            (None, None, Some("1"))
        );
        assert!(!format!("{seen:?}").contains(&key));
        assert!(run.stderr().contains("`STRIPE_KEY` was not sent on to `evil.example:443`"), "{}", run.stderr());
    }
}

#[test]
fn a_value_goes_along_to_a_target_that_is_bound_to_it() {
    for (status, method) in [(302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")] {
        let upstream = start();
        let key = fresh_key("sk_live_");
        let policy = "[secrets.STRIPE_KEY]\nhosts = [\"api.stripe.com\", \"files.stripe.com\"]\n";
        let run = to(&upstream, status, "https://files.stripe.com/test/echo", &key).config_file("config.toml", policy);
        run.flags(["-L", "--bearer", "STRIPE_KEY", "-d", "a=b"]).run().succeeded();
        let seen = upstream.only("/test/echo");
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {key}").as_str()));
        assert_eq!((seen.method.as_str(), seen.text().as_str()), (method, if method == "POST" { "a=b" } else { "" }));
    }
}

#[test]
fn a_body_with_a_value_is_never_sent_on_to_another_target() {
    for status in [307, 308] {
        let upstream = start();
        let run = to(&upstream, status, "https://evil.example/test/echo", &fresh_key("sk_live_"));
        let run = run.flags(["-L", "--json-field", "/key=STRIPE_KEY"]).run().ended_with(125);
        assert!(run.stderr().contains("the body holds `STRIPE_KEY`"), "{}", run.stderr());
        assert_eq!(upstream.requests(), 1);
    }
}

#[test]
fn a_redirect_to_plaintext_takes_no_value_along_and_circles_end() {
    let upstream = start();
    let key = fresh_key("sk_live_");
    let run = to(&upstream, 307, "http://api.stripe.com/test/echo", &key);
    run.flags(["-L", "--bearer", "STRIPE_KEY"]).run().succeeded();
    assert_eq!(upstream.only("/test/echo").header("authorization"), None);
    let run = call(&upstream, &format!("{STRIPE}/test/redirect/302?to=?to=x")).flags(["-L"]).run().ended_with(125);
    assert!(run.stderr().contains("in circles"), "{}", run.stderr());
}
