//! The passphrase of the store: given, on a descriptor, or asked for.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};

use age::secrecy::SecretString;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::source::SourceError;

/// The most bytes of a passphrase.
const LARGEST: u64 = 4096;

/// Asks the user without showing what is typed; none where there is nobody to ask.
type Ask = Box<dyn Fn() -> io::Result<Option<Secret>> + Send + Sync>;

/// Where the passphrase comes from; nothing is read before the store needs it.
#[derive(Default)]
pub struct Passphrase {
    given: Option<Secret>,
    descriptor: Option<u32>,
    ask: Option<Ask>,
}

impl Passphrase {
    /// A passphrase that is known.
    #[must_use]
    pub fn given(self, passphrase: Option<Secret>) -> Self {
        Self { given: passphrase.filter(|passphrase| !passphrase.is_empty()), ..self }
    }

    /// One that can be read from an inherited descriptor.
    #[must_use]
    pub fn on_descriptor(self, descriptor: Option<u32>) -> Self {
        Self { descriptor, ..self }
    }

    /// Somebody who can be asked for that of an existing store.
    #[must_use]
    pub fn or_ask(self, ask: impl Fn() -> io::Result<Option<Secret>> + Send + Sync + 'static) -> Self {
        Self { ask: Some(Box::new(ask)), ..self }
    }

    /// The one that was handed over, if one was.
    pub(super) fn handed_over(&self) -> Result<Option<SecretString>, SourceError> {
        if let Some(given) = &self.given {
            return text(given).map(Some);
        }
        let Some(descriptor) = self.descriptor else { return Ok(None) };
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        let file = File::open(format!("/dev/fd/{descriptor}")).map_err(SourceError::Passphrase)?;
        file.take(LARGEST).read_to_end(&mut bytes).map_err(SourceError::Passphrase)?;
        while bytes.last().is_some_and(|last| matches!(last, b'\n' | b'\r')) {
            bytes.pop();
        }
        if bytes.is_empty() {
            return Err(SourceError::Passphrase(io::Error::other("the descriptor gave none")));
        }
        text(&Secret::new(std::mem::take(&mut *bytes))).map(Some)
    }

    /// The one that was handed over, else what the user types.
    pub(super) fn needed(&self) -> Result<Option<SecretString>, SourceError> {
        let handed_over = self.handed_over()?;
        if handed_over.is_some() {
            return Ok(handed_over);
        }
        let Some(ask) = &self.ask else { return Ok(None) };
        ask().map_err(SourceError::Passphrase)?.as_ref().map(text).transpose()
    }
}

fn text(passphrase: &Secret) -> Result<SecretString, SourceError> {
    let text = std::str::from_utf8(passphrase.expose());
    text.map(SecretString::from).map_err(|_| SourceError::Passphrase(io::Error::other("it is not UTF-8")))
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Passphrase")
    }
}
