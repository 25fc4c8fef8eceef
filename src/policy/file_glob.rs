//! Patterns of files, as policy writes them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::glob::Glob;

/// Why a text is not a file pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` {why}")]
pub struct FileGlobError {
    /// The text, control characters escaped.
    pub text: String,
    /// What is wrong with it, as the rest of a sentence.
    pub why: &'static str,
}

/// Files below a directory: `.env.*`, `config/*.secrets.json`, `**/*.pem`.
///
/// A pattern without `/` matches a file's name in any folder; one with `/` matches the path from the directory on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileGlob {
    glob: Glob,
    anywhere: bool,
}

impl FileGlob {
    /// Parses a pattern; refuses what no path can match by its form.
    pub fn parse(text: &str) -> Result<Self, FileGlobError> {
        let why = if text.is_empty() {
            Some("is empty")
        } else if text.starts_with('/') || text.starts_with('~') {
            Some("starts outside: write the path from the project's directory on")
        } else if text.ends_with('/') {
            Some("names a directory: name files, with `**` for all below it")
        } else if text.split('/').any(|segment| matches!(segment, "." | ".." | "")) {
            Some("can match nothing: no path holds an empty, `.` or `..` segment")
        } else if text.contains(['[', ']', '{', '}', '?', '\\', '!', '\0', '\n']) {
            Some("uses more than `*` and `**`, which are the only wildcards here")
        } else {
            None
        };
        let error = |why| FileGlobError { text: text.escape_debug().to_string(), why };
        match (why, Glob::parse(text.to_owned())) {
            (Some(why), _) => Err(error(why)),
            (None, None) => Err(error("holds more than two stars together")),
            (None, Some(glob)) => Ok(Self { glob, anywhere: !text.contains('/') }),
        }
    }

    /// The same pattern in lower case, for paths in lower case.
    #[must_use]
    pub fn in_lower_case(&self) -> Self {
        if !self.as_str().bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.clone();
        }
        // Letters alone change, and no letter is part of the form.
        Self::parse(&self.as_str().to_ascii_lowercase()).unwrap_or_else(|_| self.clone())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        self.glob.as_str()
    }

    /// Whether the file at `path`, from the directory on and with `/` between segments, is covered.
    pub fn matches(&self, path: &[u8]) -> bool {
        match (self.anywhere, memchr::memrchr(b'/', path)) {
            (true, Some(slash)) => self.glob.matches(&path[slash + 1..]),
            _ => self.glob.matches(path),
        }
    }
}

impl fmt::Display for FileGlob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl TryFrom<String> for FileGlob {
    type Error = FileGlobError;

    fn try_from(text: String) -> Result<Self, FileGlobError> {
        Self::parse(&text)
    }
}

impl From<FileGlob> for String {
    fn from(pattern: FileGlob) -> Self {
        pattern.glob.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_matches_anywhere_and_a_path_from_the_top() {
        for (pattern, path, expected) in [
            (".env", ".env", true),
            (".env", "a/b/.env", true),
            (".env.*", "a/.env.local", true),
            (".env.*", ".env", false),
            ("config/*.json", "config/a.json", true),
            ("config/*.json", "x/config/a.json", false),
            ("config/*.json", "config/a/b.json", false),
            ("**/config/*.json", "config/a.json", true),
            ("**/config/*.json", "x/y/config/a.json", true),
            ("secrets/**", "secrets/a/b", true),
            ("secrets/**", "secrets", false),
        ] {
            assert_eq!(FileGlob::parse(pattern).unwrap().matches(path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn what_can_match_nothing_is_refused_with_a_reason() {
        for pattern in
            ["", "/etc/passwd", "~/x", "../x", "a//b", "./a", "a/", "a/..", "{a,b}", "[ab]", "a?", "!a", "***"]
        {
            assert!(FileGlob::parse(pattern).is_err(), "{pattern}");
        }
        assert_eq!(
            FileGlob::parse("a/").unwrap_err().to_string(),
            "`a/` names a directory: name files, with `**` for all below it"
        );
    }
}
