//! Every byte passes as it is, in order and whole, however fast one side writes and however slowly the other reads.

use std::time::Duration;

use super::LEVELS;
use crate::support::Run;
use crate::support::console::{Console, Session};
use crate::support::hex;

fn digest(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

/// Bytes of every value without any order.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}

fn quiet(level: &str) -> Run {
    Run::at(level).unobserved().flag("--quiet")
}

#[test]
fn a_paste_of_a_megabyte_arrives_whole() {
    for (session, level) in [
        (Session::Leader, "sealed"),
        (Session::Without, "sealed"),
        (Session::Leader, "guarded"),
        (Session::Without, "guarded"),
    ] {
        let run = quiet(level).shell("stty raw -echo; echo up; head -c 1048576 | sha256sum; stty sane");
        let console = Console::start(run, session, "\"$W\"");
        console.wait_for("up");
        let paste = noise(1 << 20);
        console.write(&paste).wait_for(&digest(&paste));
        assert_eq!(console.finish().0, 0, "{session:?} {level}");
    }
}

/// As an editor gets it: in lines, echoed, with the line discipline at work. Of the echo only the beginning is sure: with a
/// bare terminal, too, the kernel drops what finds its echo buffer full.
#[test]
fn a_paste_of_lines_arrives_whole_and_is_echoed() {
    let run = quiet("sealed").shell("echo up; head -n 20000 | sha256sum");
    let console = Console::start(run, Session::Leader, "\"$W\"");
    console.wait_for("up\r\n");
    let lines: Vec<String> = (0..20_000).map(|number| format!("{number} a line that somebody pastes here\n")).collect();
    let paste = lines.concat();
    console.write(paste.as_bytes()).wait_for(&digest(paste.as_bytes()));
    let (status, text) = console.finish();
    assert_eq!(status, 0);
    assert!(text.contains(&paste[..500].replace('\n', "\r\n")), "nothing was echoed");
}

#[test]
fn what_is_shown_to_a_slow_reader_is_whole() {
    let bytes = noise(3 << 20);
    for level in LEVELS {
        let run =
            quiet(level).project_file("noise", &bytes).shell("stty raw; cat noise; stty sane; echo; echo the end");
        let console = Console::start_slow(run, Session::Leader, "\"$W\"", Duration::from_micros(200));
        console.wait_for("the end");
        let shown = console.shown();
        assert!(memchr::memmem::find(&shown, &bytes).is_some(), "{} bytes came, not those that were sent", shown.len());
        assert_eq!(console.finish().0, 0);
    }
}

/// What the command wrote before its end is shown before anything that we say, and before our end.
#[test]
fn the_last_words_are_shown_before_ours() {
    for level in LEVELS {
        let run = Run::at(level).unobserved().shell("seq 60000; printf 'last words'");
        let console = Console::start(run, Session::Leader, "\"$W\"");
        let (status, text) = console.finish();
        assert_eq!(status, 0);
        let (before, after) = text.split_once("60000\r\nlast words").expect("the command's output is not whole");
        assert!(before.contains("\r\n59999\r\n"));
        assert!(
            before.contains("agentsecrets:") && after.contains("agentsecrets:"),
            "banner and summary stand around it"
        );
    }
}
