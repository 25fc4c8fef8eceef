//! How single characters are escaped in JSON strings (RFC 8259 §7), URLs and forms (RFC 3986 §2.1), and pages; and where lines
//! break in base64 (RFC 2045 §6.8, RFC 7468).
//!
//! Writers differ in which characters they escape, and any character may be: so what stands there is read one unit at a
//! time, an escape or a plain byte, as a reader would. A break is an escape that means nothing.

use std::borrow::Cow;

use super::forms::{FormKind, digits};
use super::lines;
use super::pairs::next_unit;

/// The most digits of a character reference; the largest character has seven.
const MOST_DIGITS: usize = 8;
/// The most bytes of an escape: two of four digits in JSON, a reference with its most digits.
const LONGEST: usize = 12;
/// The references by name that writers use (HTML 5 has two thousand more).
const NAMED: [(&[u8], u8); 5] = [(b"amp;", b'&'), (b"lt;", b'<'), (b"gt;", b'>'), (b"quot;", b'"'), (b"apos;", b'\'')];

/// A way of escaping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    Json,
    /// `plus`: `+` stands for a space, too.
    Percent {
        plus: bool,
    },
    Html,
    /// No character is escaped, but between two of them may be the end of a line.
    Lines,
    /// The same in a JSON string, where the end of a line is escaped.
    JsonLines,
}

/// What stands at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// A byte that means itself.
    Plain,
    /// An escape of `length` bytes that means `meant`.
    Whole { length: usize, meant: Meant },
    /// The text ends within what may be an escape.
    Partial,
}

/// What an escape means: the bytes of one character; none of a line's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meant {
    bytes: [u8; 4],
    count: u8,
}

impl Meant {
    pub(super) const NOTHING: Self = Self { bytes: [0; 4], count: 0 };

    pub(super) fn byte(byte: u8) -> Self {
        Self { bytes: [byte, 0, 0, 0], count: 1 }
    }

    fn character(number: u32) -> Option<Self> {
        let mut bytes = [0; 4];
        let count = char::from_u32(number)?.encode_utf8(&mut bytes).len();
        Some(Self { bytes, count: u8::try_from(count).ok()? })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.count)]
    }
}

impl Escape {
    /// What it is called in the log.
    pub(super) fn kind(self) -> FormKind {
        match self {
            Self::Json => FormKind::Json,
            Self::Percent { .. } => FormKind::Percent,
            Self::Html => FormKind::Html,
            Self::Lines | Self::JsonLines => FormKind::Base64,
        }
    }

    /// The next escape, or where the text ends within one: its place, and what stands there.
    #[expect(clippy::needless_bitwise_bool, reason = "a branch for each byte would cost more than both sides")]
    #[expect(clippy::inline_always, reason = "where the escape is known, nothing is left of the choice")]
    #[inline(always)]
    pub(super) fn next(self, text: &[u8], from: usize) -> Option<(usize, Unit)> {
        let is_letter = |byte: u8| byte.wrapping_sub(b'a') < 26;
        let is_digit = |byte: u8| (byte.wrapping_sub(b'0') < 10) | ((byte | 0x20).wrapping_sub(b'a') < 6);
        match self {
            Self::Json => {
                // Letters and signs, but no digits.
                let begins = |byte, next: u8| (byte == b'\\') & (next.wrapping_sub(b'0') >= b'\\' - b'0');
                next_unit(self, text, from, |text| memchr::memchr(b'\\', text), begins)
            }
            Self::Percent { plus: false } => {
                let begins = |byte, next| (byte == b'%') & is_digit(next);
                next_unit(self, text, from, |text| memchr::memchr(b'%', text), begins)
            }
            Self::Percent { plus: true } => {
                let begins = |byte, next| (byte == b'+') | ((byte == b'%') & is_digit(next));
                next_unit(self, text, from, |text| memchr::memchr2(b'%', b'+', text), begins)
            }
            Self::Html => {
                let begins = |byte, next| (byte == b'&') & (is_letter(next) | (next == b'#'));
                next_unit(self, text, from, |text| memchr::memchr(b'&', text), begins)
            }
            Self::Lines => lines::find(&text[from..]).map(|place| (from + place, self.unit(text, from + place))),
            Self::JsonLines => {
                lines::find_escaped(&text[from..]).map(|place| (from + place, self.unit(text, from + place)))
            }
        }
    }

    /// The last place before `end`, not before `begin`, where an escape may begin that goes on to `end`.
    pub(super) fn find_before(self, text: &[u8], begin: usize, end: usize) -> Option<usize> {
        let begin = begin.max(end.saturating_sub(LONGEST - 1));
        let text = text.get(begin..end)?;
        let found = match self {
            Self::Json | Self::JsonLines => memchr::memrchr(b'\\', text),
            Self::Percent { .. } => memchr::memrchr(b'%', text),
            Self::Html => memchr::memrchr(b'&', text),
            // The end of a line is no character of base64, so that nothing begins within it.
            Self::Lines => None,
        };
        found.map(|place| begin + place)
    }

    /// What stands in `text` at `at`, which is not behind its end.
    #[expect(clippy::inline_always, reason = "where the escape is known, nothing is left of the choice")]
    #[inline(always)]
    pub(super) fn unit(self, text: &[u8], at: usize) -> Unit {
        let rest = &text[at + 1..];
        match (self, text[at]) {
            (Self::Json, b'\\') => json(rest),
            (Self::Percent { .. }, b'%') => match number(rest, 2) {
                Digits::Number(number) => whole(3, u8::try_from(number).ok().map(Meant::byte)),
                Digits::Short => Unit::Partial,
                Digits::Other => Unit::Plain,
            },
            (Self::Percent { plus: true }, b'+') => Unit::Whole { length: 1, meant: Meant::byte(b'+') },
            (Self::Html, b'&') => html(rest),
            (Self::Lines, b'\n' | b'\r') => lines::unit(&text[at..]),
            (Self::JsonLines, b'\\') => lines::escaped_unit(rest),
            _ => Unit::Plain,
        }
    }
}

fn whole(length: usize, meant: Option<Meant>) -> Unit {
    meant.map_or(Unit::Plain, |meant| Unit::Whole { length, meant })
}

/// What stands behind a backslash; JavaScript's own `\x` and `\'`, too.
fn json(rest: &[u8]) -> Unit {
    let meant = match rest.first() {
        None => return Unit::Partial,
        Some(b'u') => return unicode(rest),
        Some(b'x') => {
            return match number(&rest[1..], 2) {
                Digits::Number(number) => whole(4, Meant::character(number)),
                Digits::Short => Unit::Partial,
                Digits::Other => Unit::Plain,
            };
        }
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(own @ (b'"' | b'\\' | b'/' | b'\'')) => *own,
        Some(_) => return Unit::Plain,
    };
    Unit::Whole { length: 2, meant: Meant::byte(meant) }
}

/// `u` with four digits, or two of them that are one character in UTF-16 (RFC 8259 §7).
fn unicode(rest: &[u8]) -> Unit {
    let high = match number(&rest[1..], 4) {
        Digits::Number(high @ 0xd800..0xdc00) => high,
        Digits::Number(number) => return whole(6, Meant::character(number)),
        Digits::Short => return Unit::Partial,
        Digits::Other => return Unit::Plain,
    };
    let behind = &rest[5..];
    match (behind.first(), behind.get(1)) {
        (None | Some(b'\\'), None) => return Unit::Partial,
        (Some(b'\\'), Some(b'u')) => {}
        _ => return Unit::Plain,
    }
    match number(&behind[2..], 4) {
        Digits::Number(low @ 0xdc00..0xe000) => {
            whole(12, Meant::character(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)))
        }
        Digits::Short => Unit::Partial,
        Digits::Number(_) | Digits::Other => Unit::Plain,
    }
}

/// What stands behind an ampersand.
fn html(rest: &[u8]) -> Unit {
    let Some(behind) = rest.strip_prefix(b"#") else {
        // Most ampersands begin no reference.
        if !matches!(rest.first(), None | Some(b'a' | b'l' | b'g' | b'q')) {
            return Unit::Plain;
        }
        for (name, meant) in NAMED {
            if rest.starts_with(name) {
                return Unit::Whole { length: 1 + name.len(), meant: Meant::byte(meant) };
            }
        }
        let is_partial = NAMED.iter().any(|(name, _)| name.starts_with(rest));
        return if is_partial { Unit::Partial } else { Unit::Plain };
    };
    let (radix, behind, before) = match behind.first() {
        Some(b'x' | b'X') => (16, &behind[1..], 3),
        _ => (10, behind, 2),
    };
    let mut value = 0_u32;
    for (count, byte) in behind.iter().enumerate().take(MOST_DIGITS + 1) {
        match char::from(*byte).to_digit(radix) {
            Some(digit) if count < MOST_DIGITS => value = value.saturating_mul(radix).saturating_add(digit),
            None if *byte == b';' && count > 0 => return whole(before + count + 1, Meant::character(value)),
            _ => return Unit::Plain,
        }
    }
    Unit::Partial
}

/// What each byte is worth as a hexadecimal digit; more than fifteen where it is none.
const VALUES: [u8; 256] = {
    let mut values = [16; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit] as usize] = digit.to_le_bytes()[0];
        values[b"0123456789ABCDEF"[digit] as usize] = digit.to_le_bytes()[0];
        digit += 1;
    }
    values
};

enum Digits {
    Number(u32),
    /// The text ends before them all.
    Short,
    Other,
}

/// `count` hexadecimal digits.
fn number(text: &[u8], count: usize) -> Digits {
    let mut value = 0;
    for place in 0..count {
        let Some(byte) = text.get(place) else { return Digits::Short };
        let digit = VALUES[usize::from(*byte)];
        if digit > 15 {
            return Digits::Other;
        }
        value = value << 4 | u32::from(digit);
    }
    Digits::Number(value)
}

/// `placeholder` escaped as the value was that stands in `text` and has as many bytes: what is as long as `text`, where
/// nothing in that has a short escape of its own, else the placeholder.
pub(super) fn rewritten<'a>(kind: FormKind, text: &[u8], placeholder: &'a [u8]) -> Cow<'a, [u8]> {
    let escape = match kind {
        FormKind::Json => Escape::Json,
        FormKind::Percent => Escape::Percent { plus: false },
        _ => return padded(text.len(), placeholder),
    };
    let (mut written, mut at) = (Vec::with_capacity(text.len()), 0);
    for byte in placeholder {
        let length = match escape.unit(text, at.min(text.len().saturating_sub(1))) {
            Unit::Whole { length, .. } => length,
            Unit::Plain | Unit::Partial => 1,
        };
        let escaped = digits(*byte, text[at.min(text.len() - 1)..].get(2).is_some_and(u8::is_ascii_uppercase));
        match length {
            1 => written.push(*byte),
            3 => written.extend([b'%', escaped[0], escaped[1]]),
            4 => written.extend([b'\\', b'x', escaped[0], escaped[1]]),
            6 => written.extend([b'\\', b'u', b'0', b'0', escaped[0], escaped[1]]),
            _ => return placeholder.into(),
        }
        at += length;
    }
    if at == text.len() { written.into() } else { placeholder.into() }
}

/// `placeholder` in `length` bytes: one of its characters is a reference with as many zeros as it takes.
fn padded(length: usize, placeholder: &[u8]) -> Cow<'_, [u8]> {
    let more = length.saturating_sub(placeholder.len());
    // `&#` and `;` in the place of one byte, and two digits or three.
    let fits = |byte: &u8| *byte < 100 && more >= 4 || more >= 5;
    let Some(place) = placeholder.iter().position(fits) else { return placeholder.into() };
    let reference = format!("&#{:0width$};", placeholder[place], width = more - 2);
    [&placeholder[..place], reference.as_bytes(), &placeholder[place + 1..]].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(escape: Escape, text: &str) -> String {
        let (mut read, mut at, text) = (Vec::new(), 0, text.as_bytes());
        while at < text.len() {
            match escape.unit(text, at) {
                Unit::Whole { length, meant } => {
                    read.push(b'<');
                    read.extend_from_slice(meant.bytes());
                    read.push(b'>');
                    at += length;
                }
                Unit::Plain => {
                    read.push(text[at]);
                    at += 1;
                }
                Unit::Partial => {
                    read.extend_from_slice(b"...");
                    break;
                }
            }
        }
        String::from_utf8(read).unwrap()
    }

    #[test]
    fn each_reader_has_its_escapes() {
        for (text, wanted) in [
            (r#"a\/b\\u0041\u0041\u00e9\"\'\x41\-"#, "a</>b<\\>u0041<A><é><\"><'><A>\\-"),
            (r"\ud83d\ude00 \ud83dx \ude00 \u00zz", r"<😀> \ud83dx \ude00 \u00zz"),
            (r"x\", "x..."),
            (r"x\u00", "x..."),
            (r"x\ud83d\u", "x..."),
        ] {
            assert_eq!(read(Escape::Json, text), wanted);
        }
        assert_eq!(read(Escape::Percent { plus: false }, "%41+%zz%4"), "<A>+%zz...");
        assert_eq!(read(Escape::Percent { plus: true }, "%2b+"), "<+><+>");
        for (text, wanted) in [
            ("&amp;&#65;&#x41;&#0000065;&#X41;", "<&><A><A><A><A>"),
            ("&ampx &# &#; &#x; &#999999999; &#xd800;", "&ampx &# &#; &#x; &#999999999; &#xd800;"),
            ("a&quo", "a..."),
            ("a&#x4", "a..."),
        ] {
            assert_eq!(read(Escape::Html, text), wanted);
        }
    }

    #[test]
    fn a_placeholder_is_escaped_as_the_value_was() {
        for (kind, text, wanted) in [
            (FormKind::Json, r"v\u0061lu\u00EE", r"s\u0065cr\u0065"),
            (FormKind::Json, r"v\x61lue", r"s\x65cre"),
            (FormKind::Json, r"va\/ue", "secre"),
            (FormKind::Percent, "%76a%6C%75e", "%73e%63%72e"),
            (FormKind::Html, "&#118;alue", "s&#99;"),
            (FormKind::Html, "v&#x61;lue", "&#115;ecre"),
        ] {
            let placeholder = if kind == FormKind::Html && wanted == "s&#99;" { "dddde" } else { "secre" };
            let found = rewritten(kind, text.as_bytes(), placeholder.as_bytes()).into_owned();
            if placeholder == "secre" {
                assert_eq!(String::from_utf8(found).unwrap(), wanted);
            } else {
                assert_eq!(String::from_utf8(found).unwrap(), "&#100;ddde");
            }
        }
    }
}
