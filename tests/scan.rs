//! `scan` in a binding: what becomes of answers that cannot be searched for values, and of parts of answers.

use crate::support::{Finished, Run, Upstream, fresh_key};

/// Asks for the whole, a part, an unknown coding and several parts; prints status and body of each.
const ASK: &str = "ask() { curl --silent --write-out ' %{http_code}\\n' \
                   -H \"Authorization: Bearer $OPENAI_API_KEY\" \"$@\"; }
                   at=https://api.openai.com/test/range
                   ask $at/; ask --range 4-5 -H 'x-ms-range: bytes=4-5' $at/; ask $at/x-mine; ask $at/parts/
                   ask $at/parts/200; ask -H 'x-ms-range: bytes=4-5' $at/";

fn run(config: &str) -> (Finished, Upstream) {
    let upstream = Upstream::start(["api.openai.com"]);
    let run = Run::new().secret("OPENAI_API_KEY", &fresh_key("sk-proj-")).upstream(&upstream);
    let run = if config.is_empty() { run } else { run.config_file("config.toml", config) };
    (run.shell(ASK).run().succeeded(), upstream)
}

fn bound(scan: &str) -> String {
    format!("[secrets.OPENAI_API_KEY]\nservice = \"openai\"\nscan = \"{scan}\"\n")
}

/// The first line of each answer, and the codes of the problems among them.
fn statuses(finished: &Finished) -> Vec<String> {
    let line = |line: &str| line.rsplit(' ').next().filter(|word| word.len() == 3).map(str::to_owned);
    finished.stdout().lines().filter(|text| !text.ends_with(',')).filter_map(line).collect()
}

#[test]
fn what_cannot_be_searched_is_refused_and_parts_are_not_asked_for() {
    let (finished, upstream) = run("");
    assert_eq!(statuses(&finished), ["200", "200", "502", "502", "502", "200"], "{}", finished.stdout());
    assert!(finished.stdout().contains("\"code\": \"encoded_response\""), "{}", finished.stdout());
    assert!(
        finished.stdout().contains("write `scan = \\\"off\\\"` below [secrets.OPENAI_API_KEY]"),
        "{}",
        finished.stdout()
    );
    let asks = |field| upstream.seen().iter().any(|seen| seen.header(field).is_some());
    assert!(!asks("range") && !asks("x-ms-range"));
}

#[test]
fn strict_refuses_who_asks_for_a_part_before_anything_is_sent() {
    let (finished, upstream) = run(&bound("strict"));
    assert_eq!(statuses(&finished), ["200", "403", "502", "502", "502", "403"], "{}", finished.stdout());
    for code in ["range_not_scanned", "encoded_response", "partial_response"] {
        assert!(finished.stdout().contains(&format!("\"code\": \"{code}\"")), "{code}: {}", finished.stdout());
    }
    assert_eq!(upstream.seen().len(), 4);
    assert!(finished.audit_of("decision").iter().any(|decision| decision["rule"] == "range_not_scanned"));
}

#[test]
fn off_lets_parts_and_unknown_codings_pass_and_the_log_says_so() {
    let (finished, upstream) = run(&bound("off"));
    assert_eq!(
        finished.stdout(),
        "0123456789 200\n45 206\n0123456789 200\n0123456789 206\n0123456789 200\n0123456789 200\n"
    );
    assert_eq!(upstream.seen().iter().filter(|seen| seen.header("range") == Some("bytes=4-5")).count(), 1);
    let said: Vec<_> =
        finished.audit_of("end").iter().filter_map(|end| end["unsearched"].as_str().map(str::to_owned)).collect();
    assert_eq!(said, ["coding", "several parts", "several parts"]);
}
