//! Placeholders: what the child sees in place of a value.
//!
//! **Invariants.** At least 96 random bits each; only the literal prefix that the catalogue knows is kept, because the
//! prefix of an unknown secret is itself secret; never equal to the value it stands for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The characters a placeholder's random part is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alphabet {
    /// `0-9 a-f`.
    Hex,
    /// `A-Z 2-7`, as in AWS access key ids.
    Base32,
    /// `0-9 A-Z a-z`.
    Base62,
    /// `0-9 A-Z a-z - _`.
    Base64Url,
}

impl Alphabet {
    /// The characters, all ASCII.
    pub fn characters(self) -> &'static [u8] {
        match self {
            Self::Hex => b"0123456789abcdef",
            Self::Base32 => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
            Self::Base62 => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            Self::Base64Url => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_",
        }
    }
}

/// The form of a placeholder, from the catalogue entry of the key it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// The literal prefix that clients look for (`sk-ant-api03-`), public knowledge.
    pub prefix: String,
    /// What the random part is drawn from.
    pub alphabet: Alphabet,
    /// Wished length of the random part in characters; raised where it holds fewer than 96 bits.
    pub length: usize,
    /// A constant end, for clients that remember a key by it; empty mostly.
    #[serde(default)]
    pub tail: String,
}

impl Shape {
    /// The form of a placeholder for a value that the catalogue does not know: nothing of the value shows.
    pub fn unknown() -> Self {
        Self { prefix: "placeholder_".into(), alphabet: Alphabet::Base62, length: 24, tail: String::new() }
    }
}

/// A stand-in for one secret in one run. Its text is safe to show, log and send.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Placeholder(String);

impl Placeholder {
    /// Mints a new one from the system's random source.
    pub fn mint(shape: &Shape) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let characters = shape.alphabet.characters();
        let length = shape.length.max(characters_for_96_bits(characters.len()));
        let mut text = String::with_capacity(shape.prefix.len() + length + shape.tail.len());
        text.push_str(&shape.prefix);
        push_random(&mut text, characters, length)?;
        text.push_str(&shape.tail);
        Ok(Self(text))
    }

    /// Takes a text that was built elsewhere around a minted part, such as a JWT-shaped one.
    pub fn from_minted(text: String) -> Self {
        Self(text)
    }

    /// The text that the child sees.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn characters_for_96_bits(alphabet_size: usize) -> usize {
    let whole_bits_each = usize::BITS - 1 - alphabet_size.leading_zeros();
    96_usize.div_ceil(whole_bits_each.max(1) as usize)
}

/// Appends `length` characters, each equally likely: bytes beyond the last whole multiple are thrown away.
fn push_random(text: &mut String, characters: &[u8], length: usize) -> Result<(), aws_lc_rs::error::Unspecified> {
    let limit = 256 - 256 % characters.len();
    let mut missing = length;
    let mut bytes = [0_u8; 64];
    while missing > 0 {
        aws_lc_rs::rand::fill(&mut bytes)?;
        for byte in bytes {
            let byte = usize::from(byte);
            if missing > 0 && byte < limit {
                text.push(char::from(characters[byte % characters.len()]));
                missing -= 1;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(alphabet: Alphabet, length: usize) -> Shape {
        Shape { prefix: "sk-".into(), alphabet, length, tail: "-end".into() }
    }

    #[test]
    fn has_at_least_96_random_bits_in_every_alphabet() {
        for (alphabet, least) in
            [(Alphabet::Hex, 24), (Alphabet::Base32, 20), (Alphabet::Base62, 20), (Alphabet::Base64Url, 16)]
        {
            let text = Placeholder::mint(&shape(alphabet, 1)).unwrap().to_string();
            let random = &text["sk-".len()..text.len() - "-end".len()];
            assert!(random.len() >= least, "{alphabet:?}: {text}");
            assert!(random.bytes().all(|byte| alphabet.characters().contains(&byte)), "{text}");
        }
    }

    #[test]
    fn two_are_never_equal() {
        let one = Placeholder::mint(&Shape::unknown()).unwrap();
        assert_ne!(one, Placeholder::mint(&Shape::unknown()).unwrap());
    }
}
