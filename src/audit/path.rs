//! How a request's path stands in the log: no query values, no placeholders, bounded.

use super::event::cut_to;

/// The longest path in the log, in bytes.
pub(super) const LONGEST: usize = 2048;

/// The longest text that is taken for the name of a query parameter.
const LONGEST_NAME: usize = 64;

/// `path_and_query`, as the child sent it, in the form that the log keeps.
///
/// A path segment that holds a placeholder, percent-encoded or not, becomes `{NAME}`; `placeholders` are pairs of
/// placeholder text and secret name. Of the query only the names are kept, `?page=&limit=`; a parameter without `=` is
/// kept only if it looks like a name, because the whole of it may be a value. A fragment is dropped.
pub fn recorded_path<'a>(path_and_query: &str, placeholders: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let placeholders: Vec<_> = placeholders.collect();
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
        match secret_in(segment, &placeholders) {
            Some(name) => push_braced(&mut recorded, name),
            None => recorded.push_str(segment),
        }
        if recorded.len() > LONGEST {
            return cut_to(recorded, LONGEST);
        }
    }
    if let Some(query) = query {
        recorded.push('?');
        push_query(&mut recorded, query, &placeholders);
    }
    cut_to(recorded, LONGEST)
}

fn push_query(recorded: &mut String, query: &str, placeholders: &[(&str, &str)]) {
    for (index, parameter) in query.split('&').enumerate() {
        if index > 0 {
            recorded.push('&');
        }
        let (name, has_value) = match parameter.split_once('=') {
            Some((name, _)) => (name, true),
            None => (parameter, false),
        };
        match secret_in(name, placeholders) {
            Some(secret) => push_braced(recorded, secret),
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

fn push_braced(recorded: &mut String, name: &str) {
    recorded.push('{');
    recorded.push_str(name);
    recorded.push('}');
}

fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']');
    name.len() <= 24 && name.bytes().all(is_plain)
}

/// The name of the secret whose placeholder stands in `text`, percent-encoded or not.
fn secret_in<'a>(text: &str, placeholders: &[(&str, &'a str)]) -> Option<&'a str> {
    let decoded = percent_decoded(text);
    let decoded = decoded.as_deref().unwrap_or(text.as_bytes());
    placeholders
        .iter()
        .find(|(placeholder, _)| {
            (1..=decoded.len()).contains(&placeholder.len())
                && memchr::memmem::find(decoded, placeholder.as_bytes()).is_some()
        })
        .map(|(_, name)| *name)
}

/// RFC 3986 §2.1; a `%` that no two hex digits follow stays. `None` where there is nothing to decode.
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    memchr::memchr(b'%', text.as_bytes())?;
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| byte == b'%').and_then(|pair| std::str::from_utf8(pair).ok());
        let value = pair
            .filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        decoded.push(value.unwrap_or(byte));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HELD: [(&str, &str); 2] = [("placeholder_Ab1", "BOT_TOKEN"), ("sk-xyz+/=", "KEY")];

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
            assert_eq!(recorded_path(path, HELD.into_iter()), recorded, "{path}");
        }
    }

    #[test]
    fn is_bounded() {
        assert!(recorded_path(&"/é".repeat(10_000), HELD.into_iter()).len() <= LONGEST);
        assert!(recorded_path(&format!("/?{}", "name&".repeat(10_000)), HELD.into_iter()).len() <= LONGEST);
    }

    proptest! {
        #[test]
        fn no_query_value_survives(path in "(/[a-z]{0,5}){0,3}", value in "[A-Z0-9]{6,40}", name in "[a-z]{1,5}") {
            let recorded = recorded_path(&format!("{path}?{name}={value}&x={value}#{value}"), HELD.into_iter());
            prop_assert_eq!(recorded, format!("{path}?{name}=&x="));
        }

        #[test]
        fn no_placeholder_survives(before in ".{0,20}", after in ".{0,20}") {
            let recorded = recorded_path(&format!("{before}placeholder_Ab1{after}"), HELD.into_iter());
            prop_assert!(!recorded.contains("placeholder_Ab1"));
        }
    }
}
