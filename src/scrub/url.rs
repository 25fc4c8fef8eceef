//! Where a URL with a secret name keeps its secret.
//!
//! `DATABASE_URL` must still parse, so only the credential in it is replaced.

use std::ops::Range;

/// Where the secret of a value lies.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    /// No URL, or one whose path is the secret, as a webhook's is.
    NotApart,
    /// In its userinfo; empty where it has none (`sqlite:///app.db`).
    At(Vec<Range<usize>>),
}

/// Finds the credential in the userinfo (RFC 3986 §3.2.1): the password, or the user where that stands alone.
pub(super) fn credentials(value: &[u8]) -> Credentials {
    let Some(separator) = memchr::memmem::find(value, b"://") else { return Credentials::NotApart };
    let scheme = &value[..separator];
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b':');
    if scheme.is_empty() || !scheme.iter().all(is_scheme) || value.iter().any(u8::is_ascii_whitespace) {
        return Credentials::NotApart;
    }
    let start = separator + 3;
    let end =
        value[start..].iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).map_or(value.len(), |at| start + at);
    let authority = &value[start..end];
    let Some(at) = memchr::memrchr(b'@', authority) else {
        let is_web = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
        return if is_web { Credentials::NotApart } else { Credentials::At(Vec::new()) };
    };
    let range = match memchr::memchr(b':', &authority[..at]) {
        Some(colon) if colon + 1 < at => start + colon + 1..start + at,
        Some(colon) => start..start + colon,
        None => start..start + at,
    };
    Credentials::At(if range.is_empty() { Vec::new() } else { vec![range] })
}

/// The password in an address that a proxy has by `name` and that is written without a scheme, as `ann:horse@proxy:3128`.
pub(super) fn of_proxy(name: &str, value: &[u8]) -> Option<Range<usize>> {
    let is_proxy = name.get(name.len().saturating_sub(5)..).is_some_and(|end| end.eq_ignore_ascii_case("proxy"));
    if !is_proxy || memchr::memmem::find(value, b"://").is_some() || value.iter().any(u8::is_ascii_whitespace) {
        return None;
    }
    let at = memchr::memrchr(b'@', value)?;
    let start = memchr::memchr(b':', &value[..at])? + 1;
    (start < at).then_some(start..at)
}

/// The password in an address of Oracle, `jdbc:oracle:thin:scott/tiger@db:1521/app`.
pub(super) fn of_oracle(value: &[u8]) -> Option<Range<usize>> {
    let rest = value.strip_prefix(b"jdbc:oracle:")?;
    let at = memchr::memchr(b'@', rest)?;
    let slash = memchr::memchr(b'/', &rest[..at])?;
    let before = value.len() - rest.len();
    (slash + 1 < at).then_some(before + slash + 1..before + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_credential_and_leaves_the_rest() {
        for (value, expected) in [
            ("postgres://user:pa@ss@db/app?x=1", Some("pa@ss")),
            ("redis://:hunter2@cache:6379/0", Some("hunter2")),
            ("https://abc123@o1.ingest.sentry.io/4", Some("abc123")),
            ("https://token:@host/x", Some("token")),
            ("jdbc:mysql://u:p@h/d", Some("p")),
            ("sqlite:///app.db", Some("")),
            ("postgres://localhost/app", Some("")),
            ("https://hooks.slack.com/services/T/B/x", None),
            ("AccountName=a;AccountKey=b", None),
            ("a b://u:p@h", None),
            ("://u:p@h", None),
        ] {
            let found = match credentials(value.as_bytes()) {
                Credentials::NotApart => None,
                Credentials::At(ranges) => Some(ranges.first().map_or("", |range| &value[range.clone()])),
            };
            assert_eq!(found, expected, "{value}");
        }
    }
}
