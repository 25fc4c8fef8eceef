//! Secrets within comments of files that hold secrets.
//!
//! **Trade-off.** No program reads a comment, so that what merely looks random may be hidden there: an old key, or a digest.

use super::judge::{Cause, by_scrub_rules};
use super::text::{Stretch, in_free_text, is_token, merge, of_name};
use super::weak;

/// Secrets within a comment, which no program reads: what may be one is hidden there.
pub fn in_comment(text: &[u8]) -> Vec<Stretch> {
    merge(in_free_text(text).into_iter().chain(random_words(text)).collect())
}

/// Words of a comment that are long and random, and those behind a secret word, as in `password horse42horse`.
fn random_words(text: &[u8]) -> impl Iterator<Item = Stretch> + '_ {
    const LEAST_BEHIND: usize = 8;
    const LEAST_BASE64: usize = 32;
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`,;()<>[]{}".contains(byte);
    let mut is_named = false;
    let mut at = 0;
    text.split(ends).filter_map(move |word| {
        let start = at;
        at += word.len() + 1;
        let word = word.trim_ascii_end().strip_suffix(b".").unwrap_or(word);
        let word = word.strip_suffix(b":").unwrap_or(word);
        if word.is_empty() {
            return None;
        }
        let has = |kind: fn(&u8) -> bool| word.iter().any(kind);
        let is_mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic) && !weak::is_plain(word, false);
        let is_base64 = || {
            word.len() >= LEAST_BASE64
                && has(u8::is_ascii_lowercase)
                && has(u8::is_ascii_uppercase)
                && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte))
        };
        let is_secret = is_mixed && (is_token(word) || is_base64() || is_named && word.len() >= LEAST_BEHIND);
        is_named = std::str::from_utf8(word).ok().and_then(of_name).is_some();
        is_secret.then(|| Stretch {
            range: start..start + word.len(),
            name: None,
            cause: Cause { entry: None, reason: "is a random word of a comment".into(), origin: by_scrub_rules() },
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        in_comment(text.as_bytes()).into_iter().map(|stretch| &text[stretch.range]).collect()
    }

    #[test]
    fn a_comment_gives_up_random_words() {
        for (text, expected) in [
            ("# rotated, was GOODqB2aaaaaaaaa.", vec!["GOODqB2aaaaaaaaa"]),
            ("; the old one (9f86d081884c7d659a2feaa0c55ad015): gone", vec!["9f86d081884c7d659a2feaa0c55ad015"]),
            ("# machine old.example login u password h0rse42x", vec!["h0rse42x"]),
            ("# password for the 2nd server, see api2.example-company.com/docs/Setup1", vec![]),
            ("# wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY was it", vec!["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"]),
            (
                "# 2026-11-30T00:00:00Z: version 1.22.333-rc4 of iterm2_precmd_invoke at /usr/lib/x86_64-linux-gnu",
                vec![],
            ),
            ("# STRIPE_KEY=sk_live_0123456789abcdefghij # live", vec!["sk_live_0123456789abcdefghij"]),
            ("", vec![]),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn long_comments_take_linear_time() {
        for text in ["token a1 ", "password ", "A1b2C3d4E5f6G7h8", "'\"(; "] {
            let _ = in_comment(text.repeat(100_000).as_bytes());
        }
    }
}
