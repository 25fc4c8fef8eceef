//! A file that holds one credential and nothing else.

use super::leaf::{Leaf, Text};
use crate::mask::MaskError;

pub(super) fn read(text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    let whole = text.trimmed(0..text.source.len());
    let value = &text.source[whole.clone()];
    if value.chars().any(char::is_whitespace) {
        return Err(text.unparsed(whole.start));
    }
    Ok(if value.is_empty() { Vec::new() } else { vec![Leaf::value(whole, "token", String::new(), value)] })
}

#[cfg(test)]
mod tests {
    use crate::mask::Structure::Token;
    use crate::mask::structured::tests::{hides, refuses};

    #[test]
    fn one_word_is_a_credential() {
        assert_eq!(hides(Token, "hf_abc\n", ""), "PLACEHOLDER\n");
        refuses(Token, "two words", "");
        assert_eq!(hides(Token, "\n", ""), "\n");
    }
}
