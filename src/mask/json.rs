//! JSON, byte for byte.
//!
//! A scanner, not a tree: spacing, order, duplicate keys and the spelling of what stays are the file's own. It takes the
//! comments and trailing commas that editors' JSON has.
//!
//! **Invariants.** Every byte outside a replaced string or number is copied. Nesting is bounded.

use std::ops::Range;

use zeroize::Zeroizing;

use super::interpolation::{Expansion, cut};
use super::{Literal, MaskError, Place, Replacement, Site};

/// Deeper nesting is refused; no configuration file comes near.
const DEEPEST: usize = 128;

/// Renders a file, see [`super::render`].
pub(super) fn render(bytes: &[u8], decide: &mut dyn FnMut(&Site<'_>) -> Replacement) -> Result<Vec<u8>, MaskError> {
    let start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut scanner = Scanner {
        bytes,
        at: start,
        copied: 0,
        output: Vec::with_capacity(bytes.len()),
        pointer: String::new(),
        key: Zeroizing::default(),
        decide,
    };
    scanner.blanks()?;
    if scanner.at < bytes.len() {
        scanner.value(0)?;
        scanner.blanks()?;
    }
    if scanner.at < bytes.len() {
        return Err(scanner.unexpected());
    }
    scanner.output.extend_from_slice(&bytes[scanner.copied..]);
    Ok(scanner.output)
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Everything before this offset is in the output.
    copied: usize,
    output: Vec<u8>,
    pointer: String,
    key: Zeroizing<String>,
    decide: &'a mut dyn FnMut(&Site<'_>) -> Replacement,
}

impl Scanner<'_> {
    fn unexpected(&self) -> MaskError {
        MaskError::Json { offset: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), MaskError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), MaskError> {
        if depth > DEEPEST {
            return Err(self.unexpected());
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => {
                let range = self.string()?;
                self.replace_string(range, Place::Value)
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.switch("true"),
            Some(b'f') => self.switch("false"),
            Some(b'n') => self.word(b"null"),
            _ => Err(self.unexpected()),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), MaskError> {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn switch(&mut self, word: &'static str) -> Result<(), MaskError> {
        let start = self.at;
        self.word(word.as_bytes())?;
        match self.ask(Place::Switch, word.as_bytes()) {
            Replacement::Keep => Ok(()),
            Replacement::Whole(other) if matches!(other.as_str(), "true" | "false") => {
                self.write(start, other.as_bytes());
                Ok(())
            }
            _ => Err(MaskError::Unfaithful),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), MaskError> {
        self.at += 1;
        let above = self.pointer.len();
        loop {
            self.blanks()?;
            if self.peek() == Some(b'}') {
                break;
            }
            let range = self.string()?;
            let key = self.decode(&range)?;
            self.replace_string(range, Place::Key)?;
            self.pointer.push('/');
            self.pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            self.blanks()?;
            self.expect(b':')?;
            self.blanks()?;
            self.key = key;
            self.value(depth + 1)?;
            self.pointer.truncate(above);
            if !self.comma(b'}')? {
                break;
            }
        }
        self.expect(b'}')
    }

    fn array(&mut self, depth: usize) -> Result<(), MaskError> {
        self.at += 1;
        let above = self.pointer.len();
        let key = self.key.clone();
        for index in 0_usize.. {
            self.blanks()?;
            if self.peek() == Some(b']') {
                break;
            }
            self.pointer.push('/');
            self.pointer.push_str(&index.to_string());
            self.key.clone_from(&key);
            self.value(depth + 1)?;
            self.pointer.truncate(above);
            if !self.comma(b']')? {
                break;
            }
        }
        self.expect(b']')
    }

    /// Steps over a comma; false where the closing bracket follows at once.
    fn comma(&mut self, close: u8) -> Result<bool, MaskError> {
        self.blanks()?;
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => Ok(false),
            _ => Err(self.unexpected()),
        }
    }

    /// Steps over a string; returns its range with both quotes.
    fn string(&mut self) -> Result<Range<usize>, MaskError> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(offset) = memchr::memchr2(b'"', b'\\', rest) else { return Err(self.unexpected()) };
            self.at += offset + 1;
            if self.bytes[self.at - 1] == b'"' {
                return Ok(start..self.at);
            }
            self.at += 1;
        }
    }

    fn number(&mut self) -> Result<(), MaskError> {
        let start = self.at;
        while let Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'e' | b'E') = self.peek() {
            self.at += 1;
        }
        let text = &self.bytes[start..self.at];
        match self.ask(Place::Number, text) {
            Replacement::Keep => Ok(()),
            Replacement::Whole(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() => {
                self.write(start, digits.as_bytes());
                Ok(())
            }
            _ => Err(MaskError::Unfaithful),
        }
    }

    fn decode(&self, quoted: &Range<usize>) -> Result<Zeroizing<String>, MaskError> {
        serde_json::from_slice(&self.bytes[quoted.clone()])
            .map(Zeroizing::new)
            .map_err(|_| MaskError::Json { offset: quoted.start })
    }

    fn replace_string(&mut self, quoted: Range<usize>, place: Place) -> Result<(), MaskError> {
        let value = self.decode(&quoted)?;
        let parts = match self.ask(place, value.as_bytes()) {
            Replacement::Keep => return Ok(()),
            Replacement::Whole(text) => vec![(0..value.len(), text)],
            Replacement::Parts(parts) => parts,
        };
        let mut masked = Zeroizing::new(String::with_capacity(value.len()));
        let mut copied = 0;
        for (range, text) in parts {
            masked.push_str(value.get(copied..range.start).ok_or(MaskError::Unfaithful)?);
            masked.push_str(&text);
            copied = range.end;
        }
        masked.push_str(value.get(copied..).ok_or(MaskError::Unfaithful)?);
        let encoded = serde_json::to_string(masked.as_str()).map_err(|_| MaskError::Unfaithful)?;
        self.write(quoted.start, encoded.as_bytes());
        Ok(())
    }

    fn ask(&mut self, place: Place, text: &[u8]) -> Replacement {
        let (key, pointer) = match place {
            Place::Text => (&b""[..], ""),
            Place::Key => (&b""[..], self.pointer.as_str()),
            Place::Value | Place::Number | Place::Switch => (self.key.as_bytes(), self.pointer.as_str()),
        };
        let whole = Literal { range: 0..text.len(), default_of: None };
        // Tools expand `${NAME}` in the values of their configuration.
        let cut = if place == Place::Value { cut(text, Expansion::Everywhere).literals } else { vec![whole] };
        (self.decide)(&Site { place, key, pointer, text, value: text, literals: &cut, refers_to: None })
    }

    /// Puts `bytes` in the place of what lies between `start` and here.
    fn write(&mut self, start: usize, bytes: &[u8]) {
        self.output.extend_from_slice(&self.bytes[self.copied..start]);
        self.output.extend_from_slice(bytes);
        self.copied = self.at;
    }

    /// Steps over white space and comments.
    fn blanks(&mut self) -> Result<(), MaskError> {
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let length = match rest {
                [b' ' | b'\t' | b'\r' | b'\n', ..] => {
                    self.at += 1;
                    continue;
                }
                [b'/', b'/', ..] => memchr::memchr(b'\n', rest).unwrap_or(rest.len()),
                [b'/', b'*', ..] => memchr::memmem::find(rest, b"*/").ok_or_else(|| self.unexpected())? + 2,
                _ => return Ok(()),
            };
            self.comment(length)?;
        }
    }

    fn comment(&mut self, length: usize) -> Result<(), MaskError> {
        let start = self.at;
        let comment = &self.bytes[start..start + length];
        let replacement = self.ask(Place::Text, comment);
        self.at += length;
        let Replacement::Parts(parts) = replacement else {
            return if replacement == Replacement::Keep { Ok(()) } else { Err(MaskError::Unfaithful) };
        };
        let mut masked = Vec::with_capacity(length);
        let mut copied = 0;
        for (range, text) in parts {
            masked.extend_from_slice(comment.get(copied..range.start).ok_or(MaskError::Unfaithful)?);
            masked.extend_from_slice(text.as_bytes());
            copied = range.end;
        }
        masked.extend_from_slice(comment.get(copied..).ok_or(MaskError::Unfaithful)?);
        self.write(start, &masked);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(text: &str, pointers: &[&str]) -> String {
        let decide = &mut |site: &Site<'_>| match site.place {
            Place::Value if pointers.contains(&site.pointer) => Replacement::Whole("P\"/é".into()),
            Place::Number if pointers.contains(&site.pointer) => Replacement::Whole("9".into()),
            Place::Switch if pointers.contains(&site.pointer) => Replacement::Whole("false".into()),
            Place::Key if pointers.contains(&site.pointer) && site.text == b"old" => Replacement::Whole("new".into()),
            _ => Replacement::Keep,
        };
        String::from_utf8(render(text.as_bytes(), decide).unwrap()).unwrap()
    }

    #[test]
    fn replaces_by_pointer_and_copies_the_rest() {
        for (text, pointer, expected) in [
            (r#"{ "a" : "x" , "b":"x"}"#, "/a", r#"{ "a" : "P\"/é" , "b":"x"}"#),
            (r#"{"a":{"b/c":["x","y"]}}"#, "/a/b~1c/1", r#"{"a":{"b/c":["x","P\"/é"]}}"#),
            (r#"{"a":1,"a":12e3}"#, "/a", r#"{"a":9,"a":9}"#),
            (r#"{"a":{"b":true,"c":true},"b":[false]}"#, "/a/b", r#"{"a":{"b":false,"c":true},"b":[false]}"#),
            (r#"{"old":{"a":{"old":"x"}}}"#, "/old", r#"{"old":{"a":{"old":"x"}}}"#),
            (r#"{"e":{"old":"x"}}"#, "/e", r#"{"e":{"new":"x"}}"#),
            ("// c\n{\"a\":\"x\",/* d */}\r\n", "/a", "// c\n{\"a\":\"P\\\"/é\",/* d */}\r\n"),
            (r#"{"a":"caf\u00e9\/"}"#, "/b", r#"{"a":"caf\u00e9\/"}"#),
            ("\u{feff}\"x\"", "", "\u{feff}\"P\\\"/é\""),
            ("", "", ""),
        ] {
            assert_eq!(masked(text, &[pointer]), expected, "{text}");
        }
    }

    #[test]
    fn parts_count_in_the_decoded_string() {
        let decide = &mut |site: &Site<'_>| match memchr::memmem::find(site.text, b"sec\"ret") {
            Some(start) => Replacement::Parts(vec![(start..start + 7, "P".into())]),
            None => Replacement::Keep,
        };
        let output = render(br#"{"sec\"ret":"a\tsec\u0022retz"/*sec"ret*/}"#, decide).unwrap();
        assert_eq!(output, br#"{"P":"a\tPz"/*P*/}"#);
    }

    #[test]
    fn refuses_what_is_no_json() {
        for text in ["{", "{\"a\"}", "[1 2]", "\"a", "{} x", "{'a':1}", "/*", "nul", "[\"\\x\"]", "\"a\\"] {
            assert!(render(text.as_bytes(), &mut |_| Replacement::Keep).is_err(), "{text}");
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(matches!(render(deep.as_bytes(), &mut |_| Replacement::Keep), Err(MaskError::Json { .. })));
    }

    proptest! {
        #[test]
        fn keeping_all_is_byte_equal(text in "[\\[\\]{}\",:/*0-9a\\\\ \n]{0,40}") {
            if let Ok(output) = render(text.as_bytes(), &mut |_| Replacement::Keep) {
                prop_assert_eq!(output, text.as_bytes());
            }
        }

        #[test]
        fn a_replaced_string_is_gone_and_the_result_parses(
            value in "\\PC{8,20}", other in "[a-f]{0,6}", number in any::<i32>(),
        ) {
            let file = serde_json::json!({"k": value, "o": [other, number], "n": {"k": value}});
            let text = serde_json::to_vec_pretty(&file).unwrap();
            let output = render(&text, &mut |site| {
                if site.key == b"k" { Replacement::Whole("P".into()) } else { Replacement::Keep }
            }).unwrap();
            let parsed: serde_json::Value = serde_json::from_slice(&output).unwrap();
            prop_assert_eq!(parsed, serde_json::json!({"k": "P", "o": [other, number], "n": {"k": "P"}}));
        }
    }
}
