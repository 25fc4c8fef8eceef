//! Which values may be looked for in any text.
//!
//! Replacing `production` or `12345` wherever it stands would break more than it protects. Such values are replaced only
//! where they are named.

/// The least number of bytes of a value that is looked for everywhere.
const LEAST: usize = 12;

/// Whether `value` is long and odd enough that its bytes anywhere mean the secret: at least 12 bytes, and neither a
/// plain word, two of them, a number nor one byte repeated.
pub fn is_distinctive(value: &[u8]) -> bool {
    value.len() >= LEAST && !is_plain_word(value) && value.iter().any(|byte| *byte != value[0])
}

/// Whether `value` is one or two words of letters in one case (or capitalised) or of digits.
pub fn is_plain_word(value: &[u8]) -> bool {
    let is_separator = |byte: &u8| matches!(byte, b'-' | b'_' | b'.' | b' ' | b'/');
    let mut words = value.split(is_separator).filter(|word| !word.is_empty());
    let are_few = value.iter().filter(|byte| is_separator(byte)).count() <= 1;
    are_few && words.all(|word| is_word(word) || word.iter().all(u8::is_ascii_digit))
}

fn is_word(word: &[u8]) -> bool {
    let [first, rest @ ..] = word else { return false };
    let rest_is_lower = rest.iter().all(u8::is_ascii_lowercase);
    let all_are_upper = word.iter().all(u8::is_ascii_uppercase);
    first.is_ascii_alphabetic() && (rest_is_lower || all_are_upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_plain_values_are_not() {
        for plain in ["", "short", "elevenbytes", "developmentdatabase", "Production-Server", "UPPERCASEWORD"] {
            assert!(!is_distinctive(plain.as_bytes()), "{plain}");
        }
        for plain in ["000000000000", "123456789012", "2026-11231122", "xxxxxxxxxxxxxxxx", "----------------"] {
            assert!(!is_distinctive(plain.as_bytes()), "{plain}");
        }
        for odd in ["sk_live_4242abcd", "correct horse battery", "aB3aB3aB3aB3", "passwordpassw0rd", "iAmSoSecretHere"]
        {
            assert!(is_distinctive(odd.as_bytes()), "{odd}");
        }
    }
}
