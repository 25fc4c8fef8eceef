//! Slots that are a part of something: a parameter of the query, a cookie, a field of a body.
//!
//! **Invariants.** Nothing but the placeholder, which is all of its part, is replaced; what comes in its place is encoded
//! so that it can end neither the part nor the whole.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, Entry};
use http::{HeaderMap, HeaderValue, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use zeroize::Zeroizing;

use super::super::refusal::Refused;
use super::super::request_body::RequestBody;
use super::super::route::Allowed;
use super::super::rulebook::{Bound, Field, Place, Rulebook};
use super::{Injected, Part, permits, sensitive};
use crate::policy::{JsonPointer, quoted};

/// All but the unreserved characters (RFC 3986 §2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The parts of a request that have fields.
pub(super) struct Message<'a> {
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a mut HeaderMap,
    pub(super) body: &'a mut RequestBody,
}

/// The longest body that a value is put into.
pub(in crate::proxy) const LONGEST_BODY: usize = 4 << 20;

/// Whether a value may be put into the body: a secret that may be used here has a slot in it, and the body says that it is
/// what the slot is for.
pub(in crate::proxy) fn is_in_body(allowed: &Allowed, headers: &HeaderMap) -> bool {
    let mut fields = allowed.site().bound.iter().flat_map(|bound| bound.slots.iter().map(move |slot| (bound, slot)));
    fields.any(|(bound, slot)| {
        let fits = match slot {
            Place::Field(Field::Json(_)) => is_of_type(headers, is_json),
            Place::Field(Field::Form(_)) => is_of_type(headers, |kind| kind == "application/x-www-form-urlencoded"),
            Place::Field(Field::Query(_) | Field::Cookie(_)) | Place::Header(_) | Place::Basic => false,
        };
        fits && matches!(allowed.permits(bound), Ok(true))
    })
}

fn is_json(kind: &str) -> bool {
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Whether the one `Content-Type` is such a one, in UTF-8 and in no content coding.
fn is_of_type(headers: &HeaderMap, is_wanted: impl Fn(&str) -> bool) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(first), None) = (types.next(), types.next()) else { return false };
    let Ok(text) = first.to_str() else { return false };
    let text = text.to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let is_plain = headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding == "identity");
    let kind = parts.next().unwrap_or_default();
    let is_utf8 = |part: &str| match part.split_once('=') {
        Some(("charset", charset)) => matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"),
        _ => !part.contains("charset"),
    };
    is_plain && is_wanted(kind) && parts.all(is_utf8)
}

/// Swaps `bound` in its fields.
pub(super) fn swap(
    allowed: &Allowed,
    bound: &Bound,
    message: &mut Message<'_>,
    injected: &mut Injected,
    book: &Rulebook,
) -> Result<(), Refused> {
    for slot in &bound.slots {
        let Place::Field(field) = slot else { continue };
        let place = match field {
            Field::Query(name) => {
                let query = injected.query.as_deref().map(String::as_str).or(message.uri.query()).unwrap_or_default();
                let Some(query) = in_pairs(query, name, bound) else { continue };
                if !permits(allowed, bound, book)? {
                    continue;
                }
                injected.query = Some(query);
                format!("query {name}")
            }
            Field::Cookie(name) => {
                if !in_cookies(allowed, bound, message.headers, name, book)? {
                    continue;
                }
                format!("cookie {name}")
            }
            Field::Form(_) | Field::Json(_) => {
                let Some(body) = message.body.whole() else { continue };
                let (new, place) = match field {
                    Field::Form(name) => (in_form(body, name, bound), format!("form field {name}")),
                    Field::Json(pointer) => (in_json(body, pointer, bound)?, format!("JSON field {pointer}")),
                    Field::Query(_) | Field::Cookie(_) => continue,
                };
                let Some(new) = new else { continue };
                if !permits(allowed, bound, book)? {
                    continue;
                }
                // The old length is no longer true; the new one is the body's own.
                message.headers.remove(CONTENT_LENGTH);
                *body = new;
                place
            }
        };
        if bound.value.is_empty() {
            return Err(Refused::unusable(&bound.name));
        }
        injected.placed.push((bound.id, bound.name.clone(), place));
    }
    Ok(())
}

/// A query or a form: pairs between `&`, in which the placeholder is the whole value of `name`.
fn in_pairs(text: &str, name: &str, bound: &Bound) -> Option<Zeroizing<String>> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>();
    let is_it = |pair: &str| {
        pair.split_once('=').is_some_and(|(key, value)| {
            decoded(key) == name.as_bytes() && decoded(value) == bound.placeholder.as_str().as_bytes()
        })
    };
    if !text.split('&').any(is_it) {
        return None;
    }
    let mut new = Zeroizing::new(String::with_capacity(text.len() + 3 * bound.value.len()));
    for (index, pair) in text.split('&').enumerate() {
        if index > 0 {
            new.push('&');
        }
        match pair.split_once('=') {
            Some((key, _)) if is_it(pair) => {
                new.push_str(key);
                new.push('=');
                new.extend(percent_encode(bound.value.expose(), RESERVED));
            }
            _ => new.push_str(pair),
        }
    }
    Some(new)
}

fn in_form(body: &[u8], name: &str, bound: &Bound) -> Option<Zeroizing<Vec<u8>>> {
    let mut new = in_pairs(std::str::from_utf8(body).ok()?, name, bound)?;
    Some(Zeroizing::new(std::mem::take(&mut *new).into_bytes()))
}

/// The document with the value in the place of the placeholder, which is the whole string there.
fn in_json(body: &[u8], pointer: &JsonPointer, bound: &Bound) -> Result<Option<Zeroizing<Vec<u8>>>, Refused> {
    let Ok(document) = std::str::from_utf8(body) else { return Ok(None) };
    let Ok(Some(range)) = pointer.find(document) else { return Ok(None) };
    if document[range] != **quoted(bound.placeholder.as_str()) {
        return Ok(None);
    }
    let value = std::str::from_utf8(bound.value.expose()).map_err(|_| Refused::unusable(&bound.name))?;
    Ok(pointer.set(document, &quoted(value)).ok())
}

/// RFC 6265 §4.2.1: pairs between `; `. Says whether the placeholder was one of them.
fn in_cookies(
    allowed: &Allowed,
    bound: &Bound,
    headers: &mut HeaderMap,
    name: &str,
    book: &Rulebook,
) -> Result<bool, Refused> {
    let Entry::Occupied(mut entry) = headers.entry(COOKIE) else { return Ok(false) };
    let placeholder = bound.placeholder.as_str().as_bytes();
    let is_it = |pair: &[u8]| {
        let pair = pair.trim_ascii();
        pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) == Some(placeholder)
    };
    let mut is_placed = false;
    for value in entry.iter_mut() {
        if !value.as_bytes().split(|byte| *byte == b';').any(is_it) {
            continue;
        }
        if !permits(allowed, bound, book)? {
            continue;
        }
        if !bound.value.expose().iter().copied().all(is_cookie_octet) {
            return Err(Refused::unusable(&bound.name));
        }
        *value = sensitive(&cookies(value, name, bound, is_it), bound, Part::Whole)?;
        is_placed = true;
    }
    Ok(is_placed)
}

fn cookies(value: &HeaderValue, name: &str, bound: &Bound, is_it: impl Fn(&[u8]) -> bool) -> Zeroizing<Vec<u8>> {
    let mut new = Zeroizing::new(Vec::with_capacity(value.len() + bound.value.len()));
    for (index, pair) in value.as_bytes().split(|byte| *byte == b';').enumerate() {
        if index > 0 {
            new.push(b';');
        }
        if is_it(pair) {
            new.extend_from_slice(&pair[..pair.len() - pair.trim_ascii_start().len()]);
            new.extend_from_slice(name.as_bytes());
            new.push(b'=');
            new.extend_from_slice(bound.value.expose());
        } else {
            new.extend_from_slice(pair);
        }
    }
    new
}

/// RFC 6265 §4.1.1: `cookie-octet`.
fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_body_that_says_what_it_is_may_hold_a_value() {
        for (lines, fits) in [
            (&[("content-type", "application/json")][..], true),
            (&[("content-type", "Application/JSON; charset=\"UTF-8\"")], true),
            (&[("content-type", "application/vnd.api+json;charset=utf-8")], true),
            (&[("content-type", "application/json"), ("content-encoding", "identity")], true),
            (&[("content-type", "application/json; charset=utf-16")], false),
            (&[("content-type", "application/json; charset = utf-16")], false),
            (&[("content-type", "application/json; charset")], false),
            (&[("content-type", "application/json"), ("content-encoding", "gzip")], false),
            (
                &[("content-type", "application/json"), ("content-encoding", "identity"), ("content-encoding", "br")],
                false,
            ),
            (&[("content-type", "application/json"), ("content-type", "application/json")], false),
            (&[("content-type", "application/json, text/plain")], false),
            (&[("content-type", "text/json+x")], false),
            (&[("content-type", "application/jsonl")], false),
            (&[("content-type", "text/plain")], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, HeaderValue::from_static(value));
            }
            assert_eq!(is_of_type(&headers, is_json), fits, "{lines:?}");
        }
    }
}
