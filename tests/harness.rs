//! The harness itself: the upstream answered to plain curl, a leak planted in each place is found, and a figure beyond its
//! limit fails.

use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use base64::Engine;

use crate::support::deadline::PATIENCE;
use crate::support::leak::Needle;
use crate::support::upstream::Event;
use crate::support::{Run, Upstream, apart, fresh_key, place};
use figure::{Figure, Verdict, settled};

#[path = "bench/figure.rs"]
#[allow(dead_code, reason = "the measurements use all of it")]
mod figure;

/// curl without any product between, sent to the upstream for every host.
fn curl(upstream: &Upstream, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--cacert"]).arg(upstream.authority());
    command.args(["--connect-to", &format!("::127.0.0.1:{}", upstream.address().port())]).args(arguments);
    let output = command.env_remove("HTTPS_PROXY").env_remove("https_proxy").output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_upstream_answers_and_records() {
    let upstream = Upstream::start(["example.com"]);
    let page =
        curl(&upstream, &["--http1.1", "-H", "X-Mark: one", "-d", "the body", "https://example.com/test/echo?a=b"]);
    assert!(page.contains("x-mark: one\n") && page.ends_with("\nthe body"), "{page}");
    let page = curl(&upstream, &["--http2", "-i", "-H", "X-Mark: two", "https://other.example/test/echo"]);
    assert!(page.starts_with("HTTP/2 200") && page.contains("x-echo-x-mark: two"), "{page}");
    let seen = upstream.seen();
    assert_eq!(seen[0].target, "/test/echo?a=b");
    assert_eq!((seen[0].version.as_str(), seen[1].version.as_str()), ("HTTP/1.1", "HTTP/2.0"));
    assert_eq!((seen[0].server_name.as_str(), seen[1].server_name.as_str()), ("example.com", "other.example"));
    assert_eq!((seen[0].text().as_str(), seen[0].body_complete), ("the body", true));
    assert_eq!(upstream.connections(), 2);
    assert!(upstream.wait_idle());
}

#[test]
fn the_upstream_misbehaves_as_asked() {
    let upstream = Upstream::start(["example.com"]);
    for version in ["--http1.1", "--http2"] {
        for path in ["cut/length", "cut/chunked", "reset"] {
            let page = curl(&upstream, &[version, &format!("https://example.com/test/{path}")]);
            assert!(page.contains("curl: ("), "{version} {path}: {page}");
        }
    }
    let size =
        curl(&upstream, &["-o", "/dev/null", "-w", "%{size_download}", "https://example.com/test/download/3000000"]);
    assert_eq!(size, "3000000");
}

#[test]
fn a_client_that_leaves_is_noticed() {
    let upstream = Upstream::start(["example.com"]);
    for version in ["--http1.1", "--http2"] {
        let page =
            curl(&upstream, &[version, "--max-time", "0.3", &format!("https://example.com/test/hang/{version}")]);
        assert!(page.contains("curl: (28)"), "{page}");
        upstream.wait("the cancellation", |seen| {
            (seen.target.ends_with(version) && seen.cancelled.is_some()).then_some(())
        });
    }
    curl(&upstream, &["https://example.com/test/ok"]);
    curl(&upstream, &["https://example.com/test/download/300000", "-o", "/dev/null"]);
    assert!(upstream.wait_idle());
    for path in ["/test/ok", "/test/download/300000"] {
        assert!(upstream.only(path).cancelled.is_none(), "{path} came whole");
    }
}

#[test]
fn events_come_when_the_test_sends_them() {
    let upstream = Upstream::start(["example.com"]);
    let events = upstream.events("one");
    for text in ["first", "second"] {
        events.send(Event::Data(text.into())).unwrap();
    }
    drop(events);
    assert_eq!(curl(&upstream, &["https://example.com/test/events/one"]), "data: first\n\ndata: second\n\n");
}

#[test]
fn services_accept_their_own_key_alone() {
    let key = fresh_key("sk-");
    let upstream = Upstream::start(["api.openai.com"]).accepting("api.openai.com", &key);
    let ask = |header: &str| {
        curl(&upstream, &["-H", header, "-d", r#"{"stream":true}"#, "https://api.openai.com/v1/chat/completions"])
    };
    assert!(ask(&format!("Authorization: Bearer {key}")).contains("[DONE]"));
    assert!(ask("Authorization: Bearer sk-wrong").contains("wrong key"));
}

#[test]
fn git_clones_from_the_upstream() {
    let key = fresh_key("ghp_");
    let upstream = Upstream::start(["github.com"]).accepting("github.com", &key);
    let repository = upstream.repository("owner/name.git", &[("README", "hello\n")]);
    assert!(repository.join("HEAD").is_file());
    let page = curl(&upstream, &["https://github.com/owner/name.git/info/refs?service=git-upload-pack"]);
    assert_eq!(page, "credentials, please");
    let user = format!("x-access-token:{key}");
    let url = "https://github.com/owner/name.git/info/refs?service=git-upload-pack";
    assert!(curl(&upstream, &["--user", &user, "--output", "-", url]).contains("# service=git-upload-pack"));
}

#[test]
fn every_form_of_a_secret_is_found_with_anything_around_it() {
    let value = b"a\"b/c+d e~f\xc3\xa9g-0123456789";
    let needle = Needle::new("X", value);
    assert!(needle.forms().len() >= 12, "{:?}", needle.forms());
    for (form, bytes) in needle.forms() {
        let text = [b"before ".as_slice(), bytes, b" after"].concat();
        assert!(needle.find_in(&text).is_some(), "{form}");
        let cut = [b"before ".as_slice(), &bytes[1..], b" after"].concat();
        assert!(needle.find_in(&cut).is_none(), "{form}");
    }
    for shift in 0..6 {
        for engine in [&base64::prelude::BASE64_STANDARD, &base64::prelude::BASE64_URL_SAFE] {
            let text = engine.encode([&b"Basic!"[..shift], value, &b"~~~~"[..shift % 4]].concat());
            assert!(needle.find_in(text.as_bytes()).is_some(), "{shift}: {text}");
        }
    }
}

/// Runs a stand-in that behaves badly, and gives what the check says of it.
fn verdict(key: &str, script: &str) -> Result<(), String> {
    let run = Run::new().secret("OPENAI_API_KEY", key).stand_in(script).unobserved().args(["true"]);
    let result = catch_unwind(AssertUnwindSafe(|| run.run()));
    result.map(drop).map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
}

#[test]
fn a_leak_planted_anywhere_fails_the_run() {
    let key = fresh_key("sk-proj-");
    let plants = [
        ("stdout", "printf %s \"$OPENAI_API_KEY\""),
        ("stderr", "printf %s \"$OPENAI_API_KEY\" >&2"),
        ("stdout", "printf x%s \"$OPENAI_API_KEY\" | base64 -w0"),
        ("stdout", "printf %s \"$OPENAI_API_KEY\" | od -An -tx1 | tr -d ' \\n'"),
        ("state/agentsecrets/runs/1.jsonl", "cd ../state; mkdir -p agentsecrets/runs; env > agentsecrets/runs/1.jsonl"),
        ("project/notes", "env > notes"),
        ("project/.environment-of-the-child", "cat /proc/self/environ > .environment-of-the-child"),
        ("home/.cache/x", "mkdir ~/.cache; env > ~/.cache/x"),
        ("temporary/x", "env > ../temporary/x"),
        ("the name project/", "touch -- \"$OPENAI_API_KEY\""),
    ];
    for (place, script) in plants {
        let said = verdict(&key, script).unwrap_err();
        assert!(said.contains("leaked") && said.contains(place), "{script}: {said}");
    }
    assert_eq!(verdict(&key, "echo harmless; echo harmless > notes"), Ok(()));
    // What the test itself has put there is no leak, as long as the run leaves it alone.
    let kept = Run::new().secret("KEY", &key).dotenv(&format!("KEY={key}\n")).stand_in("true").unobserved().args(["x"]);
    kept.run().succeeded();
}

#[test]
fn a_run_in_progress_can_be_watched_and_ended() {
    let mut running =
        Run::new().stand_in("read line; echo got $line; exec tail -f /dev/null").unobserved().input("").start();
    running.write(b"word\n");
    running.wait_for("got word");
    assert!(!running.has_ended());
    running.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(running.wait(PATIENCE).is_some());
    assert_eq!(running.finish().signal(), Some(15));
}

#[test]
fn the_probe_writes_its_environment_down_and_becomes_the_command() {
    let run = Run::new().secret("OPENAI_API_KEY", &fresh_key("sk-")).variable("HARMLESS", "two words");
    // The stand-in takes the key away and starts what stands behind its `--`.
    let run = run.stand_in("unset OPENAI_API_KEY; while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"");
    let finished = run.shell("echo as itself; kill -USR1 $$").run();
    assert_eq!((finished.stdout().as_str(), finished.signal()), ("as itself\n", Some(10)));
    assert_eq!(finished.child_variable("HARMLESS").as_deref(), Some("two words"));
    assert_eq!(finished.child_variable("OPENAI_API_KEY"), None);
}

#[test]
fn a_place_apart_reaches_its_upstream_and_nothing_else() {
    let upstream = Upstream::start(["api.example.com"]);
    let folder = place::folder("apart");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hidden = listener.local_addr().unwrap();
    let script = format!(
        "{} /bin/sh -c 'curl -sS --cacert {} https://api.example.com/test/ok; echo \" $?\"
        for other in https://other.example http://{} http://{hidden} http://192.0.2.1; do
            curl -s --max-time 20 $other; echo $?; done; id -u'",
        apart::words(folder.path(), &upstream),
        upstream.authority().display(),
        upstream.plain_address()
    );
    let output = Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
    // Its exit statuses 6 and 7: no such name, no connection.
    let user = nix::unistd::geteuid();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("ok 0\n6\n7\n7\n7\n{user}\n"), "{output:?}");
}

#[test]
fn a_figure_beyond_its_limit_fails_and_one_beyond_its_budget_is_missed() {
    let most = |value| Figure::at_most("", value, "", 10.0);
    let least = |value| Figure::at_least("", value, "", 10.0);
    for (figure, verdict) in [
        (most(10.0), Verdict::Met),
        (most(10.1), Verdict::Missed),
        (most(20.0), Verdict::Missed),
        (most(20.1), Verdict::Failed),
        (most(10.1).strictly(), Verdict::Failed),
        (most(30.0).within(3.0), Verdict::Missed),
        (most(f64::NAN), Verdict::Failed),
        (least(10.0), Verdict::Met),
        (least(9.9), Verdict::Missed),
        (least(5.0), Verdict::Missed),
        (least(4.9), Verdict::Failed),
        (least(9.9).strictly(), Verdict::Failed),
        (least(f64::NAN), Verdict::Failed),
        (Figure::told("", 1e9, ""), Verdict::Told),
    ] {
        assert_eq!(figure.verdict(), verdict, "{figure}");
    }
}

/// The verdicts of what was measured thrice: first, second and third take.
fn verdict_of(values: [f64; 3], check: bool) -> (Verdict, usize) {
    let mut takes = 0;
    let figures = settled(check, || {
        takes += 1;
        vec![Figure::at_most("", values[takes - 1], "", 10.0)]
    });
    (figures[0].verdict(), takes)
}

#[test]
fn only_what_is_beyond_its_limit_every_time_fails() {
    assert_eq!(verdict_of([15.0, 5.0, 5.0], true), (Verdict::Missed, 1));
    assert_eq!(verdict_of([25.0, 15.0, 5.0], true), (Verdict::Missed, 2));
    assert_eq!(verdict_of([25.0, f64::NAN, 15.0], true), (Verdict::Missed, 3));
    assert_eq!(verdict_of([f64::NAN, 25.0, 30.0], true), (Verdict::Failed, 3));
    assert_eq!(verdict_of([25.0, 5.0, 5.0], false), (Verdict::Failed, 1));
}
