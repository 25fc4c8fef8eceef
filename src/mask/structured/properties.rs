//! Java's properties (`java.util.Properties.load`).

use std::ops::Range;

use super::leaf::{Leaf, Text, is_plain_line, pointer};
use crate::mask::MaskError;

pub(super) fn read(text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    let mut leaves = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let whole = line.end - text.source[line.clone()].trim_start().len()..line.end;
        match text.source[whole.clone()].bytes().next() {
            None => continue,
            Some(b'#' | b'!') => {
                leaves.extend(text.comment(whole));
                continue;
            }
            Some(_) => {}
        }
        // A line that ends with a backslash goes on, without the blanks that the next one begins with.
        let mut end = whole.end;
        while ends_open(&text.source[whole.start..end]) {
            let Some(next) = lines.next() else { break };
            end = next.end;
        }
        let (key, value) = split(text, whole.start..end);
        let name = decoded(&text.source[key]).ok_or_else(|| text.unparsed(line.start))?;
        let source = &text.source[value.clone()];
        let read = decoded(source).ok_or_else(|| text.unparsed(line.start))?;
        if !value.is_empty() {
            leaves.push(Leaf::value(value.clone(), &name, pointer([&name]), &read));
        }
    }
    Ok(leaves)
}

fn ends_open(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// The key up to a blank or a separator that no backslash precedes, and what follows one separator.
fn split(text: &Text<'_>, line: Range<usize>) -> (Range<usize>, Range<usize>) {
    let bytes = text.source.as_bytes();
    let mut end = line.start;
    while end < line.end && !matches!(bytes[end], b'=' | b':' | b' ' | b'\t' | b'\x0c') {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    let end = end.min(line.end);
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\x0c');
    let skip = |from: usize| from + bytes[from..line.end].iter().take_while(|byte| is_blank(byte)).count();
    let mut start = skip(end);
    if start < line.end && matches!(bytes[start], b'=' | b':') {
        start = skip(start + 1);
    }
    (line.start..end, start..line.end)
}

fn decoded(source: &str) -> Option<String> {
    let mut value = String::with_capacity(source.len());
    let mut characters = source.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            value.push(character);
            continue;
        }
        match characters.next() {
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                value.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
            }
            Some('t') => value.push('\t'),
            Some('n') => value.push('\n'),
            Some('r') => value.push('\r'),
            Some('f') => value.push('\x0c'),
            Some('\n' | '\r') => {
                let rest = characters.as_str().trim_start_matches(['\n', ' ', '\t', '\x0c']);
                characters = rest.chars();
            }
            Some(other) => value.push(other),
            None => {}
        }
    }
    Some(value)
}

pub(super) fn write(_: &Leaf, value: &str) -> Option<String> {
    is_plain_line(value).then(|| value.replace('\\', "\\\\"))
}

#[cfg(test)]
mod tests {
    use crate::mask::Structure::Properties;
    use crate::mask::structured::tests::{all, hides};

    #[test]
    fn reads_what_java_reads() {
        let text = "# c\n! d\na=1\n b : 2 \nc\\ d 3\\\n   4\ne\\u0041=\\u0042\\\\\nflag\n";
        let read = all(Properties, text);
        let read: Vec<_> = read.iter().map(|(pointer, value)| (pointer.as_str(), value.as_str())).collect();
        assert_eq!(read, [("", "# c"), ("", "! d"), ("/a", "1"), ("/b", "2 "), ("/c d", "34"), ("/eA", "B\\")]);
    }

    #[test]
    fn replaces_a_value_over_lines() {
        assert_eq!(hides(Properties, "a=1\npw=x\\\n  y\nb=2\n", "/pw"), "a=1\npw=PLACEHOLDER\nb=2\n");
    }
}
