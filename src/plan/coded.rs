//! Secrets that are written in a coding: base64, a pair of Basic authentication, percent signs in a URL.
//!
//! The secret is what the client makes of it, so that what the broker puts in is what the client would have sent; the
//! placeholder stands in the same coding, so that the client makes the placeholder of it.

use std::fmt;
use std::ops::Range;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::policy::{self, Coding, ValueKind};

/// Takes base64 with its padding or without, as clients do.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a stretch of text is a coding of.
#[derive(Clone)]
pub(super) struct Coded {
    /// The secret.
    pub(super) value: Zeroizing<Vec<u8>>,
    around: Around,
}

/// How a placeholder is written in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Around {
    /// As it is.
    Plain,
    /// In base64, between these.
    Base64(Vec<u8>, Vec<u8>),
}

impl fmt::Debug for Coded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl Coded {
    pub(super) fn around(&self) -> Around {
        self.around.clone()
    }
}

impl Around {
    /// The text that stands for `placeholder`.
    pub(super) fn write(&self, placeholder: &str) -> String {
        match self {
            Self::Plain => placeholder.to_owned(),
            Self::Base64(before, after) => {
                let engine = GeneralPurpose::new(&STANDARD, PAD);
                engine.encode([before, placeholder.as_bytes(), after].concat())
            }
        }
    }
}

/// The stretch of `text` that is secret, and what it is a coding of.
pub(super) fn secret(text: &[u8], coding: Coding) -> (Range<usize>, Option<Coded>) {
    let whole = 0..text.len();
    match coding {
        Coding::Plain => (whole, None),
        Coding::Base64 => (whole, base64(text)),
        Coding::Basic => (whole, basic(text)),
        Coding::Header => header(text),
    }
}

/// The secret of a URL's userinfo, where percent signs stand for some of its bytes.
pub(super) fn percent(text: &[u8]) -> Option<Coded> {
    let decoded: Vec<u8> = percent_encoding::percent_decode(text).collect();
    (decoded != text).then(|| Coded { value: Zeroizing::new(decoded), around: Around::Plain })
}

fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    BASE64.decode(text.trim_ascii()).ok().map(Zeroizing::new).filter(|decoded| !decoded.is_empty())
}

fn base64(text: &[u8]) -> Option<Coded> {
    Some(Coded { value: decode(text)?, around: Around::Base64(Vec::new(), Vec::new()) })
}

/// The password of a pair; the user, where that is the token and the password says nothing; both, where it is unclear.
fn basic(text: &[u8]) -> Option<Coded> {
    let decoded = decode(text)?;
    let is_key = |text: &[u8]| matches!(policy::catalogue().recognise_value(text), Some(ValueKind::Key(_)));
    let Some(colon) = memchr::memchr(b':', &decoded) else { return base64(text) };
    let (user, password) = (&decoded[..colon], &decoded[colon + 1..]);
    let says_nothing = password.is_empty() || password == b"x-oauth-basic";
    let (value, before, after) = match (is_key(user) || says_nothing, says_nothing) {
        (true, true) => (user, &b""[..], &decoded[colon..]),
        (true, false) => (&decoded[..], &b""[..], &b""[..]),
        (false, _) => (password, &decoded[..=colon], &b""[..]),
    };
    let value = Zeroizing::new(value.to_vec());
    Some(Coded { value, around: Around::Base64(before.to_vec(), after.to_vec()) })
}

/// What stands behind `Name:` and a scheme word.
fn header(text: &[u8]) -> (Range<usize>, Option<Coded>) {
    let skip = |from: usize| from + text[from..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let start = skip(memchr::memchr(b':', text).map_or(0, |colon| colon + 1));
    let end = start.max(text.trim_ascii_end().len());
    let word = text[start..end].iter().position(u8::is_ascii_whitespace).map(|length| start..start + length);
    let Some(word) = word else { return (start..end, None) };
    let rest = skip(word.end)..end;
    let coded = if text[word].eq_ignore_ascii_case(b"basic") { basic(&text[rest.clone()]) } else { None };
    (rest, coded)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

    fn encode(text: &str) -> String {
        Around::Base64(Vec::new(), Vec::new()).write(text)
    }

    #[test]
    fn a_pair_hides_its_secret_half() {
        for (pair, secret, shown) in [
            ("ann:s3cret", "s3cret", "ann:P"),
            ("ann:s3:cret", "s3:cret", "ann:P"),
            (&format!("{TOKEN}:x-oauth-basic"), TOKEN, "P:x-oauth-basic"),
            (&format!("{TOKEN}:"), TOKEN, "P:"),
            (&format!("{TOKEN}:other"), &format!("{TOKEN}:other"), "P"),
            ("no colon", "no colon", "P"),
        ] {
            let coded = basic(encode(pair).as_bytes()).unwrap();
            assert_eq!(*coded.value, secret.as_bytes(), "{pair}");
            assert_eq!(coded.around().write("P"), encode(shown), "{pair}");
            assert!(!format!("{coded:?}").contains(secret));
        }
        assert!(basic(b"not base64!").is_none() && basic(b"").is_none());
        assert_eq!(*basic(encode("ann:s3cret").trim_end_matches('=').as_bytes()).unwrap().value, *b"s3cret");
    }

    #[test]
    fn a_header_hides_what_follows_its_scheme() {
        for (line, stretch, coded) in [
            ("Authorization: Bearer abc ", "abc", None),
            ("X-Key:abc", "abc", None),
            ("abc", "abc", None),
            ("AUTHORIZATION: basic YTpi", "YTpi", Some("b")),
            ("AUTHORIZATION: basic !", "!", None),
        ] {
            let (range, found) = header(line.as_bytes());
            assert_eq!(&line[range], stretch, "{line}");
            assert_eq!(found.map(|found| found.value.to_vec()), coded.map(|coded| coded.as_bytes().to_vec()), "{line}");
        }
    }

    #[test]
    fn percent_signs_are_read() {
        assert_eq!(*percent(b"p%40ss").unwrap().value, *b"p@ss");
        assert!(percent(b"plain").is_none());
    }
}
