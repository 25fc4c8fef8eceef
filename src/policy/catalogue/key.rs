//! The form of a key: a literal prefix and a run of characters after it.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::policy::characters::Characters;

/// The form of a key, written `ghp_[A-Za-z0-9]{36,251}`: a literal, a class of characters, how many of them follow.
/// `{36}` is that many and no more, `{36,}` at least as many. `[0-9]{8,}` in front stands for digits before the literal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyPattern {
    /// The literal, never empty.
    pub prefix: String,
    /// What follows.
    pub alphabet: Characters,
    /// The least number of characters that follow.
    pub min: usize,
    /// The greatest, where the form is of limited length; a longer run is something else.
    pub max: Option<usize>,
    /// The least number of digits that stand before the literal and belong to the key.
    pub digits_before: usize,
}

impl KeyPattern {
    fn parse(text: &str) -> Option<Self> {
        let (digits_before, text) = match text.strip_prefix("[0-9]{").and_then(|rest| rest.split_once(",}")) {
            Some((least, rest)) => (least.parse().ok()?, rest),
            None => (0, text),
        };
        let (prefix, rest) = text.split_once('[')?;
        let (class, rest) = rest.split_once("]{")?;
        let length = rest.strip_suffix('}')?;
        let (min, max) = match length.split_once(',') {
            Some((min, "")) => (min.parse().ok()?, None),
            Some((min, max)) => (min.parse().ok()?, Some(max.parse().ok()?)),
            None => (length.parse().ok()?, Some(length.parse().ok()?)),
        };
        let is_range = max.is_none_or(|max| min <= max);
        let alphabet = Characters::parse(class)?;
        (!prefix.is_empty() && is_range).then(|| Self { prefix: prefix.into(), alphabet, min, max, digits_before })
    }

    /// The range of the key whose literal stands at `literal` in `text`, if what surrounds it has the form.
    pub(super) fn measure(&self, text: &[u8], literal: Range<usize>, runs: &mut Runs) -> Option<Range<usize>> {
        let digits = text[..literal.start].iter().rev().take(20).take_while(|byte| byte.is_ascii_digit()).count();
        if digits < self.digits_before {
            return None;
        }
        let start = if self.digits_before > 0 { literal.start - digits } else { literal.start };
        let end = runs.end(self.alphabet, text, literal.end);
        let length = end - literal.end;
        let fits = length >= self.min && self.max.is_none_or(|max| length <= max);
        (fits && starts_word(text, start)).then_some(start..end)
    }
}

/// The last run of each alphabet in one text, so that a run is read once however many literals stand in it.
#[derive(Debug, Default)]
pub(super) struct Runs(Vec<(Characters, Range<usize>)>);

impl Runs {
    /// Where the run of `alphabet` that holds `from` ends.
    fn end(&mut self, alphabet: Characters, text: &[u8], from: usize) -> usize {
        let index = self.0.iter().position(|(known, _)| *known == alphabet).unwrap_or(self.0.len());
        if index == self.0.len() {
            self.0.push((alphabet, 0..0));
        }
        let (_, run) = &mut self.0[index];
        if !(run.start..=run.end).contains(&from) || run.start == run.end {
            *run = from..from + alphabet.run(&text[from..]);
        }
        run.end
    }
}

/// Whether a word can start at `start`: no letter, digit or `_` stands before it, unless that ends an escape (`\n` in
/// JSON, `%3D` in a URL).
pub(super) fn starts_word(text: &[u8], start: usize) -> bool {
    match text[..start] {
        [.., b'\\', b'n' | b'r' | b't' | b'"'] | [] => true,
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., last] => !(last.is_ascii_alphanumeric() || last == b'_'),
    }
}

impl TryFrom<String> for KeyPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a key pattern such as `ghp_[A-Za-z0-9]{{36,251}}`"))
    }
}

impl From<KeyPattern> for String {
    fn from(key: KeyPattern) -> Self {
        let digits = if key.digits_before > 0 { format!("[0-9]{{{},}}", key.digits_before) } else { Self::new() };
        let max = key.max.map(|max| max.to_string()).unwrap_or_default();
        format!("{digits}{}[{}]{{{},{max}}}", key.prefix, Self::from(key.alphabet), key.min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_read_as_written() {
        let key = KeyPattern::parse("[0-9]{8,}:AA[A-Z_-]{33}").unwrap();
        assert_eq!((key.prefix.as_str(), key.min, key.max, key.digits_before), (":AA", 33, Some(33), 8));
        assert_eq!(KeyPattern::parse("x[0-9]{3,}").unwrap().max, None);
        for text in ["", "ghp_", "[a-z]{3}", "x[a-z]", "x[]{3}", "x[a-z]{}", "x[a-z]{4,3}", "x[z-a]{3}", "x[a-z]{-1}"] {
            assert_eq!(KeyPattern::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_pattern_survives_being_written_and_read() {
        let key = KeyPattern::parse("[0-9]{8,}:AA[A-Za-z0-9_-]{33,40}").unwrap();
        assert_eq!(KeyPattern::parse(&String::from(key.clone())), Some(key));
    }
}
