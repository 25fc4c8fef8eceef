//! Puts real values in the place of placeholders: a function over the request's head, and over a body that is there
//! whole.
//!
//! **Invariants.** A value goes only into a slot of a secret that is bound to the verified host (S3). It is marked
//! sensitive, so that it enters no HPACK table and no `Debug` output (S2). A placeholder anywhere else stays as it is.

mod field;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, Entry};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use zeroize::Zeroizing;

use super::refusal::Refused;
use super::request_body::RequestBody;
use super::route::Allowed;
use super::rulebook::{Attachment, Bound, Place, Rulebook};
use crate::secret::{SecretId, SecretName};

pub(super) use field::{LONGEST_BODY, is_in_body};

/// What was done to a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Injected {
    /// Each secret that was put in, with the place for the log: `header x-api-key`, `basic password`.
    pub(super) placed: Vec<(SecretId, SecretName, String)>,
    /// Secrets whose placeholder stays somewhere in the head, worthless there.
    pub(super) inert: Vec<SecretName>,
    /// The query as it goes, where a value was put into it.
    pub(super) query: Option<Zeroizing<String>>,
}

/// Swaps every placeholder in a slot of its binding; attaches the default header where the request has no credential.
pub(super) fn inject(
    allowed: &Allowed,
    uri: &Uri,
    headers: &mut HeaderMap,
    body: &mut RequestBody,
    book: &Rulebook,
) -> Result<Injected, Refused> {
    let mut injected = Injected::default();
    let bound = &allowed.site().bound;
    for bound in bound {
        swap(allowed, bound, headers, &mut injected, book)?;
        field::swap(allowed, bound, &mut field::Message { uri, headers, body }, &mut injected, book)?;
    }
    for bound in bound {
        if injected.placed.iter().any(|(id, ..)| *id == bound.id) {
            remove_second_credentials(bound, headers);
        }
    }
    if injected.placed.is_empty() {
        attach(allowed, headers, &mut injected)?;
    }
    strays(uri, headers, book, &mut injected);
    match injected.inert.first() {
        Some(name) if book.block_stray => Err(Refused::stray(name, &allowed.site().authority)),
        _ => Ok(injected),
    }
}

/// Swaps `bound` in its slots.
fn swap(
    allowed: &Allowed,
    bound: &Bound,
    headers: &mut HeaderMap,
    injected: &mut Injected,
    book: &Rulebook,
) -> Result<(), Refused> {
    for slot in &bound.slots {
        let Some(header) = slot.header() else { continue };
        let Entry::Occupied(mut entry) = headers.entry(header) else { continue };
        // One credential goes in a header, of two fields with its name in the first: the other is removed.
        let taken = entry.iter().position(HeaderValue::is_sensitive);
        for (index, value) in entry.iter_mut().enumerate() {
            if taken.is_some_and(|taken| taken != index) {
                continue;
            }
            let found = match slot {
                Place::Header(_) => in_header(value, header, bound),
                Place::Basic => in_basic(value, bound),
                Place::Field(_) => None,
            };
            let Some((bytes, place)) = found else { continue };
            if !permits(allowed, bound, book)? {
                continue;
            }
            *value = sensitive(&bytes, bound, place)?;
            let place = match slot {
                Place::Basic => format!("basic {}", place.word()),
                _ => format!("header {header}"),
            };
            injected.placed.push((bound.id, bound.name.clone(), place));
            break;
        }
    }
    Ok(())
}

/// Whether `bound` may be used. Where placeholders are blocked that go out worthless, a transport that makes one so is
/// refused in words of its own.
fn permits(allowed: &Allowed, bound: &Bound, book: &Rulebook) -> Result<bool, Refused> {
    match allowed.permits(bound)? {
        false if book.block_stray => Err(Refused::plaintext(&bound.name, &allowed.site().authority)),
        permits => Ok(permits),
    }
}

/// Which part of a header held the placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    User,
    Password,
    Pair,
}

impl Part {
    fn word(self) -> &'static str {
        match self {
            Self::Whole => "credential",
            Self::User => "user",
            Self::Password => "password",
            Self::Pair => "user and password",
        }
    }
}

/// The header's bytes with the placeholder swapped, which is all of the credential there: whatever scheme word stands before
/// it is kept.
fn in_header(value: &HeaderValue, header: &HeaderName, bound: &Bound) -> Option<(Zeroizing<Vec<u8>>, Part)> {
    let text = value.as_bytes();
    let (before, rest) = text.split_at(bound.finder.find(text)?);
    let after = &rest[bound.placeholder.as_str().len()..];
    let is_of_format = |format: &Attachment| {
        format.header == header && before == format.before.as_bytes() && after == format.after.as_bytes()
    };
    if !is_scheme(before, after) && !bound.attach.as_ref().is_some_and(is_of_format) {
        return None;
    }
    let bytes = Zeroizing::new([before, bound.value.expose(), after].concat());
    Some((bytes, Part::Whole))
}

/// Whether a credential between `before` and `after` is the only one: alone, behind a scheme word, or as the one parameter
/// (RFC 9110 §11.4), quoted or not (`Token token="…"`, `key=…`).
fn is_scheme(before: &[u8], after: &[u8]) -> bool {
    let is_token = |word: &[u8]| {
        let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        !word.is_empty() && word.iter().all(is_of_token)
    };
    let is_scheme_word = |text: &[u8]| {
        let word = text.trim_ascii_end();
        text.is_empty() || word.len() < text.len() && is_token(word)
    };
    let unquoted = match after {
        b"" => Some(before),
        b"\"" => before.strip_suffix(b"\""),
        _ => None,
    };
    let Some(parameter) = unquoted.and_then(|before| before.strip_suffix(b"=")) else {
        return after.is_empty() && is_scheme_word(before);
    };
    let name = parameter.iter().rposition(u8::is_ascii_whitespace).map_or(0, |space| space + 1);
    is_token(&parameter[name..]) && is_scheme_word(&parameter[..name])
}

/// RFC 7617: the placeholder as the whole user or the whole password; alone it stands for both, of which a value without
/// a colon is the user.
fn in_basic(value: &HeaderValue, bound: &Bound) -> Option<(Zeroizing<Vec<u8>>, Part)> {
    let decoded = decode_basic(value)?;
    let placeholder = bound.placeholder.as_str().as_bytes();
    let value_colon = memchr::memchr(b':', bound.value.expose());
    let (user, password, part) = if *decoded == placeholder {
        let (user, rest) = bound.value.expose().split_at(value_colon.unwrap_or(bound.value.len()));
        (user, rest.get(1..).unwrap_or_default(), Part::Pair)
    } else {
        let colon = memchr::memchr(b':', &decoded)?;
        let (user, password) = (&decoded[..colon], &decoded[colon + 1..]);
        in_pair(user, password, bound)?
    };
    Some((basic_of(value, user, password), part))
}

/// A pair of which one side is the placeholder.
fn in_pair<'a>(user: &'a [u8], password: &'a [u8], bound: &'a Bound) -> Option<(&'a [u8], &'a [u8], Part)> {
    let placeholder = bound.placeholder.as_str().as_bytes();
    if password == placeholder {
        Some((user, bound.value.expose(), Part::Password))
    } else if user == placeholder {
        Some((bound.value.expose(), password, Part::User))
    } else {
        None
    }
}

/// The credentials behind the scheme word that `value` has.
fn basic_of(value: &HeaderValue, user: &[u8], password: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut pair = Zeroizing::new(Vec::with_capacity(user.len() + password.len() + 1));
    pair.extend_from_slice(user);
    pair.push(b':');
    pair.extend_from_slice(password);
    let encoded = Zeroizing::new(STANDARD.encode(&pair));
    let mut bytes = Zeroizing::new(Vec::with_capacity(encoded.len() + 6));
    bytes.extend_from_slice(&value.as_bytes()[..6]);
    bytes.extend_from_slice(encoded.as_bytes());
    bytes
}

pub(super) fn decode_basic(value: &HeaderValue) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, encoded) = value.as_bytes().split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    STANDARD.decode(encoded.trim_ascii()).ok().map(Zeroizing::new)
}

fn sensitive(bytes: &[u8], bound: &Bound, part: Part) -> Result<HeaderValue, Refused> {
    let colon_in_user = part == Part::User && bound.value.expose().contains(&b':');
    let control_in_basic = part != Part::Whole && bound.value.expose().iter().any(u8::is_ascii_control);
    if bound.value.is_empty() || colon_in_user || control_in_basic {
        return Err(Refused::unusable(&bound.name));
    }
    let mut value = HeaderValue::from_bytes(bytes).map_err(|_| Refused::unusable(&bound.name))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A client that sends a credential of its own beside ours (Claude Code with an `apiKeyHelper`) would be judged by
/// either: ours stays.
fn remove_second_credentials(bound: &Bound, headers: &mut HeaderMap) {
    for name in &bound.credential_headers {
        let values = headers.get_all(name);
        if values.iter().all(HeaderValue::is_sensitive) {
            continue;
        }
        let ours: Vec<_> = values.iter().filter(|value| value.is_sensitive()).cloned().collect();
        headers.remove(name);
        for value in ours {
            headers.append(name, value);
        }
    }
}

/// Adds the default header where the one secret bound here has one and the request has no credential at all.
fn attach(allowed: &Allowed, headers: &mut HeaderMap, injected: &mut Injected) -> Result<(), Refused> {
    let [bound] = allowed.site().bound.as_slice() else { return Ok(()) };
    let Some(Attachment { header, before, after }) = &bound.attach else { return Ok(()) };
    let has_credential =
        headers.contains_key(header) || bound.credential_headers.iter().any(|name| headers.contains_key(name));
    if has_credential || !matches!(allowed.permits(bound), Ok(true)) {
        return Ok(());
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(before.len() + bound.value.len() + after.len()));
    bytes.extend_from_slice(before.as_bytes());
    bytes.extend_from_slice(bound.value.expose());
    bytes.extend_from_slice(after.as_bytes());
    headers.insert(header, sensitive(&bytes, bound, Part::Whole)?);
    injected.placed.push((bound.id, bound.name.clone(), format!("header {header}")));
    Ok(())
}

/// Notes the placeholders that are left in the head.
fn strays(uri: &Uri, headers: &HeaderMap, book: &Rulebook, injected: &mut Injected) {
    let placeholders = book.placeholders();
    if placeholders.is_empty() {
        return;
    }
    let query = injected.query.take();
    let mut note = |text: &[u8]| {
        for (_, name) in placeholders.within(text) {
            if !injected.inert.contains(name) {
                injected.inert.push(name.clone());
            }
        }
    };
    if let Some(target) = uri.path_and_query() {
        match &query {
            Some(query) => [target.path(), query].iter().for_each(|text| note(text.as_bytes())),
            None => note(target.as_str().as_bytes()),
        }
    }
    for (name, value) in headers {
        if value.is_sensitive() {
            continue;
        }
        note(value.as_bytes());
        if name == AUTHORIZATION
            && let Some(decoded) = decode_basic(value)
        {
            note(&decoded);
        }
    }
    injected.query = query;
}
