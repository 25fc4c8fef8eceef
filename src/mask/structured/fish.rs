//! Universal variables of fish: `SETUVAR --export NAME:value`, everything but letters, digits, `/` and `_` escaped.

use std::fmt::Write as _;
use std::ops::Range;

use super::leaf::{Leaf, Text, pointer};
use crate::mask::{MaskError, Place};

#[expect(clippy::unnecessary_wraps, reason = "other syntaxes refuse a text")]
pub(super) fn read(text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    Ok(text.lines().filter_map(|line| variable(text, &line).or_else(|| text.comment(line))).collect())
}

fn variable(text: &Text<'_>, line: &Range<usize>) -> Option<Leaf> {
    let source = &text.source[line.clone()];
    let mut at = source.strip_prefix("SETUVAR ").map(|rest| source.len() - rest.len())?;
    while source[at..].starts_with("--") {
        at += source[at..].find(' ')? + 1;
    }
    let (name, value) = source[at..].split_once(':').filter(|(_, value)| !value.is_empty())?;
    let read = unescaped(value);
    let is_doubtful = read.is_none();
    let read = read.unwrap_or_else(|| value.to_owned());
    Some(Leaf::value(line.end - value.len()..line.end, name, pointer([name]), &read).doubtful_if(is_doubtful))
}

/// `\xHH`, `\uHHHH` and `\UHHHHHHHH` as characters; `None` for other escapes.
fn unescaped(value: &str) -> Option<String> {
    let mut parts = value.split('\\');
    let mut read = parts.next()?.to_owned();
    for part in parts {
        let digits = match part.as_bytes().first()? {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            _ => return None,
        };
        let code = u32::from_str_radix(part.get(1..=digits)?, 16).ok()?;
        read.push(char::from_u32(code)?);
        read.push_str(&part[1 + digits..]);
    }
    Some(read)
}

pub(super) fn write(leaf: &Leaf, value: &str) -> Option<String> {
    if leaf.place == Place::Text {
        return super::leaf::write_as_is(leaf, value);
    }
    let mut written = String::with_capacity(value.len());
    for character in value.chars() {
        let code = u32::from(character);
        match code {
            _ if character.is_ascii_alphanumeric() || matches!(character, '/' | '_') => written.push(character),
            0..=0xff => write!(written, "\\x{code:02x}").ok()?,
            0x100..=0xffff => write!(written, "\\u{code:04x}").ok()?,
            _ => write!(written, "\\U{code:08x}").ok()?,
        }
    }
    Some(written)
}

#[cfg(test)]
mod tests {
    use crate::mask::Structure::FishVariables;
    use crate::mask::structured::tests::{all, hides, refuses};

    #[test]
    fn reads_and_replaces_escaped_values() {
        let text = "# This file contains fish universal variable definitions.\n# VERSION: 3.0\n\
                    SETUVAR --export A_KEY:sk\\x2da\\u20acb\nSETUVAR fish_user_paths:/home/u/\\x2elocal/bin\\x1e/b\nSETUVAR B:\n";
        let read = all(FishVariables, text);
        assert_eq!(read[2], ("/A_KEY".to_owned(), "sk-a\u{20ac}b".to_owned()));
        assert_eq!(read[3].1, "/home/u/.local/bin\u{1e}/b");
        assert_eq!(hides(FishVariables, text, "/A_KEY"), text.replace("sk\\x2da\\u20acb", "PLACEHOLDER"));
        refuses(FishVariables, "SETUVAR A:\\q\n", "/A");
    }
}
