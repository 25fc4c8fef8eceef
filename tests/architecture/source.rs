//! Just enough of Rust's lexing to know which words of a file are code.
//!
//! **Trade-off.** No parser crate: comments, strings and `#[cfg(test)]` modules are blanked, and what remains is read as
//! words. A macro that builds a path from pieces would escape it; the house has none.

use std::collections::BTreeSet;

/// Source text in which everything that is not code is blank.
pub(crate) struct Text(String);

impl Text {
    /// The code of a whole file, tests included.
    pub(crate) fn whole(text: &str) -> Self {
        Self(blank(text))
    }

    /// The code of a file without its test modules.
    pub(crate) fn production(text: &str) -> Self {
        let mut code = blank(text);
        while let Some(start) = code.find("#[cfg(test)]") {
            let end = item_end(&code, start);
            code.replace_range(start..end, &" ".repeat(end - start));
        }
        Self(code)
    }

    /// How often `word` stands there as a word of its own.
    pub(crate) fn words(&self, word: &str) -> usize {
        self.0.split(|character: char| !is_word(character)).filter(|piece| *piece == word).count()
    }
}

/// The names that stand directly below the crate's root in the paths of `code`, a file at `path`.
pub(crate) fn rooms_named(text: &Text, path: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    let code = &text.0;
    let to_root = "super::".repeat(depth(path));
    for prefix in ["crate::", "agentsecrets::", to_root.as_str()] {
        for (at, _) in code.match_indices(prefix).filter(|_| !prefix.is_empty()) {
            let before = code[..at].chars().next_back();
            if before.is_none_or(|character| !is_word(character) && character != ':') {
                collect(&code[at + prefix.len()..], &mut rooms);
            }
        }
    }
    rooms
}

/// How many `super::` lead from a file to the crate's root.
fn depth(path: &str) -> usize {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    if matches!(inner, "lib" | "main") { 0 } else { inner.split('/').count() }
}

/// `rest` is what follows the root: one name, or a group of paths of which each first name counts.
fn collect(rest: &str, rooms: &mut BTreeSet<String>) {
    let Some(group) = rest.strip_prefix('{') else {
        rooms.insert(rest.chars().take_while(|character| is_word(*character)).collect());
        return;
    };
    let (mut level, mut name, mut first) = (0_usize, String::new(), true);
    for character in group.chars() {
        match character {
            '{' => level += 1,
            '}' if level == 0 => break,
            '}' => level -= 1,
            ',' if level == 0 => {
                rooms.insert(std::mem::take(&mut name));
                first = true;
            }
            _ if level > 0 => {}
            _ if is_word(character) && first => name.push(character),
            _ if character.is_whitespace() => {}
            _ => first = false,
        }
    }
    rooms.insert(name);
    rooms.remove("");
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Where the item that begins at `start` ends: its closing brace, or the `;` that comes before any brace.
fn item_end(code: &str, start: usize) -> usize {
    let mut level = 0_usize;
    let attribute = start + "#[cfg(test)]".len();
    for (offset, character) in code[attribute..].char_indices() {
        match character {
            '{' => level += 1,
            '}' if level <= 1 => return attribute + offset + 1,
            '}' => level -= 1,
            ';' if level == 0 => return attribute + offset + 1,
            _ => {}
        }
    }
    code.len()
}

/// The same text, byte for byte as long, with spaces for comments and for what stands inside quotes.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let previous_is_word = out.chars().next_back().is_some_and(is_word);
        let skip = match character {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest, '"'),
            'r' if !previous_is_word => raw_string(rest),
            '\'' => character_literal(rest),
            _ => 0,
        };
        if skip == 0 {
            out.push(character);
            rest = &rest[character.len_utf8()..];
        } else {
            out.extend(rest[..skip].chars().flat_map(|c| {
                let blank = if c == '\n' { '\n' } else { ' ' };
                std::iter::repeat_n(blank, c.len_utf8())
            }));
            rest = &rest[skip..];
        }
    }
    out
}

fn block_comment(rest: &str) -> usize {
    let (mut level, mut at) = (0_usize, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            level += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            level -= 1;
            at += 2;
            if level == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted(rest: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == mark => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `r"…"` and `r#"…"#`; 0 where the `r` begins something else.
fn raw_string(rest: &str) -> usize {
    let hashes = rest[1..].chars().take_while(|character| *character == '#').count();
    if !rest[1 + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len())
}

/// `'x'` and `'\n'`; 0 for a lifetime.
fn character_literal(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), _) => quoted(rest, '\''),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_code_is_blank() {
        let rows = [
            ("a // crate::x\nb", "a b"),
            ("a /* x /* y */ z */ b", "a b"),
            ("f(\"crate::x \\\" y\") + g", "f( ) + g"),
            ("r#\"say \"x\" \"# b", "b"),
            ("'x' 'a: &'a '\\'' b", "'a: &'a b"),
            ("for r in x", "for r in x"),
        ];
        for (text, expected) in rows {
            assert_eq!(blank(text).split_whitespace().collect::<Vec<_>>().join(" "), expected, "{text}");
            assert_eq!(blank(text).len(), text.len(), "{text}");
        }
    }

    #[test]
    fn groups_give_their_first_names() {
        let rooms = rooms_named(&Text::whole("use crate::{a::{b, c}, d, e::f as g};"), "src/x.rs");
        assert_eq!(rooms.into_iter().collect::<Vec<_>>(), ["a", "d", "e"]);
    }
}
