//! A place in a JSON document (RFC 6901), and changing what stands there.
//!
//! **Invariants.** Every byte outside the changed place stays as it is: the spelling of numbers, spacing, order. A key
//! that stands twice is no place: readers differ on which one counts.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::str::FromStr;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// A pointer, its steps unescaped.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JsonPointer(Vec<String>);

/// Why a pointer or the document that it points into cannot be used. Holds nothing of the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PointerError {
    /// Not the form of RFC 6901.
    #[error("`{text}` is no JSON pointer: write `/key`, `/list/0/key`; `~1` stands for `/` in a key, `~0` for `~`")]
    Form {
        /// What was written, control characters escaped.
        text: String,
    },
    /// The document is not JSON.
    #[error("the body is not JSON")]
    Document,
    /// The pointer leads through something that is neither object nor array, or past the end of an array.
    #[error("the body has no place for `{pointer}`")]
    Place {
        /// The pointer.
        pointer: JsonPointer,
    },
    /// A key on the way stands twice.
    #[error("the body has a key on the way to `{pointer}` twice")]
    Twice {
        /// The pointer.
        pointer: JsonPointer,
    },
}

/// Where something goes.
enum Found {
    /// In the place of this value.
    Value(Range<usize>),
    /// Here, behind `before`, as many steps deep as are left.
    Room { at: usize, before: String, left: usize },
}

impl FromStr for JsonPointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        let wrong = || PointerError::Form { text: text.escape_debug().to_string() };
        let steps = text.strip_prefix('/').ok_or_else(wrong)?.split('/');
        steps.map(|step| unescape(step).ok_or_else(wrong)).collect::<Result<_, _>>().map(Self)
    }
}

fn unescape(step: &str) -> Option<String> {
    let mut parts = step.split('~');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push(match part.as_bytes().first() {
            Some(b'0') => '~',
            Some(b'1') => '/',
            _ => return None,
        });
        text.push_str(&part[1..]);
    }
    Some(text)
}

impl JsonPointer {
    /// The bytes of the value that the pointer leads to, if there is one.
    pub fn find(&self, document: &str) -> Result<Option<Range<usize>>, PointerError> {
        Ok(match self.place(document)? {
            Found::Value(range) => Some(range),
            Found::Room { .. } => None,
        })
    }

    /// The document with `value`, which is JSON, where the pointer leads to. Objects on the way are made, and `-` or the
    /// first free index adds to an array.
    pub fn set(&self, document: &str, value: &str) -> Result<Zeroizing<Vec<u8>>, PointerError> {
        let mut new = Zeroizing::new(Vec::with_capacity(document.len() + value.len() + 64));
        let rest = match self.place(document)? {
            Found::Value(range) => {
                new.extend_from_slice(&document.as_bytes()[..range.start]);
                new.extend_from_slice(value.as_bytes());
                range.end
            }
            Found::Room { at, before, left } => {
                new.extend_from_slice(&document.as_bytes()[..at]);
                new.extend_from_slice(before.as_bytes());
                for step in &self.0[self.0.len() - left..] {
                    new.extend_from_slice(format!("{{{}:", *quoted(step)).as_bytes());
                }
                new.extend_from_slice(value.as_bytes());
                new.extend(std::iter::repeat_n(b'}', left));
                at
            }
        };
        new.extend_from_slice(&document.as_bytes()[rest..]);
        Ok(new)
    }

    fn place(&self, document: &str) -> Result<Found, PointerError> {
        let no_place = || PointerError::Place { pointer: self.clone() };
        let mut value: &RawValue = serde_json::from_str(document).map_err(|_| PointerError::Document)?;
        for (index, step) in self.0.iter().enumerate() {
            let text = value.get();
            let (start, left) = (offset(document, text), self.0.len() - index - 1);
            let room = |last: Option<&&RawValue>, key: &str| {
                let at = last.map_or(start + 1, |last| offset(document, last.get()) + last.get().len());
                let comma = if last.is_some() { "," } else { "" };
                Found::Room { at, before: format!("{comma}{key}"), left }
            };
            if text.starts_with('{') {
                let Members(members) = serde_json::from_str(text).map_err(|_| PointerError::Document)?;
                let mut same = members.iter().filter(|(key, _)| key == step);
                match (same.next(), same.next()) {
                    (Some(_), Some(_)) => return Err(PointerError::Twice { pointer: self.clone() }),
                    (Some((_, found)), None) => value = found,
                    _ => {
                        return Ok(room(members.last().map(|(_, last)| last), &format!("{}:", *quoted(step))));
                    }
                }
            } else if text.starts_with('[') {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| PointerError::Document)?;
                let at = index_of(step, items.len()).ok_or_else(no_place)?;
                match items.get(at) {
                    Some(found) => value = found,
                    None if at == items.len() => return Ok(room(items.last(), "")),
                    None => return Err(no_place()),
                }
            } else {
                return Err(no_place());
            }
        }
        let start = offset(document, value.get());
        Ok(Found::Value(start..start + value.get().len()))
    }
}

/// RFC 6901 §4: digits without a leading zero, or `-` for what is behind the last.
fn index_of(step: &str, length: usize) -> Option<usize> {
    let is_number = step == "0" || (!step.starts_with('0') && step.bytes().all(|byte| byte.is_ascii_digit()));
    if step == "-" { Some(length) } else { step.parse().ok().filter(|_| is_number) }
}

/// Where `part` begins in the text that it is a part of.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> Zeroizing<String> {
    Zeroizing::new(serde_json::Value::from(text).to_string())
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| write!(formatter, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

impl TryFrom<String> for JsonPointer {
    type Error = PointerError;

    fn try_from(text: String) -> Result<Self, PointerError> {
        text.parse()
    }
}

impl From<JsonPointer> for String {
    fn from(pointer: JsonPointer) -> Self {
        pointer.to_string()
    }
}

/// The members of an object as they stand, duplicates kept.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Each<'a> {
            type Value = Members<'a>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'a>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(document: &str, pointer: &str) -> Result<String, PointerError> {
        let pointer: JsonPointer = pointer.parse()?;
        Ok(String::from_utf8(pointer.set(document, "\"V\"")?.to_vec()).unwrap())
    }

    #[test]
    fn changes_one_place_and_no_other_byte() {
        for (document, pointer, wanted) in [
            (r#"{"a":1}"#, "/a", r#"{"a":"V"}"#),
            (
                r#" { "a" : 1.000e+02 , "b":12345678901234567890 } "#,
                "/a",
                r#" { "a" : "V" , "b":12345678901234567890 } "#,
            ),
            (r#" { "a" : 1.0 } "#, "/b", r#" { "a" : 1.0,"b":"V" } "#),
            ("{}", "/a/b/c", r#"{"a":{"b":{"c":"V"}}}"#),
            ("[1, {\"k\": []}]", "/1/k/0", "[1, {\"k\": [\"V\"]}]"),
            ("[1,2]", "/-", "[1,2,\"V\"]"),
            ("[1,2]", "/2", "[1,2,\"V\"]"),
            ("[1,2]", "/-/x", "[1,2,{\"x\":\"V\"}]"),
            ("[1,2]", "/0", "[\"V\",2]"),
            (r#"{"a/b":{"m~n":0}}"#, "/a~1b/m~0n", r#"{"a/b":{"m~n":"V"}}"#),
            (r#"{"":0}"#, "/", r#"{"":"V"}"#),
            (r#"{"\u0061":0}"#, "/a", r#"{"\u0061":"V"}"#),
        ] {
            assert_eq!(set(document, pointer).as_deref(), Ok(wanted), "{document} {pointer}");
        }
    }

    #[test]
    fn refuses_what_is_no_place() {
        let place = |pointer: &str| PointerError::Place { pointer: pointer.parse().unwrap() };
        for (document, pointer, wanted) in [
            ("{", "/a", PointerError::Document),
            ("", "/a", PointerError::Document),
            ("{}x", "/a", PointerError::Document),
            ("1", "/a", place("/a")),
            (r#"{"a":"text"}"#, "/a/b", place("/a/b")),
            ("[1]", "/2", place("/2")),
            ("[1]", "/00", place("/00")),
            ("[1]", "/+0", place("/+0")),
            ("[1]", "/a", place("/a")),
            (r#"{"a":1,"a":2}"#, "/a", PointerError::Twice { pointer: "/a".parse().unwrap() }),
        ] {
            assert_eq!(set(document, pointer), Err(wanted), "{document} {pointer}");
        }
        for text in ["", "a", "#/a", "/~", "/~2", "/a~"] {
            assert!(matches!(set("{}", text), Err(PointerError::Form { .. })), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_set_is_found(steps in prop::collection::vec("[a-z/~\" é0-9]{0,4}", 1..4), value in ".{0,12}") {
            let pointer = JsonPointer(steps);
            let document = pointer.set("{\"kept\":[1.50]}", &quoted(&value)).unwrap();
            let document = std::str::from_utf8(&document).unwrap();
            let range = pointer.find(document).unwrap().unwrap();
            let wanted = quoted(&value);
            prop_assert_eq!(&document[range], wanted.as_str());
            prop_assert!(document.contains("1.50"));
            prop_assert_eq!(pointer.to_string().parse::<JsonPointer>().unwrap(), pointer);
        }

        #[test]
        fn no_document_and_no_pointer_is_trouble(document in ".{0,40}", text in "/.{0,10}") {
            if let Ok(pointer) = text.parse::<JsonPointer>() {
                let _ = pointer.set(&document, "1");
            }
        }
    }
}
