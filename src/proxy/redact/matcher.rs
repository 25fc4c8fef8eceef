//! Finds many values in long texts without looking at most of the bytes.
//!
//! With L the length of the shortest value, or less, an occurrence of any value has L - 3 places within its first L bytes where
//! four bytes begin. Of any L - 3 neighbouring places in a text exactly one is sampled. So if the four bytes at a sample
//! are not four bytes from the first L of some value, nothing begins there nor in the L - 4 places before. A Bloom
//! filter that fits the first-level cache answers that for all values at once; only on its yes are values compared.
//! Where four bytes tell too little (of UTF-32 they are one character), eight are sampled.
//!
//! **Invariants.** Matches are leftmost, and the longest of those that begin at one place. Work is bounded by the
//! length of the text times a constant that depends on the values alone.

use zeroize::Zeroizing;

use super::forms::Form;
use super::step::{Hit, Step};

/// The most that L is: all grams of so many bytes are kept, and a longer stride would save nothing more.
const MOST_SAMPLED: usize = 1024;

/// The filter has sixteen bits for each gram, but at least 2^16 (8 KiB) and at most 2^19, which fits the second cache.
const BITS_A_GRAM: usize = 16;
const LEAST_BITS: usize = 1 << 16;
const MOST_BITS: usize = 1 << 19;

/// Forms of a run, prepared for searching. `GRAM`: how many bytes are sampled together, at most eight.
#[derive(Default)]
pub(super) struct Matcher<const GRAM: usize> {
    /// Sorted by their bytes.
    forms: Vec<Form>,
    /// L.
    shortest: usize,
    filter: Zeroizing<Vec<u64>>,
    /// Which bits of a hash are a place in the filter.
    mask: usize,
    /// Where each gram stands in the first L bytes of a form; sorted.
    places: Zeroizing<Vec<Place>>,
    begins: Zeroizing<Vec<bool>>,
}

/// A gram, and the form and offset where it stands.
type Place = (u64, usize, usize);

impl<const GRAM: usize> Matcher<GRAM> {
    /// Prepares `forms`; each has at least `GRAM` bytes, or it is left out.
    pub(super) fn new(mut forms: Vec<Form>) -> Self {
        forms.retain(|form| form.bytes().len() >= GRAM);
        forms.sort_by(|one, other| one.bytes().cmp(other.bytes()));
        let Some(shortest) = forms.iter().map(|form| form.bytes().len()).min() else { return Self::default() };
        let shortest = shortest.min(MOST_SAMPLED);
        let grams = forms.len() * (shortest - GRAM + 1);
        let bits = (grams * BITS_A_GRAM).next_power_of_two().clamp(LEAST_BITS, MOST_BITS);
        let mask = bits - 1;
        let mut filter = Zeroizing::new(vec![0; bits >> 6]);
        let mut places = Zeroizing::new(Vec::new());
        let mut begins = Zeroizing::new(vec![false; 256]);
        for (index, form) in forms.iter().enumerate() {
            begins[usize::from(form.bytes()[0])] = true;
            for offset in 0..=shortest - GRAM {
                let gram = gram_at::<GRAM>(form.bytes(), offset);
                for bit in filter_bits(gram, mask) {
                    filter[bit >> 6] |= 1 << (bit & 63);
                }
                places.push((gram, index, offset));
            }
        }
        places.sort_unstable();
        Self { forms, shortest, filter, mask, places, begins }
    }

    /// Whether there is nothing to find.
    pub(super) fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Whether a text of `length` is too short to hold any form.
    pub(super) fn needs_more_than(&self, length: usize) -> bool {
        self.is_empty() || length < self.shortest
    }

    /// What comes first in `text` at `from` or behind it. `is_end`: nothing follows `text`, so nothing is live.
    pub(super) fn next(&self, text: &[u8], from: usize, is_end: bool) -> Step<'_> {
        if self.is_empty() {
            return Step::Clear;
        }
        let stride = self.shortest - GRAM + 1;
        let mut sample = from + stride - 1;
        while sample + GRAM <= text.len() {
            let gram = gram_at::<GRAM>(text, sample);
            if self.may_hold(gram) {
                match self.first_around(text, from, sample, gram, is_end) {
                    Step::Clear => {}
                    step => return step,
                }
            }
            sample += stride;
        }
        if is_end { Step::Clear } else { self.live_in_the_last(text, from) }
    }

    fn may_hold(&self, gram: u64) -> bool {
        filter_bits(gram, self.mask).into_iter().all(|bit| self.filter[bit >> 6] & 1 << (bit & 63) != 0)
    }

    /// Of the forms that have `gram` where it stands in `text`, the one that begins first, and of those the longest.
    fn first_around(&self, text: &[u8], from: usize, sample: usize, gram: u64, is_end: bool) -> Step<'_> {
        let mut first = Step::Clear;
        let begin = self.places.partition_point(|place| place.0 < gram);
        for (_, form, offset) in self.places[begin..].iter().take_while(|place| place.0 == gram) {
            let Some(start) = sample.checked_sub(*offset).filter(|start| *start >= from) else { continue };
            let value = self.forms[*form].bytes();
            let rest = &text[start..];
            let step = if rest.starts_with(value) {
                let form = &self.forms[*form];
                Step::Found(Hit { start, end: start + value.len(), kind: form.kind, form })
            } else if !is_end && value.starts_with(rest) {
                Step::Live(start)
            } else {
                continue;
            };
            if step.comes_before(&first) {
                first = step;
            }
        }
        first
    }

    /// The first place in the last bytes of `text`, too few for a sample, that begins a form.
    fn live_in_the_last(&self, text: &[u8], from: usize) -> Step<'_> {
        let tail = from.max(text.len().saturating_sub(self.shortest - 1));
        let begins_a_form = |start: &usize| {
            let rest = &text[*start..];
            if !self.begins[usize::from(rest[0])] {
                return false;
            }
            let after = self.forms.partition_point(|form| form.bytes() < rest);
            self.forms.get(after).is_some_and(|form| form.bytes().starts_with(rest))
        };
        (tail..text.len()).find(begins_a_form).map_or(Step::Clear, Step::Live)
    }
}

#[inline]
fn gram_at<const GRAM: usize>(text: &[u8], place: usize) -> u64 {
    let mut gram = [0; 8];
    gram[..GRAM].copy_from_slice(&text[place..place + GRAM]);
    u64::from_le_bytes(gram)
}

/// Two places in the filter, from two parts of one multiplicative hash (Fibonacci hashing).
#[inline]
fn filter_bits(gram: u64, mask: usize) -> [usize; 2] {
    let hash = gram.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [44, 24].map(|shift| usize::try_from(hash >> shift & 0xf_ffff).unwrap_or_default() & mask)
}
