//! `NAME=value` files: the `.env` family and `.envrc`.
//!
//! Programs disagree on quoting, comments and line joins. The lexer follows what they agree on and marks the rest as
//! doubtful; a doubtful value may stay and may never be replaced, so that no reading of the file shows a secret.
//!
//! **Invariants.** Every byte outside a replaced range is copied. The rendered file has the same assignments and the same
//! number of lines as the original, which is checked by reading it again.

mod lexer;
mod value;

use zeroize::Zeroizing;

use super::interpolation::{Expansion, cut};
use super::{Literal, MaskError, Place, Replacement, Site};
use lexer::{Assignment, Quote, Token};

/// Who reads the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A dotenv library or docker: an unquoted value runs to the end of its line.
    Dotenv,
    /// A shell: an unquoted value ends at a blank, and the rest of the line is code.
    Shell,
}

/// Renders a file, see [`super::render`].
pub(super) fn render(
    dialect: Dialect,
    bytes: &[u8],
    decide: &mut dyn FnMut(&Site<'_>) -> Replacement,
) -> Result<Vec<u8>, MaskError> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || memchr::memchr(0, bytes).is_some() {
        return Err(MaskError::NotText);
    }
    let tokens = lexer::lex(dialect, bytes);
    let mut output = Vec::with_capacity(bytes.len());
    let mut copied = 0;
    let mut names: Vec<Vec<u8>> = Vec::new();
    for token in &tokens {
        if let Token::Assignment(Assignment { name, .. }) = token {
            let renamed = decide_name(&bytes[name.clone()], decide);
            if let Some(renamed) = &renamed {
                output.extend_from_slice(&bytes[copied..name.start]);
                output.extend_from_slice(renamed);
                copied = name.end;
            }
            names.push(renamed.unwrap_or_else(|| bytes[name.clone()].to_vec()));
        }
        let (range, replacement) = match token {
            Token::Text(range) => (range, decide_text(&bytes[range.clone()], decide)),
            Token::Assignment(assignment) => (&assignment.value, decide_value(bytes, assignment, decide)?),
        };
        output.extend_from_slice(&bytes[copied..range.start]);
        value::write(&mut output, &bytes[range.clone()], token.quote(), &replacement)?;
        copied = range.end;
    }
    output.extend_from_slice(&bytes[copied..]);
    if reads_alike(dialect, bytes, &names, &output) { Ok(output) } else { Err(MaskError::Unfaithful) }
}

/// The name that a variable gets in the place of its own.
fn decide_name(name: &[u8], decide: &mut dyn FnMut(&Site<'_>) -> Replacement) -> Option<Vec<u8>> {
    let literals = [Literal { range: 0..name.len(), default_of: None }];
    let site = Site {
        place: Place::Key,
        key: b"",
        pointer: "",
        text: name,
        value: name,
        literals: &literals,
        refers_to: None,
    };
    match decide(&site) {
        Replacement::Whole(renamed) => Some(renamed.into_bytes()),
        // A secret in a name stays there, and the caller finds it.
        Replacement::Keep | Replacement::Parts(_) => None,
    }
}

fn decide_text(text: &[u8], decide: &mut dyn FnMut(&Site<'_>) -> Replacement) -> Replacement {
    let literals = [Literal { range: 0..text.len(), default_of: None }];
    decide(&Site { place: Place::Text, key: b"", pointer: "", text, value: text, literals: &literals, refers_to: None })
}

fn decide_value(
    bytes: &[u8],
    assignment: &Assignment,
    decide: &mut dyn FnMut(&Site<'_>) -> Replacement,
) -> Result<Replacement, MaskError> {
    let text = &bytes[assignment.value.clone()];
    let cut = cut(text, expansion(assignment.quote));
    let value = Zeroizing::new(value::decode(text, assignment.quote));
    let replacement = decide(&Site {
        place: Place::Value,
        key: &bytes[assignment.name.clone()],
        pointer: "",
        text,
        value: &value,
        literals: &cut.literals,
        refers_to: cut.refers_to.map(|name| &text[name]),
    });
    if assignment.is_doubtful && replacement != Replacement::Keep {
        let line = 1 + memchr::memchr_iter(b'\n', &bytes[..assignment.value.start]).count();
        return Err(MaskError::Doubtful { line });
    }
    Ok(replacement)
}

/// Some dotenv readers expand in single quotes too, but no more than a whole value is taken for a reference there.
fn expansion(quote: Quote) -> Expansion {
    match quote {
        Quote::None => Expansion::Shell,
        Quote::Double => Expansion::Everywhere,
        Quote::Single | Quote::Backtick => Expansion::Whole,
    }
}

/// Whether `after` holds these names in this order, on as many lines as `before`.
fn reads_alike(dialect: Dialect, before: &[u8], names: &[Vec<u8>], after: &[u8]) -> bool {
    let again = lexer::lex(dialect, after);
    let found = again.iter().filter_map(|token| match token {
        Token::Assignment(assignment) => Some(&after[assignment.name.clone()]),
        Token::Text(_) => None,
    });
    let lines = |bytes: &[u8]| memchr::memchr_iter(b'\n', bytes).count();
    lines(before) == lines(after) && names.iter().map(Vec::as_slice).eq(found)
}

#[cfg(test)]
mod tests;
