//! Reads a TOML document with the place of every key and value.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{PolicyError, PolicyPlace, nearest};
use crate::policy::nesting::too_deep;

/// A value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: PolicyPlace,
}

impl<T> At<T> {
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), place: self.place }
    }
}

/// A document and what turns its byte offsets into places.
pub(super) struct Source<'a> {
    path: String,
    text: &'a str,
    /// Where lines end: a file of a thousand secrets asks for thousands of places.
    newlines: Vec<usize>,
}

/// A table within a document, with the name that errors call it by.
pub(super) struct Table<'a> {
    source: &'a Source<'a>,
    name: String,
    entries: &'a DeTable<'a>,
}

/// A key of a [`Table`] with its value.
pub(super) struct Item<'a> {
    pub(super) source: &'a Source<'a>,
    /// The key with its table: `egress.allow`.
    pub(super) name: String,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(path: &Path, text: &'a str) -> Self {
        let newlines = memchr::memchr_iter(b'\n', text.as_bytes()).collect();
        Self { path: path.display().to_string().escape_debug().to_string(), text, newlines }
    }

    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'a>>, PolicyError> {
        if let Some(at) = too_deep(self.text) {
            return Err(PolicyError::Syntax {
                place: self.place(&(at..at)),
                message: "brackets and keys nest deeper here than any setting does".into(),
            });
        }
        DeTable::parse(self.text).map_err(|error| PolicyError::Syntax {
            place: self.place(&error.span().unwrap_or_default()),
            message: error.message().lines().collect::<Vec<_>>().join(", "),
        })
    }

    fn place(&self, span: &Range<usize>) -> PolicyPlace {
        let start = self.text.floor_char_boundary(span.start);
        let line = self.newlines.partition_point(|newline| *newline < start);
        let line_start = line.checked_sub(1).map_or(0, |before| self.newlines[before] + 1);
        PolicyPlace::File {
            path: self.path.clone(),
            line: line + 1,
            column: self.text[line_start..start].chars().count() + 1,
        }
    }
}

impl<'a> Table<'a> {
    pub(super) fn root(source: &'a Source<'a>, table: &'a DeTable<'a>) -> Self {
        Self { source, name: String::new(), entries: table }
    }

    /// The keys of this table, all of which must be among `known`; `elsewhere` are the keys of other tables, for the
    /// mend.
    pub(super) fn items(
        &self,
        known: &'static [&'static str],
        elsewhere: &[&str],
    ) -> Result<Vec<(&'static str, Item<'a>)>, PolicyError> {
        let item = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let item = self.item(key, value);
            let text: &str = AsRef::<str>::as_ref(key.get_ref());
            match known.iter().find(|known| **known == text) {
                Some(known) => Ok((*known, item)),
                None => Err(PolicyError::UnknownKey {
                    place: self.source.place(&key.span()),
                    near: near(text, known, elsewhere),
                    key: item.name,
                    known,
                }),
            }
        };
        self.entries.iter().map(item).collect()
    }

    /// The keys of this table, whatever they are called, with the place of each.
    pub(super) fn named_items(&self) -> Vec<(At<String>, Item<'a>)> {
        let named = |(key, value): (&'a Spanned<std::borrow::Cow<'a, str>>, _)| {
            let name = At { value: key.get_ref().to_string(), place: self.source.place(&key.span()) };
            (name, self.item(key, value))
        };
        self.entries.iter().map(named).collect()
    }

    fn item(&self, key: &Spanned<std::borrow::Cow<'a, str>>, value: &'a Spanned<DeValue<'a>>) -> Item<'a> {
        let key = key.get_ref().escape_debug();
        let name = if self.name.is_empty() { key.to_string() } else { format!("{}.{key}", self.name) };
        Item { source: self.source, name, value }
    }
}

/// The key that was most likely meant: of this table by its likeness, of another one by its name.
fn near(key: &str, known: &[&str], elsewhere: &[&str]) -> Option<String> {
    let there = || elsewhere.iter().find(|path| path.rsplit('.').next() == Some(key)).copied();
    nearest(key, known).or_else(there).map(str::to_owned)
}

impl<'a> Item<'a> {
    pub(super) fn place(&self) -> PolicyPlace {
        self.source.place(&self.value.span())
    }

    pub(super) fn table(&self) -> Result<Table<'a>, PolicyError> {
        match self.value.get_ref() {
            DeValue::Table(table) => Ok(Table { source: self.source, name: self.name.clone(), entries: table }),
            _ => Err(self.wrong_type("a table")),
        }
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Table(_))
    }

    pub(super) fn text(&self) -> Result<At<String>, PolicyError> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(At { value: text.to_string(), place: self.place() }),
            _ => Err(self.wrong_type("a text in quotes")),
        }
    }

    pub(super) fn boolean(&self) -> Result<At<bool>, PolicyError> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Ok(At { value: *value, place: self.place() }),
            _ => Err(self.wrong_type("`true` or `false`")),
        }
    }

    /// A whole number that is not negative and fits.
    pub(super) fn number(&self) -> Result<At<u16>, PolicyError> {
        const WANTED: &str = "a whole number";
        match self.value.get_ref() {
            DeValue::Integer(integer) => u16::from_str_radix(integer.as_str(), integer.radix())
                .map(|value| At { value, place: self.place() })
                .map_err(|_| self.wrong_type(WANTED)),
            _ => Err(self.wrong_type(WANTED)),
        }
    }

    /// A list of texts; an empty list is refused, since leaving the key out says the same and is meant.
    pub(super) fn texts(&self) -> Result<Vec<At<String>>, PolicyError> {
        let items = self.list("a list of texts")?;
        items.iter().map(Item::text).collect()
    }

    pub(super) fn ports(&self) -> Result<Vec<At<u16>>, PolicyError> {
        const WANTED: &str = "a list of ports from 1 to 65535";
        let port =
            |item: &Item<'a>| item.number().ok().filter(|port| port.value != 0).ok_or_else(|| item.wrong_type(WANTED));
        self.list(WANTED)?.iter().map(port).collect()
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Array(_))
    }

    /// The items of a list, each with its own place; an empty list is refused.
    pub(super) fn list(&self, wanted: &'static str) -> Result<Vec<Self>, PolicyError> {
        match self.value.get_ref() {
            DeValue::Array(array) if array.is_empty() => Err(self.wrong("is empty: leave it out instead")),
            DeValue::Array(array) => {
                Ok(array.iter().map(|value| Self { source: self.source, name: self.name.clone(), value }).collect())
            }
            _ => Err(self.wrong_type(wanted)),
        }
    }

    pub(super) fn wrong(&self, why: &'static str) -> PolicyError {
        PolicyError::Value { place: self.place(), key: self.name.clone(), why }
    }

    pub(super) fn wrong_type(&self, wanted: &'static str) -> PolicyError {
        PolicyError::Type { place: self.place(), key: self.name.clone(), wanted }
    }
}
