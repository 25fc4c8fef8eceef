//! Bodies and streams: at once, whole or as an error, of any length, and given up when the other side gives up.

use std::time::{Duration, SystemTime};

use crate::support::upstream::Event;
use crate::support::{Run, Running, Upstream, fresh_key};

const HOST: &str = "api.openai.com";
const BEARER: &str = "-H \"Authorization: Bearer $OPENAI_API_KEY\"";

fn run(upstream: &Upstream, script: &str) -> Run {
    Run::new().secret("OPENAI_API_KEY", &fresh_key("sk-proj-")).upstream(upstream).shell(script)
}

#[test]
fn each_event_reaches_the_child_before_the_next_is_sent() {
    for version in ["--http1.1", "--http2"] {
        let upstream = Upstream::start([HOST]);
        let events = upstream.events("talk");
        let script = format!("curl {version} --silent --no-buffer {BEARER} https://{HOST}/test/events/talk");
        let running = run(&upstream, &script).start();
        for number in 0..50 {
            let text = format!("event {number}.");
            events.send(Event::Data(text.clone())).unwrap();
            running.wait_for(&text);
        }
        drop(events);
        running.finish().succeeded();
    }
}

#[test]
fn an_event_whose_end_could_begin_a_secret_is_not_held_back() {
    let upstream = Upstream::start([HOST]);
    let events = upstream.events("talk");
    let running = run(&upstream, &format!("curl -sN {BEARER} https://{HOST}/test/events/talk")).start();
    // Every key of this service begins so, and a tool call may well end so.
    for text in ["sk-pro", "sk-", "s"] {
        events.send(Event::Data(format!("the prefix is {text}"))).unwrap();
        running.wait_for(&format!("the prefix is {text}\n\n"));
    }
    drop(events);
    running.finish().succeeded();
}

#[test]
fn a_body_that_breaks_off_is_an_error_at_the_child() {
    let upstream = Upstream::start([HOST]);
    for version in ["--http1.1", "--http2"] {
        for path in ["cut/length", "cut/chunked", "reset"] {
            let script = format!(
                "curl {version} --silent --fail {BEARER} https://{HOST}/test/{path} >/dev/null; echo status $?"
            );
            let finished = run(&upstream, &script).run().succeeded();
            assert!(!finished.stdout().contains("status 0\n"), "{version} {path} went unnoticed");
        }
    }
}

#[test]
fn an_event_stream_that_breaks_off_is_an_error_at_the_child() {
    let upstream = Upstream::start([HOST]);
    for version in ["--http1.1", "--http2"] {
        let events = upstream.events("talk");
        let script = format!("curl {version} -sN {BEARER} https://{HOST}/test/events/talk; echo status $?");
        let running = run(&upstream, &script).start();
        events.send(Event::Data("only".into())).unwrap();
        running.wait_for("only");
        events.send(Event::Break).unwrap();
        let finished = running.finish().succeeded();
        assert!(finished.stdout().contains("status ") && !finished.stdout().contains("status 0\n"), "{version}");
    }
}

/// The child closes its connection, and notes the time just before.
const LEAVER: &str = "
import socket, ssl, sys, time
connection = socket.create_connection(('api.openai.com', 443))
connection = ssl.create_default_context().wrap_socket(connection, server_hostname='api.openai.com')
connection.sendall(b'GET ' + sys.argv[1].encode() + b' HTTP/1.1\\r\\nHost: api.openai.com\\r\\n\\r\\n')
sys.stdin.readline()
print(time.time(), flush=True)
connection.close()
sys.stdin.readline()
";

#[test]
fn a_request_that_the_child_gives_up_is_given_up_upstream_within_100_ms() {
    let upstream = Upstream::start([HOST]);
    let run = Run::new().secret("OPENAI_API_KEY", &fresh_key("sk-proj-")).upstream(&upstream).input("");
    let mut running = run.args(["/usr/bin/python3", "-c", LEAVER, "/test/hang/here"]).start();
    upstream.wait("the request", |seen| (seen.path() == "/test/hang/here").then_some(()));
    running.write(b"leave\n");
    let noticed = upstream.wait("the cancellation", |seen| seen.cancelled);
    running.wait_for("\n");
    let left = running.stdout().trim().parse::<f64>().unwrap();
    let left = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(left);
    let delay = noticed.duration_since(left).unwrap_or_default();
    assert!(delay < Duration::from_millis(100), "noticed after {delay:?}");
    running.finish().succeeded();
}

#[test]
fn trailers_reach_the_child() {
    let upstream = Upstream::start([HOST]);
    for version in ["--http1.1", "--http2"] {
        let script = format!("curl {version} -si {BEARER} -H 'TE: trailers' https://{HOST}/test/trailers");
        let finished = run(&upstream, &script).run().succeeded();
        assert!(finished.stdout().contains("onetwo"), "{}", finished.stdout());
        assert!(finished.stdout().contains("grpc-status: 0"), "{version}: {}", finished.stdout());
    }
}

#[test]
fn uploads_of_every_framing_arrive_as_they_were_sent() {
    let upstream = Upstream::start([HOST]);
    let framings = [
        ("length, with Expect", "--http1.1 --data-binary @data -H 'Expect: 100-continue'"),
        ("chunked", "--http1.1 -X POST -H 'Transfer-Encoding: chunked' --data-binary @data"),
        ("streamed", "--http1.1 -T - < data"),
        ("h2", "--http2 --data-binary @data"),
        ("h2, streamed", "--http2 -T - < data"),
    ];
    for (name, framing) in framings {
        let script = format!(
            "head -c 3000000 /dev/urandom > data; sha256sum < data
             curl -sS {BEARER} https://{HOST}/test/upload {framing}"
        );
        let finished = run(&upstream, &script).run().succeeded();
        let said = finished.stdout();
        let digest = said.split_whitespace().next().unwrap();
        assert!(said.contains(&format!("{{\"bytes\":3000000,\"sha256\":\"{digest}\"}}")), "{name}: {said}");
    }
}

/// The parent's peak of resident memory, in KiB.
fn peak_memory(running: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_gibibyte_up_and_down_passes_in_little_memory() {
    let upstream = Upstream::start([HOST]);
    upstream.forget_requests();
    let size: u64 = 1 << 30;
    for version in ["--http1.1", "--http2"] {
        let script = format!(
            "curl {version} -sS {BEARER} https://{HOST}/test/download/{size} | wc -c
             head -c {size} /dev/zero | curl {version} -sS {BEARER} -T - https://{HOST}/test/upload; echo; echo both; read x"
        );
        let running = run(&upstream, &script).input("").start();
        running.wait_long_for("both");
        let said = running.stdout();
        assert!(said.starts_with(&format!("{size}\n{{\"bytes\":{size},")), "{said}");
        let peak = peak_memory(&running);
        assert!(peak < 64 << 10, "{version}: the parent's peak was {peak} KiB");
        running.finish();
    }
}
