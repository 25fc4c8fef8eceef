//! Wrong words, URLs, pointers, files and filters: a status, a sentence, and nothing sent.

use super::call;
use crate::support::{Run, Upstream, fresh_key};

/// Each row: the flags besides `--url`, the exit status, what is said.
const BAD: &[(&[&str], i32, &str)] = &[
    (&["--bearer", ""], 2, "name of a secret"),
    (&["--bearer", "a b"], 2, "name of a secret"),
    (&["--bearer", "A", "--basic", "B"], 2, "cannot be used with"),
    (&["--basic", "a:b:C"], 2, "neither colon"),
    (&["--inject-header", "X-Key"], 2, "NAME=KEY"),
    (&["--inject-header", "Host=A"], 2, "frames or routes"),
    (&["--inject-header", "Content-Length=A"], 2, "frames or routes"),
    (&["--inject-header", "X Y=A"], 2, "name of a header"),
    (&["--query", "=A"], 2, "NAME=KEY"),
    (&["--cookie", "a;b=A"], 2, "name of a cookie"),
    (&["--json-field", "a=A"], 2, "JSON pointer"),
    (&["--json-field", "/~x=A"], 2, "JSON pointer"),
    (&["--json-field", "/a=A", "--form-field", "a=A"], 2, "cannot be used with"),
    (&["--json", "{}", "--form-field", "a=A"], 2, "the body is JSON"),
    (&["--json", "{}", "-d", "a"], 2, "cannot be used with"),
    (&["-d", "a", "--data-file", "b"], 2, "cannot be used with"),
    (&["--header", "X"], 2, "Name: value"),
    (&["--header", "Transfer-Encoding: chunked"], 2, "frames or routes"),
    (&["--header", "range: bytes=0-5", "--bearer", "STRIPE_KEY"], 2, "ask for the whole"),
    (&["--method", "A B"], 2, "--method"),
    (&["--method", "CONNECT"], 2, "--method"),
    (&["--timeout=-1"], 2, "--timeout"),
    (&["--timeout", "soon"], 2, "above 0"),
    (&["--retry", "21"], 2, "--retry"),
    (&["--retry", "1", "--data-file", "-"], 2, "only once"),
    (&["--connect-to", "x"], 2, "--connect-to"),
    (&["--workspace", "a/b"], 2, "is not a workspace name"),
    (&["--workspace", "absent"], 125, "there is no workspace `absent`"),
    (&["--upstream-ca", "absent.pem"], 125, "absent.pem"),
    (&["--upstream-ca", "/dev/null"], 125, "no certificate"),
    (&["--data-file", "absent"], 125, "`absent`: cannot read it"),
    (&["--data-file", "/"], 125, ""),
    (&["--json", "{", "--json-field", "/a=STRIPE_KEY"], 125, "the body is not JSON"),
    (&["--json", "[1]", "--json-field", "/5=STRIPE_KEY"], 125, "no place for `/5`"),
    (&["--json", "{\"a\":1,\"a\":2}", "--json-field", "/a=STRIPE_KEY"], 125, "twice"),
    (&["--json", "1", "--json-field", "/a=STRIPE_KEY"], 125, "no place for `/a`"),
    (&["--output", "/absent/file", "--bearer", "ABSENT"], 125, "no secret `ABSENT`"),
];

#[test]
fn bad_input_is_told_and_nothing_is_sent() {
    let upstream = Upstream::start(["api.stripe.com"]);
    for (words, code, said) in BAD {
        let run = call(&upstream, "https://api.stripe.com/test/ok").secret("STRIPE_KEY", &fresh_key("sk_live_"));
        let run = run.flags(*words).run().ended_with(*code);
        assert!(run.stderr().contains(said), "{words:?}: {}", run.stderr());
        assert_eq!(run.stdout(), "", "{words:?}");
    }
    assert_eq!(upstream.requests(), 0);
}

#[test]
fn bad_filters_are_told() {
    for (words, said) in [
        (&["show", "--since", "yesterday"][..], "--since"),
        (&["show", "--status", "40"], "--status"),
        (&["list", "--status", "0xx"], "--status"),
        (&["stats", "--since=-1h"], "--since"),
    ] {
        let run = Run::new().verb(["log"]).flags(words).run().ended_with(2);
        assert!(run.stderr().contains(said), "{words:?}: {}", run.stderr());
    }
    let run = Run::new().verb(["log"]).flags(["follow", "absent"]).run().ended_with(125);
    assert!(run.stderr().contains("no run's id begins with `absent`"), "{}", run.stderr());
}
