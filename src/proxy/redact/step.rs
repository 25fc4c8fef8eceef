//! What a search finds.

use std::borrow::Cow;

use super::forms::{Form, FormKind};
use super::{escape, lines};

/// What comes first in a text.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    /// A whole form.
    Found(Hit<'a>),
    /// From here to the end of the text, the bytes are the beginning of a form.
    Live(usize),
    /// Nothing.
    Clear,
}

/// A form that was found.
#[derive(Clone, Copy)]
pub(super) struct Hit<'a> {
    /// Where it begins.
    pub(super) start: usize,
    /// Where it ends.
    pub(super) end: usize,
    pub(super) kind: FormKind,
    /// The form; of an escaped one, the value itself.
    pub(super) form: &'a Form,
}

impl<'a> Hit<'a> {
    /// What takes its place in the text that it was found in.
    pub(super) fn replacement(&self, text: &[u8]) -> Cow<'a, [u8]> {
        let placeholder = self.form.replacement.as_slice();
        match self.kind {
            FormKind::Raw | FormKind::Hex | FormKind::Utf16 | FormKind::Utf32 => placeholder.into(),
            FormKind::Base64 => {
                let (form, text) = (self.form.bytes(), &text[self.start..self.end]);
                let has_breaks = text.len() != form.len();
                if has_breaks && placeholder.len() == form.len() {
                    lines::rewritten(text, placeholder).into()
                } else {
                    placeholder.into()
                }
            }
            FormKind::Json | FormKind::Percent | FormKind::Html if placeholder.len() != self.form.bytes().len() => {
                placeholder.into()
            }
            kind => escape::rewritten(kind, &text[self.start..self.end], placeholder),
        }
    }
}

impl Step<'_> {
    /// Where it begins; behind every text for nothing.
    pub(super) fn start(&self) -> usize {
        self.rank().0
    }

    /// The order of preference: the leftmost; at one place what may become longer, then the longest.
    pub(super) fn comes_before(&self, other: &Self) -> bool {
        self.rank() < other.rank()
    }

    fn rank(&self) -> (usize, usize) {
        match self {
            Self::Live(start) => (*start, 0),
            Self::Found(hit) => (hit.start, usize::MAX - hit.end),
            Self::Clear => (usize::MAX, usize::MAX),
        }
    }
}
