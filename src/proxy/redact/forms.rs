//! In which forms a value may come back: as it is, escaped, in hexadecimal, and inside a text in base64.

use std::sync::Arc;

use super::{encoded, escaped};
use crate::secret::{Held, Placeholder, Secret, SecretId, SecretName, is_distinctive};

/// One sequence of bytes to look for and what takes its place.
pub(super) struct Form {
    /// Which secret it is a form of.
    pub(super) secret: SecretId,
    /// What that secret is called.
    pub(super) name: SecretName,
    /// Holds the bytes to look for.
    pub(super) value: Arc<Secret>,
    /// What the child sees instead, in the same encoding.
    pub(super) replacement: Vec<u8>,
}

impl Form {
    /// The bytes to look for.
    pub(super) fn bytes(&self) -> &[u8] {
        self.value.expose()
    }

    /// The same form for texts whose ASCII letters are all in lower case.
    pub(super) fn folded(&self) -> Self {
        Self {
            secret: self.secret,
            name: self.name.clone(),
            value: Arc::new(Secret::new(self.bytes().to_ascii_lowercase())),
            replacement: self.replacement.clone(),
        }
    }
}

/// A value that is looked for, and what takes its place.
pub(super) struct Sought {
    pub(super) secret: SecretId,
    pub(super) value: Arc<Secret>,
    name: SecretName,
    placeholder: Placeholder,
}

impl Sought {
    /// A value of the secret `held`; none where it is not distinct enough to be looked for.
    pub(super) fn new(secret: SecretId, held: &Held, value: &Arc<Secret>) -> Option<Self> {
        let (name, placeholder) = (held.name.clone(), held.placeholder.clone());
        is_distinctive(value.expose()).then(|| Self { secret, value: Arc::clone(value), name, placeholder })
    }
}

/// All forms of a value.
pub(super) fn of(sought: &Sought) -> Vec<Form> {
    let Sought { secret, value, name, placeholder } = sought;
    let placeholder = placeholder.as_str().as_bytes();
    let mut forms = Vec::new();
    let mut add = |value, replacement| forms.push(Form { secret: *secret, name: name.clone(), value, replacement });
    add(Arc::clone(value), placeholder.to_vec());
    let encoded = encoded::in_base64(value, placeholder);
    for (value, replacement) in escaped::looks(value, placeholder).into_iter().chain(encoded) {
        add(Arc::new(value), replacement);
    }
    forms
}
