//! The platform's keychain: Secret Service, macOS Keychain, Windows Credential Manager.
//!
//! **Invariants.** Every call has a deadline: a frozen daemon or a dialogue that nobody answers costs that long and no
//! longer. Each way to fail has its own words.
//!
//! **Trade-off.** A call that is given up goes on in a thread of its own until the process ends; nothing can end a call
//! of a library from outside.

use std::collections::HashMap;
use std::fmt;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyring_core::{CredentialStore, Entry, Error};

use super::error::{Failure, SourceError};
use super::{Key, Source, Store, check};
use crate::secret::{Secret, SecretName, WorkspaceName};

/// What our entries are called in it.
const SERVICE: &str = "agentsecrets";

type Opened = Arc<CredentialStore>;

/// The user's keychain.
pub struct Keychain {
    deadline: Duration,
    opened: Arc<Mutex<Option<Opened>>>,
}

impl Keychain {
    /// The keychain of this session, asked for the first time when a value is. `deadline` holds for each call: a user
    /// who is asked to unlock it needs some.
    pub fn new(deadline: Duration) -> Self {
        Self { deadline, opened: Arc::default() }
    }

    /// Whether a keychain answers at all: [`Failure::Absent`] is what the default store falls back on.
    pub fn probe(&self) -> Result<(), SourceError> {
        self.call(|_| Ok(()))
    }

    /// Does `work` with the keychain, on a thread that is given up at the deadline.
    fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Opened) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, SourceError> {
        let (sender, answer) = channel();
        let opened = Arc::clone(&self.opened);
        let call = move || {
            // The lock is not held while the keychain is asked: a frozen call must not freeze the next.
            let known = opened.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let store = if let Some(store) = known {
                store
            } else {
                let store = open()?;
                *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&store));
                store
            };
            work(&store)
        };
        let thread = std::thread::Builder::new().name("keychain".into());
        // Nobody may be waiting for the answer any more.
        let started = thread.spawn(move || drop(sender.send(call())));
        started.map_err(|error| refused(Failure::Refused { said: error.to_string() }))?;
        match answer.recv_timeout(self.deadline) {
            Ok(answer) => answer.map_err(|error| refused(failure(&error))),
            Err(RecvTimeoutError::Timeout) => Err(refused(Failure::Slow(self.deadline))),
            Err(RecvTimeoutError::Disconnected) => {
                Err(refused(Failure::Refused { said: "its library gave up".into() }))
            }
        }
    }
}

impl Source for Keychain {
    fn title(&self) -> String {
        "the keychain".into()
    }

    fn fetch(&self, key: &Key) -> Result<Secret, SourceError> {
        let place = key.clone();
        let found = self.call(move |store| none_is_no_error(entry(store, &place)?.get_secret()))?;
        let missing = || SourceError::Missing { name: key.name.to_string(), place: self.title() };
        found.map(Secret::new).ok_or_else(missing)
    }
}

impl Store for Keychain {
    fn set_all(&self, values: &[(&Key, &Secret)]) -> Result<(), SourceError> {
        values.iter().try_for_each(|(_, value)| check(value))?;
        values.iter().try_for_each(|(key, value)| {
            let (key, value) = ((*key).clone(), Secret::new(value.expose().to_vec()));
            self.call(move |store| entry(store, &key)?.set_secret(value.expose()))
        })
    }

    fn remove(&self, key: &Key) -> Result<bool, SourceError> {
        let key = key.clone();
        let removed = self.call(move |store| none_is_no_error(entry(store, &key)?.delete_credential()))?;
        Ok(removed.is_some())
    }

    fn list(&self, workspace: &WorkspaceName) -> Result<Vec<SecretName>, SourceError> {
        let users = self.call(|store| {
            let found = store.search(&HashMap::from([("service", SERVICE)]))?;
            Ok(found.iter().filter_map(Entry::get_specifiers).map(|(_, user)| user).collect::<Vec<_>>())
        })?;
        let name = |user: &String| {
            let (known, name) = user.split_once('/')?;
            SecretName::new(name).ok().filter(|_| known == workspace.as_str())
        };
        let mut names: Vec<SecretName> = users.iter().filter_map(name).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

impl fmt::Debug for Keychain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Keychain").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// Whether a keychain can be asked at all: on a desktop's session bus. Saves the start of its library where there is none.
pub fn is_reachable(bus_address: Option<&str>, runtime_directory: Option<&std::path::Path>) -> bool {
    let has_bus = || runtime_directory.is_some_and(|directory| directory.join("bus").exists());
    !cfg!(all(unix, not(target_os = "macos"))) || bus_address.is_some_and(|address| !address.is_empty()) || has_bus()
}

fn entry(store: &Opened, key: &Key) -> Result<Entry, Error> {
    let label = format!("agentsecrets: {} ({})", key.name, key.workspace);
    let modifiers = HashMap::from([("label", label.as_str())]);
    store.build(SERVICE, &key.to_string(), LABELLED.then_some(&modifiers))
}

/// Whether the platform's entries have a label beside their name.
const LABELLED: bool = cfg!(all(unix, not(target_os = "macos")));

#[cfg(all(unix, not(target_os = "macos")))]
fn open() -> Result<Opened, Error> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn open() -> Result<Opened, Error> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn open() -> Result<Opened, Error> {
    Ok(windows_native_keyring_store::Store::new()?)
}

fn none_is_no_error<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(error),
    }
}

fn refused(failure: Failure) -> SourceError {
    SourceError::Keychain { failure }
}

/// What an error of the library means. D-Bus errors are known by their names, which are part of its specification.
fn failure(error: &Error) -> Failure {
    match error {
        Error::Ambiguous(_) => Failure::Ambiguous,
        // Its words show the bytes of the value.
        Error::BadEncoding(_) | Error::BadDataFormat(..) => Failure::Refused { said: "an entry cannot be read".into() },
        Error::NoStorageAccess(source) => classify(&source.to_string()).unwrap_or(Failure::Locked),
        Error::PlatformFailure(source) => {
            let said = source.to_string();
            classify(&said).unwrap_or(Failure::Refused { said })
        }
        other => Failure::Refused { said: other.to_string() },
    }
}

fn classify(said: &str) -> Option<Failure> {
    const ABSENT: [&str; 7] = [
        "DBus.Error.ServiceUnknown",
        "DBus.Error.NameHasNoOwner",
        "DBus.Error.Spawn.",
        "DBus.Error.NoServer",
        "no secret service provider",
        "Connection refused",
        "No such file or directory",
    ];
    const LOCKED: [&str; 4] = ["Secret.Error.IsLocked", "object locked", "prompt dismissed", "before prompt completed"];
    let is_any = |known: &[&str]| known.iter().any(|known| said.contains(known));
    if is_any(&ABSENT) {
        return Some(Failure::Absent);
    }
    is_any(&LOCKED).then_some(Failure::Locked)
}

#[cfg(test)]
mod tests {
    use super::super::conformance;
    use super::*;

    #[test]
    fn each_way_to_fail_has_its_own_words() {
        let platform = |said: &str| failure(&Error::PlatformFailure(said.into()));
        let name = "zbus error: org.freedesktop.DBus.Error.ServiceUnknown: The name is not activatable";
        assert_eq!(platform(name), Failure::Absent);
        assert_eq!(platform("org.freedesktop.Secret.Error.IsLocked: x"), Failure::Locked);
        let denied = platform("org.freedesktop.DBus.Error.AccessDenied: x");
        assert!(matches!(&denied, Failure::Refused { said } if said.contains("AccessDenied")));
        assert_eq!(failure(&Error::NoStorageAccess("SS error: prompt dismissed".into())), Failure::Locked);
        let bytes = failure(&Error::BadEncoding(b"sk_live_value".to_vec()));
        assert!(!bytes.to_string().contains("sk_live_value") && !format!("{bytes:?}").contains("sk_live_value"));
    }

    #[test]
    fn a_call_that_never_returns_is_given_up() {
        let keychain = Keychain::new(Duration::from_millis(50));
        let (sender, never) = channel::<()>();
        *keychain.opened.lock().unwrap() = Some(keyring_core::mock::Store::new().unwrap());
        let answer = keychain.call(move |_| {
            let _ = never.recv();
            Ok(())
        });
        assert!(matches!(answer, Err(SourceError::Keychain { failure: Failure::Slow(_) })), "{answer:?}");
        // The next call is not held up by the lost one.
        keychain.probe().unwrap();
        drop(sender);
    }

    #[test]
    fn without_a_bus_no_library_is_started() {
        let empty = tempfile::tempdir().unwrap();
        assert!(!is_reachable(None, Some(empty.path())) && !is_reachable(Some(""), None));
        std::fs::write(empty.path().join("bus"), "").unwrap();
        assert!(is_reachable(None, Some(empty.path())) && is_reachable(Some("unix:path=/x"), None));
    }

    /// The suite against a real daemon, in a session bus of its own.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test starts the session that it needs")]
    fn conforms_with_a_real_daemon() {
        const NEEDED: [&str; 2] = ["/usr/bin/dbus-run-session", "/usr/bin/gnome-keyring-daemon"];
        if let Some(missing) = NEEDED.iter().find(|path| !std::path::Path::new(path).exists()) {
            let required = std::env::var("AGENTSECRETS_TEST_REQUIRE").unwrap_or_default();
            let excused = required.contains("-gnome-keyring");
            assert!(excused || !required.split(',').any(|name| name == "all"), "{missing} is required and missing");
            eprintln!("skipped {}: gnome-keyring: {missing} is missing", std::thread::current().name().unwrap());
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let session = "printf password | gnome-keyring-daemon --foreground --unlock --components=secrets \
             >/dev/null 2>&1 & daemon=$!
             until dbus-send --session --print-reply --dest=org.freedesktop.DBus / \
             org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets | grep -q true; do
             kill -0 $daemon || exit 9; sleep 0.02; done
             \"$0\" --exact source::keychain::tests::in_a_session --ignored; status=$?
             kill $daemon; exit $status";
        // A bus that starts no service of its own accord: the daemon of the test is the only one.
        let config = format!(
            "<busconfig><type>session</type><listen>unix:dir={}</listen><policy context=\"default\">\
             <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            place.path().display()
        );
        std::fs::write(place.path().join("bus.conf"), config).unwrap();
        let config = format!("--config-file={}", place.path().join("bus.conf").display());
        let session =
            [config.as_str(), "--", "/bin/sh", "-c", session, std::env::current_exe().unwrap().to_str().unwrap()]
                .map(str::to_owned);
        let mut command = std::process::Command::new(NEEDED[0]);
        command.args(session).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", place.path());
        let output = command.env("XDG_RUNTIME_DIR", place.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    #[test]
    #[ignore = "started by the test above, where there is a daemon"]
    fn in_a_session() {
        conformance::store(&|| Box::new(Keychain::new(Duration::from_mins(1))));
    }
}
