//! `log` over real logs, broken logs and what is no log.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::audit::{Decision, Outcome, Sink, Start, Verdict};

fn run_id(time: &str) -> RunId {
    RunId::mint(time.parse::<Timestamp>().unwrap()).unwrap()
}

fn begin(runs: &Path, run: &RunId) -> Sink {
    let start = Start { command: "cl\u{1b}[2Jaude".into(), project: "/p".into(), level: "sealed".into() };
    Sink::create(runs, run, start).unwrap()
}

/// A closed run of two requests, the second refused.
fn complete(runs: &Path, time: &str) -> RunId {
    let run = run_id(time);
    let sink = begin(runs, &run);
    let decision = Decision {
        secrets: vec!["KEY".into()],
        placements: vec!["header x-api-key".into()],
        method: "POST".into(),
        scheme: "https".into(),
        host: "api.example".into(),
        port: 443,
        path: "/v1/messages".into(),
        verdict: Verdict::Injected,
        ..Decision::default()
    };
    let ticket = sink.decision(decision.clone()).unwrap();
    let outcome = Outcome {
        status: Some(200),
        redactions: [("KEY".to_owned(), [("base64".to_owned(), 1), ("raw".to_owned(), 1)].into())].into(),
        first_byte: Some(Duration::from_millis(3)),
        ..Outcome::default()
    };
    sink.end(ticket, outcome).unwrap();
    let refused = Decision { host: "evil\u{202e}.example".into(), port: 8443, verdict: Verdict::Refused, ..decision };
    drop(sink.decision(Decision { secrets: vec![], placements: vec![], ..refused }).unwrap());
    sink.close(Some(7)).unwrap();
    run
}

fn of(run: impl Into<String>) -> Filter {
    filter(|options| options.run = Some(run.into()))
}

/// The filter of a command line.
fn filter(edit: impl FnOnce(&mut crate::cli::FilterOptions)) -> Filter {
    let mut options = crate::cli::FilterOptions::default();
    edit(&mut options);
    Filter::new(options, Timestamp::now(), &TimeZone::UTC).unwrap()
}

fn ask(request: &Request, runs: &Path) -> (Exit, String) {
    let mut output = Vec::new();
    let exit = log(request, runs, &mut output).unwrap();
    (exit, String::from_utf8(output).unwrap())
}

fn verify_all(runs: &Path) -> (Exit, String) {
    ask(&Request::Verify { run: None, json: false }, runs)
}

#[test]
fn lists_runs_by_age_with_what_became_of_them() {
    let place = tempfile::tempdir().unwrap();
    let newer = complete(place.path(), "2026-11-03T10:15:31Z");
    let older = run_id("2026-11-03T10:15:30Z");
    let running = begin(place.path(), &older);
    std::fs::write(place.path().join("notes.txt"), "not a log").unwrap();

    let (exit, text) = ask(&Request::List { filter: Filter::default(), json: false }, place.path());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((exit, lines.len()), (Exit::Success, 3));
    assert!(lines[1].starts_with(older.as_str()) && lines[1].contains("running"), "{text}");
    assert!(lines[2].starts_with(newer.as_str()) && lines[2].contains("complete"), "{text}");
    assert!(lines[2].ends_with("cl\\u{1b}[2Jaude") && !text.contains('\u{1b}'), "{text}");

    let (_, text) = ask(&Request::List { filter: Filter::default(), json: true }, place.path());
    let objects: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&objects[0]["run"], &objects[0]["state"]), (&older.as_str().into(), &"running".into()));
    assert_eq!(
        (&objects[1]["requests"], &objects[1]["refused"], &objects[1]["exit"]),
        (&2.into(), &1.into(), &7.into())
    );

    drop(running);
    assert!(ask(&Request::List { filter: Filter::default(), json: false }, place.path()).1.contains("killed"));
}

#[test]
fn no_run_yet_is_no_error() {
    let place = tempfile::tempdir().unwrap();
    let runs = place.path().join("runs");
    assert!(ask(&Request::List { filter: Filter::default(), json: false }, &runs).1.starts_with("No run"));
    assert_eq!(ask(&Request::List { filter: Filter::default(), json: true }, &runs), (Exit::Success, String::new()));
    assert_eq!(verify_all(&runs), (Exit::Success, String::new()));
}

#[test]
fn shows_requests_with_their_ends() {
    let place = tempfile::tempdir().unwrap();
    let run = complete(place.path(), "2026-11-03T10:15:31Z");
    let (exit, text) = ask(&Request::Show { filter: of(run.as_str()[..12].to_owned()), json: false }, place.path());
    assert_eq!(exit, Exit::Success);
    assert!(text.starts_with(&format!("run      {run}, complete with exit code 7\n")), "{text}");
    let started = text.lines().nth(1).unwrap();
    assert!(started.starts_with("started  ") && !started.contains('%'), "{started}");
    let lines: Vec<&str> = text.lines().rev().take(2).collect();
    let (refused, injected) = (lines[0], lines[1]);
    let redacted = "POST https://api.example/v1/messages  (KEY in header x-api-key, 2 redacted: KEY (base64 1, raw 1))";
    for part in ["injected", " 200 ", redacted] {
        assert!(injected.contains(part), "{injected}");
    }
    for part in ["refused", "https://evil\\u{202e}.example:8443/v1", "(cancelled)"] {
        assert!(refused.contains(part), "{refused}");
    }
    let (_, text) = ask(&Request::Show { filter: of(run.to_string()), json: true }, place.path());
    assert_eq!(text.as_bytes(), std::fs::read(path_of(place.path(), &run)).unwrap(), "as it stands in the file");
}

#[test]
fn a_run_is_found_by_the_beginning_of_its_id_alone() {
    let place = tempfile::tempdir().unwrap();
    complete(place.path(), "2026-11-03T10:15:31Z");
    complete(place.path(), "2026-11-03T10:15:32Z");
    let show =
        |run: &str| log(&Request::Show { filter: of(run.to_owned()), json: false }, place.path(), &mut io::sink());
    assert!(matches!(show("2026"), Err(LogError::Ambiguous { count: 2, .. })));
    for text in ["1999", "../x", "\u{1b}"] {
        let error = show(text).unwrap_err();
        assert!(matches!(error, LogError::Unknown { .. }) && error.hint().is_some(), "{error}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
}

#[test]
fn verify_finds_what_was_done_to_a_log() {
    let place = tempfile::tempdir().unwrap();
    let run = complete(place.path(), "2026-11-03T10:15:31Z");
    let path = path_of(place.path(), &run);
    let (exit, text) = verify_all(place.path());
    assert!(exit == Exit::Success && text.contains(": complete; 6 records"), "{text}");

    let whole = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    for (altered, expected) in [
        (whole.replace("api.example", "api.exempli"), "BROKEN at line 2: the record was edited"),
        ([&lines[..2], &lines[3..]].concat().concat(), "BROKEN at line 3: record 3 is missing"),
        (lines[..5].concat(), "NO END"),
        (whole[..whole.len() - 9].to_owned(), "BROKEN at line 6: the record ends in its middle"),
        (String::new(), "BROKEN at line 1: the log is empty"),
        ("\u{1b}]0;title\u{7}\n".repeat(9), "BROKEN at line 1: this is not a record"),
    ] {
        std::fs::write(&path, altered).unwrap();
        let (exit, text) = verify_all(place.path());
        assert!(exit == Exit::Finding && text.contains(expected), "{expected}: {text}");
        let (exit, text) = ask(&Request::Verify { run: Some(run.to_string()), json: true }, place.path());
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(exit == Exit::Finding && matches!(object["result"].as_str(), Some("broken" | "killed")), "{text}");
    }
    std::fs::write(&path, &whole).unwrap();
    let other = run_id("2026-11-03T10:15:32Z");
    std::fs::rename(&path, path_of(place.path(), &other)).unwrap();
    assert!(verify_all(place.path()).1.contains(&format!("BROKEN: this is the log of run `{run}`")));
}

#[test]
fn a_run_that_goes_on_is_sound_and_can_be_shown() {
    let place = tempfile::tempdir().unwrap();
    let run = run_id("2026-11-03T10:15:31Z");
    let sink = begin(place.path(), &run);
    let _ticket = sink.decision(Decision { host: "slow.example".into(), ..Decision::default() }).unwrap();
    let (exit, text) = verify_all(place.path());
    assert!(exit == Exit::Success && text.contains("the run goes on"), "{text}");
    assert!(ask(&Request::Show { filter: of(run.to_string()), json: false }, place.path()).1.contains("(no end)"));
}

#[test]
fn a_log_that_is_none_is_told_as_such() {
    let place = tempfile::tempdir().unwrap();
    let run = complete(place.path(), "2026-11-03T10:15:31Z");
    let path = path_of(place.path(), &run);
    let mut text = std::fs::read(&path).unwrap();
    text.extend(vec![b'\x1b'; 2_000_000]);
    text.push(b'\n');
    std::fs::write(&path, text).unwrap();
    let (exit, text) = ask(&Request::Show { filter: of(run.to_string()), json: false }, place.path());
    assert!(exit == Exit::Finding && text.contains("1 lines are no records") && !text.contains('\u{1b}'), "{text}");
    let (exit, text) = ask(&Request::Show { filter: of(run.to_string()), json: true }, place.path());
    assert_eq!((exit, text.lines().count()), (Exit::Finding, 6));
}

#[test]
fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is() {
    struct Fails(io::ErrorKind);
    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let place = tempfile::tempdir().unwrap();
    complete(place.path(), "2026-11-03T10:15:31Z");
    let list = |kind| log(&Request::List { filter: Filter::default(), json: true }, place.path(), &mut Fails(kind));
    assert_eq!(list(io::ErrorKind::BrokenPipe).unwrap(), Exit::Success);
    assert!(matches!(list(io::ErrorKind::StorageFull), Err(LogError::Output(_))));
}

#[test]
fn filters_choose_runs_requests_and_records() {
    let place = tempfile::tempdir().unwrap();
    let old = complete(place.path(), "2026-01-02T03:04:05Z");
    let killed = run_id("2026-01-03T03:04:05Z");
    drop(begin(place.path(), &killed));
    let secret = || filter(|options| options.secret = Some("KEY".into()));
    let (_, listed) = ask(&Request::List { filter: secret(), json: false }, place.path());
    assert!(listed.contains(old.as_str()) && !listed.contains(killed.as_str()), "{listed}");
    let (_, shown) = ask(&Request::Show { filter: secret(), json: false }, place.path());
    assert!(shown.contains("api.example") && !shown.contains("evil") && !shown.contains(killed.as_str()), "{shown}");
    let blocked = || filter(|options| options.blocked = true);
    let (_, shown) = ask(&Request::Show { filter: blocked(), json: false }, place.path());
    assert!(shown.contains("evil") && !shown.contains("200"), "{shown}");
    let (_, records) = ask(&Request::Show { filter: secret(), json: true }, place.path());
    let kinds: Vec<_> =
        records.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].clone()).collect();
    assert_eq!(kinds, ["decision", "end"]);
    let nothing = filter(|options| options.status = Some("5xx".into()));
    assert!(ask(&Request::Show { filter: nothing, json: false }, place.path()).1.starts_with("No run"));
    // What happened before is not counted as of now.
    let today = filter(|options| options.since = Some("1h".into()));
    let (_, stats) = ask(&Request::Stats { filter: today, json: true }, place.path());
    assert!(stats.contains("\"requests\":2"), "{stats}");
}

#[test]
fn follows_a_run_to_its_end() {
    let place = tempfile::tempdir().unwrap();
    let run = complete(place.path(), "2026-01-02T03:04:05Z");
    let (exit, text) = ask(&Request::Follow { filter: of(run.as_str()), json: false }, place.path());
    assert_eq!((exit, text.lines().count()), (Exit::Success, 2), "{text}");
    let going = run_id("2026-01-03T03:04:05Z");
    let sink = begin(place.path(), &going);
    let (runs, filter) = (place.path().to_owned(), of(going.as_str()));
    let reader = std::thread::spawn(move || ask(&Request::Follow { filter, json: true }, &runs));
    drop(sink.decision(Decision { host: "later.example".into(), ..Decision::default() }).unwrap());
    sink.close(Some(0)).unwrap();
    drop(sink);
    let (_, records) = reader.join().unwrap();
    assert_eq!(records.lines().count(), 4, "{records}");
    assert!(records.contains("later.example"));
}

#[test]
fn sums_up_by_secret_and_host_in_flat_memory() {
    let place = tempfile::tempdir().unwrap();
    complete(place.path(), "2026-01-02T03:04:05Z");
    let stats = |filter| ask(&Request::Stats { filter, json: true }, place.path()).1;
    let rows: Vec<serde_json::Value> =
        stats(Filter::default()).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of =
        |kind: &str, name: &str| rows.iter().find(|row| row["kind"] == kind && row["name"] == name).unwrap().clone();
    assert_eq!((of("secret", "KEY")["requests"].clone(), of("all", "")["requests"].clone()), (1.into(), 2.into()));
    assert_eq!(
        (of("all", "")["refused"].clone(), of("host", "api.example")["redactions"].clone()),
        (1.into(), 2.into())
    );
    let (exit, table) = ask(&Request::Stats { filter: Filter::default(), json: false }, place.path());
    assert_eq!(exit, Exit::Success);
    assert!(table.starts_with("SECRET") && table.contains("\nHOST") && !table.contains('\u{202e}'), "{table}");
    // More hosts than are told apart.
    let run = run_id("2026-01-04T03:04:05Z");
    let sink = begin(place.path(), &run);
    for number in 0..5_000 {
        drop(sink.decision(Decision { host: format!("h{number}.example"), ..Decision::default() }).unwrap());
    }
    sink.close(Some(0)).unwrap();
    assert!(stats(Filter::default()).contains("(others)"));
}
