//! How deep a TOML text may nest, told before anything is built of it.
//!
//! A parser bounds how many brackets are open and how many parts a key has, yet each level of brackets may have a key of
//! many parts, and what walks or drops the tree goes down through them all. A text of a stranger must not end the process
//! that reads it.
//!
//! **Invariants.** Tokens are those of the parser itself, and more depth is counted than there is, never less.

use toml_parser::Source;
use toml_parser::lexer::TokenKind;

/// The product of the most brackets that are open at once and the most parts of a key: far more than files of people have,
/// and far less than a thread's stack holds.
const MOST: usize = 400;

/// Where `text` gets deeper than what is read.
pub fn too_deep(text: &str) -> Option<usize> {
    let (mut open, mut parts) = (Vec::new(), 1);
    let (mut most_open, mut most_parts) = (0, 1);
    for token in Source::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => parts += 1,
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                open.push(token.kind());
                parts = 1;
            }
            TokenKind::RightSquareBracket if open.last() == Some(&TokenKind::LeftSquareBracket) => drop(open.pop()),
            TokenKind::RightCurlyBracket if open.last() == Some(&TokenKind::LeftCurlyBracket) => drop(open.pop()),
            TokenKind::Equals | TokenKind::Comma | TokenKind::Newline => parts = 1,
            _ => {}
        }
        (most_open, most_parts) = (most_open.max(open.len()), most_parts.max(parts));
        // The header of the table, and what stands in it.
        if (most_open + 2) * most_parts > MOST {
            return Some(token.span().start());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(parts: usize, levels: usize) -> String {
        let key = vec!["a"; parts].join(".");
        format!("{}a = 1{}", format!("{key} = {{").repeat(levels), "}".repeat(levels))
    }

    #[test]
    fn what_people_write_is_not_deep() {
        let dots = format!("a = \"{}\" # {}\n", ".".repeat(1000), "[".repeat(1000));
        let rows = "[a.b.c.d]\nx.y = [1.5, 2.5, { z.a = [[1], [2]] }]\n".repeat(500);
        for text in [dots, rows, nested(5, 10), nested(3, 60), nested(60, 2)] {
            assert_eq!(too_deep(&text), None, "{text}");
        }
    }

    #[test]
    fn what_is_deep_is_told_where_it_gets_so() {
        for (text, expected) in [
            (nested(79, 79), true),
            (nested(20, 40), true),
            (format!("[{}]\n", vec!["a"; 500].join(".")), true),
            (format!("x = {}", "[".repeat(500)), true),
            // What closes nothing makes nothing less deep.
            (format!("x = {}", "[ } ".repeat(500)), true),
            (format!("x = {}", "[] ".repeat(500)), false),
        ] {
            assert_eq!(too_deep(&text).is_some(), expected, "{text}");
        }
        assert_eq!(too_deep(&format!("{}\n{}", "a = 1\n".repeat(10), nested(79, 79))).map(|at| at > 61), Some(true));
    }

    #[test]
    fn what_is_not_deep_is_read_and_dropped() {
        let (mut read, mut deepest) = (0, 0);
        for parts in 1..80 {
            let levels = (1..80).take_while(|levels| too_deep(&nested(parts, *levels)).is_none()).last();
            let Some(levels) = levels else { continue };
            let text = nested(parts, levels);
            // A parser may have stricter bounds.
            read += usize::from(toml::de::DeTable::parse(&text).is_ok());
            read += usize::from(toml_edit::Document::parse(&*text).is_ok());
            deepest = deepest.max(parts * levels);
        }
        assert!(read > 100 && deepest > 300, "{read} {deepest}");
    }
}
