//! Sets of ASCII characters, written as in a regular expression's class: `A-Za-z0-9_-`.

use serde::{Deserialize, Serialize};

/// A set of ASCII characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Characters(u128);

impl Characters {
    /// Letters and digits.
    pub const ALPHANUMERIC: Self = Self::of(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    /// The URL-safe alphabet of base64 (RFC 4648 §5), without padding.
    pub const BASE64URL: Self = Self::of(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_");

    const fn of(bytes: &[u8]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < bytes.len() {
            bits |= 1 << (bytes[index] & 0x7f);
            index += 1;
        }
        Self(bits)
    }

    /// Parses a class: characters and `a-z` ranges; a `-` at either end stands for itself.
    pub fn parse(class: &str) -> Option<Self> {
        let bytes = class.as_bytes();
        if bytes.is_empty() || !class.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let mut bits = 0;
        let mut index = 0;
        while index < bytes.len() {
            let first = bytes[index];
            let last = if bytes.get(index + 1) == Some(&b'-') { bytes.get(index + 2).copied() } else { None };
            let (last, step) = last.map_or((first, 1), |last| (last, 3));
            if last < first {
                return None;
            }
            for byte in first..=last {
                bits |= 1_u128 << byte;
            }
            index += step;
        }
        Some(Self(bits))
    }

    /// Whether `byte` is in the set.
    pub const fn contains(self, byte: u8) -> bool {
        byte < 128 && self.0 >> byte & 1 == 1
    }

    /// How many bytes at the start of `text` are in the set.
    pub fn run(self, text: &[u8]) -> usize {
        text.iter().take_while(|byte| self.contains(**byte)).count()
    }
}

impl TryFrom<String> for Characters {
    type Error = String;

    fn try_from(class: String) -> Result<Self, String> {
        Self::parse(&class).ok_or_else(|| format!("`{}` is not a class of ASCII characters", class.escape_debug()))
    }
}

impl From<Characters> for String {
    fn from(set: Characters) -> Self {
        (0..128_u8).filter(|byte| set.contains(*byte)).map(char::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_read_as_in_regular_expressions() {
        let set = Characters::parse("A-Ca_-").unwrap();
        assert_eq!(String::from(set), "-ABC_a");
        assert_eq!(Characters::parse("0-9A-Za-z_-"), Some(Characters::BASE64URL));
        assert_eq!(set.run(b"ABba"), 2);
        for class in ["", "z-a", "\u{e9}", "a b"] {
            assert_eq!(Characters::parse(class), None, "{class:?}");
        }
    }
}
