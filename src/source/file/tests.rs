//! The encrypted file: conformance, and each way in which it can be damaged, taken or opened.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use age::secrecy::ExposeSecret;

use super::*;
use crate::source::conformance::{self, key};

fn store(directory: &Path) -> FileStore {
    FileStore::new(directory.join("store"), None, Passphrase::default())
}

fn protected(directory: &Path, passphrase: &str) -> FileStore {
    let given = Passphrase::default().given(Some(Secret::new(passphrase.into())));
    FileStore::new(directory.join("store"), None, given)
}

fn set(store: &FileStore, name: &str, value: &str) -> Result<(), SourceError> {
    store.set(&key("w", name), &Secret::new(value.into()))
}

fn get(store: &FileStore, name: &str) -> Result<String, SourceError> {
    store.fetch(&key("w", name)).map(|value| String::from_utf8_lossy(value.expose()).into_owned())
}

#[test]
fn conforms() {
    let place = tempfile::tempdir().unwrap();
    conformance::store(&|| Box::new(store(place.path())));
}

#[test]
fn conforms_as_a_source() {
    let place = tempfile::tempdir().unwrap();
    let kept = |values: &[(&str, &[u8])]| -> Box<dyn Source> {
        let store = store(place.path());
        for (name, value) in values.iter().filter(|(_, value)| !value.is_empty()) {
            store.set(&key("w", name), &Secret::new(value.to_vec())).unwrap();
        }
        // No store lets an empty value in, so that none can come out.
        if values.iter().any(|(_, value)| value.is_empty()) {
            return Box::new(Captured::new("x", [("EMPTY".to_owned(), Secret::new(Vec::new()))].into()));
        }
        Box::new(store)
    };
    conformance::source(&kept);
}

use crate::source::Captured;

#[test]
fn nothing_of_a_value_or_name_shows_on_the_disk() {
    let place = tempfile::tempdir().unwrap();
    set(&store(place.path()), "STRIPE_KEY", "sk_live_4242424242424242").unwrap();
    for entry in fs::read_dir(place.path().join("store")).unwrap() {
        let entry = entry.unwrap();
        let content = fs::read(entry.path()).unwrap();
        for word in ["sk_live", "STRIPE"] {
            assert!(memchr::memmem::find(&content, word.as_bytes()).is_none(), "{word} in {:?}", entry.path());
        }
        assert_eq!(entry.metadata().unwrap().mode() & 0o077, 0, "{:?}", entry.path());
    }
}

#[test]
fn reading_makes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let store = store(place.path());
    assert!(matches!(get(&store, "A"), Err(SourceError::Missing { .. })));
    assert!(!store.remove(&key("w", "A")).unwrap() && store.protection().is_none());
    assert!(!store.directory().exists());
}

#[test]
fn a_passphrase_protects_wrong_ones_do_not_open_and_none_is_asked_for() {
    let place = tempfile::tempdir().unwrap();
    set(&protected(place.path(), "correct horse"), "A", "one").unwrap();
    assert_eq!(store(place.path()).protection(), Some(Protection::Passphrase));
    assert!(!place.path().join("store/identity").exists());
    assert!(matches!(get(&store(place.path()), "A"), Err(SourceError::PassphraseNeeded { .. })));
    for wrong in ["correct  horse", "x"] {
        assert!(matches!(get(&protected(place.path(), wrong), "A"), Err(SourceError::WrongPassphrase { .. })));
        let refused = set(&protected(place.path(), wrong), "A", "two");
        assert!(matches!(refused, Err(SourceError::WrongPassphrase { .. })), "{refused:?}");
    }
    assert_eq!(get(&protected(place.path(), "correct horse"), "A").unwrap(), "one");
    let asked = Passphrase::default().or_ask(|| Ok(Some(Secret::new(b"correct horse".to_vec()))));
    let asked = FileStore::new(place.path().join("store"), None, asked);
    assert_eq!(get(&asked, "A").unwrap(), "one");
}

#[test]
fn a_passphrase_given_later_protects_what_was_open() {
    let place = tempfile::tempdir().unwrap();
    set(&store(place.path()), "A", "one").unwrap();
    assert!(matches!(store(place.path()).protection(), Some(Protection::Mode(_))));
    set(&protected(place.path(), "later"), "B", "two").unwrap();
    assert_eq!(store(place.path()).protection(), Some(Protection::Passphrase));
    assert!(!place.path().join("store/identity").exists());
    assert!(matches!(get(&store(place.path()), "A"), Err(SourceError::PassphraseNeeded { .. })));
    assert_eq!(get(&protected(place.path(), "later"), "A").unwrap(), "one");
}

#[test]
fn a_passphrase_comes_over_a_descriptor() {
    use std::io::{Seek, Write};
    use std::os::fd::AsRawFd;
    let place = tempfile::tempdir().unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"correct horse\n").unwrap();
    file.rewind().unwrap();
    let descriptor = u32::try_from(file.as_raw_fd()).unwrap();
    let over = FileStore::new(place.path().join("store"), None, Passphrase::default().on_descriptor(Some(descriptor)));
    set(&over, "A", "one").unwrap();
    assert_eq!(get(&protected(place.path(), "correct horse"), "A").unwrap(), "one");
    let closed = Passphrase::default().on_descriptor(Some(9999));
    let closed = FileStore::new(place.path().join("store"), None, closed);
    assert!(matches!(get(&closed, "A"), Err(SourceError::Passphrase(_))));
}

#[test]
fn an_identity_of_the_users_own_opens_and_is_never_made() {
    let place = tempfile::tempdir().unwrap();
    let elsewhere = place.path().join("mine");
    let store = |path: &Path| FileStore::new(place.path().join("store"), Some(path.to_owned()), Passphrase::default());
    assert!(matches!(set(&store(&elsewhere), "A", "one"), Err(SourceError::IdentityMissing { .. })));
    let identity = Identity::generate();
    let text = format!("# created\n\n{}\n", identity.to_string().expose_secret());
    private::replace(&elsewhere, text.as_bytes()).unwrap();
    set(&store(&elsewhere), "A", "one").unwrap();
    assert_eq!(get(&store(&elsewhere), "A").unwrap(), "one");
    assert!(!place.path().join("store/identity").exists());
    let other = place.path().join("other");
    private::replace(&other, Identity::generate().to_string().expose_secret().as_bytes()).unwrap();
    assert!(matches!(get(&store(&other), "A"), Err(SourceError::OtherIdentity { .. })));
    assert!(matches!(set(&store(&other), "A", "two"), Err(SourceError::OtherIdentity { .. })));
}

#[test]
fn a_store_without_its_identity_is_not_made_anew() {
    let place = tempfile::tempdir().unwrap();
    set(&store(place.path()), "A", "one").unwrap();
    let identity = place.path().join("store/identity");
    let kept = fs::read(&identity).unwrap();
    fs::remove_file(&identity).unwrap();
    assert!(matches!(get(&store(place.path()), "A"), Err(SourceError::IdentityMissing { .. })));
    assert!(matches!(set(&store(place.path()), "B", "two"), Err(SourceError::IdentityMissing { .. })));
    assert!(!identity.exists());
    private::replace(&identity, &kept).unwrap();
    assert_eq!(get(&store(place.path()), "A").unwrap(), "one");
}

/// Whatever is wrong with it, the file stays as it is.
#[test]
fn a_cut_or_damaged_file_is_told_apart_and_never_overwritten() {
    let place = tempfile::tempdir().unwrap();
    set(&store(place.path()), "A", &"a longer value ".repeat(20)).unwrap();
    let path = place.path().join("store/secrets.age");
    let whole = fs::read(&path).unwrap();
    let tried = |content: &[u8]| {
        fs::write(&path, content).unwrap();
        let read = get(&store(place.path()), "A").unwrap_err();
        let written = set(&store(place.path()), "B", "two").unwrap_err();
        assert_eq!(read.to_string(), written.to_string());
        assert_eq!(fs::read(&path).unwrap(), content, "the file was overwritten");
        read
    };
    for length in (0..whole.len() - 2).step_by(7) {
        let error = tried(&whole[..length]);
        assert!(matches!(error, SourceError::Truncated { .. }), "{length}: {error:?}");
    }
    for at in (40..whole.len() - 36).step_by(11) {
        let mut damaged = whole.clone();
        damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
        let error = tried(&damaged);
        assert!(matches!(error, SourceError::Damaged { .. } | SourceError::OtherIdentity { .. }), "{at}: {error:?}");
    }
    assert!(matches!(tried(b"#!/bin/sh\n"), SourceError::Damaged { .. }));
    fs::write(&path, &whole).unwrap();
    assert!(get(&store(place.path()), "A").is_ok());
}

#[test]
fn what_others_can_touch_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    set(&store(place.path()), "A", "one").unwrap();
    let directory = place.path().join("store");
    for (name, mode) in [("secrets.age", 0o644), ("identity", 0o640), ("secrets.age", 0o620)] {
        fs::set_permissions(directory.join(name), fs::Permissions::from_mode(mode)).unwrap();
        for error in [get(&store(place.path()), "A").map(drop), set(&store(place.path()), "B", "two")] {
            let error = error.unwrap_err();
            assert!(error.hint().is_some_and(|hint| hint.starts_with("chmod go= ")), "{error:?}");
        }
        fs::set_permissions(directory.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(set(&store(place.path()), "B", "two"), Err(SourceError::Unsafe { .. })));
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    for name in ["secrets.age", "identity"] {
        let (path, moved) = (directory.join(name), place.path().join("moved"));
        fs::rename(&path, &moved).unwrap();
        symlink(&moved, &path).unwrap();
        assert!(matches!(get(&store(place.path()), "A"), Err(SourceError::Unsafe { .. })), "{name}");
        fs::rename(&moved, &path).unwrap();
    }
    assert_eq!(get(&store(place.path()), "A").unwrap(), "one");
}
