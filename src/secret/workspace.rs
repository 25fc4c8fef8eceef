//! The name of a workspace: what the user calls a set of secrets, and what its file is called.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A valid workspace name: 1 to 64 bytes of `A-Z a-z 0-9 _ - .`, starting with a letter, a digit or `_`, so that it is
/// a file name and never a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkspaceName(String);

/// A text that is not a workspace name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is not a workspace name: use at most 64 letters, digits, `_`, `-` and `.`, starting with a letter or digit"
)]
pub struct WorkspaceNameError {
    /// The text as given, control characters escaped, cut where it is long.
    pub name: String,
}

impl WorkspaceName {
    /// Checks `name` and takes it.
    pub fn new(name: impl Into<String>) -> Result<Self, WorkspaceNameError> {
        let name = name.into();
        let is_first = |first: char| first.is_ascii_alphanumeric() || first == '_';
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if name.len() <= 64 && name.starts_with(is_first) && name.bytes().all(is_valid) {
            Ok(Self(name))
        } else {
            Err(WorkspaceNameError { name: name.chars().take(80).collect::<String>().escape_debug().to_string() })
        }
    }

    /// The nearest valid name to what a folder is called; `None` where nothing of it can stay.
    pub fn from_folder(folder: &str) -> Option<Self> {
        let valid = |character: char| match character {
            character if character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.') => character,
            _ => '-',
        };
        let name: String = folder.chars().map(valid).take(64).collect();
        Self::new(name.trim_matches(['-', '.'])).ok()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for WorkspaceName {
    /// The workspace of who never named one.
    fn default() -> Self {
        Self("default".into())
    }
}

impl fmt::Display for WorkspaceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for WorkspaceName {
    type Error = WorkspaceNameError;

    fn try_from(name: String) -> Result<Self, WorkspaceNameError> {
        Self::new(name)
    }
}

impl From<WorkspaceName> for String {
    fn from(name: WorkspaceName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_path() {
        for name in ["acme", "a.b", "2024", "_x", "A-1"] {
            assert_eq!(WorkspaceName::new(name).unwrap().as_str(), name);
        }
        for name in ["", ".", "..", ".x", "-x", "a/b", "a b", "a\0", "ä", &"x".repeat(65)] {
            assert!(WorkspaceName::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn folders_lend_their_names() {
        for (folder, name) in
            [("acme", Some("acme")), ("My Shop!", Some("My-Shop")), (".dot", Some("dot")), ("日本", None)]
        {
            assert_eq!(WorkspaceName::from_folder(folder).as_ref().map(WorkspaceName::as_str), name, "{folder}");
        }
    }
}
