//! One search for all forms: listed ones and escaped ones.

use std::sync::Arc;

use super::escape::Escape;
use super::forms::{Form, FormKind, Sought};
use super::matcher::Matcher;
use super::step::{Hit, Step};
use super::view::{View, Words};

/// How many ways of escaping there are.
const VIEWS: [Escape; 5] =
    [Escape::Json, Escape::Percent { plus: false }, Escape::Html, Escape::Lines, Escape::JsonLines];

/// The most letters of base64 that are looked for in broken lines: there are six looks of each value, and no credential
/// has more.
const LONGEST_IN_LINES: usize = 64 << 10;

/// What is searched before the views.
const MATCHERS: usize = 2;

/// For each view, how many of the first bytes of a text belong to an escape that began before it.
pub(super) type Rests = [usize; VIEWS.len()];

/// All forms of the values of a run, prepared for searching.
pub(super) struct Set {
    listed: Matcher<4>,
    /// Those in UTF-32: four bytes of them are one character, which any binary text may hold as a number.
    wide: Matcher<8>,
    views: Vec<View>,
}

/// A search through one text. What was found behind the place that the next search begins at is kept, so that each part of
/// the text is searched once.
pub(super) struct Search<'set, 'text> {
    set: &'set Set,
    text: &'text [u8],
    rests: Rests,
    is_end: bool,
    /// Whether there is a backslash: where there is none, two views need no look of their own.
    has_backslash: bool,
    ahead: [Option<Step<'set>>; MATCHERS + VIEWS.len()],
}

impl Set {
    /// `folded`: for texts whose ASCII letters are all in lower case.
    pub(super) fn new(values: &[Sought], folded: bool) -> Self {
        let fold = |form: Form| if folded { form.folded() } else { form };
        let listed: Vec<Form> = values.iter().flat_map(Sought::listed).map(fold).collect();
        let of_kind = |kind, longest| {
            let forms = listed.iter().filter(|form| form.kind == kind && form.bytes().len() <= longest);
            Arc::new(Words::new(forms.map(Form::again).collect()))
        };
        let (values, in_base64) = (of_kind(FormKind::Raw, usize::MAX), of_kind(FormKind::Base64, LONGEST_IN_LINES));
        let view = |escape: Escape| {
            let words = if escape.kind() == FormKind::Base64 { &in_base64 } else { &values };
            View::new(escape, words, folded)
        };
        let views = if listed.is_empty() { Vec::new() } else { VIEWS.map(view).into() };
        let (wide, listed) = listed.into_iter().partition(|form| form.kind == FormKind::Utf32);
        Self { listed: Matcher::new(listed), wide: Matcher::new(wide), views }
    }

    #[cfg(test)]
    pub(super) fn of(listed: Vec<Form>) -> Self {
        Self { listed: Matcher::new(listed), wide: Matcher::new(Vec::new()), views: Vec::new() }
    }

    /// Whether there is nothing to find.
    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Whether a text of `length` is too short to hold any form.
    pub(super) fn needs_more_than(&self, length: usize) -> bool {
        self.listed.needs_more_than(length)
    }

    /// `is_end`: nothing follows `text`, so nothing is live.
    pub(super) fn search<'text>(&self, text: &'text [u8], rests: Rests, is_end: bool) -> Search<'_, 'text> {
        let has_backslash = memchr::memchr(b'\\', text).is_some();
        Search { set: self, text, rests, is_end, has_backslash, ahead: [None; MATCHERS + VIEWS.len()] }
    }
}

impl<'set> Search<'set, '_> {
    /// What comes first at `from` or behind it. `from` never goes back.
    pub(super) fn next(&mut self, from: usize) -> Step<'set> {
        let mut first = Step::Clear;
        for (index, ahead) in self.ahead.iter_mut().enumerate() {
            let step = match *ahead {
                Some(step) if step.start() >= from => step,
                _ => match (index, index.checked_sub(MATCHERS).and_then(|view| self.set.views.get(view))) {
                    (0, _) => self.set.listed.next(self.text, from, self.is_end),
                    (1, _) => self.set.wide.next(self.text, from, self.is_end),
                    (_, Some(view)) if !view.needs_backslash() || self.has_backslash => {
                        view.next(self.text, from.max(self.rests[index - MATCHERS]), self.is_end)
                    }
                    _ => Step::Clear,
                },
            };
            *ahead = Some(step);
            if step.comes_before(&first) {
                first = step;
            }
        }
        first
    }

    /// What belongs to an escape before it of the text at `at`; `passed` is where the last form ended.
    pub(super) fn rests(&self, passed: usize, at: usize) -> Rests {
        let mut rests = Rests::default();
        if at < self.text.len() {
            for ((rest, before), view) in rests.iter_mut().zip(self.rests).zip(&self.set.views) {
                let begin = if passed == 0 { before } else { passed };
                *rest = if begin > at { begin - at } else { view.rest_of_escape(self.text, begin, at) };
            }
        }
        rests
    }

    /// The next whole form; for a text that nothing follows.
    pub(super) fn hit(&mut self, from: usize) -> Option<Hit<'set>> {
        match self.next(from) {
            Step::Found(hit) => Some(hit),
            Step::Live(_) | Step::Clear => None,
        }
    }
}
