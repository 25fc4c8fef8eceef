//! Request paths and the rules that match them.
//!
//! **Invariants.** Dot segments, encoded or not, are resolved once; every other byte is kept; the form that was matched
//! is the form that is sent (S4). `*` does not cross `/`; `**` does.
//!
//! What servers read in different ways is refused, because a rule would then match one request and the server serve
//! another: a climb above the root (RFC 3986 §5.2.4 drops it, others answer 400; no client sends one by itself), a raw
//! backslash, an encoded NUL, and a dot segment behind an encoded slash or before a path parameter
//! (`a%2F..%2Fb`, `..;x`). An encoded slash alone is data, as in GitLab's `projects/group%2Fname`, and is kept.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::glob::Glob;

/// A request path (RFC 9112 origin-form without the query), normalised.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestPath(String);

/// A path with `*` and `**`, as policy files write it. `/v1/**` covers all below `/v1/`, not `/v1` itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern(Glob);

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
    /// Climbs above the root, or holds what servers read differently.
    #[error("`{text}` is ambiguous: servers read it in different ways")]
    Ambiguous {
        /// The text, control characters escaped.
        text: String,
    },
    /// A pattern that no normalised path can match, by its form.
    #[error("`{text}` can match nothing: {why}")]
    Unmatchable {
        /// The text, control characters escaped.
        text: String,
        /// The reason.
        why: &'static str,
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
        let ambiguous = || PathError::Ambiguous { text: text.escape_debug().to_string() };
        let Some(below_root) = text.strip_prefix('/') else {
            return Err(PathError::NotAbsolute { text: text.escape_debug().to_string() });
        };
        if text.contains(['\\', '?', '#']) || text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(ambiguous());
        }
        let mut kept: Vec<&str> = Vec::new();
        let mut ends_in_slash = false;
        for segment in below_root.split('/') {
            ends_in_slash = true;
            match Dots::of(segment) {
                Dots::One => {}
                Dots::Two => {
                    kept.pop().ok_or_else(ambiguous)?;
                }
                Dots::Hidden => return Err(ambiguous()),
                Dots::None => {
                    kept.push(segment);
                    ends_in_slash = false;
                }
            }
        }
        if ends_in_slash {
            kept.push("");
        }
        Ok(Self(format!("/{}", kept.join("/"))))
    }

    /// The form that is matched and sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a segment does to the path.
#[derive(Debug, PartialEq, Eq)]
enum Dots {
    /// Nothing: it is a name.
    None,
    /// `.`: itself dropped.
    One,
    /// `..`: itself and the one before dropped.
    Two,
    /// A name to one server and a dot segment to another; or an encoded NUL, which ends the path for some.
    Hidden,
}

impl Dots {
    fn of(segment: &str) -> Self {
        match decode(segment).as_ref() {
            b"." => Self::One,
            b".." => Self::Two,
            decoded => {
                let is_dots = |part: &[u8]| matches!(part, b"." | b"..");
                let mut parts = decoded.split(|byte| matches!(byte, b'/' | b'\\' | b';'));
                let hides = decoded.contains(&0) || parts.any(is_dots);
                if hides { Self::Hidden } else { Self::None }
            }
        }
    }
}

/// Percent-decodes a segment once (RFC 3986 §2.1); what is no valid escape stays.
fn decode(segment: &str) -> Cow<'_, [u8]> {
    let bytes = segment.as_bytes();
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        let escaped = match after {
            [high, low, ..] if *first == b'%' => hexadecimal(*high).zip(hexadecimal(*low)),
            _ => None,
        };
        decoded.push(escaped.map_or(*first, |(high, low)| high << 4 | low));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    Cow::Owned(decoded)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl PathPattern {
    /// Parses a pattern; refuses what no normalised path can match by its form.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let escaped = || text.escape_debug().to_string();
        let why = if !text.starts_with('/') {
            return Err(PathError::NotAbsolute { text: escaped() });
        } else if text.contains(['?', '#']) {
            "rules see the path only, without query and fragment"
        } else if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            "no path holds white space"
        } else if text.contains('\\') || text.split('/').any(|segment| Dots::of(segment) != Dots::None) {
            "dot segments and backslashes never reach a rule"
        } else {
            let glob = Glob::parse(text.to_owned());
            return glob.map(Self).ok_or_else(|| PathError::Rule { text: escaped() });
        };
        Err(PathError::Unmatchable { text: escaped(), why })
    }

    /// Whether `path` matches.
    pub fn matches(&self, path: &RequestPath) -> bool {
        self.0.matches(path.0.as_bytes())
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
        Self::parse(&text)
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.0.as_str().to_owned()
    }
}

impl FromStr for Rule {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.starts_with('/') {
            return Ok(Self { method: None, path: PathPattern::parse(text)? });
        }
        let not_a_rule = || PathError::Rule { text: text.escape_debug().to_string() };
        let (method, path) = text.split_once(' ').ok_or_else(not_a_rule)?;
        let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        if !is_method {
            return Err(not_a_rule());
        }
        Ok(Self { method: Some(method.to_owned()), path: PathPattern::parse(path.trim_start_matches(' '))? })
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
            Some(method) => write!(formatter, "{method} {}", self.path.0.as_str()),
            None => formatter.write_str(self.path.0.as_str()),
        }
    }
}
