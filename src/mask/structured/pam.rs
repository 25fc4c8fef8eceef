//! Variables of PAM (`pam_env.conf(5)`): `NAME DEFAULT=value OVERRIDE="value"`, and `NAME=value` as `environment(5)` has it.
//!
//! **Trade-off.** A value with a backslash, and a line that goes on with one, are doubtful.

use std::ops::Range;

use super::leaf::{Leaf, Quote, Text, is_plain_line, pointer};
use crate::mask::{MaskError, Place};

#[expect(clippy::unnecessary_wraps, reason = "other syntaxes refuse a text")]
pub(super) fn read(text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    let mut leaves = Vec::new();
    for line in text.lines() {
        let whole = text.trimmed(line);
        let source = &text.source[whole.clone()];
        let name = &source[..source.find([' ', '\t', '=']).unwrap_or(source.len())];
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            leaves.extend(text.comment(whole));
        } else if source[name.len()..].starts_with('=') {
            leaves.extend(value(text, whole.start + name.len() + 1..whole.end, name, pointer([name])));
        } else {
            settings(text, whole.start + name.len()..whole.end, name, &mut leaves);
        }
    }
    Ok(leaves)
}

/// The `DEFAULT=` and `OVERRIDE=` behind a name; whatever else stands there is text.
fn settings(text: &Text<'_>, range: Range<usize>, name: &str, leaves: &mut Vec<Leaf>) {
    let mut rest = text.trimmed(range);
    while !rest.is_empty() {
        let source = &text.source[rest.clone()];
        let Some(word) = ["DEFAULT", "OVERRIDE"]
            .into_iter()
            .find(|word| source.strip_prefix(word).is_some_and(|after| after.starts_with('=')))
        else {
            leaves.extend(text.comment(rest));
            return;
        };
        let start = rest.start + word.len() + 1;
        let after = &text.source[start..rest.end];
        let length = match after.strip_prefix('"').and_then(|inner| inner.find('"')) {
            Some(length) => length + 2,
            None => after.find([' ', '\t']).unwrap_or(after.len()),
        };
        leaves.extend(value(text, start..start + length, name, pointer([name, word])));
        rest = text.trimmed(start + length..rest.end);
    }
}

fn value(text: &Text<'_>, range: Range<usize>, name: &str, pointer: String) -> Option<Leaf> {
    let source = &text.source[range.clone()];
    let mark = source.chars().next().filter(|mark| matches!(mark, '"' | '\''));
    let inner = mark.and_then(|mark| source[1..].strip_suffix(mark));
    let (range, quote) = match inner {
        Some(_) => (range.start + 1..range.end - 1, Quote::Double),
        None => (range, Quote::None),
    };
    let read = &text.source[range.clone()];
    let is_doubtful = read.contains(['\\', '"', '\'', '#']);
    (!read.is_empty()).then(|| Leaf::value(range, name, pointer, read).quoted(quote).doubtful_if(is_doubtful))
}

pub(super) fn write(leaf: &Leaf, value: &str) -> Option<String> {
    let fits = match (leaf.place, leaf.quote) {
        (Place::Text, _) => true,
        (_, Quote::None) => !value.contains([' ', '\t', '"', '\'', '\\', '#']),
        _ => !value.contains(['"', '\'', '\\', '#']),
    };
    (fits && is_plain_line(value)).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::mask::Structure::PamEnvironment;
    use crate::mask::structured::tests::{all, hides, refuses};

    #[test]
    fn reads_both_forms_and_replaces_in_them() {
        let text = "# c\nA_KEY DEFAULT=one OVERRIDE=\"two x\"\nB\tDEFAULT=@{HOME}/b\nC=three\nD = odd\n";
        let read = all(PamEnvironment, text);
        let read: Vec<_> = read.iter().map(|(pointer, value)| (pointer.as_str(), value.as_str())).collect();
        assert_eq!(
            read,
            [
                ("", "# c"),
                ("/A_KEY/DEFAULT", "one"),
                ("/A_KEY/OVERRIDE", "two x"),
                ("/B/DEFAULT", "@{HOME}/b"),
                ("/C", "three"),
                ("", "= odd"),
            ]
        );
        assert_eq!(hides(PamEnvironment, text, "/A_KEY/DEFAULT"), text.replace("one", "PLACEHOLDER"));
        assert_eq!(hides(PamEnvironment, text, "/A_KEY/OVERRIDE"), text.replace("two x", "PLACEHOLDER"));
        refuses(PamEnvironment, "A DEFAULT=a\\b\n", "/A/DEFAULT");
    }
}
