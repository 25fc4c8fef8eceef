//! One search for all forms: listed ones and escaped ones.

use super::escape::Escape;
use super::forms::{Form, Sought};
use super::matcher::Matcher;
use super::step::{Hit, Step};
use super::view::View;

/// How many ways of escaping there are.
const VIEWS: [Escape; 3] = [Escape::Json, Escape::Percent { plus: false }, Escape::Html];

/// For each view, how many of the first bytes of a text belong to an escape that began before it.
pub(super) type Rests = [usize; VIEWS.len()];

/// All forms of the values of a run, prepared for searching.
pub(super) struct Set {
    listed: Matcher,
    views: Vec<View>,
}

/// A search through one text. What was found behind the place that the next search begins at is kept, so that each part of
/// the text is searched once.
pub(super) struct Search<'set, 'text> {
    set: &'set Set,
    text: &'text [u8],
    rests: Rests,
    is_end: bool,
    ahead: [Option<Step<'set>>; 1 + VIEWS.len()],
}

impl Set {
    /// `folded`: for texts whose ASCII letters are all in lower case.
    pub(super) fn new(values: &[Sought], folded: bool) -> Self {
        let fold = |form: Form| if folded { form.folded() } else { form };
        let listed = values.iter().flat_map(Sought::listed).map(fold).collect();
        let raw = || values.iter().map(|sought| fold(sought.raw())).collect();
        let views = VIEWS.into_iter().filter(|_| !values.is_empty());
        Self { listed: Matcher::new(listed), views: views.map(|escape| View::new(escape, raw(), folded)).collect() }
    }

    #[cfg(test)]
    pub(super) fn of(listed: Vec<Form>) -> Self {
        Self { listed: Matcher::new(listed), views: Vec::new() }
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
        Search { set: self, text, rests, is_end, ahead: [None; 1 + VIEWS.len()] }
    }
}

impl<'set> Search<'set, '_> {
    /// What comes first at `from` or behind it. `from` never goes back.
    pub(super) fn next(&mut self, from: usize) -> Step<'set> {
        let mut first = Step::Clear;
        for (index, ahead) in self.ahead.iter_mut().enumerate() {
            let step = match *ahead {
                Some(step) if step.start() >= from => step,
                _ => match index.checked_sub(1).map(|view| self.set.views.get(view)) {
                    None => self.set.listed.next(self.text, from, self.is_end),
                    Some(Some(view)) => view.next(self.text, from.max(self.rests[index - 1]), self.is_end),
                    Some(None) => Step::Clear,
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
