//! A text and its leaves.

use std::ops::Range;

use zeroize::Zeroizing;

use super::super::{MaskError, Place};

/// What a syntax reads: UTF-8 without a byte order mark.
pub(super) struct Text<'a> {
    pub(super) source: &'a str,
    /// How many bytes of the file stand before it.
    pub(super) before: usize,
}

/// How the source of a leaf is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote {
    None,
    Single,
    Double,
}

/// A stretch of a file that has a meaning of its own.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) place: Place,
    /// Its bytes in the text, with the quotes where a syntax rewrites those.
    pub(super) range: Range<usize>,
    /// The innermost key, empty for text.
    pub(super) key: String,
    /// As in [`super::Site::pointer`].
    pub(super) pointer: String,
    /// What a program reads there.
    pub(super) value: Zeroizing<String>,
    pub(super) quote: Quote,
    /// Programs disagree on what they read there.
    pub(super) is_doubtful: bool,
}

impl Leaf {
    /// A value under a key.
    pub(super) fn value(range: Range<usize>, key: &str, pointer: String, value: &str) -> Self {
        let value = Zeroizing::new(value.to_owned());
        Self { place: Place::Value, range, key: key.into(), pointer, value, quote: Quote::None, is_doubtful: false }
    }

    /// The name of a section or of an entry.
    pub(super) fn name(range: Range<usize>, pointer: String, name: &str) -> Self {
        Self { place: Place::Key, ..Self::value(range, "", pointer, name) }
    }

    /// A comment, or whatever else has no key.
    pub(super) fn text(range: Range<usize>, text: &str) -> Self {
        Self { place: Place::Text, ..Self::value(range, "", String::new(), text) }
    }

    pub(super) fn quoted(self, quote: Quote) -> Self {
        Self { quote, ..self }
    }

    pub(super) fn doubtful_if(self, is_doubtful: bool) -> Self {
        Self { is_doubtful, ..self }
    }
}

impl<'a> Text<'a> {
    /// Refuses what is no text. A carriage return alone ends a line for some programs and not for others.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, MaskError> {
        let before = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let source = std::str::from_utf8(&bytes[before..]).map_err(|_| MaskError::NotText)?;
        if memchr::memchr(0, bytes).is_some() {
            return Err(MaskError::NotText);
        }
        let text = Self { source, before };
        let bytes = source.as_bytes();
        match memchr::memchr_iter(b'\r', bytes).find(|at| bytes.get(at + 1) != Some(&b'\n')) {
            Some(at) => Err(text.doubtful(at)),
            None => Ok(text),
        }
    }

    /// The line, from 1, in which a byte stands.
    fn line_of(&self, at: usize) -> usize {
        1 + memchr::memchr_iter(b'\n', &self.source.as_bytes()[..at.min(self.source.len())]).count()
    }

    pub(super) fn doubtful(&self, at: usize) -> MaskError {
        MaskError::Doubtful { line: self.line_of(at) }
    }

    pub(super) fn unparsed(&self, at: usize) -> MaskError {
        MaskError::Unparsed { line: self.line_of(at) }
    }

    /// Each line without its end.
    pub(super) fn lines(&self) -> impl Iterator<Item = Range<usize>> {
        let bytes = self.source.as_bytes();
        let ends = memchr::memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len()));
        ends.scan(0, move |start, end| {
            let line = *start..end;
            *start = end + 1;
            Some(if bytes[line.clone()].ends_with(b"\r") { line.start..line.end - 1 } else { line })
        })
    }

    /// `range` without the white space around it.
    pub(super) fn trimmed(&self, range: Range<usize>) -> Range<usize> {
        let text = &self.source[range.clone()];
        let start = range.start + (text.len() - text.trim_start().len());
        start..start + text.trim().len()
    }

    /// The comment that `range` is, white space around it apart; none where it is empty.
    pub(super) fn comment(&self, range: Range<usize>) -> Option<Leaf> {
        let range = self.trimmed(range);
        (!range.is_empty()).then(|| Leaf::text(range.clone(), &self.source[range]))
    }
}

/// A segment behind a pointer (RFC 6901 §3).
pub(super) fn push_segment(pointer: &mut String, segment: &str) {
    pointer.push('/');
    for character in segment.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// The pointer of these segments.
pub(super) fn pointer<const N: usize>(segments: [&str; N]) -> String {
    let mut pointer = String::new();
    for segment in segments {
        push_segment(&mut pointer, segment);
    }
    pointer
}

/// A value without a syntax of its own, on one line.
pub(super) fn write_as_is(_: &Leaf, value: &str) -> Option<String> {
    is_plain_line(value).then(|| value.to_owned())
}

/// Whether a value stands on one line and has no blanks at its ends.
pub(super) fn is_plain_line(value: &str) -> bool {
    !value.chars().any(char::is_control) && value.trim().len() == value.len()
}
