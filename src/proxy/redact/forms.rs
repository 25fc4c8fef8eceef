//! In which forms a value may come back: as it is. Encoded forms join the same list.

use std::sync::Arc;

use crate::secret::{Secret, SecretId, Table};

/// Values shorter than this are found everywhere by chance.
const SHORTEST: usize = 12;

/// One sequence of bytes to look for and what takes its place.
pub(super) struct Form {
    /// Which secret it is a form of.
    pub(super) secret: SecretId,
    /// Holds the bytes to look for.
    pub(super) value: Arc<Secret>,
    /// What the child sees instead, in the same encoding.
    pub(super) replacement: Vec<u8>,
}

impl Form {
    /// The bytes to look for.
    pub(super) fn bytes(&self) -> &[u8] {
        self.value.expose()
    }
}

/// All forms of all searchable secrets.
pub(super) fn of(secrets: &Table) -> Vec<Form> {
    secrets
        .iter()
        .filter(|(_, held)| is_searchable(held.value().expose()))
        .map(|(secret, held)| Form {
            secret,
            value: Arc::clone(held.value()),
            replacement: held.placeholder.as_str().as_bytes().to_vec(),
        })
        .collect()
}

/// Whether a value is distinct enough to be looked for in any text: at least 12 bytes, and no plain word.
pub fn is_searchable(value: &[u8]) -> bool {
    value.len() >= SHORTEST && !is_plain_word(value)
}

/// Up to 20 letters in one case, or with a capital first: `production`, `Authorization`. A password may look so; it is
/// replaced where it is named, not wherever the word stands.
fn is_plain_word(value: &[u8]) -> bool {
    let Some((first, rest)) = value.split_first() else { return false };
    let is_lower = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_lowercase);
    let is_one_case = first.is_ascii_alphabetic() && is_lower(rest) || value.iter().all(u8::is_ascii_uppercase);
    value.len() <= 20 && is_one_case
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_values_and_plain_words_are_not_searched_for() {
        for (value, searched) in [
            ("sk_live_51H", false),
            ("sk_live_51Hx", true),
            ("authorization", false),
            ("Authorization", false),
            ("AUTHORIZATION", false),
            ("AuthoriZation", true),
            ("correct horse", true),
            ("correcthorsebatterystaple", true),
            ("", false),
        ] {
            assert_eq!(is_searchable(value.as_bytes()), searched, "{value}");
        }
    }
}
