//! Redaction: a value on its way to the child becomes its placeholder (S1).
//!
//! A [`Redactor`] is built once a run and learns the values that are fetched while it goes on; each response takes a
//! [`Stream`] from it for its head, body and trailers. What was learnt is looked for from that moment, in responses that
//! are under way too, and to the end of the run, also when another value has taken its place.
//!
//! A value is looked for as it is, in UTF-16 and UTF-32, in hexadecimal, inside base64, whose lines may break anywhere, and
//! with any of its characters escaped for JSON, a URL or a page. Where the letters' case may have been changed on the way (a field's name is lower case in HTTP/2) it is ignored.
//!
//! **Invariants.** The longest secret at the leftmost place is replaced, then the search goes on behind it, whatever the
//! chunks were. Only bytes that may still become a value are held back. A value itself is searched for where it lies;
//! its encoded and folded forms are secrets too and wiped like it.

mod encoded;
mod escape;
mod forms;
mod lines;
mod matcher;
mod pairs;
mod search;
mod step;
mod stream;
mod trie;
mod view;
mod wide;

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use zeroize::Zeroizing;

use crate::secret::{Held, Secret, SecretId, SecretName, Table};
use forms::Sought;
use search::{Rests, Set};
use step::Hit;

pub use forms::FormKind;
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
    /// How often `matchers` was replaced.
    version: AtomicU64,
    /// What `matchers` was made from.
    values: Mutex<Vec<Sought>>,
}

/// A secret has had more values in one run than can be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// The forms as they are, and for texts in lower case.
struct Matchers {
    exact: Set,
    folded: Set,
}

impl Redactor {
    /// A redactor of the secrets that are distinct enough to be looked for anywhere ([`crate::secret::is_distinctive`]).
    pub fn new(secrets: &Table) -> Self {
        let sought = secrets.iter().filter_map(|(id, held)| Sought::new(id, held, held.value()?));
        let values: Vec<Sought> = sought.collect();
        Self::knowing(Matchers::of(&values), values)
    }

    #[cfg(test)]
    fn of(forms: Vec<forms::Form>) -> Self {
        let folded = Set::of(forms.iter().map(forms::Form::folded).collect());
        Self::knowing(Matchers { exact: Set::of(forms), folded }, Vec::new())
    }

    fn knowing(matchers: Matchers, values: Vec<Sought>) -> Self {
        let matchers = RwLock::new(Arc::new(matchers));
        Self { known: Arc::new(Known { matchers, version: AtomicU64::default(), values: Mutex::new(values) }) }
    }

    /// Whether what takes the place of the value may be longer or shorter than it, in any of its forms.
    pub(super) fn may_change_length(held: &Held) -> bool {
        let placeholder = held.placeholder.as_str().as_bytes();
        held.value().is_none_or(|value| forms::may_change_length(value.expose(), placeholder))
    }

    fn matchers(&self) -> Arc<Matchers> {
        self.known.matchers()
    }

    /// Looks for `value` of the secret `held` from now on, too, in responses that are under way as well.
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
        let matchers = Arc::new(Matchers::of(&values));
        *self.known.matchers.write().unwrap_or_else(PoisonError::into_inner) = matchers;
        self.known.version.fetch_add(1, Ordering::Release);
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
        matchers.folded.search(&folded, Rests::default(), true).hit(0).map(|hit| hit.form.name.clone())
    }

    /// `text` for people and the log: each value in it, whatever the case of its letters, becomes `{NAME}`.
    pub fn named<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let matchers = self.matchers();
        let replaced = matchers.replaced(text.as_bytes(), |hit| format!("{{{}}}", hit.form.name).into_bytes().into());
        match replaced {
            None => Cow::Borrowed(text),
            Some(replaced) => Cow::Owned(String::from_utf8_lossy(&replaced).into_owned()),
        }
    }

    /// For one response: counts what it replaces.
    pub fn stream(&self) -> Stream {
        Stream::new(&self.known)
    }
}

impl Known {
    fn matchers(&self) -> Arc<Matchers> {
        Arc::clone(&self.matchers.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Matchers {
    fn of(values: &[Sought]) -> Self {
        Self { exact: Set::new(values, false), folded: Set::new(values, true) }
    }

    /// The whole of `text` with each value, whatever the case of its letters, replaced; `None` when it holds none.
    fn replaced<'a>(&'a self, text: &[u8], mut replacement: impl FnMut(&Hit<'a>) -> Cow<'a, [u8]>) -> Option<Vec<u8>> {
        if self.folded.needs_more_than(text.len()) {
            return None;
        }
        let folded = Zeroizing::new(text.to_ascii_lowercase());
        let mut search = self.folded.search(&folded, Rests::default(), true);
        let mut replaced = Vec::new();
        let mut from = 0;
        while let Some(hit) = search.hit(from) {
            replaced.extend_from_slice(&text[from..hit.start]);
            replaced.extend_from_slice(&replacement(&hit));
            from = hit.end;
        }
        (from > 0).then(|| {
            replaced.extend_from_slice(&text[from..]);
            replaced
        })
    }
}

#[cfg(test)]
mod tests;
