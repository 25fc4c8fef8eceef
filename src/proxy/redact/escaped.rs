//! How a value looks where its bytes are written as text: percent-encoded, as a JSON string, as hexadecimal digits.
//!
//! Writers differ in which characters they escape: the forms here are those of the common ones, and a form that equals
//! the value is none.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use crate::secret::Secret;

/// What `encodeURI` leaves as it is beside the unreserved characters (RFC 3986 §2.2, §2.3).
const RESERVED: &[u8] = b";,/?:@&=+$#!*'()";

/// Each look of `value` that differs from it, with what takes its place: the placeholder, whose characters nobody
/// escapes, or its own hexadecimal digits.
pub(super) fn looks(value: &Secret, placeholder: &[u8]) -> Vec<(Secret, Vec<u8>)> {
    let value = value.expose();
    let mut looks = vec![
        (hexadecimal(value, false), hexadecimal(placeholder, false).to_vec()),
        (hexadecimal(value, true), hexadecimal(placeholder, true).to_vec()),
    ];
    for (kept, upper) in [(&b""[..], true), (b"", false), (RESERVED, true), (RESERVED, false)] {
        looks.push((percent(value, kept, upper), placeholder.to_vec()));
    }
    if let Ok(text) = std::str::from_utf8(value) {
        // As RFC 8259 §7 wants it; with `/` escaped, as PHP does; fit for a page, as Go and .NET do.
        for (also, upper) in [("", false), ("/", false), ("<>&", false), ("<>&'+`", true)] {
            looks.push((json(text, also, upper), placeholder.to_vec()));
        }
    }
    let mut found: Vec<(Secret, Vec<u8>)> = Vec::with_capacity(looks.len());
    for (look, replacement) in looks {
        if look.as_slice() != value && !found.iter().any(|(known, _)| known.expose() == look.as_slice()) {
            found.push((Secret::new(look.to_vec()), replacement));
        }
    }
    found
}

fn hexadecimal(bytes: &[u8], upper: bool) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(2 * bytes.len()));
    for byte in bytes {
        text.extend(digits(*byte, upper));
    }
    text
}

fn digits(byte: u8, upper: bool) -> [u8; 2] {
    let digits = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]
}

fn percent(bytes: &[u8], kept: &[u8], upper: bool) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(3 * bytes.len()));
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || kept.contains(byte) {
            text.push(*byte);
        } else {
            text.push(b'%');
            text.extend(digits(*byte, upper));
        }
    }
    text
}

/// `also`: what is escaped beside what must be, `/` by a backslash and the rest by its number.
fn json(value: &str, also: &str, upper: bool) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(String::with_capacity(6 * value.len()));
    for character in value.chars() {
        match character {
            '"' if upper => text.push_str("\\u0022"),
            '"' | '\\' => text.extend(['\\', character]),
            '/' if also.contains('/') => text.push_str("\\/"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            _ if character < ' ' || also.contains(character) => {
                let number = u32::from(character);
                // Writing to a String cannot fail.
                let _ = if upper { write!(text, "\\u{number:04X}") } else { write!(text, "\\u{number:04x}") };
            }
            _ => text.push(character),
        }
    }
    Zeroizing::new(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks_of(value: &str) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        looks(&Secret::new(value.into()), b"p1")
            .iter()
            .map(|(look, with)| text(look.expose()) + "=" + &text(with))
            .collect()
    }

    #[test]
    fn each_writer_has_its_form() {
        assert_eq!(looks_of("a-Z_9"), ["612d5a5f39=7031", "612D5A5F39=7031"]);
        assert_eq!(
            looks_of("a/\"<+\n"),
            [
                "612f223c2b0a=7031",
                "612F223C2B0A=7031",
                "a%2F%22%3C%2B%0A=p1",
                "a%2f%22%3c%2b%0a=p1",
                "a/%22%3C+%0A=p1",
                "a/%22%3c+%0a=p1",
                "a/\\\"<+\\n=p1",
                "a\\/\\\"<+\\n=p1",
                "a/\\\"\\u003c+\\n=p1",
                "a/\\u0022\\u003C\\u002B\\n=p1",
            ]
        );
    }
}
