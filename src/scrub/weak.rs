//! Values under names that hold secrets and settings alike.

/// Whether a value is plain text: words, numbers, versions, the names of algorithms (`aes-256-gcm`), and not so many words
/// that they are a phrase to remember a key by. With `codes` a number of four to ten digits is not plain.
pub(super) fn is_plain(value: &[u8], codes: bool) -> bool {
    const LEAST_WORDS: usize = 11;
    const CODE: std::ops::RangeInclusive<usize> = 4..=10;
    let is_code = codes && CODE.contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let is_separator = |byte: &u8| byte.is_ascii_whitespace() || b"-_./,:;()[]{}\"'=".contains(byte);
    let words = || value.split(is_separator).filter(|word| !word.is_empty());
    !is_code && words().count() <= LEAST_WORDS && words().all(is_plain_word)
}

/// Letters in one case, or capitalised, with a number before them or behind: `SHA512`, `poly1305`, `128k`.
fn is_plain_word(word: &[u8]) -> bool {
    const LONGEST: usize = 20;
    const LONGEST_NUMBER: usize = 4;
    let digits = |word: &[u8]| word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let before = digits(word);
    let letters = &word[before..];
    let count = letters.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (letters, behind) = letters.split_at(count);
    let is_one_case = letters.iter().skip(1).all(u8::is_ascii_lowercase) || letters.iter().all(u8::is_ascii_uppercase);
    let is_number = letters.is_empty() && behind.is_empty();
    let are_short = before.max(behind.len()) <= LONGEST_NUMBER && (before == 0 || letters.len() <= 3);
    word.len() <= LONGEST && digits(behind) == behind.len() && is_one_case && (is_number || are_short)
}

/// Whether a value of a credential file is long and in no language: letters of both cases without order, too.
pub fn is_random(value: &[u8]) -> bool {
    const LEAST: usize = 20;
    const LEAST_CAPITALS: usize = 3;
    let is_word =
        value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_'));
    let capitals = value.iter().skip(1).filter(|byte| byte.is_ascii_uppercase()).count();
    value.len() >= LEAST
        && is_word
        && !is_plain(value, false)
        && capitals >= LEAST_CAPITALS
        && value.iter().any(u8::is_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_plain_and_keys_are_not() {
        for plain in [
            "42",
            "1234567890123",
            "4096",
            "128k",
            "ssh",
            "AES256",
            "aes-256-gcm",
            "chacha20-poly1305",
            "HMAC-SHA512",
            "1.2.3",
            "gcc 12 (Debian)",
            "input,output",
            "0-3",
        ] {
            assert!(is_plain(plain.as_bytes(), false), "{plain}");
        }
        for secret in [
            "JBSWY3DPEHPK3PXP",
            "correcthorsebatterystaplexyz",
            "550e8400-e29b-41d4-a716-446655440000",
            "9f86d081884c7d659a2feaa0c55ad015",
            "legal winner thank year wave sausage worth useful legal winner thank yellow",
            "tr0ub4dor&3",
            "a1b2c3d4",
            "123456789012345678901",
        ] {
            assert!(!is_plain(secret.as_bytes(), false), "{secret}");
        }
        assert!(!is_plain(b"4711", true) && !is_plain(b"123456", true));
        assert!(is_plain(b"13", true) && is_plain(b"17", true));
    }

    #[test]
    fn letters_alone_may_be_random() {
        for (value, expected) in [
            ("wPqZbTnLxGdRkVcMsYhFjQaE", true),
            ("us-east-1", false),
            ("arn:aws:iam::123456789012:role/Deploy", false),
            ("deploy-of-the-production-account", false),
            ("SESSION-OF-THE-PRODUCTION", false),
            ("ShortOne", false),
        ] {
            assert_eq!(is_random(value.as_bytes()), expected, "{value}");
        }
    }
}
