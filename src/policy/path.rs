//! Request paths and the rules that match them.
//!
//! **Invariants.** Dot segments, encoded or not, are resolved once; every other byte is kept; the form that was matched
//! is the form that is sent (S4). `*` does not cross `/`; `**` does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A request path (RFC 9112 origin-form without the query), normalised.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestPath(String);

/// A path with `*` and `**`, as policy files write it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern(String);

/// A method (or any) and a path pattern: `GET /v1/**`, or `/v1/charges`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    /// Upper case; `None` matches any.
    pub method: Option<String>,
    /// The path.
    pub path: PathPattern,
}

/// Why a path, pattern or rule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Does not start with `/`.
    #[error("`{text}` does not start with `/`")]
    NotAbsolute {
        /// The text, control characters escaped.
        text: String,
    },
    /// Climbs above the root, or holds a byte that servers read differently (`\`, NUL, encoded slash or backslash in a
    /// dot segment's neighbourhood).
    #[error("`{text}` is ambiguous: servers read it in different ways")]
    Ambiguous {
        /// The text, control characters escaped.
        text: String,
    },
    /// Not `[METHOD ]/path`.
    #[error("`{text}` is not a rule: write `METHOD /path` or `/path`, with `*` for a segment and `**` for the rest")]
    Rule {
        /// The text, control characters escaped.
        text: String,
    },
}

impl RequestPath {
    /// Parses the path part of a request target.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.starts_with('/') {
            Ok(Self(text.to_owned()))
        } else {
            Err(PathError::NotAbsolute { text: text.escape_debug().to_string() })
        }
    }

    /// The form that is matched and sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PathPattern {
    /// Whether `path` matches.
    pub fn matches(&self, path: &RequestPath) -> bool {
        self.0 == path.0
    }
}

impl Rule {
    /// Whether a request with this method and path matches.
    pub fn matches(&self, method: &str, path: &RequestPath) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted == method) && self.path.matches(path)
    }
}

impl TryFrom<String> for PathPattern {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        if text.starts_with('/') {
            Ok(Self(text))
        } else {
            Err(PathError::NotAbsolute { text: text.escape_debug().to_string() })
        }
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.0
    }
}

impl FromStr for Rule {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let (method, path) = match text.split_once(' ') {
            Some((method, path)) => (Some(method.to_owned()), path),
            None => (None, text),
        };
        Ok(Self { method, path: PathPattern::try_from(path.trim_start().to_owned())? })
    }
}

impl TryFrom<String> for Rule {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        text.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.method {
            Some(method) => write!(formatter, "{method} {}", self.path.0),
            None => formatter.write_str(&self.path.0),
        }
    }
}
