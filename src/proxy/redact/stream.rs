//! Redaction of one response as it passes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Buf, Bytes, BytesMut};

use super::forms::FormKind;
use super::search::Rests;
use super::step::Step;
use super::{Known, Matchers};
use crate::secret::SecretId;

/// How many of the bytes held back [`Stream::release`] gives.
const RELEASED: usize = 4;

/// Replaces values in the head, the body and the trailers of one response.
///
/// The body goes through [`Stream::push`] and [`Stream::finish`] in order. Bytes that hold no value pass as the very
/// same [`Bytes`]; what is held back between two pushes is a slice of the chunk that it came in.
pub struct Stream {
    known: Arc<Known>,
    matchers: Arc<Matchers>,
    /// Of `matchers`.
    version: u64,
    held: Bytes,
    /// Of the held bytes.
    rests: Rests,
    /// How many of the held bytes were given already.
    given: usize,
    counts: BTreeMap<(SecretId, FormKind), u64>,
}

impl Stream {
    pub(super) fn new(known: &Arc<Known>) -> Self {
        let version = known.version.load(Ordering::Acquire);
        let (known, matchers) = (Arc::clone(known), known.matchers());
        Self {
            known,
            matchers,
            version,
            held: Bytes::new(),
            rests: Rests::default(),
            given: 0,
            counts: BTreeMap::new(),
        }
    }

    /// Takes in what the run has learnt meanwhile.
    fn renew(&mut self) {
        let version = self.known.version.load(Ordering::Acquire);
        if version != self.version {
            (self.matchers, self.version) = (self.known.matchers(), version);
        }
    }

    /// A field value with every secret replaced, whatever the case of its letters; `None` when it holds none. Apart from
    /// the body's bytes.
    pub fn headers(&mut self, value: &[u8]) -> Option<Vec<u8>> {
        self.renew();
        let counts = &mut self.counts;
        self.matchers.replaced(value, |hit| {
            *counts.entry((hit.form.secret, hit.kind)).or_default() += 1;
            hit.replacement(value)
        })
    }

    /// Whether a value stands in the name of a field, whatever the case of its letters. The field is to be dropped, and
    /// counts as a redaction.
    pub fn must_drop(&mut self, name: &[u8]) -> bool {
        self.headers(name).is_some()
    }

    /// Takes the next bytes of the body and gives those that may go on; empty when all are held back.
    pub fn push(&mut self, chunk: Bytes) -> Bytes {
        if self.held.is_empty() { self.pass(chunk, false) } else { self.pass_with_held(&chunk, false) }
    }

    /// The body's end: gives what was held back.
    pub fn finish(&mut self) -> Bytes {
        self.pass_with_held(&[], true)
    }

    /// For when nothing has come for a moment: gives the first bytes of what is held back, too few to tell a value.
    ///
    /// Otherwise a message that happens to end with the first byte of a value would wait for the next message, which may
    /// wait for an answer to this one. Should the value come after all, its placeholder follows the bytes given here.
    pub fn release(&mut self) -> Bytes {
        let until = self.held.len().min(RELEASED).max(self.given);
        let released = self.held.slice(self.given..until);
        self.given = until;
        released
    }

    /// How many bytes are held back now, those released included.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// How often each secret was replaced so far, by the form that it had.
    pub fn counts(&self) -> impl Iterator<Item = (SecretId, FormKind, u64)> {
        self.counts.iter().map(|((secret, kind), count)| (*secret, *kind, *count))
    }

    fn pass_with_held(&mut self, chunk: &[u8], is_end: bool) -> Bytes {
        let held = std::mem::take(&mut self.held);
        if chunk.is_empty() && !is_end {
            self.held = held;
            return Bytes::new();
        }
        let mut text = BytesMut::with_capacity(held.len() + chunk.len());
        text.extend_from_slice(&held);
        text.extend_from_slice(chunk);
        self.pass(text.freeze(), is_end)
    }

    fn pass(&mut self, mut text: Bytes, is_end: bool) -> Bytes {
        let given = std::mem::take(&mut self.given);
        let mut replaced = BytesMut::new();
        let (passed, clear) = self.replace(&text, given, is_end, &mut replaced);
        self.held = text.split_off(clear);
        self.given = given.saturating_sub(clear);
        if passed == 0 {
            text.advance(given.min(clear));
            return text;
        }
        replaced.extend_from_slice(&text[passed..]);
        replaced.freeze()
    }

    /// Writes `text` with its values replaced to `replaced`, up to the last value and without the first `given` bytes;
    /// gives where that value ends (0: there was none), and up to where the rest is clear to go on.
    fn replace(&mut self, text: &[u8], given: usize, is_end: bool, replaced: &mut BytesMut) -> (usize, usize) {
        self.renew();
        let mut search = self.matchers.exact.search(text, std::mem::take(&mut self.rests), is_end);
        let mut passed = 0;
        loop {
            match search.next(passed) {
                Step::Clear => return (passed, text.len()),
                Step::Live(start) => {
                    self.rests = search.rests(passed, start);
                    return (passed, start);
                }
                Step::Found(hit) => {
                    replaced.extend_from_slice(&text[passed.max(given)..hit.start.max(given)]);
                    replaced.extend_from_slice(&hit.replacement(text));
                    *self.counts.entry((hit.form.secret, hit.kind)).or_default() += 1;
                    passed = hit.end;
                }
            }
        }
    }
}
