//! Files that are named as keys are: hidden whole where a private key stands in them, as they are where they hold
//! certificates or are something else by their content.

use super::leaf::{Leaf, Text};
use crate::mask::MaskError;

/// What begins the files that hold private keys (RFC 7468, `PuTTY`, age).
const PRIVATE: [&[u8]; 4] =
    [b"PRIVATE KEY-----", b"PRIVATE KEY BLOCK-----", b"PuTTY-User-Key-File", b"AGE-SECRET-KEY-1"];

/// Whether nothing in it can be a secret. A private key is an error, as what hides the file whole.
pub(super) fn is_harmless(bytes: &[u8]) -> Result<bool, MaskError> {
    let holds = |text: &[u8]| memchr::memmem::find(bytes, text).is_some();
    if PRIVATE.iter().any(|text| holds(text)) || is_private_der(bytes) {
        return Err(MaskError::PrivateKey);
    }
    let is_binary = memchr::memchr(0, bytes).is_some() || std::str::from_utf8(bytes).is_err();
    Ok(is_binary || holds(b"-----BEGIN "))
}

/// Whether bytes are a private key in DER (RFC 5958, RFC 8017): a sequence that begins with a version.
fn is_private_der(bytes: &[u8]) -> bool {
    match bytes {
        [0x30, length, rest @ ..] => {
            let skip = if *length < 0x80 { 0 } else { usize::from(length & 0x7f) };
            matches!(rest.get(skip..), Some([0x02, 0x01, 0 | 1, ..]))
        }
        _ => false,
    }
}

/// Each line of what is neither, such as a key in hexadecimal.
#[expect(clippy::unnecessary_wraps, reason = "other syntaxes refuse a text")]
pub(super) fn read(text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    Ok(text.lines().filter_map(|line| text.comment(line)).collect::<Vec<Leaf>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::{Notation, Replacement, Structure, render};

    #[test]
    fn is_judged_by_content() {
        let rendered = |bytes: &[u8]| render(Notation::Structured(Structure::Pem), bytes, &mut |_| Replacement::Keep);
        for key in [
            &b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----\nB\n"[..],
            b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
            b"PuTTY-User-Key-File-3: ssh-ed25519\n",
            b"\x30\x82\x04\xbd\x02\x01\x00\x30\x0d",
            b"\x30\x77\x02\x01\x01\x04\x20",
        ] {
            assert!(matches!(rendered(key), Err(MaskError::PrivateKey)), "{}", key.escape_ascii());
        }
        for harmless in [
            &b"-----BEGIN CERTIFICATE-----\nMIIBkTCB0123456789\n-----END CERTIFICATE-----\n"[..],
            b"PK\x03\x04\x00\x00 a presentation",
            b"\x30\x82\x03\x05\x30\x82\x01",
            b"",
        ] {
            assert_eq!(rendered(harmless).unwrap(), harmless);
        }
    }
}
