//! Patterns with `*` and `**`: for request paths, for files, for names.
//!
//! **Invariants.** `*` stands for any bytes but `/`, `**` for any bytes, and `**/` at the start or after a `/` for any
//! number of whole segments, none included. Matching takes time linear in the text, whatever the pattern: all ways to
//! match are followed at once, none is tried again.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Glob {
    text: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Token {
    Byte(u8),
    /// `*`.
    Segment,
    /// `**`.
    Any,
    /// `**/` as whole segments.
    Segments,
}

impl Glob {
    /// Parses `text`; `None` where more than two stars stand together.
    pub(super) fn parse(text: String) -> Option<Self> {
        let mut tokens = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        let mut at_segment_start = true;
        while let [first, after @ ..] = rest {
            let stars = rest.iter().take_while(|byte| **byte == b'*').count();
            (rest, at_segment_start) = match (stars, rest.get(2)) {
                (3.., _) => return None,
                (2, Some(b'/')) if at_segment_start => {
                    tokens.push(Token::Segments);
                    (&rest[3..], true)
                }
                (2, _) => {
                    tokens.push(Token::Any);
                    (&rest[2..], false)
                }
                (1, _) => {
                    tokens.push(Token::Segment);
                    (after, false)
                }
                (_, _) => {
                    tokens.push(Token::Byte(*first));
                    (after, *first == b'/')
                }
            };
        }
        Some(Self { text, tokens })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether all of `text` matches.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let mut now = States::new(self.tokens.len());
        let mut next = States::new(self.tokens.len());
        self.enter(&mut now, 0);
        for &byte in text {
            for &state in &now.active {
                match self.tokens.get(state) {
                    Some(Token::Byte(wanted)) if *wanted == byte => self.enter(&mut next, state + 1),
                    Some(Token::Segment) if byte != b'/' => self.enter(&mut next, state),
                    Some(Token::Any) => self.enter(&mut next, state),
                    Some(Token::Segments) => {
                        next.add(state);
                        if byte == b'/' {
                            self.enter(&mut next, state + 1);
                        }
                    }
                    _ => {}
                }
            }
            std::mem::swap(&mut now, &mut next);
            if now.active.is_empty() {
                return false;
            }
            next.clear();
        }
        now.is_member[self.tokens.len()]
    }

    /// Adds `state` and those reached from it without a byte.
    fn enter(&self, states: &mut States, mut state: usize) {
        while states.add(state) && matches!(self.tokens.get(state), Some(Token::Segment | Token::Any | Token::Segments))
        {
            state += 1;
        }
    }
}

/// The places in the pattern that the text so far may have reached.
struct States {
    active: Vec<usize>,
    is_member: Vec<bool>,
}

impl States {
    fn new(last: usize) -> Self {
        Self { active: Vec::new(), is_member: vec![false; last + 1] }
    }

    /// Adds a state; false where it was there already.
    fn add(&mut self, state: usize) -> bool {
        let is_new = !self.is_member[state];
        if is_new {
            self.is_member[state] = true;
            self.active.push(state);
        }
        is_new
    }

    fn clear(&mut self) {
        for state in self.active.drain(..) {
            self.is_member[state] = false;
        }
    }
}

/// A name in which `*` stands for any characters: `TF_VAR_*`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct NameGlob(Glob);

impl NameGlob {
    pub(super) fn matches(&self, name: &str) -> bool {
        self.0.matches(name.as_bytes())
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<String> for NameGlob {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Glob::parse(text).map(Self).ok_or_else(|| "at most two stars stand together".into())
    }
}

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
        pattern.glob.text
    }
}
