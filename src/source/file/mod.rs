//! The encrypted file: our own store, for machines without a keychain.
//!
//! `secrets.age` is an armored age file for one X25519 identity; `age -d -i identity secrets.age` reads it too. The
//! identity lies beside it: as `identity.age`, protected by a passphrase, or as `identity`, protected by its mode alone;
//! or it lies where the user says.
//!
//! **Invariants.** Every change is made under a lock, on the whole content, and takes the file's place at once. What
//! cannot be read is never overwritten. A wrong passphrase, a cut file and a damaged one are different errors.
//!
//! **Trade-off.** A change rewrites all of it: at 64 KiB a value and hundreds of values that is milliseconds, and there is
//! no state in between to lose.

mod envelope;
mod identity;
mod passphrase;
mod records;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use age::x25519::Identity;

pub use identity::Protection;
pub use passphrase::Passphrase;

use self::records::Records;
use super::private::{self, Lock, Others};
use super::{Key, Source, SourceError, Store, check};
use crate::secret::{Secret, SecretName, WorkspaceName};

/// The most bytes of the store.
const LARGEST: usize = 64 << 20;

/// The store in one directory.
pub struct FileStore {
    directory: PathBuf,
    /// Where the user keeps the identity, where that is not beside the store.
    identity: Option<PathBuf>,
    passphrase: Passphrase,
    /// Deriving a key from a passphrase is slow on purpose: it is done once.
    opened: Mutex<Option<Identity>>,
}

impl FileStore {
    /// The store in `directory`, which need not exist. `identity` names the file of the identity where it lies elsewhere.
    pub fn new(directory: PathBuf, identity: Option<PathBuf>, passphrase: Passphrase) -> Self {
        Self { directory, identity, passphrase, opened: Mutex::new(None) }
    }

    /// What protects the values, as far as there is a store.
    pub fn protection(&self) -> Option<Protection> {
        identity::protection(&self.directory, self.identity.as_deref())
    }

    /// The directory that it lies in.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self) -> PathBuf {
        self.directory.join("secrets.age")
    }

    /// The identity, made where `create` is set and there is none.
    fn open(&self, create: bool) -> Result<Option<Identity>, SourceError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.is_none() {
            let found = identity::open(&self.directory, self.identity.as_deref(), &self.passphrase)?;
            *opened = match found {
                // A store without its identity stays as it is: the identity may come back.
                None if create && !self.path().exists() => Some(identity::create(&self.directory, &self.passphrase)?),
                found => found,
            };
        }
        Ok(opened.clone())
    }

    fn load(&self, identity: Option<&Identity>) -> Result<Records, SourceError> {
        let path = self.path();
        let Some(sealed) = private::read(&path, Others::Nobody, LARGEST)? else { return Ok(Records::default()) };
        let missing =
            || SourceError::IdentityMissing { path: identity::place(&self.directory, self.identity.as_deref()) };
        let plain = envelope::decrypt(&path, identity.ok_or_else(missing)?, &sealed)?;
        Records::parse(&path, &plain)
    }

    /// Changes the content under the lock; `change` says whether there is anything to write.
    fn change(&self, change: impl FnOnce(&mut Records) -> bool) -> Result<bool, SourceError> {
        private::directory(&self.directory)?;
        let _lock = Lock::take(&self.directory.join(".lock"))?;
        let identity = self.open(true)?;
        let mut records = self.load(identity.as_ref())?;
        let missing =
            || SourceError::IdentityMissing { path: identity::place(&self.directory, self.identity.as_deref()) };
        let identity = identity.ok_or_else(missing)?;
        if self.identity.is_none() {
            identity::protect(&self.directory, &identity, &self.passphrase)?;
        }
        let has_changed = change(&mut records);
        if has_changed {
            private::replace(&self.path(), &envelope::encrypt(&identity.to_public(), &records.render())?)?;
        }
        Ok(has_changed)
    }
}

impl Source for FileStore {
    fn title(&self) -> String {
        "the encrypted file".into()
    }

    fn fetch(&self, key: &Key) -> Result<Secret, SourceError> {
        let missing = || SourceError::Missing { name: key.name.to_string(), place: self.title() };
        if !self.path().exists() {
            return Err(missing());
        }
        self.load(self.open(false)?.as_ref())?.take(key).ok_or_else(missing)
    }

    fn prepare(&self) -> Result<(), SourceError> {
        // Later the terminal may be somebody else's, and nobody can be asked for the passphrase.
        if self.protection() == Some(Protection::Passphrase) { self.open(false).map(drop) } else { Ok(()) }
    }
}

impl Store for FileStore {
    fn set_all(&self, values: &[(&Key, &Secret)]) -> Result<(), SourceError> {
        values.iter().try_for_each(|(_, value)| check(value))?;
        self.change(|records| {
            for (key, value) in values {
                records.insert((*key).clone(), Secret::new(value.expose().to_vec()));
            }
            !values.is_empty()
        })?;
        Ok(())
    }

    fn remove(&self, key: &Key) -> Result<bool, SourceError> {
        // Nothing is made in order to remove something from it.
        if !self.path().exists() {
            return Ok(false);
        }
        self.change(|records| records.take(key).is_some())
    }

    fn list(&self, workspace: &WorkspaceName) -> Result<Vec<SecretName>, SourceError> {
        if !self.path().exists() {
            return Ok(Vec::new());
        }
        Ok(self.load(self.open(false)?.as_ref())?.names(workspace))
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FileStore").field("directory", &self.directory).finish_non_exhaustive()
    }
}
