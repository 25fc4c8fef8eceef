//! Finds values of which any characters are escaped, and values in base64 whose lines break.
//!
//! Only what lies around an escape is read: an occurrence without one is found as the value itself. Of an occurrence, the
//! characters before its first escape stand in the text as they are, so that escape and the bytes before it tell whether
//! any value can be there; filters answer that for most of them. Where they say yes, the text is read from as far
//! before the escape as a value is long, and on for as long as an escape is part of what may become a value.
//!
//! **Invariants.** Matches are leftmost, and the longest of those that begin at one place. Each byte is read at most twice,
//! whatever the text is. An escape that the text ends within is held back, so that the next search begins before it.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::escape::{Escape, Meant, Unit};
use super::forms::Form;
use super::step::{Hit, Step};
use super::trie::Trie;

/// A filter has sixteen bits for each part, but at least 2^16 (8 KiB) and at most 2^20.
const BITS_A_PART: usize = 16;
const LEAST_BITS: usize = 1 << 16;
const MOST_BITS: usize = 1 << 20;
/// How many characters the one filter knows together, and the other, which is asked where the first says yes.
const FEW: usize = 3;
const MORE: usize = 6;

/// What is looked for, in one way of escaping.
pub(super) struct View {
    escape: Escape,
    words: Arc<Words>,
    /// Whether texts are in lower case and escapes are read so.
    folded: bool,
}

/// What escapes are to mean: the values of a run, or their looks in base64.
pub(super) struct Words {
    /// By the values' order.
    forms: Vec<Form>,
    trie: Trie,
    /// Which bytes there are in them.
    bytes: Zeroizing<Vec<bool>>,
    few: Filter<FEW>,
    more: Filter<MORE>,
}

/// Which parts of values there are, with up to so many characters: those of fewer are beginnings. Says yes to some that are
/// none.
struct Filter<const LENGTH: usize> {
    words: Zeroizing<Vec<u64>>,
    /// How many bits of a hash are no place in the filter.
    shift: u32,
}

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

impl Words {
    pub(super) fn new(forms: Vec<Form>) -> Self {
        let values: Vec<_> = forms.iter().map(|form| Zeroizing::new(form.bytes().to_vec())).collect();
        Self::meaning(&values, forms)
    }

    /// The same with `+` for each space, too, as a form has it, which escapes each `+`; `None` where there is no space.
    fn with_plus(&self) -> Option<Self> {
        let spaced: Vec<&Form> = self.forms.iter().filter(|form| form.bytes().contains(&b' ')).collect();
        let plus = |byte: &u8| if *byte == b' ' { b'+' } else { *byte };
        let mut values: Vec<_> = self.forms.iter().map(|form| Zeroizing::new(form.bytes().to_vec())).collect();
        values.extend(spaced.iter().map(|form| Zeroizing::new(form.bytes().iter().map(plus).collect())));
        let forms = self.forms.iter().chain(spaced.iter().copied()).map(Form::again).collect();
        (!spaced.is_empty()).then(|| Self::meaning(&values, forms))
    }

    fn meaning(values: &[Zeroizing<Vec<u8>>], forms: Vec<Form>) -> Self {
        let mut bytes = Zeroizing::new(vec![false; 256]);
        for byte in values.iter().flat_map(|value| value.iter()) {
            bytes[usize::from(*byte)] = true;
        }
        Self { trie: Trie::new(values), forms, bytes, few: Filter::of(values), more: Filter::of(values) }
    }
}

impl View {
    /// Of `words`; `folded`: in texts whose ASCII letters are all in lower case, escapes included.
    pub(super) fn new(escape: Escape, words: &Arc<Words>, folded: bool) -> Self {
        let with_plus = if matches!(escape, Escape::Percent { .. }) { words.with_plus() } else { None };
        match with_plus {
            None => Self { escape, words: Arc::clone(words), folded },
            Some(words) => Self { escape: Escape::Percent { plus: true }, words: Arc::new(words), folded },
        }
    }

    /// What comes first in `text` at `from` or behind it, among what holds an escape. `is_end`: nothing follows `text`, so
    /// nothing is live.
    pub(super) fn next(&self, text: &[u8], from: usize, is_end: bool) -> Step<'_> {
        // A loop for each, which knows what it looks for.
        match self.escape {
            Escape::Json => self.next_of(Escape::Json, text, from, is_end),
            Escape::Percent { plus: false } => self.next_of(Escape::Percent { plus: false }, text, from, is_end),
            Escape::Percent { plus: true } => self.next_of(Escape::Percent { plus: true }, text, from, is_end),
            Escape::Html => self.next_of(Escape::Html, text, from, is_end),
            Escape::Lines => self.next_of(Escape::Lines, text, from, is_end),
            Escape::JsonLines => self.next_of(Escape::JsonLines, text, from, is_end),
        }
    }

    /// Whether nothing is found in a text without a backslash.
    pub(super) fn needs_backslash(&self) -> bool {
        matches!(self.escape, Escape::Json | Escape::JsonLines)
    }

    #[expect(clippy::inline_always, reason = "each call is to become a loop of its own")]
    #[inline(always)]
    fn next_of(&self, escape: Escape, text: &[u8], from: usize, is_end: bool) -> Step<'_> {
        let (mut plain, mut at) = (from, from);
        while let Some((place, unit)) = escape.next(text, at) {
            match unit {
                Unit::Partial if !is_end => {}
                Unit::Plain | Unit::Partial => {
                    at = place + 1;
                    continue;
                }
                Unit::Whole { length, meant } => {
                    let behind = &text[place + length..];
                    if !self.may_hold(&text[plain..place], meant, behind) {
                        (plain, at) = (place + length, place + length);
                        continue;
                    }
                }
            }
            let begin = plain.max(place.saturating_sub(self.words.trie.longest().saturating_sub(1)));
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

    /// Whether a value may hold `meant` as the first of its escapes, where `before` stands before it and `behind` behind.
    #[expect(clippy::inline_always, reason = "most escapes are done with at its first look")]
    #[inline(always)]
    fn may_hold(&self, before: &[u8], meant: Meant, behind: &[u8]) -> bool {
        let is_in_values = |byte: u8| self.words.bytes[usize::from(self.read_as(byte))];
        // What means nothing is in the middle of a value, so that a character stands on either side.
        let (last, before, shortest) = match (meant.bytes(), before, behind) {
            ([first, ..], _, _) => (*first, before, 1),
            ([], [.., last], [next, ..]) if is_in_values(*last) => (*next, before, 2),
            ([], [before @ .., last], []) => (*last, before, 1),
            _ => return false,
        };
        if !is_in_values(last) {
            return false;
        }
        let last = self.read_as(last);
        let before = before.iter().rev().map(|byte| self.read_as(*byte));
        self.words.few.has(last, before.clone(), shortest) && self.words.more.has(last, before, shortest)
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
                    let start = if self.words.trie.live(reading.node) > 0 { reading.start_of_live() } else { at };
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
        self.node = view.words.trie.after(self.node, view.read_as(byte));
        self.count += 1;
        if let Some(ending) = view.words.trie.ending(self.node) {
            let start = self.count - ending.length();
            if self.best.as_ref().is_none_or(|best| start <= best.start) {
                self.best = Some(Best { start, end, value: ending.value() });
            }
        }
    }

    /// How many characters were read before what may become a value.
    fn live(&self) -> usize {
        self.count - self.view.words.trie.live(self.node)
    }

    fn found(&self, best: &Best) -> Step<'view> {
        let Best { start, end, value } = *best;
        let view = self.view;
        Step::Found(Hit { start: self.place_of(start), end, kind: view.escape.kind(), form: &view.words.forms[value] })
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
        let parts: usize = values.iter().map(|value| value.len()).sum();
        let bits = (parts * BITS_A_PART).next_power_of_two().clamp(LEAST_BITS, MOST_BITS);
        let mut filter = Self { words: Zeroizing::new(vec![0; bits >> 6]), shift: u64::BITS - bits.trailing_zeros() };
        for value in values {
            for end in 1..=value.len() {
                let part = value[end.saturating_sub(LENGTH)..end].iter().rev();
                let bit = filter.place(part.fold(FIRST, |part, byte| part << 8 | u64::from(*byte)), end < LENGTH);
                filter.words[bit >> 6] |= 1 << (bit & 63);
            }
        }
        filter
    }

    /// Whether there may be a part that ends with `last`, with what stands before it, the nearest first; or a beginning of
    /// at least so many characters.
    #[inline]
    fn has(&self, last: u8, before: impl Iterator<Item = u8>, shortest: usize) -> bool {
        let mut part = FIRST << 8 | u64::from(last);
        let mut count = 1;
        for byte in before.take(LENGTH - 1) {
            if count >= shortest && self.is_set(self.place(part, true)) {
                return true;
            }
            part = part << 8 | u64::from(byte);
            count += 1;
        }
        self.is_set(self.place(part, count < LENGTH))
    }

    #[inline]
    fn is_set(&self, bit: usize) -> bool {
        self.words[bit >> 6] & 1 << (bit & 63) != 0
    }

    /// Where a part stands; `is_beginning`: it is the beginning of a value, and shorter than parts are.
    #[inline]
    fn place(&self, part: u64, is_beginning: bool) -> usize {
        let hash = (part << 1 | u64::from(is_beginning)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        usize::try_from(hash >> self.shift).unwrap_or_default()
    }
}

/// Before the bytes of a part, so that none is the beginning of another.
const FIRST: u64 = 1;
