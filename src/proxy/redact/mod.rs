//! Redaction: a value on its way to the child becomes its placeholder (S1).
//!
//! A [`Redactor`] is built once a run and learns the values that are fetched while it goes on; each response takes a
//! [`Stream`] from it for its head, body and trailers. What was learnt is looked for to the end of the run, also when
//! another value has taken its place.
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
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use zeroize::Zeroizing;

use crate::secret::{Held, Secret, SecretId, SecretName, Table};
use forms::{Form, Sought};
use matcher::Matcher;

pub use stream::Stream;

/// The most values of one secret: beyond them it is no credential that changes at times but one that is made anew for
/// each request, and looking for all of them would cost more with each.
const MOST_VALUES: usize = 64;

/// Finds the values of a run; cheap to clone.
#[derive(Clone)]
pub struct Redactor {
    known: Arc<Known>,
}

struct Known {
    matchers: RwLock<Arc<Matchers>>,
    /// What `matchers` was made from.
    values: Mutex<Vec<Sought>>,
}

/// A secret has had more values in one run than can be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// The forms as they are, and for texts in lower case.
struct Matchers {
    exact: Matcher,
    folded: Matcher,
}

impl Redactor {
    /// A redactor of the secrets that are distinct enough to be looked for anywhere ([`crate::secret::is_distinctive`]).
    pub fn new(secrets: &Table) -> Self {
        let sought = secrets.iter().filter_map(|(id, held)| Sought::new(id, held, held.value()?));
        let values: Vec<Sought> = sought.collect();
        let matchers = Matchers::of(values.iter().flat_map(forms::of).collect());
        Self { known: Arc::new(Known { matchers: RwLock::new(Arc::new(matchers)), values: Mutex::new(values) }) }
    }

    #[cfg(test)]
    fn of(forms: Vec<Form>) -> Self {
        let matchers = RwLock::new(Arc::new(Matchers::of(forms)));
        Self { known: Arc::new(Known { matchers, values: Mutex::default() }) }
    }

    fn matchers(&self) -> Arc<Matchers> {
        Arc::clone(&self.known.matchers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks for `value` of the secret `held` from now on, too: in every response that begins after this.
    pub(super) fn learn(&self, id: SecretId, held: &Held, value: &Arc<Secret>) -> Result<(), TooMany> {
        let Some(new) = Sought::new(id, held, value) else { return Ok(()) };
        let mut values = self.known.values.lock().unwrap_or_else(PoisonError::into_inner);
        let own = || values.iter().filter(|known| known.secret == id);
        if own().any(|known| Arc::ptr_eq(&known.value, value) || known.value == *value) {
            return Ok(());
        }
        if own().count() >= MOST_VALUES {
            return Err(TooMany);
        }
        values.push(new);
        let matchers = Matchers::of(values.iter().flat_map(forms::of).collect());
        *self.known.matchers.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(matchers);
        Ok(())
    }

    /// Whether no secret can be found, so that a body may pass unseen.
    pub fn is_empty(&self) -> bool {
        self.matchers().exact.is_empty()
    }

    /// A field value with every secret replaced; `None` when it holds none.
    pub fn headers(&self, value: &[u8]) -> Option<Vec<u8>> {
        self.stream().headers(value)
    }

    /// The first secret whose value stands in `text`, whatever the case of its letters.
    pub fn secret_in(&self, text: &[u8]) -> Option<SecretName> {
        let matchers = self.matchers();
        if matchers.folded.needs_more_than(text.len()) {
            return None;
        }
        let folded = Zeroizing::new(text.to_ascii_lowercase());
        matchers.folded.first(&folded, 0).map(|(_, form)| form.name.clone())
    }

    /// `text` for people and the log: each value in it, whatever the case of its letters, becomes `{NAME}`.
    pub fn named<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let matchers = self.matchers();
        let replaced = matchers.replaced(text.as_bytes(), |form| format!("{{{}}}", form.name).into_bytes().into());
        match replaced {
            None => Cow::Borrowed(text),
            Some(replaced) => Cow::Owned(String::from_utf8_lossy(&replaced).into_owned()),
        }
    }

    /// For one response: counts what it replaces.
    pub fn stream(&self) -> Stream {
        Stream::new(self.matchers())
    }
}

impl Matchers {
    fn of(forms: Vec<Form>) -> Self {
        let folded = Matcher::new(forms.iter().map(Form::folded).collect());
        Self { exact: Matcher::new(forms), folded }
    }

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
