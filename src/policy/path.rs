//! Request paths, in the one form that is matched and sent.
//!
//! **Invariants.** Dot segments, encoded or not, are resolved once; every other byte is kept; the form that was matched
//! is the form that is sent (S4).
//!
//! What servers read in different ways is refused, because a rule would then match one request and the server serve
//! another: a climb above the root (RFC 3986 §5.2.4 drops it, others answer 400; no client sends one by itself), a raw
//! backslash, an encoded NUL, and a dot segment behind an encoded slash or before a path parameter
//! (`a%2F..%2Fb`, `..;x`). An encoded slash alone is data, as in GitLab's `projects/group%2Fname`, and is kept.

use std::borrow::Cow;
use std::fmt;

/// A request path (RFC 9112 origin-form without the query), normalised.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestPath(String);

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
pub(super) enum Dots {
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
    pub(super) fn of(segment: &str) -> Self {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dot_segments_are_resolved_and_all_else_is_kept() {
        for (text, form) in [
            ("/", "/"),
            ("/v1/charges", "/v1/charges"),
            ("/v1/./charges/.", "/v1/charges/"),
            ("/v1/x/../charges", "/v1/charges"),
            ("/v1/x/%2e%2E/charges", "/v1/charges"),
            ("/v1/x/.%2e", "/v1/"),
            ("/a/b/..", "/a/"),
            ("/a/..", "/"),
            ("//a//b", "//a//b"),
            ("/a//../b", "/a/b"),
            ("/api/v4/projects/group%2Fname", "/api/v4/projects/group%2Fname"),
            ("/api/v4/projects/a%2Fb%2fc/files/x%2e.y", "/api/v4/projects/a%2Fb%2fc/files/x%2e.y"),
            ("/-/npm/v1/@scope%2fpackage", "/-/npm/v1/@scope%2fpackage"),
            ("/a%252e%252e/b", "/a%252e%252e/b"),
            ("/a/...", "/a/..."),
            ("/a/%zz%2", "/a/%zz%2"),
            ("/a;v=1.2/b", "/a;v=1.2/b"),
            ("/caf\u{e9}/%C3%A9", "/caf\u{e9}/%C3%A9"),
        ] {
            assert_eq!(RequestPath::parse(text).unwrap().as_str(), form, "{text}");
        }
    }

    #[test]
    fn what_servers_read_differently_is_refused() {
        for text in [
            "/..",
            "/a/../..",
            "/%2e%2e/a",
            "/a%2f..%2fb",
            "/a/..%2Fb",
            "/a%5c..%5cb",
            "/a\\b",
            "/a/..;x/b",
            "/a/..%3bx/b",
            "/a%00b",
            "/a?b",
            "/a#b",
            "/a\0",
        ] {
            assert!(matches!(RequestPath::parse(text), Err(PathError::Ambiguous { .. })), "{text:?}");
        }
        for text in ["", "a", "*", "https://a/b"] {
            assert!(matches!(RequestPath::parse(text), Err(PathError::NotAbsolute { .. })), "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn normalising_is_idempotent_and_leaves_no_dot_segment(
            text in "(/|/\\.|/\\.\\.|%2[eEfF]|%5c|[a;.]|%25|\u{e9}){0,12}",
        ) {
            let Ok(path) = RequestPath::parse(&format!("/{text}")) else { return Ok(()) };
            prop_assert_eq!(RequestPath::parse(path.as_str()), Ok(path.clone()));
            let segments = path.as_str().split('/').map(|segment| decode(segment).into_owned());
            for segment in segments {
                prop_assert!(segment != b"." && segment != b"..", "{}", path);
            }
        }

        #[test]
        fn a_path_without_dots_is_kept_byte_for_byte(text in "(/[a-z0-9%@:~_=&+,!$'()*\u{e9}-]{0,5}){1,5}") {
            if let Ok(path) = RequestPath::parse(&text) {
                prop_assert_eq!(path.as_str(), text);
            } else {
                prop_assert!(text.contains('%'), "{}", text);
            }
        }
    }
}
