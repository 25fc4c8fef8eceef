//! `.netrc`: words between blanks (ftp(1), curl's and Python's readers of it).

use super::leaf::{Leaf, Text, is_plain_line, pointer};
use crate::mask::MaskError;

pub(super) fn read(text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    let mut leaves = Vec::new();
    let mut machine = String::new();
    let mut at = 0;
    while let Some((start, word)) = word(text, at) {
        at = start + word.len();
        let next = |at: &mut usize| {
            let (start, word) = self::word(text, *at).ok_or_else(|| text.unparsed(start))?;
            *at = start + word.len();
            Ok::<_, MaskError>((start, word))
        };
        match word {
            "machine" => next(&mut at)?.1.clone_into(&mut machine),
            "default" => machine.clear(),
            "login" | "user" | "password" | "account" => {
                let (start, value) = next(&mut at)?;
                let key = if word == "user" { "login" } else { word };
                let leaf = Leaf::value(start..start + value.len(), key, pointer([&machine, key]), value);
                leaves.push(leaf.doubtful_if(value.starts_with('"') || value.contains('\\')));
            }
            // It ends at an empty line.
            "macdef" => {
                let rest = &text.source[at..];
                let end = rest.find("\n\n").or_else(|| rest.find("\n\r\n")).map_or(text.source.len(), |end| at + end);
                leaves.extend(text.comment(at..end));
                at = end;
            }
            comment if comment.starts_with('#') => {
                let end = text.source[start..].find('\n').map_or(text.source.len(), |end| start + end);
                leaves.extend(text.comment(start..end));
                at = end;
            }
            _ => return Err(text.unparsed(start)),
        }
    }
    Ok(leaves)
}

/// The next word and where it starts.
fn word<'a>(text: &Text<'a>, from: usize) -> Option<(usize, &'a str)> {
    let is_blank = |character: char| matches!(character, ' ' | '\t' | '\r' | '\n');
    let rest = &text.source[from..];
    let start = from + rest.find(|character| !is_blank(character))?;
    let rest = &text.source[start..];
    Some((start, &rest[..rest.find(is_blank).unwrap_or(rest.len())]))
}

pub(super) fn write(_: &Leaf, value: &str) -> Option<String> {
    let is_word = !value.is_empty() && !value.contains([' ', '"', '\\']);
    (is_word && is_plain_line(value)).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::mask::Structure::Netrc;
    use crate::mask::structured::tests::{all, hides, refuses};

    #[test]
    fn replaces_passwords() {
        let text = "# mine\nmachine a.example login ann password s3cret\r\nmachine b.example\n\tlogin bob\n\tpassword other\n\
                    default login anonymous password x@y\nmacdef init\nput x\n\n";
        assert_eq!(hides(Netrc, text, "/b.example/password"), text.replace("other", "PLACEHOLDER"));
        let pointers: Vec<_> = all(Netrc, text).into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(
            pointers,
            [
                "",
                "/a.example/login",
                "/a.example/password",
                "/b.example/login",
                "/b.example/password",
                "//login",
                "//password",
                ""
            ]
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for text in ["machine", "machine a password", "host a password b", "machine a password \"b c\""] {
            refuses(Netrc, text, "/a/password");
        }
    }
}
