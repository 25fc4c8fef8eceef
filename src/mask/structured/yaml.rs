//! YAML: one document of maps, lists and scalars, as configuration is.
//!
//! **Trade-off.** Aliases, tags, further documents and keys that are no scalars are refused: an alias would show elsewhere
//! what was judged here, and a tag can make another text of it. A block (`|`) may stay and is not replaced.

use std::borrow::Cow;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle};

use super::leaf::{Leaf, Quote, Text, push_segment};
use crate::mask::{MaskError, Place};

/// An open map or list.
struct Frame {
    kind: Kind,
    /// How long the pointer is outside of its entries.
    above: usize,
    /// The key that its own values have where they have none.
    key: String,
}

enum Kind {
    /// Whether a key is read and its value is not.
    Map { has_key: bool },
    /// The next index.
    List(usize),
}

pub(super) fn read(text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    let mut reader = Reader { text, pointer: String::new(), frames: Vec::new(), leaves: Vec::new(), documents: 0 };
    let mut at = 0;
    for event in Parser::new_from_str(text.source) {
        let (event, span) = event.map_err(|_| text.unparsed(at))?;
        let range = span.byte_range().ok_or_else(|| text.unparsed(at))?;
        at = range.end;
        reader.event(event, range)?;
    }
    Ok(reader.leaves)
}

struct Reader<'a> {
    text: &'a Text<'a>,
    pointer: String,
    frames: Vec<Frame>,
    leaves: Vec<Leaf>,
    documents: usize,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, range: Range<usize>) -> Result<(), MaskError> {
        let refused = || self.text.unparsed(range.start);
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 { Err(refused()) } else { Ok(()) }
            }
            Event::Comment(..) => {
                self.leaves.extend(self.text.comment(range));
                Ok(())
            }
            // A configuration is a map; a word alone may be anything.
            Event::Scalar(value, ..) if self.frames.is_empty() && !value.is_empty() => Err(refused()),
            Event::Scalar(value, style, _, None) => {
                self.scalar(value, style, range);
                Ok(())
            }
            Event::SequenceStart(_, _, None) => self.open(Kind::List(0), range.start),
            Event::MappingStart(_, _, None) => self.open(Kind::Map { has_key: false }, range.start),
            Event::SequenceEnd | Event::MappingEnd => {
                self.frames.pop();
                self.close_entry();
                Ok(())
            }
            _ => Err(refused()),
        }
    }

    fn open(&mut self, kind: Kind, at: usize) -> Result<(), MaskError> {
        if self.is_at_key() {
            return Err(self.text.unparsed(at));
        }
        let key = self.enter();
        self.frames.push(Frame { kind, above: self.pointer.len(), key });
        Ok(())
    }

    fn scalar(&mut self, value: Cow<'_, str>, style: ScalarStyle, range: Range<usize>) {
        let range = if range.is_empty() { range } else { self.text.trimmed(range) };
        if self.is_at_key() {
            self.leaves.push(Leaf::name(range, self.pointer.clone(), &value).quoted(quote(style)));
            push_segment(&mut self.pointer, &value);
            if let Some(Frame { kind: Kind::Map { has_key }, key, .. }) = self.frames.last_mut() {
                *has_key = true;
                *key = value.into_owned();
            }
            return;
        }
        let key = self.enter();
        if !range.is_empty() {
            let leaf = Leaf::value(range, &key, self.pointer.clone(), &value).quoted(quote(style));
            // A block's range leaves out its head.
            let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
            self.leaves.push(leaf.doubtful_if(is_block));
        }
        self.close_entry();
    }

    fn is_at_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { kind: Kind::Map { has_key: false }, .. }))
    }

    /// Goes to the entry whose value begins; returns its key.
    fn enter(&mut self) -> String {
        let Some(frame) = self.frames.last_mut() else { return String::new() };
        if let Kind::List(index) = &mut frame.kind {
            push_segment(&mut self.pointer, &index.to_string());
            *index += 1;
        }
        frame.key.clone()
    }

    /// Leaves the entry whose value has ended.
    fn close_entry(&mut self) {
        let Some(frame) = self.frames.last_mut() else { return };
        self.pointer.truncate(frame.above);
        if let Kind::Map { has_key } = &mut frame.kind {
            *has_key = false;
        }
    }
}

fn quote(style: ScalarStyle) -> Quote {
    match style {
        ScalarStyle::Plain => Quote::None,
        ScalarStyle::SingleQuoted => Quote::Single,
        _ => Quote::Double,
    }
}

pub(super) fn write(leaf: &Leaf, value: &str) -> Option<String> {
    match (leaf.place, leaf.quote) {
        (Place::Text, _) => super::leaf::write_as_is(leaf, value),
        (_, Quote::None) if is_plain(value) => Some(value.to_owned()),
        (_, Quote::Single) if !value.chars().any(char::is_control) => Some(format!("'{}'", value.replace('\'', "''"))),
        // What JSON escapes, a double-quoted scalar takes.
        _ => serde_json::to_string(value).ok(),
    }
}

/// Whether a text without quotes is read as itself and as a text: it begins with a letter, is no switch, and has nothing
/// that means something.
fn is_plain(value: &str) -> bool {
    const WORDS: [&str; 7] = ["true", "false", "null", "yes", "no", "on", "off"];
    let is_word = value.len() < 2 || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=?&~".contains(&byte);
    value.starts_with(|first: char| first.is_ascii_alphabetic())
        && value.bytes().all(is_plain)
        && !value.ends_with(':')
        && !is_word
}

#[cfg(test)]
mod tests {
    use crate::mask::Structure::Yaml;
    use crate::mask::structured::tests::{all, hides, refuses};

    #[test]
    fn replaces_scalars_of_every_style() {
        let text = "# c\r\ngithub.com:\r\n    user: ann # d\r\n    oauth_token: gho_x # e\r\n    'q': 'it''s'\r\n    d: \"a\\tb\"\r\n";
        for (pointer, source, expected) in [
            ("/github.com/oauth_token", "gho_x", "PLACEHOLDER"),
            ("/github.com/q", "'it''s'", "'PLACEHOLDER'"),
            ("/github.com/d", "\"a\\tb\"", "\"PLACEHOLDER\""),
        ] {
            assert_eq!(hides(Yaml, text, pointer), text.replace(source, expected), "{pointer}");
        }
        let found = all(Yaml, text);
        assert!(["# c", "# d", "# e"].iter().all(|text| found.iter().any(|(_, found)| found == text)), "{found:?}");
    }

    #[test]
    fn pointers_go_through_lists_and_flows() {
        let text = "users:\n- name: a\n  user: {token: t, list: [x, 'y']}\n- name: b\nlast: |\n  one\n  two\nend: 1\n";
        assert_eq!(hides(Yaml, text, "/users/0/user/list/1"), text.replace("'y'", "'PLACEHOLDER'"));
        assert_eq!(hides(Yaml, text, "/users/1/name"), text.replace("name: b", "name: PLACEHOLDER"));
        refuses(Yaml, text, "/last");
    }

    #[test]
    fn refuses_what_would_read_otherwise() {
        for text in [
            "a: &x s\nb: *x\n",
            "a: !!binary czNjcmV0\n",
            "a: !x s\n",
            "a: 1\n---\na: 2\n",
            "? [a]\n: b\n",
            "a: \"x\n",
            "a: [x\n",
        ] {
            refuses(Yaml, text, "/a");
        }
    }
}
