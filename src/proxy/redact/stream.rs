//! Redaction of one response as it passes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use super::Matchers;
use super::matcher::Step;
use crate::secret::SecretId;

/// How many of the bytes held back [`Stream::release`] gives.
const RELEASED: usize = 4;

/// Replaces values in the head, the body and the trailers of one response.
///
/// The body goes through [`Stream::push`] and [`Stream::finish`] in order. Bytes that hold no value pass as the very
/// same [`Bytes`]; what is held back between two pushes is a slice of the chunk that it came in.
pub struct Stream {
    matchers: Arc<Matchers>,
    held: Bytes,
    /// How many of the held bytes were given already.
    given: usize,
    counts: BTreeMap<SecretId, u64>,
}

impl Stream {
    pub(super) fn new(matchers: Arc<Matchers>) -> Self {
        Self { matchers, held: Bytes::new(), given: 0, counts: BTreeMap::new() }
    }

    /// A field value with every secret replaced, whatever the case of its letters; `None` when it holds none. Apart from
    /// the body's bytes.
    pub fn headers(&mut self, value: &[u8]) -> Option<Vec<u8>> {
        let counts = &mut self.counts;
        self.matchers.replaced(value, |form| {
            *counts.entry(form.secret).or_default() += 1;
            form.replacement.as_slice().into()
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

    /// How often each secret was replaced so far.
    pub fn counts(&self) -> impl Iterator<Item = (SecretId, u64)> {
        self.counts.iter().map(|(secret, count)| (*secret, *count))
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
        let mut passed = 0;
        loop {
            match self.matchers.exact.next(text, passed, is_end) {
                Step::Clear => return (passed, text.len()),
                Step::Live(start) => return (passed, start),
                Step::Found { start, end, form } => {
                    let form = self.matchers.exact.form(form);
                    replaced.extend_from_slice(&text[passed.max(given)..start.max(given)]);
                    replaced.extend_from_slice(&form.replacement);
                    *self.counts.entry(form.secret).or_default() += 1;
                    passed = end;
                }
            }
        }
    }
}
