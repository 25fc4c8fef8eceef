//! Redaction: a value on its way to the child becomes its placeholder (S1).
//!
//! A [`Redactor`] is built once a run; each response takes a [`Stream`] from it for its head, body and trailers.
//!
//! A value is looked for as it is, escaped for JSON or a URL, in hexadecimal, and inside base64. Where the letters' case may have been changed on the way (a field's
//! name is lower case in HTTP/2) it is ignored.
//!
//! **Invariants.** The longest secret at the leftmost place is replaced, then the search goes on behind it, whatever the
//! chunks were. Only bytes that may still become a value are held back. A value itself is searched for where it lies;
//! its encoded and folded forms are secrets too and wiped like it.

mod encoded;
mod escaped;
mod forms;
mod matcher;
mod stream;

use std::borrow::Cow;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::secret::{SecretName, Table};
use forms::Form;
use matcher::Matcher;

pub use stream::Stream;

/// Finds the values of a run; cheap to clone.
#[derive(Clone)]
pub struct Redactor {
    matchers: Arc<Matchers>,
}

/// The forms as they are, and for texts in lower case.
struct Matchers {
    exact: Matcher,
    folded: Matcher,
}

impl Redactor {
    /// A redactor of the secrets that are distinct enough to be looked for anywhere ([`crate::secret::is_distinctive`]).
    pub fn new(secrets: &Table) -> Self {
        Self::of(forms::of(secrets))
    }

    fn of(forms: Vec<Form>) -> Self {
        let folded = Matcher::new(forms.iter().map(Form::folded).collect());
        Self { matchers: Arc::new(Matchers { exact: Matcher::new(forms), folded }) }
    }

    /// Whether no secret can be found, so that a body may pass unseen.
    pub fn is_empty(&self) -> bool {
        self.matchers.exact.is_empty()
    }

    /// A field value with every secret replaced; `None` when it holds none.
    pub fn headers(&self, value: &[u8]) -> Option<Vec<u8>> {
        self.stream().headers(value)
    }

    /// The first secret whose value stands in `text`, whatever the case of its letters.
    pub fn secret_in(&self, text: &[u8]) -> Option<&SecretName> {
        if self.matchers.folded.needs_more_than(text.len()) {
            return None;
        }
        let folded = Zeroizing::new(text.to_ascii_lowercase());
        self.matchers.folded.first(&folded, 0).map(|(_, form)| &form.name)
    }

    /// `text` for people and the log: each value in it, whatever the case of its letters, becomes `{NAME}`.
    pub fn named<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let replaced = self.matchers.replaced(text.as_bytes(), |form| format!("{{{}}}", form.name).into_bytes().into());
        match replaced {
            None => Cow::Borrowed(text),
            Some(replaced) => Cow::Owned(String::from_utf8_lossy(&replaced).into_owned()),
        }
    }

    /// For one response: counts what it replaces.
    pub fn stream(&self) -> Stream {
        Stream::new(Arc::clone(&self.matchers))
    }
}

impl Matchers {
    /// The whole of `text` with each value, whatever the case of its letters, replaced; `None` when it holds none.
    fn replaced<'a>(&'a self, text: &[u8], mut replacement: impl FnMut(&'a Form) -> Cow<'a, [u8]>) -> Option<Vec<u8>> {
        if self.folded.needs_more_than(text.len()) {
            return None;
        }
        let folded = Zeroizing::new(text.to_ascii_lowercase());
        let mut replaced = Vec::new();
        let mut from = 0;
        while let Some((place, form)) = self.folded.first(&folded, from) {
            replaced.extend_from_slice(&text[from..place.start]);
            replaced.extend_from_slice(&replacement(form));
            from = place.end;
        }
        (from > 0).then(|| {
            replaced.extend_from_slice(&text[from..]);
            replaced
        })
    }
}

#[cfg(test)]
mod tests;
