//! TOML.

use toml_edit::{Document, Item, Key, TableLike, Value};

use super::leaf::{Leaf, Text, push_segment};
use crate::mask::{MaskError, Place};
use crate::policy::too_deep;

pub(super) fn read(text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    if let Some(at) = too_deep(text.source) {
        return Err(text.unparsed(at));
    }
    let document = Document::parse(text.source).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        text.unparsed(at)
    })?;
    let mut reader = Reader { leaves: Vec::new() };
    reader.table(document.as_table(), "", "");
    reader.leaves.sort_by_key(|leaf| (leaf.range.start, leaf.range.end));
    // The names on the way to a table stand once for all that lies in it.
    reader.leaves.dedup_by(|one, other| one.range == other.range);
    let comments = comments(text, &reader.leaves);
    reader.leaves.extend(comments);
    Ok(reader.leaves)
}

struct Reader {
    leaves: Vec<Leaf>,
}

impl Reader {
    /// `named` is the key of the table. Its `value` is that of this key, as in cargo's `[env]`.
    fn table(&mut self, table: &dyn TableLike, named: &str, above: &str) {
        for (name, item) in table.iter() {
            if let Some(range) = table.key(name).and_then(Key::span) {
                self.leaves.push(Leaf::name(range, above.to_owned(), name));
            }
            let mut pointer = above.to_owned();
            push_segment(&mut pointer, name);
            let key = if name == "value" && !named.is_empty() { named } else { name };
            match item {
                Item::Value(value) => self.value(value, key, &pointer),
                Item::Table(table) => self.table(table, name, &pointer),
                Item::ArrayOfTables(tables) => {
                    for (index, table) in tables.iter().enumerate() {
                        self.table(table, name, &format!("{pointer}/{index}"));
                    }
                }
                Item::None => {}
            }
        }
    }

    fn value(&mut self, value: &Value, key: &str, pointer: &str) {
        match value {
            Value::String(text) => {
                if let Some(range) = text.span() {
                    self.leaves.push(Leaf::value(range, key, pointer.to_owned(), text.value()));
                }
            }
            Value::Array(array) => {
                for (index, value) in array.iter().enumerate() {
                    self.value(value, key, &format!("{pointer}/{index}"));
                }
            }
            Value::InlineTable(table) => self.table(table, key, pointer),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
        }
    }
}

/// What stands behind a `#` that is part of no value.
fn comments(text: &Text<'_>, leaves: &[Leaf]) -> Vec<Leaf> {
    let ends = leaves.iter().map(|leaf| leaf.range.end);
    let starts = leaves.iter().map(|leaf| leaf.range.start).chain([text.source.len()]);
    let mut found = Vec::new();
    for (start, end) in std::iter::once(0).chain(ends).zip(starts) {
        let Some(gap) = text.source.get(start..end) else { continue };
        let mut from = start;
        for line in gap.split_inclusive('\n') {
            if let Some(at) = line.find('#') {
                found.extend(text.comment(from + at..from + line.len()));
            }
            from += line.len();
        }
    }
    found
}

pub(super) fn write(leaf: &Leaf, value: &str) -> Option<String> {
    match leaf.place {
        Place::Text => super::leaf::write_as_is(leaf, value),
        // What JSON escapes, a basic string of TOML takes.
        _ => serde_json::to_string(value).ok(),
    }
}

#[cfg(test)]
mod tests {
    use crate::mask::Structure::Toml;
    use crate::mask::structured::tests::{all, hides, refuses};

    #[test]
    fn replaces_strings_of_every_kind() {
        let text = "# c\n[registry] # d\ntoken = 'x#y' # e\nn = 1\n[[a]]\nb = { c = [\"s\", '''t\nu'''] }\n\"k.l\".m = \"v\"\n";
        for (pointer, source) in [("/registry/token", "'x#y'"), ("/a/0/b/c/1", "'''t\nu'''"), ("/a/0/k.l/m", "\"v\"")] {
            assert_eq!(hides(Toml, text, pointer), text.replace(source, "\"PLACEHOLDER\""), "{pointer}");
        }
        let comments: Vec<_> = all(Toml, text).into_iter().filter(|(pointer, _)| pointer.is_empty()).collect();
        assert!(
            ["# c", "# d", "# e"].iter().all(|text| comments.iter().any(|(_, found)| found == text)),
            "{comments:?}"
        );
    }

    #[test]
    fn refuses_what_is_no_toml() {
        for text in ["a = 1\na = 2\n", "a = \n", "[a\n", "a = \"x", "token = x\n"] {
            refuses(Toml, text, "/a");
        }
        // Seventy-nine levels, each with a key of as many parts, which the parser takes.
        let key = vec!["a"; 79].join(".");
        refuses(Toml, &format!("{}a = 1{}", format!("{key} = {{").repeat(79), "}".repeat(79)), "/a");
    }
}
