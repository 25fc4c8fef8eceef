//! What a program reads between the quotes, and what may be written there.

use super::lexer::Quote;
use crate::mask::{MaskError, Replacement};

/// What a program reads: double quotes know backslash escapes, the other quotes none.
pub(super) fn decode(text: &[u8], quote: Quote) -> Vec<u8> {
    if quote != Quote::Double || memchr::memchr(b'\\', text).is_none() {
        return text.to_vec();
    }
    let mut value = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => value.push(b'\n'),
                Some(b'r') => value.push(b'\r'),
                Some(b't') => value.push(b'\t'),
                Some(plain @ (b'"' | b'\\' | b'$' | b'`' | b'\'')) => value.push(plain),
                Some(b'\n') => {}
                Some(other) => value.extend_from_slice(&[b'\\', other]),
                None => value.push(b'\\'),
            },
            _ => value.push(byte),
        }
    }
    value
}

/// Writes `original` with its replacement. Line ends inside a replaced range are kept, so that lines keep their numbers.
pub(super) fn write(
    output: &mut Vec<u8>,
    original: &[u8],
    quote: Quote,
    replacement: &Replacement,
) -> Result<(), MaskError> {
    let whole;
    let parts = match replacement {
        Replacement::Keep => &[][..],
        Replacement::Whole(text) => {
            whole = [(0..original.len(), text.clone())];
            &whole[..]
        }
        Replacement::Parts(parts) => parts,
    };
    let mut copied = 0;
    for (range, text) in parts {
        if !text.bytes().all(|byte| fits(byte, quote)) {
            return Err(MaskError::Unfaithful);
        }
        output.extend_from_slice(original.get(copied..range.start).ok_or(MaskError::Unfaithful)?);
        output.extend_from_slice(text.as_bytes());
        let replaced = original.get(range.clone()).ok_or(MaskError::Unfaithful)?;
        output.extend(replaced.iter().filter(|byte| matches!(byte, b'\n' | b'\r')));
        copied = range.end;
    }
    output.extend_from_slice(&original[copied..]);
    Ok(())
}

/// Whether a byte means itself between such quotes, in every reader.
fn fits(byte: u8, quote: Quote) -> bool {
    let is_special = matches!(byte, b'\\' | b'$' | b'`' | b'"' | b'\'');
    let ends_a_word = matches!(byte, b' ' | b'#' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')');
    (byte.is_ascii_graphic() || byte == b' ') && !is_special && !(quote == Quote::None && ends_a_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_double_quotes_know_escapes() {
        assert_eq!(decode(br#"a\nb\"c\\d\$e\q"#, Quote::Double), b"a\nb\"c\\d$e\\q");
        assert_eq!(decode(br"a\nb", Quote::Single), br"a\nb");
        assert_eq!(decode(br"a\nb", Quote::None), br"a\nb");
    }

    #[test]
    fn keeps_line_ends_and_refuses_what_the_quotes_cannot_hold() {
        let mut output = Vec::new();
        write(&mut output, b"one\r\ntwo\nthree", Quote::Double, &Replacement::Whole("p".into())).unwrap();
        assert_eq!(output, b"p\r\n\n");
        for text in ["a\"b", "a b", "a$b", "a\nb", "a#b"] {
            assert!(write(&mut output, b"x", Quote::None, &Replacement::Whole(text.into())).is_err(), "{text}");
        }
    }
}
