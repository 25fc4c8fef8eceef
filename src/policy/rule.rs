//! Rules: which methods and paths a secret may be used for.
//!
//! **Invariants.** A pattern is matched against normalised paths only. `*` does not cross `/`; `**` does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::glob::Glob;
use super::path::{Dots, PathError, RequestPath};

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
        self.0.matches(path.as_str().as_bytes())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_match_method_and_path() {
        for (rule, method, path, expected) in [
            ("GET /v1/**", "GET", "/v1/a/b", true),
            ("GET /v1/**", "POST", "/v1/a", false),
            ("GET /v1/**", "GET", "/v1", false),
            ("/v1/*", "DELETE", "/v1/a", true),
            ("/v1/*", "GET", "/v1/a/b", false),
            ("/v1/*", "GET", "/v1/a%2Fb", true),
            ("/v1/*", "GET", "/v1/x/../../admin", false),
            ("/a/**/z", "GET", "/a/z", true),
            ("/a/**/z", "GET", "/a/b/c/z", true),
            ("/a/**/z", "GET", "/a/bz", false),
            ("POST  /x", "POST", "/x", true),
        ] {
            let rule: Rule = rule.parse().unwrap();
            assert_eq!(rule.matches(method, &RequestPath::parse(path).unwrap()), expected, "{rule} {path}");
        }
    }

    #[test]
    fn rules_that_can_match_nothing_are_refused() {
        for rule in
            ["", "GET", "get /x", "GET x", "GET,POST /x", "/x?y", "/a/../b", "/a/%2e/b", "/a b", "/a\\b", "/***"]
        {
            assert!(rule.parse::<Rule>().is_err(), "{rule}");
        }
    }
}
