//! In which forms a value may come back: as it is, escaped, in hexadecimal, and inside a text in base64.

use std::sync::Arc;

use super::{encoded, escaped};
use crate::secret::{Secret, SecretId, SecretName, Table, is_distinctive};

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

/// All forms of all searchable secrets.
pub(super) fn of(secrets: &Table) -> Vec<Form> {
    let mut forms = Vec::new();
    for (secret, held) in secrets.iter().filter(|(_, held)| is_distinctive(held.value().expose())) {
        let mut add = |value, replacement| forms.push(Form { secret, name: held.name.clone(), value, replacement });
        let placeholder = held.placeholder.as_str().as_bytes();
        add(Arc::clone(held.value()), placeholder.to_vec());
        let encoded = encoded::in_base64(held.value(), placeholder);
        for (value, replacement) in escaped::looks(held.value(), placeholder).into_iter().chain(encoded) {
            add(Arc::new(value), replacement);
        }
    }
    forms
}
