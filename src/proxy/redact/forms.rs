//! In which forms a value may come back: as it is. Encoded forms join the same list.

use std::sync::Arc;

use crate::secret::{Secret, SecretId, Table, is_distinctive};

/// One sequence of bytes to look for and what takes its place.
pub(super) struct Form {
    /// Which secret it is a form of.
    pub(super) secret: SecretId,
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
}

/// All forms of all searchable secrets.
pub(super) fn of(secrets: &Table) -> Vec<Form> {
    secrets
        .iter()
        .filter(|(_, held)| is_distinctive(held.value().expose()))
        .map(|(secret, held)| Form {
            secret,
            value: Arc::clone(held.value()),
            replacement: held.placeholder.as_str().as_bytes().to_vec(),
        })
        .collect()
}
