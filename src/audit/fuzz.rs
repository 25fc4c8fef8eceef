//! Lines of a log that somebody changed: none is taken for a whole one, and nothing panics.

#[path = "../../tests/fuzz/harness.rs"]
mod harness;

use std::fs;

use harness::fuzz;

use super::chain::{open, seal};
use super::*;

#[test]
fn lines() {
    let event = Event { run: "r".into(), seq: 1, host: Some("a.example".into()), ..Event::default() };
    let mut first = serde_json::to_vec(&event).unwrap();
    let hash = seal(&mut first, &[0; 32]);
    let redactions = [("K".to_owned(), Redactions::Whole(2))].into();
    let mut second = serde_json::to_vec(&Event { seq: 2, kind: Kind::End, redactions, ..event }).unwrap();
    seal(&mut second, &hash);
    let whole = [first.as_slice(), &second].concat();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("log.jsonl");
    fuzz("audit", &[&first, &whole], |bytes| {
        for line in bytes.split(|byte| *byte == b'\n') {
            if let Some(sealed) = open(line) {
                assert!(sealed.body.len() < line.len());
            }
            let _ = serde_json::from_slice::<Event>(line);
        }
        fs::write(&path, bytes).unwrap();
        let verified = verify(&path).unwrap();
        // Neither ends with the record that closes a run.
        assert!(!verified.is_ok_and(|verified| verified.state == State::Complete), "a changed log is whole");
        if let Ok(reader) = Reader::open(&path) {
            assert!(reader.count() <= bytes.len() + 1);
        }
    });
}
