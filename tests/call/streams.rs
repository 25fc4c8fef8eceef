//! Answers as they come, bodies of any length, statuses, tries, patience.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::{STRIPE, call};
use crate::support::upstream::Event;
use crate::support::{Upstream, fresh_key};

#[test]
fn events_show_as_they_come() {
    let upstream = Upstream::start(["api.stripe.com"]);
    let events = upstream.events("talk");
    let run = call(&upstream, &format!("{STRIPE}/test/events/talk")).secret("STRIPE_KEY", &fresh_key("sk_live_"));
    let running = run.flags(["--bearer", "STRIPE_KEY"]).start();
    for number in 0..20 {
        events.send(Event::Data(format!("event {number}."))).unwrap();
        running.wait_for(&format!("event {number}.\n\n"));
    }
    drop(events);
    running.finish().succeeded();
}

#[test]
fn large_bodies_go_both_ways_in_flat_memory() {
    const LENGTH: u64 = 1 << 30;
    let upstream = Upstream::start(["api.stripe.com"]);
    upstream.forget_requests();
    let run = call(&upstream, &format!("{STRIPE}/test/download/{LENGTH}")).secret("STRIPE_KEY", &fresh_key("sk_live_"));
    let peak = peak(run.flags(["--bearer", "STRIPE_KEY", "-o", "/dev/null"]));
    assert!(peak < 64 << 10, "{peak} KiB for a download");
    let run = call(&upstream, &format!("{STRIPE}/test/upload")).secret("STRIPE_KEY", &fresh_key("sk_live_"));
    let file = run.world().project().join("large");
    fs::File::create(&file).unwrap().set_len(LENGTH).unwrap();
    let peak = self::peak(run.flag("--data-file").flag(&file).flags(["--bearer", "STRIPE_KEY", "-o", "/dev/null"]));
    assert!(peak < 64 << 10, "{peak} KiB for an upload");
}

/// The most memory that a call held, in KiB.
fn peak(run: crate::support::Run) -> u64 {
    let (mut command, _world) = run.into_parts();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = number.unwrap_or(peak);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success() && peak > 0);
            return peak;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn standard_input_is_streamed() {
    let upstream = Upstream::start(["api.stripe.com"]);
    let run = call(&upstream, &format!("{STRIPE}/test/upload")).secret("STRIPE_KEY", &fresh_key("sk_live_"));
    let run = run.flags(["--bearer", "STRIPE_KEY", "--data-file", "-"]).input(vec![b'x'; 3 << 20]).run().succeeded();
    assert!(run.stdout().contains("\"bytes\":3145728"), "{}", run.stdout());
    let seen = upstream.only("/test/upload");
    assert!(seen.body_complete && seen.header("content-type") == Some("application/octet-stream"));
}

#[test]
fn a_broken_answer_is_an_error() {
    let upstream = Upstream::start(["api.stripe.com"]);
    for path in ["cut/length", "cut/chunked"] {
        let run = call(&upstream, &format!("{STRIPE}/test/{path}")).secret("STRIPE_KEY", &fresh_key("sk_live_"));
        let run = run.flags(["--bearer", "STRIPE_KEY"]).run().ended_with(125);
        assert!(run.stderr().contains("broken off"), "{}", run.stderr());
    }
}

#[test]
fn a_compressed_echo_is_read_and_one_that_cannot_be_is_not_shown() {
    let upstream = Upstream::start(["api.stripe.com"]);
    let ask = |path: &str| {
        let run =
            call(&upstream, &format!("{STRIPE}/test/compressed/{path}")).secret("STRIPE_KEY", &fresh_key("sk_live_"));
        run.flags(["--bearer", "STRIPE_KEY", "-H", "Accept-Encoding: gzip"]).run()
    };
    assert!(ask("gzip").succeeded().stdout().contains("authorization: Bearer {STRIPE_KEY}\n"));
    assert!(ask("x-mine").ended_with(125).stderr().contains("content-encoding `unknown`"));
    assert!(ask("cut/gzip").ended_with(125).stderr().contains("broken off"));
    assert_eq!(upstream.only("/test/compressed/gzip").header("accept-encoding"), Some("identity"));
}

#[test]
fn statuses_are_the_exit_codes_of_curl() {
    let upstream = Upstream::start(["api.stripe.com"]);
    for (status, words, code) in [
        (201, &["--fail"][..], 0),
        (404, &[], 0),
        (404, &["--fail"], 22),
        (500, &["-f", "-i"], 22),
        (300, &["--fail"], 0),
    ] {
        let run = call(&upstream, &format!("{STRIPE}/test/status/{status}")).flags(words).run().ended_with(code);
        assert!(code == 0 || run.stdout().is_empty());
    }
}

#[test]
fn tries_again_as_often_as_told_and_no_longer_than_told() {
    let upstream = Upstream::start(["api.stripe.com"]);
    call(&upstream, &format!("{STRIPE}/test/status/503")).flags(["--retry", "1", "--fail"]).run().ended_with(22);
    assert_eq!(upstream.requests(), 2);
    call(&upstream, &format!("{STRIPE}/test/status/404")).flags(["--retry", "1", "--fail"]).run().ended_with(22);
    assert_eq!(upstream.requests(), 3);
    let begun = Instant::now();
    let run = call(&upstream, &format!("{STRIPE}/test/hang")).flags(["--timeout", "0.5"]).run().ended_with(125);
    assert!(run.stderr().contains("0.5 seconds") && begun.elapsed() < Duration::from_secs(10), "{}", run.stderr());
}

#[test]
fn a_refused_call_leaves_the_output_file_alone() {
    let upstream = Upstream::start(["api.stripe.com"]);
    let run = call(&upstream, "https://api.stripe.com/test/ok").project_file("out", "before").flags(["-o", "out"]);
    let run = run.flags(["--bearer", "ABSENT"]).run().ended_with(125);
    assert_eq!(fs::read_to_string(run.world().project().join("out")).unwrap(), "before");
    let run = call(&upstream, "https://api.stripe.com/test/ok").project_file("out", "before and long");
    let run = run.flags(["-o", "out"]).run().succeeded();
    assert_eq!(fs::read_to_string(run.world().project().join("out")).unwrap(), "ok");
    let run = call(&upstream, "https://api.stripe.com/test/ok").flags(["-o", "/nowhere/out"]).run().ended_with(125);
    assert!(run.stderr().contains("`/nowhere/out`: cannot write it"), "{}", run.stderr());
    let run = call(&upstream, "https://api.stripe.com/test/download/100000").flags(["-o", "/dev/full"]).run();
    assert!(run.ended_with(125).stderr().contains("No space left"));
}
