//! `.git-credentials`: a URL with user and password a line (git-credential-store(1)).
//!
//! The pointer's first segment is the origin, `https://host`; values are read as git does, percent-decoded.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::leaf::{Leaf, Text, pointer};
use crate::mask::{MaskError, Place};

pub(super) fn read(text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    let mut leaves = Vec::new();
    for line in text.lines() {
        let source = &text.source[line.clone()];
        let authority = source.split_once("://").map(|(scheme, rest)| (scheme, rest.split('/').next().unwrap_or(rest)));
        let Some((scheme, (user, host))) = authority.and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)))
        else {
            // Whatever else stands in such a file may be a secret.
            if !source.trim().is_empty() && !source.starts_with('#') && authority.is_none() {
                return Err(text.unparsed(line.start));
            }
            leaves.extend(text.comment(line));
            continue;
        };
        let start = line.start + scheme.len() + 3;
        let origin = format!("{scheme}://{host}");
        let (name, password) = user.split_once(':').map_or((user, None), |(name, password)| (name, Some(password)));
        let mut push = |at: usize, key: &str, value: &str| {
            let read = percent_decode_str(value).decode_utf8().map_err(|_| text.unparsed(at))?;
            leaves.push(Leaf::value(at..at + value.len(), key, pointer([&origin, key]), &read));
            Ok::<_, MaskError>(())
        };
        push(start, "username", name)?;
        if let Some(password) = password {
            push(start + name.len() + 1, "password", password)?;
        }
    }
    Ok(leaves)
}

pub(super) fn write(leaf: &Leaf, value: &str) -> Option<String> {
    const RESERVED: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    match leaf.place {
        Place::Value => Some(utf8_percent_encode(value, RESERVED).to_string()),
        _ => super::leaf::write_as_is(leaf, value),
    }
}

#[cfg(test)]
mod tests {
    use crate::mask::Structure::GitCredentials;
    use crate::mask::structured::tests::{all, hides, refuses};

    #[test]
    fn reads_and_replaces_percent_encoded_passwords() {
        let text = "https://ann:p%40ss%2Fw@git.example\r\nhttps://tok@git.example:8443/a/b\n# a note\n";
        assert_eq!(
            all(GitCredentials, text),
            [
                ("/https:~1~1git.example/username", "ann"),
                ("/https:~1~1git.example/password", "p@ss/w"),
                ("/https:~1~1git.example:8443/username", "tok"),
                ("", "# a note"),
            ]
            .map(|(pointer, value)| (pointer.to_owned(), value.to_owned()))
        );
        let hidden = hides(GitCredentials, text, "/https:~1~1git.example/password");
        assert_eq!(hidden, text.replace("p%40ss%2Fw", "PLACEHOLDER"));
        refuses(GitCredentials, "not a url\n", "");
    }
}
