//! What a renderer asks about, and what it is answered.

use std::ops::Range;

/// One value or stretch of text of a file, as the renderer meets it. It borrows real values: decide and let go.
pub struct Site<'a> {
    /// What kind of stretch it is.
    pub place: Place,
    /// The variable's name, or the innermost object key in JSON; empty for text.
    pub key: &'a [u8],
    /// Where it stands in JSON (RFC 6901), for a key where its object does; empty elsewhere.
    pub pointer: &'a str,
    /// The bytes that [`Replacement::Parts`] counts in.
    pub text: &'a [u8],
    /// What a program reads there: `text` with its escapes resolved.
    pub value: &'a [u8],
    /// The stretches of `text` that are no references to other variables, in order. A value without references is one.
    pub literals: &'a [Literal],
    /// The variable that the value repeats, where it is nothing but one reference.
    pub refers_to: Option<&'a [u8]>,
}

impl Site<'_> {
    /// Whether the value refers to another variable or to the output of a command.
    pub fn is_interpolated(&self) -> bool {
        let is_one_literal = matches!(self.literals, [only] if only.range == (0..self.text.len()));
        !is_one_literal && !self.text.is_empty()
    }
}

/// What kind of stretch a [`Site`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A value with a key.
    Value,
    /// A key of a JSON object, or the name of a variable, which is replaced whole or stays.
    Key,
    /// `true` or `false` in JSON: replaced by one of them only.
    Switch,
    /// A JSON number: replaced by digits only.
    Number,
    /// A comment, or what is no assignment.
    Text,
}

/// Bytes that stand for themselves; ranges count in [`Site::text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// The bytes.
    pub range: Range<usize>,
    /// The variable that they stand in for when it is unset, as in `${NAME:-default}`.
    pub default_of: Option<Range<usize>>,
}

/// What becomes of a [`Site`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replacement {
    /// It stays as it is.
    Keep,
    /// All of it is replaced.
    Whole(String),
    /// These ranges of [`Site::text`] are replaced; in order, not touching one another.
    Parts(Vec<(Range<usize>, String)>),
}
