//! The identity that opens the store: found, made, protected.

use std::io::Write;
use std::path::{Path, PathBuf};

use age::scrypt;
use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use zeroize::Zeroizing;

use super::Passphrase;
use super::envelope;
use crate::source::SourceError;
use crate::source::private::{self, Others};

/// The most bytes of an identity file.
const LARGEST: usize = 64 << 10;
/// scrypt with N = 2^17 and r = 8 takes 128 MiB and about half a second: what OWASP's password storage recommendation
/// names as its strongest setting.
const WORK_FACTOR: u8 = 17;

/// What protects the values of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// The mode of this file.
    Mode(PathBuf),
    /// A passphrase.
    Passphrase,
    /// Whatever protects this file of the user's.
    Elsewhere(PathBuf),
}

fn plain(directory: &Path) -> PathBuf {
    directory.join("identity")
}

fn protected(directory: &Path) -> PathBuf {
    directory.join("identity.age")
}

/// Where the identity is looked for.
pub(super) fn place(directory: &Path, elsewhere: Option<&Path>) -> PathBuf {
    elsewhere.map_or_else(|| plain(directory), Path::to_path_buf)
}

pub(super) fn protection(directory: &Path, elsewhere: Option<&Path>) -> Option<Protection> {
    if let Some(path) = elsewhere {
        return Some(Protection::Elsewhere(path.to_owned()));
    }
    if protected(directory).exists() {
        return Some(Protection::Passphrase);
    }
    Some(plain(directory)).filter(|path| path.exists()).map(Protection::Mode)
}

/// The identity, if there is one.
pub(super) fn open(
    directory: &Path,
    elsewhere: Option<&Path>,
    passphrase: &Passphrase,
) -> Result<Option<Identity>, SourceError> {
    if let Some(path) = elsewhere {
        let text = private::read(path, Others::Nobody, LARGEST)?;
        let text = text.ok_or_else(|| SourceError::IdentityMissing { path: path.to_owned() })?;
        return parse(path, &text).map(Some);
    }
    let path = protected(directory);
    if let Some(sealed) = private::read(&path, Others::Nobody, LARGEST)? {
        let needed = || SourceError::PassphraseNeeded { path: path.clone() };
        let text = envelope::decrypt(&path, &scrypt::Identity::new(passphrase.needed()?.ok_or_else(needed)?), &sealed)?;
        return parse(&path, &text).map(Some);
    }
    let path = plain(directory);
    private::read(&path, Others::Nobody, LARGEST)?.map(|text| parse(&path, &text)).transpose()
}

/// A new identity: protected by the passphrase if one was handed over, else by the mode of its file.
pub(super) fn create(directory: &Path, passphrase: &Passphrase) -> Result<Identity, SourceError> {
    let identity = Identity::generate();
    if !protect(directory, &identity, passphrase)? {
        private::replace(&plain(directory), &render(&identity))?;
    }
    Ok(identity)
}

/// Protects the identity by the passphrase, if one was handed over and none protects it yet; whether one does now.
pub(super) fn protect(directory: &Path, identity: &Identity, passphrase: &Passphrase) -> Result<bool, SourceError> {
    if !protected(directory).exists() {
        let Some(passphrase) = passphrase.handed_over()? else { return Ok(false) };
        let mut recipient = scrypt::Recipient::new(passphrase);
        recipient.set_work_factor(WORK_FACTOR);
        private::replace(&protected(directory), &envelope::encrypt(&recipient, &render(identity))?)?;
    }
    private::remove(&plain(directory))?;
    Ok(true)
}

/// The first identity of a file as `age-keygen` writes it.
fn parse(path: &Path, text: &[u8]) -> Result<Identity, SourceError> {
    let damaged = || SourceError::Damaged { path: path.to_owned() };
    let text = std::str::from_utf8(text).map_err(|_| damaged())?;
    let lines = text.lines().map(str::trim);
    let line = lines.into_iter().find(|line| !line.is_empty() && !line.starts_with('#'));
    let line = line.ok_or_else(|| SourceError::Truncated { path: path.to_owned() })?;
    line.parse().map_err(|_| damaged())
}

fn render(identity: &Identity) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(512));
    // Writing to memory cannot fail.
    let _ = writeln!(text, "# public key: {}", identity.to_public());
    text.extend_from_slice(identity.to_string().expose_secret().as_bytes());
    text.push(b'\n');
    text
}
