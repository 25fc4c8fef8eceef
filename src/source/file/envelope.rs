//! Encrypting and decrypting age files, armored: the last line tells a cut file from a damaged one.

use std::io::{Read, Write};
use std::iter;
use std::path::Path;

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::{DecryptError, Decryptor, EncryptError, Encryptor, Identity, Recipient};
use zeroize::Zeroizing;

use crate::source::SourceError;

const BEGIN: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
const END: &[u8] = b"-----END AGE ENCRYPTED FILE-----";

/// `plain` for `recipient`.
pub(super) fn encrypt(recipient: &dyn Recipient, plain: &[u8]) -> Result<Vec<u8>, SourceError> {
    let failed = |error: EncryptError| SourceError::Encrypt(std::io::Error::other(error.to_string()));
    let encryptor = Encryptor::with_recipients(iter::once(recipient)).map_err(failed)?;
    let write = || {
        let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
        let mut writer = encryptor.wrap_output(armor)?;
        writer.write_all(plain)?;
        writer.finish()?.finish()
    };
    write().map_err(SourceError::Encrypt)
}

/// What the file `path` with the content `sealed` holds.
pub(super) fn decrypt(path: &Path, identity: &dyn Identity, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    let path_buf = || path.to_owned();
    let sealed = sealed.trim_ascii();
    if !sealed.starts_with(BEGIN) && !BEGIN.starts_with(sealed) {
        return Err(SourceError::Damaged { path: path_buf() });
    }
    if !sealed.ends_with(END) || sealed.len() < BEGIN.len() + END.len() {
        return Err(SourceError::Truncated { path: path_buf() });
    }
    let failed = |error| match error {
        DecryptError::NoMatchingKeys => SourceError::OtherIdentity { path: path_buf() },
        // Of a passphrase: its key does not open the file's. An X25519 identity fails as `NoMatchingKeys`.
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            SourceError::WrongPassphrase { path: path_buf() }
        }
        _ => SourceError::Damaged { path: path_buf() },
    };
    let decryptor = Decryptor::new(ArmoredReader::new(sealed)).map_err(failed)?;
    let mut reader = decryptor.decrypt(iter::once(identity)).map_err(failed)?;
    // The plain text is shorter than its file: the vector never grows, and no copy of a part is left behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.read_to_end(&mut plain).map_err(|_| SourceError::Damaged { path: path_buf() })?;
    Ok(plain)
}
