//! Text that a terminal only shows.

/// `text` with control characters made visible: escape sequences would let foreign text move the cursor, change the
/// title or hide itself, and so would marks that turn the writing direction.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if is_obeyed(character) {
            plain.extend(character.escape_default());
        } else {
            plain.push(character);
        }
    }
    plain
}

fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        for (text, expected) in [
            ("plain é 漢", "plain é 漢"),
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{9b}2J \u{7f}", "\\u{9b}2J \\u{7f}"),
            ("x\u{202e}gnp.exe", "x\\u{202e}gnp.exe"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }
}
