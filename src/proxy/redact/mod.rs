//! Redaction: a value on its way to the child becomes its placeholder (S1).
//!
//! A [`Redactor`] is built once a run; each response takes a [`Stream`] from it for its head, body and trailers.
//!
//! **Invariants.** The longest secret at the leftmost place is replaced, then the search goes on behind it, whatever the
//! chunks were. Only bytes that may still become a value are held back. Values are searched for where they lie: no
//! second copy of one is made here.

mod forms;
mod matcher;
mod stream;

use std::sync::Arc;

use crate::secret::Table;
use matcher::Matcher;

pub use stream::Stream;

/// Finds the values of a run; cheap to clone.
#[derive(Clone)]
pub struct Redactor {
    matcher: Arc<Matcher>,
}

impl Redactor {
    /// A redactor of the secrets that are distinct enough to be looked for anywhere ([`crate::secret::is_distinctive`]).
    pub fn new(secrets: &Table) -> Self {
        Self { matcher: Arc::new(Matcher::new(forms::of(secrets))) }
    }

    /// Whether no secret can be found, so that a body may pass unseen.
    pub fn is_empty(&self) -> bool {
        self.matcher.is_empty()
    }

    /// A field value with every secret replaced; `None` when it holds none.
    pub fn headers(&self, value: &[u8]) -> Option<Vec<u8>> {
        self.stream().headers(value)
    }

    /// For one response: counts what it replaces.
    pub fn stream(&self) -> Stream {
        Stream::new(Arc::clone(&self.matcher))
    }
}

#[cfg(test)]
mod tests;
