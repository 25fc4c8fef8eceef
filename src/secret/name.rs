//! The name of a secret: what the user calls it, what the log shows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A valid secret name: 1 to 128 bytes of `A-Z a-z 0-9 _ - .`, starting with a letter or `_`.
/// Names made from environment variables keep their spelling; case is significant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// Why a text is not a secret name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing was given.
    #[error("a secret name cannot be empty")]
    Empty,
    /// Longer than 128 bytes.
    #[error("a secret name has at most 128 bytes, this one has {length}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A character outside the allowed set, or a first character that is not a letter or `_`.
    #[error("`{name}` is not a secret name: use letters, digits, `_`, `-` and `.`, starting with a letter or `_`")]
    Character {
        /// The text as given, control characters escaped.
        name: String,
    },
}

impl SecretName {
    /// Checks `name` and takes it.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > 128 {
            return Err(NameError::TooLong { length: name.len() });
        }
        let first_is_valid = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let all_are_valid = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        if first_is_valid && all_are_valid {
            Ok(Self(name))
        } else {
            Err(NameError::Character { name: name.escape_debug().to_string() })
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for SecretName {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_environments_and_users_call_things() {
        for name in ["STRIPE_KEY", "_x", "npm.token", "a", "My-Key2"] {
            assert_eq!(SecretName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_the_rest_with_a_reason() {
        assert_eq!(SecretName::new(""), Err(NameError::Empty));
        assert_eq!(SecretName::new("x".repeat(129)), Err(NameError::TooLong { length: 129 }));
        for name in ["1st", "a b", "a=b", "a\nb", "ключ", "-x"] {
            assert!(matches!(SecretName::new(name), Err(NameError::Character { .. })), "{name}");
        }
    }
}
