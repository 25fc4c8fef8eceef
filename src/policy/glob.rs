//! Patterns with `*` and `**`: for request paths, for files, for names.
//!
//! **Invariants.** `*` stands for any bytes but `/`, `**` for any bytes, and `**/` at the start or after a `/` for any
//! number of whole segments, none included. Matching takes time linear in the text, whatever the pattern: all ways to
//! match are followed at once, none is tried again.

use serde::Deserialize;

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Glob {
    text: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Token {
    Byte(u8),
    /// `*`.
    Segment,
    /// `**`.
    Any,
    /// `**/` as whole segments.
    Segments,
}

impl Glob {
    /// Parses `text`; `None` where more than two stars stand together.
    pub(super) fn parse(text: String) -> Option<Self> {
        let mut tokens = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        let mut at_segment_start = true;
        while let [first, after @ ..] = rest {
            let stars = rest.iter().take_while(|byte| **byte == b'*').count();
            (rest, at_segment_start) = match (stars, rest.get(2)) {
                (3.., _) => return None,
                (2, Some(b'/')) if at_segment_start => {
                    tokens.push(Token::Segments);
                    (&rest[3..], true)
                }
                (2, _) => {
                    tokens.push(Token::Any);
                    (&rest[2..], false)
                }
                (1, _) => {
                    tokens.push(Token::Segment);
                    (after, false)
                }
                (_, _) => {
                    tokens.push(Token::Byte(*first));
                    (after, *first == b'/')
                }
            };
        }
        Some(Self { text, tokens })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether all of `text` matches.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let mut now = States::new(self.tokens.len());
        let mut next = States::new(self.tokens.len());
        self.enter(&mut now, 0);
        for &byte in text {
            for &state in &now.active {
                match self.tokens.get(state) {
                    Some(Token::Byte(wanted)) if *wanted == byte => self.enter(&mut next, state + 1),
                    Some(Token::Segment) if byte != b'/' => self.enter(&mut next, state),
                    Some(Token::Any) => self.enter(&mut next, state),
                    Some(Token::Segments) => {
                        next.add(state);
                        if byte == b'/' {
                            self.enter(&mut next, state + 1);
                        }
                    }
                    _ => {}
                }
            }
            std::mem::swap(&mut now, &mut next);
            if now.active.is_empty() {
                return false;
            }
            next.clear();
        }
        now.is_member[self.tokens.len()]
    }

    /// Adds `state` and those reached from it without a byte.
    fn enter(&self, states: &mut States, mut state: usize) {
        while states.add(state) && matches!(self.tokens.get(state), Some(Token::Segment | Token::Any | Token::Segments))
        {
            state += 1;
        }
    }
}

/// The places in the pattern that the text so far may have reached.
struct States {
    active: Vec<usize>,
    is_member: Vec<bool>,
}

impl States {
    fn new(last: usize) -> Self {
        Self { active: Vec::new(), is_member: vec![false; last + 1] }
    }

    /// Adds a state; false where it was there already.
    fn add(&mut self, state: usize) -> bool {
        let is_new = !self.is_member[state];
        if is_new {
            self.is_member[state] = true;
            self.active.push(state);
        }
        is_new
    }

    fn clear(&mut self) {
        for state in self.active.drain(..) {
            self.is_member[state] = false;
        }
    }
}

/// A name in which `*` stands for any characters: `TF_VAR_*`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(super) struct NameGlob(String);

impl NameGlob {
    pub(super) fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let (Some(first), Some(last)) = (parts.next(), parts.next_back()) else { return self.0 == name };
        let Some(rest) = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
        // What stands between the first and the last star is found as far left as it can be.
        parts.try_fold(rest, |rest, part| rest.find(part).map(|at| &rest[at + part.len()..])).is_some()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for NameGlob {
    fn from(text: String) -> Self {
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::effort::assert_linear;

    /// The definition of a match, tried in every way.
    fn naive(pattern: &[u8], at_segment_start: bool, text: &[u8]) -> bool {
        let any_rest = |after: &[u8], stop: fn(u8) -> bool| {
            (0..=text.len())
                .take_while(|end| !text[..*end].iter().any(|byte| stop(*byte)))
                .any(|end| naive(after, false, &text[end..]))
        };
        match pattern {
            [] => text.is_empty(),
            [b'*', b'*', b'/', after @ ..] if at_segment_start => {
                let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(index, _)| index + 1);
                std::iter::once(0).chain(ends).any(|end| naive(after, true, &text[end..]))
            }
            [b'*', b'*', after @ ..] => any_rest(after, |_| false),
            [b'*', after @ ..] => any_rest(after, |byte| byte == b'/'),
            [first, after @ ..] => text.first() == Some(first) && naive(after, *first == b'/', &text[1..]),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn agrees_with_the_naive_matcher(pattern in "/?([ab]|\\*{1,2}|/|\\*\\*/){0,7}", text in "[ab/]{0,9}") {
            if let Some(glob) = Glob::parse(pattern.clone()) {
                prop_assert_eq!(glob.matches(text.as_bytes()), naive(pattern.as_bytes(), true, text.as_bytes()));
            }
        }

        #[test]
        fn names_agree_with_the_naive_matcher(pattern in "[ab*]{0,7}", name in "[ab]{0,9}") {
            let mut single = pattern.clone();
            while single.contains("**") {
                single = single.replace("**", "*");
            }
            prop_assert_eq!(NameGlob(pattern).matches(&name), naive(single.as_bytes(), true, name.as_bytes()));
        }
    }

    #[test]
    fn hostile_patterns_take_linear_time() {
        let hostile = Glob::parse(format!("/{}c", "**a*b".repeat(40))).unwrap();
        assert_linear("stars", |size| {
            let text = format!("/{}", "ab".repeat(size));
            assert!(!hostile.matches(text.as_bytes()));
        });
    }
}
