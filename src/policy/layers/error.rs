//! What can be wrong with a policy file or flag: where, what, and how to mend it.

use std::fmt;

use crate::policy::builtin::BuiltinError;
use crate::policy::{FileGlobError, Fingerprint, HostError, PathError};
use crate::secret::{NameError, WorkspaceNameError};

/// Where a policy value is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyPlace {
    /// In a file.
    File {
        /// Its path.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// In a flag.
    Flag {
        /// The flag: `--allow`.
        flag: &'static str,
    },
}

impl fmt::Display for PolicyPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(formatter, "{path}:{line}:{column}"),
            Self::Flag { flag } => formatter.write_str(flag),
        }
    }
}

/// Why policy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A rule that ships in the binary is broken.
    #[error("the built-in policy is broken")]
    Builtin(#[from] BuiltinError),
    /// Not TOML.
    #[error("{place}: {message}")]
    Syntax {
        /// Where.
        place: PolicyPlace,
        /// What the parser said, in one line.
        message: String,
    },
    /// A key that no policy file has.
    #[error("{place}: unknown key `{key}`")]
    UnknownKey {
        /// Where.
        place: PolicyPlace,
        /// The key with its table: `egress.alow`.
        key: String,
        /// The known key that is most like it.
        near: Option<String>,
        /// The keys that may stand there.
        known: &'static [&'static str],
    },
    /// A value of another type.
    #[error("{place}: `{key}` is to be {wanted}")]
    Type {
        /// Where.
        place: PolicyPlace,
        /// The key.
        key: String,
        /// What it must be: `a list of texts`.
        wanted: &'static str,
    },
    /// A text that is none of those that the key takes.
    #[error("{place}: `{key}` cannot be `{value}`")]
    Choice {
        /// Where.
        place: PolicyPlace,
        /// The key.
        key: String,
        /// What was written.
        value: String,
        /// What may be.
        choices: Vec<String>,
    },
    /// A host, target or wildcard that is none.
    #[error("{place}: {source}")]
    Host {
        /// Where.
        place: PolicyPlace,
        /// What is wrong.
        source: HostError,
    },
    /// A rule that is none, or that nothing can match.
    #[error("{place}: {source}")]
    Rule {
        /// Where.
        place: PolicyPlace,
        /// What is wrong.
        source: PathError,
    },
    /// A file pattern that is none, or that nothing can match.
    #[error("{place}: {source}")]
    File {
        /// Where.
        place: PolicyPlace,
        /// What is wrong.
        source: FileGlobError,
    },
    /// A name that is none.
    #[error("{place}: {source}")]
    Name {
        /// Where.
        place: PolicyPlace,
        /// What is wrong.
        source: NameError,
    },
    /// A value that cannot be meant.
    #[error("{place}: `{key}` {why}")]
    Value {
        /// Where.
        place: PolicyPlace,
        /// The key.
        key: String,
        /// What is wrong with it, as the rest of a sentence.
        why: &'static str,
    },
    /// A project file that wants to grant something and is not trusted.
    #[error("{place}: a project file cannot {what} until you trust it: {}", untrusted(*fingerprint, before.as_deref()))]
    Grant {
        /// Where.
        place: PolicyPlace,
        /// What it would grant: ``bind `KEY` to `host` ``.
        what: String,
        /// Of the file.
        fingerprint: Fingerprint,
        /// On which day another content of it was trusted.
        before: Option<String>,
    },
    /// A name that is none of a workspace.
    #[error("{place}: {source}")]
    Workspace {
        /// Where.
        place: PolicyPlace,
        /// What is wrong.
        source: WorkspaceNameError,
    },
    /// A file whose form our editor does not change.
    #[error("`{path}`: holds inline tables where a command would write its lines")]
    Uneditable {
        /// Its path.
        path: String,
    },
    /// A key that is right in another file.
    #[error("{place}: `{key}` has no place in this file")]
    Misplaced {
        /// Where.
        place: PolicyPlace,
        /// The key.
        key: String,
        /// Where it belongs, as a sentence.
        instead: &'static str,
    },
}

impl PolicyError {
    /// How to mend it, in a sentence; a command where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKey { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::UnknownKey { known, .. } => Some(format!("the keys here are {}", listed(known))),
            Self::Choice { choices, value, .. } => Some(match nearest(value, choices) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it is one of {}", listed(choices)),
            }),
            Self::Grant { .. } => Some(
                "agentsecrets trust, which shows what it grants; or write the same lines into `config.toml` in your own \
                 configuration directory, which is trusted"
                    .into(),
            ),
            Self::Host { source: HostError::Invalid { text }, .. } if text.contains('/') => Some(
                "write the host alone, without scheme and path: `api.example.com`, or `api.example.com:8443`".into(),
            ),
            Self::Misplaced { instead, .. } => Some((*instead).into()),
            Self::Uneditable { .. } => {
                Some("write `[secrets.NAME]` and `[egress]` as tables of their own, or add the lines by hand".into())
            }
            Self::Builtin(_) => Some("install agentsecrets again: its binary is damaged".into()),
            _ => None,
        }
    }
}

fn untrusted(fingerprint: Fingerprint, before: Option<&str>) -> String {
    match before {
        Some(day) => format!("it has changed since it was trusted on {day}, and is {fingerprint} now"),
        None => format!("it is {fingerprint}"),
    }
}

fn listed(texts: &[impl AsRef<str>]) -> String {
    texts.iter().map(|text| format!("`{}`", text.as_ref())).collect::<Vec<_>>().join(", ")
}

/// The known word that `word` is most likely a slip of.
pub(super) fn nearest<'a>(word: &str, known: &'a [impl AsRef<str>]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distances = known.iter().map(|known| (strsim::damerau_levenshtein(&word, known.as_ref()), known.as_ref()));
    let most = (word.chars().count() / 3).max(1);
    distances.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}
