//! Git's configuration (git-config(1), "Syntax").
//!
//! A subsection is a name of its own, since a URL with a password may be one.

use std::ops::Range;

use super::leaf::{Leaf, Quote, Text, pointer, push_segment};
use crate::mask::{MaskError, Place};

pub(super) fn read(text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    let mut reader = Reader { text, bytes: text.source.as_bytes(), at: 0, section: String::new(), leaves: Vec::new() };
    while let Some(&first) = reader.bytes.get(reader.at) {
        match first {
            b' ' | b'\t' | b'\r' | b'\n' => reader.at += 1,
            b'#' | b';' => reader.comment(),
            b'[' => reader.header()?,
            _ if first.is_ascii_alphabetic() => reader.setting()?,
            _ => return Err(text.unparsed(reader.at)),
        }
    }
    Ok(reader.leaves)
}

struct Reader<'a> {
    text: &'a Text<'a>,
    bytes: &'a [u8],
    at: usize,
    /// The pointer of the section.
    section: String,
    leaves: Vec<Leaf>,
}

/// A value as it stands in the file.
struct Value {
    range: Range<usize>,
    read: String,
    /// The part between the quotes, where they surround all of it and nothing in it is escaped.
    is_plainly_quoted: bool,
    is_plain: bool,
}

impl Reader<'_> {
    fn line_end(&self) -> usize {
        memchr::memchr(b'\n', &self.bytes[self.at..]).map_or(self.bytes.len(), |offset| self.at + offset)
    }

    fn comment(&mut self) {
        let end = self.line_end();
        self.leaves.extend(self.text.comment(self.at..end));
        self.at = end;
    }

    fn blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn name(&mut self, is_part: fn(&u8) -> bool) -> String {
        let start = self.at;
        self.at += self.bytes[start..].iter().take_while(|byte| is_part(byte)).count();
        self.text.source[start..self.at].to_ascii_lowercase()
    }

    /// `[section]`, `[section.old]` or `[section "sub"]`.
    fn header(&mut self) -> Result<(), MaskError> {
        let start = self.at;
        self.at += 1;
        let name = self.name(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
        self.section = pointer([&name]);
        self.blanks();
        if self.bytes.get(self.at) == Some(&b'"') {
            self.at += 1;
            let from = self.at;
            while !matches!(self.bytes.get(self.at), None | Some(b'"' | b'\n')) {
                self.at += if self.bytes[self.at] == b'\\' { 2 } else { 1 };
            }
            let source = self.text.source.get(from..self.at).ok_or_else(|| self.text.unparsed(start))?;
            let is_escaped = source.contains('\\');
            let read = source.replace("\\\"", "\"").replace("\\\\", "\\");
            self.leaves.push(Leaf::name(from..self.at, self.section.clone(), &read).doubtful_if(is_escaped));
            push_segment(&mut self.section, &read);
            if self.bytes.get(self.at) != Some(&b'"') {
                return Err(self.text.unparsed(start));
            }
            self.at += 1;
        }
        if self.bytes.get(self.at) != Some(&b']') {
            return Err(self.text.unparsed(start));
        }
        self.at += 1;
        Ok(())
    }

    fn setting(&mut self) -> Result<(), MaskError> {
        let key = self.name(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        self.blanks();
        if self.bytes.get(self.at) != Some(&b'=') {
            return match self.bytes.get(self.at) {
                None | Some(b'\n' | b'#' | b';') => Ok(()),
                Some(_) => Err(self.text.unparsed(self.at)),
            };
        }
        self.at += 1;
        self.blanks();
        let Value { range, read, is_plainly_quoted, is_plain } = self.value()?;
        let mut pointer = self.section.clone();
        push_segment(&mut pointer, &key);
        let (range, quote) = match (is_plainly_quoted, is_plain) {
            (true, _) => (range.start + 1..range.end - 1, Quote::Double),
            (false, true) => (range, Quote::None),
            // It is written anew.
            (false, false) => (range, Quote::Single),
        };
        if !range.is_empty() {
            self.leaves.push(Leaf::value(range, &key, pointer, &read).quoted(quote));
        }
        Ok(())
    }

    fn value(&mut self) -> Result<Value, MaskError> {
        let start = self.at;
        let mut read = Vec::new();
        // Blanks at the end do not belong to it, unless they are quoted.
        let (mut length, mut end) = (0, start);
        let (mut is_quoted, mut quotes, mut escapes) = (false, 0, 0);
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'\n' if is_quoted => return Err(self.text.unparsed(start)),
                b'\n' => break,
                b'#' | b';' if !is_quoted => break,
                b'"' => {
                    (is_quoted, quotes) = (!is_quoted, quotes + 1);
                    (length, end) = (read.len(), self.at + 1);
                }
                b'\\' => {
                    escapes += 1;
                    let is_crlf = self.bytes[self.at + 1..].starts_with(b"\r\n");
                    self.at += if is_crlf { 2 } else { 1 };
                    match self.bytes.get(self.at) {
                        Some(b'\n') => {}
                        Some(b'n') => read.push(b'\n'),
                        Some(b't') => read.push(b'\t'),
                        Some(b'b') => read.push(8),
                        Some(plain @ (b'"' | b'\\')) => read.push(*plain),
                        _ => return Err(self.text.unparsed(start)),
                    }
                    (length, end) = (read.len(), self.at + 1);
                }
                _ => {
                    read.push(byte);
                    if is_quoted || !matches!(byte, b' ' | b'\t' | b'\r') {
                        (length, end) = (read.len(), self.at + 1);
                    }
                }
            }
            self.at += 1;
        }
        read.truncate(length);
        let read = String::from_utf8(read).map_err(|_| self.text.unparsed(start))?;
        let surrounds = self.bytes.get(start) == Some(&b'"') && self.bytes.get(end - 1) == Some(&b'"');
        let is_plainly_quoted = quotes == 2 && escapes == 0 && surrounds;
        Ok(Value { range: start..end, read, is_plainly_quoted, is_plain: quotes == 0 && escapes == 0 })
    }
}

pub(super) fn write(leaf: &Leaf, value: &str) -> Option<String> {
    if value.chars().any(char::is_control) {
        return None;
    }
    let needs_quotes = value.contains(['"', '\\', '#', ';']) || value.trim().len() != value.len();
    match (leaf.place, leaf.quote) {
        (Place::Text, _) | (_, Quote::Double | Quote::None) if !needs_quotes => Some(value.to_owned()),
        (Place::Text, _) => Some(value.to_owned()),
        (Place::Value, Quote::None | Quote::Single) => {
            Some(format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
        }
        (Place::Key, _) | (_, Quote::Double) if !value.contains(['"', '\\']) => Some(value.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::mask::Structure::GitConfig;
    use crate::mask::structured::tests::{all, hides, refuses};

    #[test]
    fn reads_what_git_reads() {
        let text = "[core]\n\tbare\n\thooksPath = a b  # why\n[http \"https://h/\"] ; x\n\textraHeader = \"A: b # c\"\n\
                    [alias]\nx = a\\\n  b \"c\"\r\n";
        let read = all(GitConfig, text);
        let read: Vec<_> = read.iter().map(|(pointer, value)| (pointer.as_str(), value.as_str())).collect();
        assert_eq!(
            read,
            [
                ("/core/hookspath", "a b"),
                ("", "# why"),
                ("/http", "https://h/"),
                ("", "; x"),
                ("/http/https:~1~1h~1/extraheader", "A: b # c"),
                ("/alias/x", "a  b c"),
            ]
        );
    }

    #[test]
    fn replaces_in_any_quoting() {
        for (text, expected) in [
            ("[a]\nk = x # y\n", "[a]\nk = PLACEHOLDER # y\n"),
            ("[a]\nk = \"x y\"\r\n", "[a]\nk = \"PLACEHOLDER\"\r\n"),
            ("[a]\nk = x \\\n y\nl = 1\n", "[a]\nk = \"PLACEHOLDER\"\nl = 1\n"),
        ] {
            assert_eq!(hides(GitConfig, text, "/a/k"), expected);
        }
        for text in ["[a\nk = x\n", "[a \"b\nk = x", "[a]\nk = \"x\n", "[a]\nk ! x\n", "[a]\nk = \\q\n", "= x\n"] {
            refuses(GitConfig, text, "/a/k");
        }
    }
}
