//! References inside a value: `${NAME}`, `${NAME:-default}`, `$(command)`.
//!
//! A reference is kept: what it resolves to is a placeholder already where the variable holds a secret. The literal
//! stretches around it and its default are values of their own.

use std::ops::Range;

use super::Literal;

/// What a reader expands in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expansion {
    /// References anywhere in it.
    Everywhere,
    /// A reference that is the whole value, which no reader's literal would be.
    Whole,
    /// References anywhere, and a value in backticks is a command.
    Shell,
}

/// Deeper nested defaults are read as one literal.
const DEEPEST: usize = 8;

/// A value, cut at its references.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) literals: Vec<Literal>,
    /// The name of the variable that is the whole value.
    pub(super) refers_to: Option<Range<usize>>,
}

/// What stands at a `$`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// No bracketed reference.
    None,
    /// One without an end.
    Open,
    /// One of this length, brackets included.
    Closed(usize),
}

/// Cuts a value at its references, by what a reader expands.
pub(super) fn cut(text: &[u8], expansion: Expansion) -> Cut {
    let whole = whole_reference(text);
    let mut cut = Cut::default();
    match expansion {
        Expansion::Whole if whole.is_none() => push(&mut cut.literals, 0..text.len(), None),
        Expansion::Shell if is_command(text) => {}
        _ if is_bare_reference(text) => cut.refers_to = Some(1..text.len()),
        _ => {
            let walk = Walk { text, pairs: pairs(text) };
            walk.through(0..text.len(), None, 0, &mut cut.literals);
            cut.refers_to = whole;
        }
    }
    cut
}

/// What stands at the `$` that `bytes` begins with.
pub(super) fn reference(bytes: &[u8]) -> Reference {
    let (open, close) = match bytes.get(1) {
        Some(b'{') => (b'{', b'}'),
        Some(b'(') => (b'(', b')'),
        _ => return Reference::None,
    };
    let mut depth = 0_usize;
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' {
            at += 1;
        } else if byte == open {
            depth += 1;
        } else if byte == close {
            depth -= 1;
            if depth == 0 {
                return Reference::Closed(at + 1);
            }
        }
        at += 1;
    }
    Reference::Open
}

/// The name in a text that is `${NAME}` and nothing else.
fn whole_reference(text: &[u8]) -> Option<Range<usize>> {
    let is_whole = text.starts_with(b"${") && reference(text) == Reference::Closed(text.len());
    is_whole.then(|| 2..2 + name_length(&text[2..]))
}

fn is_bare_reference(text: &[u8]) -> bool {
    text.len() > 1 && text[0] == b'$' && name_length(&text[1..]) == text.len() - 1
}

fn is_command(text: &[u8]) -> bool {
    text.len() > 1 && text.starts_with(b"`") && memchr::memchr(b'`', &text[1..]) == Some(text.len() - 2)
}

fn name_length(text: &[u8]) -> usize {
    let length = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if text.first().is_some_and(u8::is_ascii_digit) { 0 } else { length }
}

fn push(literals: &mut Vec<Literal>, range: Range<usize>, default_of: Option<&Range<usize>>) {
    if !range.is_empty() {
        literals.push(Literal { range, default_of: default_of.cloned() });
    }
}

/// A value on the way to its literals. Which brackets belong together is found once: looking for the end of each that has
/// none would read the rest of the value as often as there are such.
struct Walk<'a> {
    text: &'a [u8],
    pairs: Vec<(usize, usize)>,
}

/// Where each bracket that is closed stands and where it is, by the former.
fn pairs(text: &[u8]) -> Vec<(usize, usize)> {
    let (mut pairs, mut braces, mut parentheses) = (Vec::new(), Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let closed = match byte {
            b'\\' => {
                at += 2;
                continue;
            }
            b'{' => {
                braces.push(at);
                None
            }
            b'(' => {
                parentheses.push(at);
                None
            }
            b'}' => braces.pop(),
            b')' => parentheses.pop(),
            _ => None,
        };
        pairs.extend(closed.map(|open| (open, at)));
        at += 1;
    }
    pairs.sort_unstable();
    pairs
}

impl Walk<'_> {
    /// The length of the reference at the `$` at `at`, if it ends before `end`.
    fn reference(&self, at: usize, end: usize) -> Option<usize> {
        let place = self.pairs.binary_search_by_key(&(at + 1), |(open, _)| *open).ok()?;
        let close = self.pairs[place].1;
        (close < end).then(|| close + 1 - at)
    }

    fn through(&self, within: Range<usize>, name: Option<&Range<usize>>, depth: usize, literals: &mut Vec<Literal>) {
        let text = self.text;
        let mut start = within.start;
        let mut at = within.start;
        while at < within.end {
            let length = match text[at] {
                b'\\' => {
                    at += 2;
                    continue;
                }
                b'$' if depth < DEEPEST => self.reference(at, within.end),
                _ => None,
            };
            let Some(length) = length else {
                at += 1;
                continue;
            };
            push(literals, start..at, name);
            if text[at + 1] == b'{' {
                let inner = at + 2..at + length - 1;
                let inner_name = inner.start..inner.start + name_length(&text[inner.clone()]);
                if let Some(default) = default_of(text, &inner_name, inner.end) {
                    self.through(default, Some(&inner_name), depth + 1, literals);
                }
            }
            at += length;
            start = at;
        }
        push(literals, start..within.end, name);
    }
}

/// The default behind a name: after `-`, `=`, `+` or `?`, with or without a colon.
fn default_of(text: &[u8], name: &Range<usize>, end: usize) -> Option<Range<usize>> {
    let operator = &text[name.end..end];
    let colon = usize::from(operator.starts_with(b":"));
    matches!(operator.get(colon), Some(b'-' | b'=' | b'+' | b'?')).then(|| name.end + colon + 1..end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn brackets_belong_together_as_a_reader_of_one_reference_says(text in "[$({})a\\\\]{0,24}") {
            let text = text.as_bytes();
            let walk = Walk { text, pairs: pairs(text) };
            let mut at = 0;
            while at < text.len() {
                if text[at] == b'$' {
                    let wanted = match reference(&text[at..]) {
                        Reference::Closed(length) => Some(length),
                        Reference::None | Reference::Open => None,
                    };
                    prop_assert_eq!(walk.reference(at, text.len()), wanted);
                }
                at += 1 + usize::from(text[at] == b'\\');
            }
        }
    }

    fn literals(text: &str, expansion: Expansion) -> Vec<(&str, Option<&str>)> {
        cut(text.as_bytes(), expansion)
            .literals
            .into_iter()
            .map(|literal| (&text[literal.range], literal.default_of.map(|name| &text[name])))
            .collect()
    }

    #[test]
    fn cuts_at_references() {
        for (text, expected) in [
            ("plain", vec![("plain", None)]),
            ("${A}", vec![]),
            ("$A", vec![]),
            ("pa$word", vec![("pa$word", None)]),
            ("x${A}y", vec![("x", None), ("y", None)]),
            ("${A:-sk}", vec![("sk", Some("A"))]),
            ("${A-${B:-deep}}", vec![("deep", Some("B"))]),
            ("${A:+a${B}c}", vec![("a", Some("A")), ("c", Some("A"))]),
            ("$(op read x)", vec![]),
            ("\\${A}", vec![("\\${A}", None)]),
            ("open${A", vec![("open${A", None)]),
            ("${A%%x}", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(literals(text, Expansion::Everywhere), expected, "{text}");
        }
    }

    #[test]
    fn single_quotes_expand_only_what_is_a_reference_alone() {
        assert_eq!(literals("${A}", Expansion::Whole), vec![]);
        assert_eq!(literals("x${A}", Expansion::Whole), vec![("x${A}", None)]);
        assert_eq!(literals("`op read x`", Expansion::Shell), vec![]);
        assert_eq!(cut(b"${FOO}", Expansion::Shell).refers_to, Some(2..5));
        assert_eq!(cut(b"$FOO", Expansion::Everywhere).refers_to, Some(1..4));
    }
}
