//! The secrets of one run: real value beside placeholder, found by either.
//!
//! **Invariants.** Two entries never hold the same value: variables and files with equal values share one placeholder.
//! A value that is fetched later stands in no entry.

use std::sync::Arc;

use super::{Placeholder, Secret, SecretName};

/// The place of a secret in its [`Table`]; stable for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretId(usize);

/// One secret of the run.
#[derive(Debug)]
pub struct Held {
    /// What the log and the user call it.
    pub name: SecretName,
    /// What the child sees.
    pub placeholder: Placeholder,
    value: Option<Arc<Secret>>,
}

impl Held {
    /// The real value, shared and never copied; `None` where it is fetched when it is used.
    pub fn value(&self) -> Option<&Arc<Secret>> {
        self.value.as_ref()
    }
}

/// All secrets of one run.
#[derive(Debug, Default)]
pub struct Table {
    held: Vec<Held>,
}

impl Table {
    /// Adds a secret, or finds the one that holds the same value already.
    ///
    /// `placeholder` is called only when the value is new.
    pub fn insert<E>(
        &mut self,
        name: SecretName,
        value: Secret,
        placeholder: impl FnOnce() -> Result<Placeholder, E>,
    ) -> Result<SecretId, E> {
        if let Some(id) = self.find(&value) {
            return Ok(id);
        }
        let placeholder = placeholder()?;
        Ok(self.push(Held { name, placeholder, value: Some(Arc::new(value.protected())) }))
    }

    /// Adds a secret whose value is fetched when it is used.
    pub fn insert_deferred(&mut self, name: SecretName, placeholder: Placeholder) -> SecretId {
        self.push(Held { name, placeholder, value: None })
    }

    fn push(&mut self, held: Held) -> SecretId {
        self.held.push(held);
        SecretId(self.held.len() - 1)
    }

    /// The same secrets once more; the values are shared.
    #[must_use]
    pub fn share(&self) -> Self {
        let share = |held: &Held| Held {
            name: held.name.clone(),
            placeholder: held.placeholder.clone(),
            value: held.value.clone(),
        };
        Self { held: self.held.iter().map(share).collect() }
    }

    /// The secret that holds `value`.
    pub fn find(&self, value: &Secret) -> Option<SecretId> {
        let holds = |held: &Held| held.value.as_ref().is_some_and(|known| **known == *value);
        self.held.iter().position(holds).map(SecretId)
    }

    /// The secret called `name`.
    pub fn named(&self, name: &SecretName) -> Option<SecretId> {
        self.held.iter().position(|held| held.name == *name).map(SecretId)
    }

    /// The secret that `id` stands for; `None` for an id of another table.
    pub fn get(&self, id: SecretId) -> Option<&Held> {
        self.held.get(id.0)
    }

    /// Every secret with its id, in the order of insertion.
    pub fn iter(&self) -> impl Iterator<Item = (SecretId, &Held)> {
        self.held.iter().enumerate().map(|(index, held)| (SecretId(index), held))
    }

    /// How many secrets there are.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_one_placeholder() {
        let mut table = Table::default();
        let mut add = |name: &str, value: &str| {
            table
                .insert(SecretName::new(name).unwrap(), Secret::new(value.into()), || {
                    Placeholder::mint(&super::super::Shape::unknown())
                })
                .unwrap()
        };
        let first = add("A", "one");
        assert_eq!(add("B", "one"), first);
        assert_ne!(add("C", "two"), first);
        assert_eq!(table.len(), 2);
        let placeholder = Placeholder::mint(&super::super::Shape::unknown()).unwrap();
        let later = table.insert_deferred(SecretName::new("D").unwrap(), placeholder);
        assert!(table.get(later).unwrap().value().is_none());
        assert_eq!(table.find(&Secret::new(b"two".to_vec())), table.named(&SecretName::new("C").unwrap()));
    }
}
