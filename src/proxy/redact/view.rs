//! Finds values of which any characters are escaped.
//!
//! Only what lies around an escape is read: an occurrence without one is found as the value itself. Of an occurrence, the
//! characters before its first escape stand in the text as they are, so that escape and the bytes before it tell whether
//! any value can be there; filters answer that for most of them. Where they say yes, the text is read from as far
//! before the escape as a value is long, and on for as long as an escape is part of what may become a value.
//!
//! **Invariants.** Matches are leftmost, and the longest of those that begin at one place. Each byte is read at most twice,
//! whatever the text is. An escape that the text ends within is held back, so that the next search begins before it.

use zeroize::Zeroizing;

use super::escape::{Escape, Meant, Unit};
use super::forms::Form;
use super::step::{Hit, Step};
use super::trie::Trie;

/// A filter has 2^16 bits.
const FILTER_WORDS: usize = 1 << (16 - 6);
/// How many characters the one filter knows together, and the other, which is asked where the first says yes.
const FEW: usize = 3;
const MORE: usize = 6;

/// The values of a run, looked for in one way of escaping.
pub(super) struct View {
    escape: Escape,
    /// By the values' order.
    forms: Vec<Form>,
    trie: Trie,
    /// Whether texts are in lower case and escapes are read so.
    folded: bool,
    few: Filter<FEW>,
    more: Filter<MORE>,
}

/// Which parts of values there are, with up to so many characters: those of fewer are beginnings. Says yes to some that are
/// none.
struct Filter<const LENGTH: usize>(Zeroizing<Vec<u64>>);

/// How far a reading has come.
struct Reading<'view, 'text> {
    view: &'view View,
    text: &'text [u8],
    /// Where it began.
    begin: usize,
    node: u32,
    /// How many characters were read.
    count: usize,
    /// How many up to the last escape.
    escaped: usize,
    /// Where that escape ends.
    plain: usize,
    best: Option<Best>,
}

/// The best value so far.
struct Best {
    /// How many characters were read before it.
    start: usize,
    /// Where it ends in the text.
    end: usize,
    value: usize,
}

/// What a reading gives.
enum Read<'a> {
    Step(Step<'a>),
    /// Nothing: behind the last escape and further on the search goes on.
    Passed(usize, usize),
}

impl View {
    /// Of the values `forms`, as they are; `folded`: in texts whose ASCII letters are all in lower case, escapes included.
    pub(super) fn new(escape: Escape, mut forms: Vec<Form>, folded: bool) -> Self {
        let mut escape = escape;
        let mut values: Vec<Zeroizing<Vec<u8>>> = forms.iter().map(|form| form.bytes().to_vec().into()).collect();
        if let Escape::Percent { plus } = &mut escape {
            // A form has `+` for each space, and an escape for each `+`.
            let spaced: Vec<usize> = (0..forms.len()).filter(|form| forms[*form].bytes().contains(&b' ')).collect();
            *plus = !spaced.is_empty();
            for form in spaced {
                let with_plus = values[form].iter().map(|byte| if *byte == b' ' { b'+' } else { *byte });
                values.push(with_plus.collect::<Vec<u8>>().into());
                forms.push(forms[form].again());
            }
        }
        let (few, more) = (Filter::of(&values), Filter::of(&values));
        Self { escape, trie: Trie::new(&values), forms, folded, few, more }
    }

    /// What comes first in `text` at `from` or behind it, among what holds an escape. `is_end`: nothing follows `text`, so
    /// nothing is live.
    pub(super) fn next(&self, text: &[u8], from: usize, is_end: bool) -> Step<'_> {
        let (mut plain, mut at) = (from, from);
        while let Some(place) = self.escape.find(text, at) {
            match self.escape.unit(text, place) {
                Unit::Partial if !is_end => {}
                Unit::Plain | Unit::Partial => {
                    at = place + 1;
                    continue;
                }
                Unit::Whole { length, meant } => {
                    if !self.may_hold(&text[plain..place], meant) {
                        (plain, at) = (place + length, place + length);
                        continue;
                    }
                }
            }
            let begin = plain.max(place.saturating_sub(self.trie.longest().saturating_sub(1)));
            match self.read(text, begin, place, is_end) {
                Read::Step(step) => return step,
                Read::Passed(behind, further) => (plain, at) = (behind, further),
            }
        }
        Step::Clear
    }

    /// How many bytes of `text` from `at` on belong to an escape that begins before; `begin` is where one may begin.
    pub(super) fn rest_of_escape(&self, text: &[u8], begin: usize, at: usize) -> usize {
        let mut place = at;
        while let Some(before) = self.escape.find_before(text, begin, place) {
            place = before;
        }
        while place < at {
            place += match self.escape.unit(text, place) {
                Unit::Whole { length, .. } => length,
                Unit::Plain | Unit::Partial => 1,
            };
        }
        place.saturating_sub(at)
    }

    #[inline]
    fn read_as(&self, byte: u8) -> u8 {
        if self.folded { byte.to_ascii_lowercase() } else { byte }
    }

    /// Whether a value may hold `meant` as the first of its escapes, where `before` stands before it.
    #[inline]
    fn may_hold(&self, before: &[u8], meant: Meant) -> bool {
        let last = self.read_as(meant.bytes()[0]);
        let before = before.iter().rev().map(|byte| self.read_as(*byte));
        self.few.has(last, before.clone()) && self.more.has(last, before)
    }

    fn read<'a>(&'a self, text: &[u8], begin: usize, place: usize, is_end: bool) -> Read<'a> {
        let mut reading = Reading { view: self, text, begin, node: 0, count: 0, escaped: 0, plain: begin, best: None };
        let mut at = begin;
        while at < text.len() {
            let (length, is_escape) = match self.escape.unit(text, at) {
                Unit::Whole { length, meant } => {
                    for byte in meant.bytes() {
                        reading.take(*byte, at + length);
                    }
                    (length, true)
                }
                Unit::Partial if !is_end => {
                    let start = if self.trie.live(reading.node) > 0 { reading.start_of_live() } else { at };
                    return Read::Step(Step::Live(start));
                }
                Unit::Plain | Unit::Partial => {
                    reading.take(text[at], at + 1);
                    (1, false)
                }
            };
            at += length;
            if is_escape {
                (reading.escaped, reading.plain) = (reading.count, at);
            }
            match &reading.best {
                Some(best) if reading.live() > best.start => return Read::Step(reading.found(best)),
                None if at > place && reading.live() >= reading.escaped => return Read::Passed(reading.plain, at),
                _ => {}
            }
        }
        match &reading.best {
            Some(best) if is_end => Read::Step(reading.found(best)),
            None if is_end || reading.live() >= reading.escaped => Read::Passed(reading.plain, at),
            _ => Read::Step(Step::Live(reading.start_of_live())),
        }
    }
}

impl<'view> Reading<'view, '_> {
    /// Takes a character that ends at `end`.
    #[inline]
    fn take(&mut self, byte: u8, end: usize) {
        let view = self.view;
        self.node = view.trie.after(self.node, view.read_as(byte));
        self.count += 1;
        if let Some(ending) = view.trie.ending(self.node) {
            let start = self.count - ending.length;
            if self.best.as_ref().is_none_or(|best| start <= best.start) {
                self.best = Some(Best { start, end, value: ending.value });
            }
        }
    }

    /// How many characters were read before what may become a value.
    fn live(&self) -> usize {
        self.count - self.view.trie.live(self.node)
    }

    fn found(&self, best: &Best) -> Step<'view> {
        let Best { start, end, value } = *best;
        let view = self.view;
        Step::Found(Hit { start: self.place_of(start), end, kind: view.escape.kind(), form: &view.forms[value] })
    }

    fn start_of_live(&self) -> usize {
        self.place_of(self.live())
    }

    /// Where the character stands that `count` others were read before.
    fn place_of(&self, count: usize) -> usize {
        let (mut at, mut passed) = (self.begin, 0);
        while at < self.text.len() {
            let (length, characters) = match self.view.escape.unit(self.text, at) {
                Unit::Whole { length, meant } => (length, meant.bytes().len()),
                Unit::Plain | Unit::Partial => (1, 1),
            };
            if passed + characters > count {
                break;
            }
            (at, passed) = (at + length, passed + characters);
        }
        at
    }
}

impl<const LENGTH: usize> Filter<LENGTH> {
    fn of(values: &[Zeroizing<Vec<u8>>]) -> Self {
        let mut filter = Self(Zeroizing::new(vec![0; FILTER_WORDS]));
        for value in values {
            for end in 1..=value.len() {
                let part = value[end.saturating_sub(LENGTH)..end].iter().rev();
                let bit = place(part.fold(FIRST, |part, byte| part << 8 | u64::from(*byte)), end < LENGTH);
                filter.0[bit >> 6] |= 1 << (bit & 63);
            }
        }
        filter
    }

    /// Whether there may be a part that ends with `last`, with what stands before it, the nearest first; or a beginning.
    #[inline]
    fn has(&self, last: u8, before: impl Iterator<Item = u8>) -> bool {
        let mut part = FIRST << 8 | u64::from(last);
        let is_set = |bit: usize| self.0[bit >> 6] & 1 << (bit & 63) != 0;
        let mut count = 1;
        for byte in before.take(LENGTH - 1) {
            if is_set(place(part, true)) {
                return true;
            }
            part = part << 8 | u64::from(byte);
            count += 1;
        }
        is_set(place(part, count < LENGTH))
    }
}

/// Before the bytes of a part, so that none is the beginning of another.
const FIRST: u64 = 1;

/// Where a part stands in a filter; `is_beginning`: it is the beginning of a value, and shorter than parts are.
#[inline]
fn place(part: u64, is_beginning: bool) -> usize {
    let [first, second, ..] = (part << 1 | u64::from(is_beginning)).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    u16::from_be_bytes([first, second]).into()
}
