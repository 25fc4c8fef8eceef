//! Sections of `key = value` lines (Python's configparser, the AWS SDKs, `MySQL`, rclone), and npm's dialect of it.
//!
//! **Trade-off.** Programs disagree on comments behind values and on backslashes: such a value is doubtful. A line that is
//! indented deeper than its key goes on with that key's value, unless it assigns itself.

use std::ops::Range;

use super::leaf::{Leaf, Quote, Text, is_plain_line, pointer};
use crate::mask::{MaskError, Place};

/// What differs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Ini,
    /// Only `=` assigns, because keys hold `:`; any `;` or `#` begins a comment.
    Npmrc,
}

/// The key that a deeper line would go on with.
struct Last {
    key: String,
    pointer: String,
    indent: usize,
}

pub(super) fn read(text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    read_as(Dialect::Ini, text)
}

pub(super) fn read_npmrc(text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    read_as(Dialect::Npmrc, text)
}

fn read_as(dialect: Dialect, text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    let mut leaves = Vec::new();
    let mut section: Option<String> = None;
    let mut last: Option<Last> = None;
    for line in text.lines() {
        let whole = text.trimmed(line.clone());
        let content = &text.source[whole.clone()];
        let indent = whole.start - line.start;
        match content.bytes().next() {
            None => {}
            Some(b'#' | b';') => leaves.push(Leaf::text(whole, content)),
            Some(b'[') => {
                let end = whole.start + content.rfind(']').ok_or_else(|| text.unparsed(line.start))?;
                let name = whole.start + 1..end;
                section = Some(text.source[name.clone()].to_owned());
                last = None;
                leaves.push(Leaf::name(name.clone(), String::new(), &text.source[name]));
                leaves.extend(text.comment(end + 1..whole.end));
            }
            Some(_) => {
                let goes_on = dialect == Dialect::Ini && last.as_ref().is_some_and(|last| indent > last.indent);
                match (assignment(dialect, text, &whole), last.as_ref().filter(|_| goes_on)) {
                    (Some((key, value)), above) if above.is_none() || assigns(text, &key, &value) => {
                        let shown = &text.source[key];
                        let (key, pointer) = named(dialect, section.as_deref(), shown);
                        leaves.extend(leaf(dialect, text, value, &key, &pointer));
                        if above.is_none() {
                            last = Some(Last { key, pointer, indent });
                        }
                    }
                    (_, Some(last)) => leaves.extend(leaf(dialect, text, whole, &last.key, &last.pointer)),
                    (..) => leaves.push(Leaf::text(whole, content)),
                }
            }
        }
    }
    Ok(leaves)
}

/// The key and the value of a line, both trimmed.
fn assignment(dialect: Dialect, text: &Text<'_>, line: &Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    let separators: &[char] = if dialect == Dialect::Npmrc { &['='] } else { &['=', ':'] };
    let at = line.start + text.source[line.clone()].find(separators)?;
    let key = text.trimmed(line.start..at);
    (!key.is_empty()).then(|| (key, text.trimmed(at + 1..line.end)))
}

/// Whether a deeper line is an assignment of its own: `name = value`, not `https://…`.
fn assigns(text: &Text<'_>, key: &Range<usize>, value: &Range<usize>) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    text.source[key.clone()].bytes().all(is_name) && text.source[key.end..value.start].contains('=')
}

/// The key for the rules, and the pointer. npm writes `//host/path/:_authToken`: the host stands for a section.
fn named(dialect: Dialect, section: Option<&str>, key: &str) -> (String, String) {
    if dialect == Dialect::Npmrc
        && let Some((place, name)) = key.strip_prefix("//").and_then(|rest| rest.rsplit_once(':'))
        && let Some((host, _)) = place.split_once('/')
    {
        return (name.to_owned(), pointer([host, name]));
    }
    let lower = key.to_ascii_lowercase();
    let key = if dialect == Dialect::Npmrc { key } else { lower.as_str() };
    (key.to_owned(), section.map_or_else(|| pointer([key]), |section| pointer([section, key])))
}

fn leaf(dialect: Dialect, text: &Text<'_>, range: Range<usize>, key: &str, pointer: &str) -> Option<Leaf> {
    let source = &text.source[range.clone()];
    if source.is_empty() {
        return None;
    }
    let mark = source.chars().next().filter(|mark| matches!(mark, '"' | '\''));
    let inner = mark.and_then(|mark| source.get(1..)?.strip_suffix(mark).filter(|inner| !inner.contains(mark)));
    if let (Some(inner), Some(mark)) = (inner, mark) {
        let quote = if mark == '"' { Quote::Double } else { Quote::Single };
        let leaf = Leaf::value(range.start + 1..range.end - 1, key, pointer.to_owned(), inner).quoted(quote);
        return Some(leaf.doubtful_if(inner.contains('\\')));
    }
    let has_comment = match dialect {
        Dialect::Npmrc => source.contains(['#', ';']),
        Dialect::Ini => [" #", " ;", "\t#", "\t;"].iter().any(|start| source.contains(start)),
    };
    let is_escaped = if dialect == Dialect::Npmrc { source.contains('\\') } else { source.ends_with('\\') };
    let is_doubtful = mark.is_some() || has_comment || is_escaped;
    Some(Leaf::value(range, key, pointer.to_owned(), source).doubtful_if(is_doubtful))
}

pub(super) fn write(leaf: &Leaf, value: &str) -> Option<String> {
    let fits = match (leaf.place, leaf.quote) {
        (Place::Key, _) => !value.contains(['[', ']']),
        (_, Quote::None) => !value.starts_with(['"', '\'', '[']),
        (_, Quote::Single) => !value.contains('\''),
        (_, Quote::Double) => !value.contains('"'),
    };
    (fits && is_plain_line(value)).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::mask::Structure::{Ini, Npmrc};
    use crate::mask::structured::tests::{all, hides, refuses};

    #[test]
    fn replaces_values_and_copies_the_rest() {
        let text = "; pypi\r\n[distutils]\r\nindex-servers = pypi\r\n\r\n[pypi]\r\n  Username: __token__\r\n  password = pypi-secret\r\n";
        assert_eq!(hides(Ini, text, "/pypi/password"), text.replace("pypi-secret", "PLACEHOLDER"));
        let text = "[a]\nk = \"quo ted\" \nk2='x'\n";
        assert_eq!(hides(Ini, text, "/a/k"), "[a]\nk = \"PLACEHOLDER\" \nk2='x'\n");
    }

    #[test]
    fn deeper_lines_go_on() {
        let text = "[g]\nextra-index-url =\n    https://u:p@h/s\n    https://o/s\ns3 =\n  key = v\nlast=1\n";
        assert_eq!(
            all(Ini, text),
            [
                ("", "g"),
                ("/g/extra-index-url", "https://u:p@h/s"),
                ("/g/extra-index-url", "https://o/s"),
                ("/g/key", "v"),
                ("/g/last", "1"),
            ]
            .map(|(pointer, value)| (pointer.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn what_programs_read_differently_is_not_replaced() {
        for text in ["[a]\nk = x ; y\n", "[a]\nk = x\t# y\n", "[a]\nk = \"x\n", "[a]\nk = x\\\n", "[a]\nk=\"a\\n\"\n"] {
            refuses(Ini, text, "/a/k");
        }
        for text in ["k=a;b", "k=a#b", "k=a\\b"] {
            refuses(Npmrc, text, "/k");
        }
        refuses(Ini, "[a\nk = x\n", "/a/k");
    }

    #[test]
    fn npm_keys_name_their_host() {
        let text =
            "//npm.example:8443/team/:_authToken = ${X}npm_x\n@s:registry=https://npm.example/\n_auth=\"YTpi\"\n";
        assert_eq!(hides(Npmrc, text, "/npm.example:8443/_authToken"), text.replace("${X}npm_x", "PLACEHOLDER"));
        assert_eq!(hides(Npmrc, text, "/_auth"), text.replace("YTpi", "PLACEHOLDER"));
    }
}
