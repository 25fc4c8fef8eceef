//! How a request's path stands in the log: no query values, no secrets, no placeholders, bounded.

use std::fmt::{Display, Write};

use super::event::cut_to;

/// The longest path in the log, in bytes.
pub(super) const LONGEST: usize = 2048;

/// The longest text that is taken for the name of a query parameter.
const LONGEST_NAME: usize = 64;

/// How many layers of percent-encoding are looked through.
const MOST_ENCODINGS: usize = 4;

/// `path_and_query`, as the child sent it, in the form that the log keeps.
///
/// `secret_in` tells whose value or placeholder stands in a text that is no longer percent-encoded; such a path segment
/// becomes `{NAME}`. Of the query only the names are kept, `?page=&limit=`; a parameter without `=` is kept only if it
/// looks like a name, because the whole of it may be a value. A fragment is dropped.
pub fn recorded_path<S: Display>(path_and_query: &str, secret_in: impl Fn(&[u8]) -> Option<S>) -> String {
    let secret_in = |text: &str| secret_in(&percent_decoded(text));
    let recorded = by_segment(path_and_query, &secret_in);
    // A value with `/` or `&` in it stands in no single segment or name.
    match secret_in(&recorded) {
        Some(name) => format!("/{{{name}}}"),
        None => cut_to(recorded, LONGEST),
    }
}

fn by_segment<S: Display>(path_and_query: &str, secret_in: &impl Fn(&str) -> Option<S>) -> String {
    let without_fragment = path_and_query.split('#').next().unwrap_or_default();
    let (path, query) = match without_fragment.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (without_fragment, None),
    };
    let mut recorded = String::with_capacity(path_and_query.len().min(LONGEST));
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            recorded.push('/');
        }
        match secret_in(segment) {
            Some(name) => push_braced(&mut recorded, &name),
            None => recorded.push_str(segment),
        }
        if recorded.len() > LONGEST {
            return recorded;
        }
    }
    if let Some(query) = query {
        recorded.push('?');
        push_query(&mut recorded, query, secret_in);
    }
    recorded
}

fn push_query<S: Display>(recorded: &mut String, query: &str, secret_in: &impl Fn(&str) -> Option<S>) {
    for (index, parameter) in query.split('&').enumerate() {
        if index > 0 {
            recorded.push('&');
        }
        let (name, has_value) = match parameter.split_once('=') {
            Some((name, _)) => (name, true),
            None => (parameter, false),
        };
        match secret_in(name) {
            Some(secret) => push_braced(recorded, &secret),
            None if name.len() <= LONGEST_NAME && (has_value || is_plain(name)) => recorded.push_str(name),
            None => recorded.push('…'),
        }
        if has_value {
            recorded.push('=');
        }
        if recorded.len() > LONGEST {
            return;
        }
    }
}

fn push_braced(recorded: &mut String, name: &impl Display) {
    // Writing to a text cannot fail.
    let _ = write!(recorded, "{{{name}}}");
}

fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']');
    name.len() <= 24 && name.bytes().all(is_plain)
}

/// `text` with its percent-encoding taken off, also where it was put on repeatedly; it is only looked at, never sent.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = text.as_bytes().to_vec();
    for _ in 0..MOST_ENCODINGS {
        let Some(again) = percent_decoded_once(&decoded) else { break };
        decoded = again;
    }
    decoded
}

/// RFC 3986 §2.1; a `%` that no two hex digits follow stays. `None` where there is nothing to decode.
fn percent_decoded_once(text: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'%', text)?;
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| byte == b'%').and_then(|pair| std::str::from_utf8(pair).ok());
        let value = pair
            .filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        decoded.push(value.unwrap_or(byte));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    (decoded.len() < text.len()).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HELD: [(&str, &str); 3] = [("placeholder_Ab1", "BOT_TOKEN"), ("sk-xyz+/=", "KEY"), ("a/b&c", "ODD")];

    fn held_in(text: &[u8]) -> Option<&'static str> {
        let is_in = |held: &str| memchr::memmem::find(text, held.as_bytes()).is_some();
        HELD.into_iter().find(|(held, _)| is_in(held)).map(|(_, name)| name)
    }

    #[test]
    fn keeps_names_and_drops_values() {
        for (path, recorded) in [
            ("/v1/models", "/v1/models"),
            ("/v1/models?limit=20&after=abc", "/v1/models?limit=&after="),
            ("/v1?key=placeholder_Ab1", "/v1?key="),
            ("/v1?placeholder_Ab1=1&placeholder_Ab1", "/v1?{BOT_TOKEN}=&{BOT_TOKEN}"),
            ("/bot/placeholder_Ab1/send", "/bot/{BOT_TOKEN}/send"),
            ("/botplaceholder_Ab1/send", "/{BOT_TOKEN}/send"),
            ("/placeholder%5fAb1/x", "/{BOT_TOKEN}/x"),
            ("/a/sk-xyz%2B%2f%3D", "/a/{KEY}"),
            ("/a/sk-xyz%252B%25252f%3D", "/a/{KEY}"),
            ("/x/sk-xyz+/=/y", "/{KEY}"),
            ("/x/a/b&c/y?z=1", "/{ODD}"),
            ("/x/a?b=a/b&c=1", "/x/a?b=&c="),
            ("/x?verbose&a.b[]", "/x?verbose&a.b[]"),
            ("/x?c2VjcmV0IHZhbHVlIGFzIGEgbmFtZQ", "/x?…"),
            ("/x?12345678", "/x?…"),
            ("/x?a=b=c#fragment", "/x?a="),
            ("/x%", "/x%"),
            ("/x%zz%4", "/x%zz%4"),
            ("/x?", "/x?"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(recorded_path(path, held_in), recorded, "{path}");
        }
    }

    #[test]
    fn is_bounded() {
        assert!(recorded_path(&"/é".repeat(10_000), held_in).len() <= LONGEST);
        assert!(recorded_path(&format!("/?{}", "name&".repeat(10_000)), held_in).len() <= LONGEST);
    }

    proptest! {
        #[test]
        fn no_query_value_survives(path in "(/[a-z]{0,5}){0,3}", value in "[A-Z0-9]{6,40}", name in "[a-z]{1,5}") {
            let recorded = recorded_path(&format!("{path}?{name}={value}&x={value}#{value}"), held_in);
            prop_assert_eq!(recorded, format!("{path}?{name}=&x="));
        }

        #[test]
        fn no_placeholder_survives(before in ".{0,20}", after in ".{0,20}") {
            let recorded = recorded_path(&format!("{before}placeholder_Ab1{after}"), held_in);
            prop_assert!(!recorded.contains("placeholder_Ab1"));
        }
    }
}
