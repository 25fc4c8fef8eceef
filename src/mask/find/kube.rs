//! What a kubeconfig names besides: files with a token or a private key of a user (kubectl's `tokenFile` and
//! `client-key`). Pure: text in, paths out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::mask::{Notation, Place, Replacement, Structure, render};

/// What a named file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Token,
    PrivateKey,
}

/// The paths as they are written. A file that is no YAML which we read is asked line by line.
pub(super) fn named(text: &[u8]) -> Vec<(PathBuf, Holds)> {
    let mut found = Vec::new();
    let mut take = |key: &[u8], value: &[u8]| {
        let holds = match key {
            b"tokenFile" => Holds::Token,
            b"client-key" => Holds::PrivateKey,
            _ => return,
        };
        if !value.is_empty() {
            found.push((PathBuf::from(OsStr::from_bytes(value)), holds));
        }
    };
    let read = render(Notation::Structured(Structure::Yaml), text, &mut |site| {
        if site.place == Place::Value {
            take(site.key, site.value);
        }
        Replacement::Keep
    });
    if read.is_err() {
        for line in text.split(|byte| *byte == b'\n') {
            let Some(at) = memchr::memchr(b':', line) else { continue };
            let is_mark = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'-' | b'"' | b'\'' | b'{' | b',');
            let start = line[..at].iter().take_while(|byte| is_mark(byte)).count();
            let key = line[start..at].trim_ascii_end();
            let value = line[at + 1..].trim_ascii();
            let is_quoted = matches!(value, [b'"', .., b'"'] | [b'\'', .., b'\'']);
            take(key, if is_quoted { &value[1..value.len() - 1] } else { value });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_tokens_and_keys() {
        let text = "users:\n- name: a\n  user:\n    client-key: keys/a.key\n    client-key-data: x\n- name: b\n  user:\n\
                    \x20   tokenFile: \"/h/b token\"\n    client-certificate: a.crt\n";
        let expected = [("keys/a.key".into(), Holds::PrivateKey), (PathBuf::from("/h/b token"), Holds::Token)].to_vec();
        assert_eq!(named(text.as_bytes()), expected);
        let unread = format!("{text}---\n[");
        assert!(render(Notation::Structured(Structure::Yaml), unread.as_bytes(), &mut |_| Replacement::Keep).is_err());
        assert_eq!(named(unread.as_bytes()), expected);
        assert_eq!(named(b"client-key:\ntokenFile: ''\nusers: []\n"), []);
    }
}
