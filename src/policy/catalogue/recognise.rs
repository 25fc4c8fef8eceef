//! Finds keys, tokens, private keys and passwords by their form, in a whole value or within a longer text.
//!
//! **Invariants.** Linear in the text for any input: one pass finds the literal prefixes, and what follows each is
//! looked at once. A find starts where a word starts, so that the `sk-` of `task-force` is none.
//!
//! **Trade-off.** Forms, not entropy: a value without a known form is judged by its name alone, because random text is
//! too common in harmless variables.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::{Catalogue, Entry, KeyPattern, Service};
use crate::policy::builtin::BuiltinError;
use crate::policy::characters::Characters;
use crate::policy::scrub::ValuePattern;

/// What a text is by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind<'a> {
    /// A credential of the catalogue.
    Key(Entry<'a>),
    /// A credential of a service that the catalogue does not broker; its title.
    Known(&'a str),
    /// A signed JSON web token (RFC 7519).
    Jwt,
    /// A private key in PEM (RFC 7468).
    PrivateKey,
    /// The password of a URL (RFC 3986 §3.2.1).
    Password,
}

/// A find within a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// Its bytes.
    pub range: Range<usize>,
    /// What it is.
    pub kind: ValueKind<'a>,
}

/// A [`ValueKind`] by place in the catalogue, free of its lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Key { service: usize, credential: usize },
    Known(usize),
    Jwt,
    PrivateKey,
    Password,
}

/// What to look at where a literal was found.
#[derive(Debug, Clone)]
enum Shape {
    Run(KeyPattern),
    Jwt,
    PrivateKey,
    Password,
}

#[derive(Debug, Default)]
pub(super) struct Recogniser {
    literals: Option<AhoCorasick>,
    patterns: Vec<(Shape, Kind)>,
    titles: Vec<String>,
}

const PEM: &str = "-----BEGIN ";

impl Recogniser {
    pub(super) fn new(services: &[Service], others: &[ValuePattern]) -> Result<Self, BuiltinError> {
        let mut patterns = Vec::new();
        for (service_index, service) in services.iter().enumerate() {
            for (credential_index, credential) in service.credentials.iter().enumerate() {
                let kind = Kind::Key { service: service_index, credential: credential_index };
                patterns.extend(credential.keys.iter().map(|key| (Shape::Run(key.clone()), kind)));
            }
        }
        let mut titles = Vec::new();
        for other in others {
            patterns.extend(other.keys.iter().map(|key| (Shape::Run(key.clone()), Kind::Known(titles.len()))));
            titles.push(other.title.clone());
        }
        patterns.extend([
            (Shape::Jwt, Kind::Jwt),
            (Shape::PrivateKey, Kind::PrivateKey),
            (Shape::Password, Kind::Password),
        ]);
        // The NFA is built in microseconds; a DFA would cost more than all the texts of a run gain by it.
        let literals = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::Standard)
            .build(patterns.iter().map(|(shape, _)| shape.literal()))
            .map_err(|error| BuiltinError { file: "services".into(), message: error.to_string() })?;
        Ok(Self { literals: Some(literals), patterns, titles })
    }

    /// What `value` is, white space around it apart.
    pub(super) fn whole(&self, value: &[u8]) -> Option<Kind> {
        let value = value.trim_ascii();
        match self.within(value).as_slice() {
            [(range, kind)] if *range == (0..value.len()) => Some(*kind),
            _ => None,
        }
    }

    /// All finds in order, without overlap: the leftmost, then the one with the longest literal.
    pub(super) fn within(&self, text: &[u8]) -> Vec<(Range<usize>, Kind)> {
        let Some(literals) = &self.literals else { return Vec::new() };
        let mut candidates = Vec::new();
        let mut measured = Measured::default();
        for literal in literals.find_overlapping_iter(text) {
            let (shape, kind) = &self.patterns[literal.pattern().as_usize()];
            if let Some(range) = shape.measure(text, literal.range(), &mut measured) {
                candidates.push((range, usize::MAX - shape.weight(), *kind));
            }
        }
        candidates.sort_by_key(|(range, lightness, _)| (range.start, *lightness));
        let mut end = 0;
        candidates.retain(|(range, ..)| {
            let is_free = range.start >= end;
            end = if is_free { range.end } else { end };
            is_free
        });
        candidates.into_iter().map(|(range, _, kind)| (range, kind)).collect()
    }
}

impl Catalogue {
    pub(super) fn resolve(&self, kind: Kind) -> ValueKind<'_> {
        match kind {
            Kind::Key { service, credential } => {
                let service = &self.services[service];
                ValueKind::Key(Entry { service, credential: &service.credentials[credential] })
            }
            Kind::Known(title) => ValueKind::Known(&self.recogniser.titles[title]),
            Kind::Jwt => ValueKind::Jwt,
            Kind::PrivateKey => ValueKind::PrivateKey,
            Kind::Password => ValueKind::Password,
        }
    }
}

/// How far earlier measurements reached, so that no byte is looked at again for every literal in one long run.
#[derive(Default)]
struct Measured {
    password: usize,
    private_key: usize,
}

impl Shape {
    fn literal(&self) -> &str {
        match self {
            Self::Run(key) => &key.prefix,
            Self::Jwt => "eyJ",
            Self::PrivateKey => PEM,
            Self::Password => "://",
        }
    }

    /// Between finds that start together the heavier wins: a key in the place of a password is a key.
    fn weight(&self) -> usize {
        match self {
            Self::Run(key) => key.prefix.len(),
            Self::Jwt | Self::PrivateKey => 1,
            Self::Password => 0,
        }
    }

    /// The range of the find whose literal stands at `literal`, if what surrounds it has the form.
    fn measure(&self, text: &[u8], literal: Range<usize>, measured: &mut Measured) -> Option<Range<usize>> {
        match self {
            Self::Run(key) => run(key, text, literal),
            Self::Jwt => starts_word(text, literal.start).then(|| jwt(text, literal.start)).flatten(),
            Self::PrivateKey if literal.start >= measured.private_key => {
                let range = private_key(text, literal.start)?;
                measured.private_key = range.end;
                Some(range)
            }
            Self::Password if literal.end > measured.password => password(text, literal.end, measured),
            Self::PrivateKey | Self::Password => None,
        }
    }
}

fn run(key: &KeyPattern, text: &[u8], literal: Range<usize>) -> Option<Range<usize>> {
    let digits = text[..literal.start].iter().rev().take(20).take_while(|byte| byte.is_ascii_digit()).count();
    if digits < key.digits_before {
        return None;
    }
    let start = if key.digits_before > 0 { literal.start - digits } else { literal.start };
    // A key of unlimited length is read to its end: bounded by 4096, far beyond any, to stay linear.
    let most = key.max.unwrap_or(4096) + 1;
    let rest = &text[literal.end..text.len().min(literal.end + most)];
    let length = key.alphabet.run(rest);
    let fits = length >= key.min && key.max.is_none_or(|max| length <= max);
    (fits && starts_word(text, start)).then_some(start..literal.end + length)
}

/// Whether a word can start at `start`: no letter, digit or `_` stands before it, unless that ends an escape (`\n` in
/// JSON, `%3D` in a URL).
fn starts_word(text: &[u8], start: usize) -> bool {
    match text[..start] {
        [.., b'\\', b'n' | b'r' | b't' | b'"'] => true,
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., last] => !(last.is_ascii_alphanumeric() || last == b'_'),
        [] => true,
    }
}

/// `header.claims.signature`, header and claims being JSON objects in base64url.
fn jwt(text: &[u8], start: usize) -> Option<Range<usize>> {
    const LONGEST: usize = 16 * 1024;
    let text = &text[..text.len().min(start + LONGEST)];
    let header = Characters::BASE64URL.run(&text[start..]);
    let claims_start = start + header + 1;
    if text.get(claims_start - 1) != Some(&b'.') || !text.get(claims_start..)?.starts_with(b"eyJ") {
        return None;
    }
    let claims_end = claims_start + Characters::BASE64URL.run(&text[claims_start..]);
    if text.get(claims_end) != Some(&b'.') {
        return None;
    }
    let signature = Characters::BASE64URL.run(&text[claims_end + 1..]);
    (header >= 10 && signature > 0).then_some(start..claims_end + 1 + signature)
}

/// From `-----BEGIN … PRIVATE KEY-----` to the end of its END line, or of the text where that is cut.
fn private_key(text: &[u8], start: usize) -> Option<Range<usize>> {
    const LONGEST_LABEL: usize = 64;
    let label = &text[start + PEM.len()..text.len().min(start + PEM.len() + LONGEST_LABEL)];
    let label_end = memchr::memmem::find(label, b"-----")?;
    if !label[..label_end].ends_with(b"PRIVATE KEY") && !label[..label_end].ends_with(b"PRIVATE KEY BLOCK") {
        return None;
    }
    let body = start + PEM.len() + label_end;
    let end = memchr::memmem::find(&text[body..], b"-----END ").map_or(text.len(), |end| {
        let last_line = body + end + b"-----END ".len();
        memchr::memmem::find(&text[last_line..], b"-----").map_or(text.len(), |dashes| last_line + dashes + 5)
    });
    Some(start..end)
}

/// The password in `scheme://user:password@host`, `authority` being where the authority starts.
fn password(text: &[u8], authority: usize, measured: &mut Measured) -> Option<Range<usize>> {
    let ends = |byte: &u8| matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`') || *byte <= b' ';
    let length = text[authority..].iter().position(ends).unwrap_or(text.len() - authority);
    measured.password = authority + length;
    let userinfo = memchr::memrchr(b'@', &text[authority..authority + length])?;
    let colon = memchr::memchr(b':', &text[authority..authority + userinfo])?;
    let range = authority + colon + 1..authority + userinfo;
    let is_variable = text[range.clone()].starts_with(b"$") || text[range.clone()].starts_with(b"{");
    (!range.is_empty() && !is_variable).then_some(range)
}
