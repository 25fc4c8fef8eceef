//! What every source and every store does alike. Each implementation passes the same suite.

use std::collections::BTreeSet;
use std::thread;

use super::{Key, LARGEST_VALUE, Source, SourceError, Store};
use crate::secret::{Secret, SecretName, WorkspaceName};

pub(super) fn key(workspace: &str, name: &str) -> Key {
    Key { workspace: WorkspaceName::new(workspace).unwrap(), name: SecretName::new(name).unwrap() }
}

/// Values that a careless hand changes: newlines, NUL, bytes that are no text, blanks around.
fn values() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("PLAIN", b"sk_live_4242424242424242".to_vec()),
        ("BLANKS", b"  two  blanks  ".to_vec()),
        ("LINES", b"-----BEGIN X-----\nabc\r\ndef\n-----END X-----".to_vec()),
        ("BYTES", (0..=255).collect()),
        ("a.b-c", "schlüssel \u{1f511}".into()),
        ("LARGE", vec![b'x'; LARGEST_VALUE]),
    ]
}

/// A source that holds these values by their names.
pub(super) type MakeSource<'a> = dyn Fn(&[(&str, &[u8])]) -> Box<dyn Source> + 'a;

/// `make` gives a source that holds the values.
pub(super) fn source(make: &MakeSource<'_>) {
    source_of(&values(), make);
}

/// The same with texts alone, for a source that cannot hold anything else.
pub(super) fn source_of_text(make: &MakeSource<'_>) {
    let mut values = values();
    values.retain(|(_, value)| std::str::from_utf8(value).is_ok());
    source_of(&values, make);
}

fn source_of(values: &[(&'static str, Vec<u8>)], make: &MakeSource<'_>) {
    let given: Vec<(&str, &[u8])> = values.iter().map(|(name, value)| (*name, value.as_slice())).collect();
    let source = make(&given);
    for (name, value) in &given {
        assert_eq!(source.fetch(&key("w", name)).unwrap().expose(), *value, "{name}");
        assert_eq!(source.fetch(&key("w", name)).unwrap().expose(), *value, "{name}, again");
    }
    let missing = source.fetch(&key("w", "ABSENT")).unwrap_err();
    assert!(matches!(missing, SourceError::Missing { .. }), "{missing:?}");
    assert!(missing.to_string().contains("ABSENT") && !source.title().is_empty());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(source.fetch(&key("w", "PLAIN")).unwrap().expose(), given[0].1));
        }
    });
    assert_tells_nothing(&format!("{source:?}{missing:?}{missing}"));
    let empty = make(&[("EMPTY", b"")]).fetch(&key("w", "EMPTY")).unwrap_err();
    assert!(matches!(empty, SourceError::Empty), "{empty:?}");
}

/// `make` gives the same store every time, as another process would see it; it is empty at first.
pub(super) fn store(make: &(dyn Fn() -> Box<dyn Store> + Sync)) {
    let first = make();
    let workspace = WorkspaceName::new("w.1").unwrap();
    assert_eq!(first.list(&workspace).unwrap(), []);
    assert!(!first.remove(&key("w.1", "PLAIN")).unwrap());
    assert!(matches!(first.fetch(&key("w.1", "PLAIN")).unwrap_err(), SourceError::Missing { .. }));
    keeps_every_byte(make);
    keeps_workspaces_apart(make);
    refuses_what_is_no_value(make);
    loses_nothing_to_others(make);
    assert_tells_nothing(&format!("{:?}", make()));
}

fn keeps_every_byte(make: &(dyn Fn() -> Box<dyn Store> + Sync)) {
    let store = make();
    for (name, value) in values() {
        store.set(&key("w.1", name), &Secret::new(b"an earlier one".to_vec())).unwrap();
        store.set(&key("w.1", name), &Secret::new(value)).unwrap();
    }
    let other = make();
    for (name, value) in values() {
        assert_eq!(other.fetch(&key("w.1", name)).unwrap().expose(), value, "{name}");
    }
    let listed = other.list(&WorkspaceName::new("w.1").unwrap()).unwrap();
    let expected: BTreeSet<_> = values().into_iter().map(|(name, _)| SecretName::new(name).unwrap()).collect();
    assert_eq!(listed, expected.into_iter().collect::<Vec<_>>());
}

fn keeps_workspaces_apart(make: &(dyn Fn() -> Box<dyn Store> + Sync)) {
    let store = make();
    let set = |workspace: &str, value: &str| {
        store.set(&key(workspace, "SHARED"), &Secret::new(value.as_bytes().to_vec())).unwrap();
    };
    set("one", "the first value");
    set("two", "the second value");
    assert_eq!(store.fetch(&key("one", "SHARED")).unwrap().expose(), b"the first value");
    assert!(store.remove(&key("one", "SHARED")).unwrap());
    assert!(!make().remove(&key("one", "SHARED")).unwrap());
    assert!(matches!(make().fetch(&key("one", "SHARED")), Err(SourceError::Missing { .. })));
    assert_eq!(make().fetch(&key("two", "SHARED")).unwrap().expose(), b"the second value");
}

fn refuses_what_is_no_value(make: &(dyn Fn() -> Box<dyn Store> + Sync)) {
    let store = make();
    let set = |value: Vec<u8>| store.set(&key("w.1", "PLAIN"), &Secret::new(value)).unwrap_err();
    assert!(matches!(set(Vec::new()), SourceError::Empty));
    assert!(matches!(set(vec![b'x'; LARGEST_VALUE + 1]), SourceError::TooLarge { .. }));
    assert_eq!(store.fetch(&key("w.1", "PLAIN")).unwrap().expose(), values()[0].1, "the old value stays");
}

/// Eight writers at once, each with a store of its own.
fn loses_nothing_to_others(make: &(dyn Fn() -> Box<dyn Store> + Sync)) {
    thread::scope(|scope| {
        for writer in 0..8 {
            scope.spawn(move || {
                let store = make();
                for number in 0..4 {
                    let value = format!("value {writer} {number}").into_bytes();
                    store.set(&key("many", &format!("KEY_{writer}_{number}")), &Secret::new(value)).unwrap();
                }
            });
        }
    });
    let store = make();
    assert_eq!(store.list(&WorkspaceName::new("many").unwrap()).unwrap().len(), 32);
    assert_eq!(store.fetch(&key("many", "KEY_7_3")).unwrap().expose(), b"value 7 3");
}

fn assert_tells_nothing(text: &str) {
    for told in ["sk_live_4242", "BEGIN X", "73, 6b", "115, 107, 95"] {
        assert!(!text.contains(told), "{text}");
    }
}
