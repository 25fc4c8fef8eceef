//! `.pgpass`: `host:port:database:user:password` (`PostgreSQL`, "The Password File").

use super::leaf::{Leaf, Text, is_plain_line, pointer};
use crate::mask::MaskError;

#[expect(clippy::unnecessary_wraps, reason = "other syntaxes refuse a text")]
pub(super) fn read(text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    let line = |line: std::ops::Range<usize>| {
        let source = &text.source[line.clone()];
        // An old password in a comment is one.
        let Some(start) = after_colon(source, 4) else { return text.comment(line) };
        let host = unescaped(&source[..after_colon(source, 1).map_or(0, |at| at - 1)]);
        let value = unescaped(&source[start..]);
        let range = line.start + start..line.end;
        (!range.is_empty()).then(|| Leaf::value(range, "password", pointer([&host, "password"]), &value))
    };
    Ok(text.lines().filter_map(line).collect())
}

/// The position after the `count`th colon that no backslash precedes.
fn after_colon(line: &str, count: usize) -> Option<usize> {
    let mut is_escaped = false;
    let is_colon = |(_, byte): &(usize, u8)| {
        let counts = *byte == b':' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        counts
    };
    line.bytes().enumerate().filter(is_colon).nth(count - 1).map(|(at, _)| at + 1)
}

fn unescaped(field: &str) -> String {
    let mut characters = field.chars();
    std::iter::from_fn(|| match characters.next()? {
        '\\' => Some(characters.next().unwrap_or('\\')),
        other => Some(other),
    })
    .collect()
}

pub(super) fn write(_: &Leaf, value: &str) -> Option<String> {
    is_plain_line(value).then(|| value.replace('\\', "\\\\").replace(':', "\\:"))
}

#[cfg(test)]
mod tests {
    use crate::mask::Structure::Pgpass;
    use crate::mask::structured::tests::{all, hides};

    #[test]
    fn only_the_fifth_field_is_a_password() {
        let text = "# c:a:b:c\n#old:5432:*:ann:pw\ndb\\:1:5432:*:ann:p\\:w\\\\d\nshort:1\n";
        assert_eq!(hides(Pgpass, text, "/db:1/password"), text.replace("p\\:w\\\\d", "PLACEHOLDER"));
        assert_eq!(hides(Pgpass, text, "/#old/password"), text.replace("pw", "PLACEHOLDER"));
        assert_eq!(all(Pgpass, text)[2].1, "p:w\\d");
    }
}
