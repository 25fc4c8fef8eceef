//! Finds keys, tokens, private keys and passwords by their form, in a whole value or within a longer text.
//!
//! **Invariants.** Linear in the text for any input: each literal is looked for where a word starts, and what follows
//! it is read once. The `sk-` of `task-force` is no key.
//!
//! **Trade-off.** Forms, not entropy: a value without a known form is judged by its name alone, because random text is
//! too common in harmless variables.

use std::ops::Range;

use super::key::{Runs, starts_word};
use super::{Catalogue, Entry, KeyPattern, Service, structured};
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

/// What to look at where a literal stands.
#[derive(Debug, Clone)]
enum Shape {
    Run(KeyPattern),
    Jwt,
    PrivateKey,
    Password,
}

#[derive(Debug, Default)]
pub(super) struct Recogniser {
    patterns: Vec<(Shape, Kind)>,
    /// The patterns by the first byte of their literal; 256 lists, or none where nothing is known.
    by_first_byte: Vec<Vec<usize>>,
    titles: Vec<String>,
}

impl Recogniser {
    pub(super) fn new(services: &[Service], others: &[ValuePattern]) -> Self {
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
        let mut by_first_byte = vec![Vec::new(); 256];
        for (index, (shape, _)) in patterns.iter().enumerate() {
            if let Some(first) = shape.literal().bytes().next() {
                by_first_byte[usize::from(first)].push(index);
            }
        }
        Self { patterns, by_first_byte, titles }
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
        let mut candidates = Vec::new();
        let mut read = ReadUpTo::default();
        for (start, first) in text.iter().enumerate() {
            let Some(patterns) = self.by_first_byte.get(usize::from(*first)) else { break };
            if patterns.is_empty() || first.is_ascii_alphanumeric() && !starts_word(text, start) {
                continue;
            }
            for (shape, kind) in patterns.iter().map(|index| &self.patterns[*index]) {
                let literal = shape.literal();
                if !text[start..].starts_with(literal.as_bytes()) {
                    continue;
                }
                if let Some(range) = shape.measure(text, start..start + literal.len(), &mut read) {
                    candidates.push((range, usize::MAX - shape.weight(), *kind));
                }
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

/// How far finds of each shape reached or failed, so that no byte is read again for every literal in one long run.
#[derive(Default)]
struct ReadUpTo {
    /// The last key that was found.
    key: Range<usize>,
    runs: Runs,
    jwt: usize,
    private_key: usize,
    password: usize,
}

impl Shape {
    fn literal(&self) -> &str {
        match self {
            Self::Run(key) => &key.prefix,
            Self::Jwt => "eyJ",
            Self::PrivateKey => structured::BEGIN,
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
    fn measure(&self, text: &[u8], literal: Range<usize>, read: &mut ReadUpTo) -> Option<Range<usize>> {
        let start = literal.start;
        match self {
            Self::Run(key) => {
                // Within an earlier find only one that starts with it can still win.
                if start != read.key.start && read.key.contains(&start) {
                    return None;
                }
                let range = key.measure(text, literal, &mut read.runs)?;
                read.key = start..range.end.max(read.key.end);
                Some(range)
            }
            Self::Jwt if start >= read.jwt => structured::token(text, start, &mut read.jwt),
            Self::PrivateKey if start >= read.private_key => {
                structured::private_key(text, start, &mut read.private_key)
            }
            Self::Password if literal.end > read.password => {
                structured::password(text, literal.end, &mut read.password)
            }
            Self::Jwt | Self::PrivateKey | Self::Password => None,
        }
    }
}
