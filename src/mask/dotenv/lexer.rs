//! Cuts a file into assignments and text.
//!
//! **Invariants.** Tokens are in order, do not overlap, and cover every byte that could be part of a value; what lies
//! between them is blanks, line ends, names, `=`, `export` and quotes. Time is linear in the file's length, except that
//! an opening quote without an end is looked for once a line.

use std::ops::Range;

use super::Dialect;
use crate::mask::interpolation::{Reference, reference};

/// How a value is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote {
    None,
    Single,
    Double,
    Backtick,
}

/// One `NAME=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: Range<usize>,
    /// Without the quotes.
    pub(super) value: Range<usize>,
    pub(super) quote: Quote,
    /// Readers disagree on where the value ends.
    pub(super) is_doubtful: bool,
}

/// One piece of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Assignment(Assignment),
    Text(Range<usize>),
}

impl Token {
    pub(super) fn quote(&self) -> Quote {
        match self {
            Self::Assignment(assignment) => assignment.quote,
            Self::Text(_) => Quote::None,
        }
    }
}

/// A PEM block (RFC 7468) without quotes around it: its lines belong together, whatever a reader makes of them.
enum Block {
    None,
    /// It has no end.
    Open,
    /// Where its last line ends.
    EndsAt(usize),
}

/// Cuts `bytes` into tokens.
pub(super) fn lex(dialect: Dialect, bytes: &[u8]) -> Vec<Token> {
    let mut lexer = Lexer {
        dialect,
        bytes,
        last_single: memchr::memrchr(b'\'', bytes),
        last_double: memchr::memrchr(b'"', bytes),
        last_backtick: memchr::memrchr(b'`', bytes),
        tokens: Vec::new(),
    };
    let mut position = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    while position < bytes.len() {
        position = lexer.line(position);
    }
    lexer.tokens
}

struct Lexer<'a> {
    dialect: Dialect,
    bytes: &'a [u8],
    /// Where the last quote of each kind stands: one that opens there or behind has no end.
    last_single: Option<usize>,
    last_double: Option<usize>,
    last_backtick: Option<usize>,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    /// Lexes the line at `start`, and those that its quoted value runs over; returns where the next one starts.
    fn line(&mut self, start: usize) -> usize {
        let end = self.line_end(start);
        let at = self.skip_blanks(start, end);
        if at == end {
            return self.after_line_end(end);
        }
        if let Some((name, after)) = self.name(at, end) {
            return self.value(name, self.skip_blanks(after, end), end);
        }
        let end = if let Block::EndsAt(block_end) = self.block(at, end) { block_end } else { end };
        self.push_text(at..end);
        self.after_line_end(end)
    }

    /// The name and the position after its `=` (or `:` with a blank, which some readers take).
    fn name(&self, at: usize, end: usize) -> Option<(Range<usize>, usize)> {
        let mut start = at;
        if self.bytes[at..end].starts_with(b"export") {
            let after = self.skip_blanks(at + 6, end);
            start = if after > at + 6 { after } else { at };
        }
        let length = self.bytes[start..end]
            .iter()
            .take_while(|&&byte| !matches!(byte, b' ' | b'\t' | b'\x0b' | b'\x0c' | b'=' | b'#'))
            .count();
        let name = start..start + length;
        let after = self.skip_blanks(name.end, end);
        if name.is_empty() {
            return None;
        }
        if after < end && self.bytes[after] == b'=' {
            return Some((self.without_quotes(name), after + 1));
        }
        let is_yaml_like = name.len() > 1 && self.bytes[name.end - 1] == b':' && self.is_plain_name(&name);
        is_yaml_like.then(|| (name.start..name.end - 1, name.end))
    }

    fn is_plain_name(&self, name: &Range<usize>) -> bool {
        self.bytes[name.start..name.end - 1]
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    }

    fn without_quotes(&self, name: Range<usize>) -> Range<usize> {
        let first = self.bytes[name.start];
        let is_quoted = name.len() > 2 && matches!(first, b'\'' | b'"') && self.bytes[name.end - 1] == first;
        if is_quoted { name.start + 1..name.end - 1 } else { name }
    }

    fn value(&mut self, name: Range<usize>, at: usize, end: usize) -> usize {
        let quote = match self.bytes[at..end].first() {
            Some(b'\'') => Quote::Single,
            Some(b'"') => Quote::Double,
            Some(b'`') if self.dialect == Dialect::Dotenv => Quote::Backtick,
            _ => return self.unquoted(name, at, end, false),
        };
        match self.closing(quote, at) {
            Some((close, is_doubtful)) => self.quoted(name, quote, at + 1..close, is_doubtful),
            None => self.unquoted(name, at, end, true),
        }
    }

    /// The position of the quote that ends the value opened at `open`, where what follows lets it be an end, and
    /// whether some reader sees another end.
    fn closing(&self, quote: Quote, open: usize) -> Option<(usize, bool)> {
        let mark = self.bytes[open];
        let last = match quote {
            Quote::None => None,
            Quote::Single => self.last_single,
            Quote::Double => self.last_double,
            Quote::Backtick => self.last_backtick,
        };
        if last? <= open {
            return None;
        }
        let close = match quote {
            Quote::Double => double_quote_end(self.bytes, open + 1)?,
            _ => open + 1 + memchr::memchr(mark, &self.bytes[open + 1..])?,
        };
        let escaped = quote != Quote::Double && self.bytes[close - 1] == b'\\';
        let line_end = self.line_end(close);
        let rest = &self.bytes[close + 1..line_end];
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match rest.get(blanks) {
            None => Some((close, escaped)),
            Some(b'#') => Some((close, escaped || blanks == 0)),
            Some(b';' | b'&' | b'|' | b')') if self.dialect == Dialect::Shell => Some((close, escaped)),
            Some(_) if self.dialect == Dialect::Shell && blanks > 0 => Some((close, escaped)),
            // Text right behind the quote: on the same line it is one odd value, over lines it is no quote at all.
            Some(_) if memchr::memchr2(b'\n', b'\r', &self.bytes[open..close]).is_none() => Some((close, true)),
            Some(_) => None,
        }
    }

    fn quoted(&mut self, name: Range<usize>, quote: Quote, value: Range<usize>, is_doubtful: bool) -> usize {
        let end = self.line_end(value.end);
        let rest = self.skip_blanks(value.end + 1, end)..end;
        self.tokens.push(Token::Assignment(Assignment { name, value, quote, is_doubtful }));
        self.push_text(rest);
        self.after_line_end(end)
    }

    fn unquoted(&mut self, name: Range<usize>, at: usize, end: usize, quote_is_open: bool) -> usize {
        match self.block(at, end) {
            Block::EndsAt(end) => return self.plain_value(name, at..end, false),
            Block::Open => return self.plain_value(name, at..end, true),
            Block::None => {}
        }
        let line = &self.bytes[at..end];
        // `token=substr($0, 1)` is no shell: a piece of another language stands there, in quotes that began before.
        if self.dialect == Dialect::Shell && is_call(line) {
            self.push_text(name.start..end);
            return self.after_line_end(end);
        }
        let length = match self.dialect {
            Dialect::Dotenv => dotenv_word(line),
            Dialect::Shell => shell_word(line),
        };
        // A word longer than its line goes on behind the line end, inside quotes, parentheses or after a backslash.
        let is_doubtful =
            quote_is_open || length > line.len() || line[..length].ends_with(b"\\") || line.starts_with(b"(");
        let value = at..at + length.min(line.len());
        let rest = self.skip_blanks(value.end, end)..end;
        self.tokens.push(Token::Assignment(Assignment { name, value, quote: Quote::None, is_doubtful }));
        self.push_text(rest);
        self.after_line_end(end)
    }

    /// The PEM block that begins between `at` and `end` and goes on behind that line.
    fn block(&self, at: usize, end: usize) -> Block {
        let Some(begin) = memchr::memmem::find(&self.bytes[at..end], b"-----BEGIN ") else { return Block::None };
        if memchr::memmem::find(&self.bytes[at + begin..end], b"-----END ").is_some() {
            return Block::None;
        }
        match memchr::memmem::find(&self.bytes[end..], b"-----END ") {
            Some(last) => Block::EndsAt(self.line_end(end + last)),
            None => Block::Open,
        }
    }

    fn plain_value(&mut self, name: Range<usize>, value: Range<usize>, is_doubtful: bool) -> usize {
        let end = value.end;
        self.tokens.push(Token::Assignment(Assignment { name, value, quote: Quote::None, is_doubtful }));
        self.after_line_end(end)
    }

    fn push_text(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.tokens.push(Token::Text(range));
        }
    }

    /// Where the line that `from` stands in ends: at `\n`, at `\r`, or with the file.
    fn line_end(&self, from: usize) -> usize {
        memchr::memchr2(b'\n', b'\r', &self.bytes[from..]).map_or(self.bytes.len(), |offset| from + offset)
    }

    fn after_line_end(&self, end: usize) -> usize {
        match self.bytes.get(end..) {
            Some([b'\r', b'\n', ..]) => end + 2,
            _ => end + 1,
        }
    }

    fn skip_blanks(&self, from: usize, end: usize) -> usize {
        let blanks = self.bytes.get(from..end).unwrap_or_default();
        from + blanks.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\x0b' | b'\x0c')).count()
    }
}

fn double_quote_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// Whether a name and an opening parenthesis stand there, which no shell reads as a value.
fn is_call(line: &[u8]) -> bool {
    let name = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    name > 0 && line.get(name) == Some(&b'(')
}

/// The length of an unquoted value: up to a `#` behind a blank, without blanks at its end.
fn dotenv_word(line: &[u8]) -> usize {
    let is_comment = |at: &usize| *at == 0 || matches!(line[at - 1], b' ' | b'\t');
    let end = memchr::memchr_iter(b'#', line).find(is_comment).unwrap_or(line.len());
    line[..end].trim_ascii_end().len()
}

/// The length of a shell word: up to a blank or an operator outside quotes and substitutions; longer than the line where
/// the word goes on behind it.
fn shell_word(line: &[u8]) -> usize {
    if line.starts_with(b"(") {
        return line.trim_ascii_end().len();
    }
    let past_the_line = line.len() + 1;
    let mut at = 0;
    while at < line.len() {
        at = match line[at] {
            b' ' | b'\t' | b';' | b'&' | b'|' | b'<' | b'>' | b')' => break,
            b'#' if at == 0 => break,
            b'\\' => at + 2,
            mark @ (b'\'' | b'`') => {
                memchr::memchr(mark, &line[at + 1..]).map_or(past_the_line, |offset| at + offset + 2)
            }
            b'"' => double_quote_end(line, at + 1).map_or(past_the_line, |end| end + 1),
            b'$' => match reference(&line[at..]) {
                Reference::None => at + 1,
                Reference::Open => past_the_line,
                Reference::Closed(length) => at + length,
            },
            _ => at + 1,
        };
    }
    at
}
