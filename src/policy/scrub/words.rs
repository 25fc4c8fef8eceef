//! The words that make up names, and what they say together.
//!
//! **Trade-off.** A weak word stands in the names of secrets and of settings alike (`SEED`, `SIGNING`): it makes a value
//! secret that is no plain text, so that `RANDOM_SEED=42` stays.

use serde::Deserialize;

use super::NameVerdict;

/// The rules of `policies/scrub.toml` for words, each in upper case.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Words {
    secret: Vec<String>,
    secret_word_ends: Vec<String>,
    secret_at_end: Vec<String>,
    secret_last_word_ends: Vec<String>,
    weak: Vec<String>,
    codes_at_end: Vec<String>,
    passed_over_at_end: Vec<String>,
    key_is_harmless_after: Vec<String>,
    harmless: Vec<String>,
    harmless_endings: Vec<String>,
    harmless_at_start: Vec<String>,
    harmless_at_end: Vec<String>,
    harmless_prefixes: Vec<String>,
}

impl Words {
    /// What the words of `name` say, and the one that decided.
    pub(super) fn judge(&self, name: &str) -> Option<(NameVerdict, String)> {
        if let Some(prefix) = self.harmless_prefixes.iter().find(|prefix| name.starts_with(prefix.as_str())) {
            return Some((NameVerdict::Keep, prefix.clone()));
        }
        let mut words = words_of(name);
        if let Some(word) = words.iter().find(|word| holds(&self.harmless, word)) {
            return Some((NameVerdict::Keep, word.clone()));
        }
        if let Some(first) = words.first().filter(|first| words.len() > 1 && holds(&self.harmless_at_start, first)) {
            return Some((NameVerdict::Keep, first.clone()));
        }
        while words.len() > 1 && words.last().is_some_and(|word| holds(&self.passed_over_at_end, word)) {
            words.pop();
        }
        let last = words.last()?;
        if holds(&self.harmless_at_end, last) {
            return Some((NameVerdict::Keep, last.clone()));
        }
        // `CONN_STR` says what `CONNSTR` says; `c_red` is no `CRED`.
        let are_long = |pair: &&[String]| pair.iter().all(|word| word.len() > 2);
        let joined: Vec<String> = words.windows(2).filter(are_long).map(<[String]>::concat).collect();
        let each = || words.iter().chain(&joined);
        let is_secret = |word: &&String| {
            !holds(&self.harmless_endings, word) && (holds(&self.secret, word) || ends(&self.secret_word_ends, word))
        };
        if let Some(word) = each().find(is_secret) {
            return Some((NameVerdict::Secret, word.clone()));
        }
        if self.is_secret_at_end(&words, last) {
            return Some((NameVerdict::Secret, last.clone()));
        }
        if let Some(word) = [last].into_iter().chain(joined.last()).find(|word| holds(&self.codes_at_end, word)) {
            return Some((NameVerdict::Code, word.clone()));
        }
        each().find(|word| holds(&self.weak, word)).map(|word| (NameVerdict::Weak, word.clone()))
    }

    fn is_secret_at_end(&self, words: &[String], last: &str) -> bool {
        let before = words.len().checked_sub(2).map(|index| words[index].as_str());
        let is_harmless_key =
            last.starts_with("KEY") && before.is_some_and(|word| holds(&self.key_is_harmless_after, word));
        let ends = ends(&self.secret_last_word_ends, last) && !holds(&self.harmless_endings, last);
        (holds(&self.secret_at_end, last) || ends) && !is_harmless_key
    }
}

fn holds(list: &[String], word: &str) -> bool {
    list.iter().any(|known| known == word)
}

fn ends(list: &[String], word: &str) -> bool {
    list.iter().any(|end| word.ends_with(end.as_str()))
}

/// The words of a name in upper case: split at what is neither letter nor digit, and at camel-case humps. A number at
/// the end is dropped: `API_KEY_2` and `API_KEY2` are further keys.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = '_';
    for character in name.chars() {
        let starts_hump = before.is_lowercase() && character.is_uppercase();
        if starts_hump || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character.is_alphanumeric(), words.last_mut()) {
            word.extend(character.to_uppercase());
        }
        before = character;
    }
    words.retain(|word| !word.is_empty());
    while words.len() > 1 && words.last().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit())) {
        words.pop();
    }
    if let Some(last) = words.last_mut() {
        let kept = last.trim_end_matches(|character: char| character.is_ascii_digit()).len();
        // `B64` and `BASE64` are words of their own.
        if kept > 0 && !last.ends_with("64") {
            last.truncate(kept);
        }
    }
    words
}
