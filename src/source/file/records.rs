//! What the store holds, one JSON object a line, so that its owner can read it without this program.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::secret::{Secret, SecretName, WorkspaceName};
use crate::source::{Key, SourceError};

/// The first line; a later version with another meaning of the rest has another one.
const HEADER: &[u8] = br#"{"agentsecrets":"store","version":1}"#;

/// Every value of the store.
#[derive(Debug, Default)]
pub(super) struct Records(BTreeMap<Key, Secret>);

/// A line. All three are borrowed from memory that is wiped: none of them ever holds a character that JSON escapes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    workspace: &'a str,
    name: &'a str,
    value: &'a str,
}

impl Records {
    /// Reads the plain text of the store `path`.
    pub(super) fn parse(path: &Path, text: &[u8]) -> Result<Self, SourceError> {
        let damaged = || SourceError::Damaged { path: path.to_owned() };
        let mut lines = text.split(|byte| *byte == b'\n');
        if lines.next() != Some(HEADER) {
            return Err(damaged());
        }
        let mut records = Self::default();
        for line in lines.filter(|line| !line.is_empty()) {
            let (key, value) = parse_line(line).ok_or_else(damaged)?;
            records.insert(key, value);
        }
        Ok(records)
    }

    /// The plain text.
    pub(super) fn render(&self) -> Zeroizing<Vec<u8>> {
        let encoded = |value: &Secret| value.len().div_ceil(3) * 4;
        let sizes = self.0.values().map(|value| encoded(value) + 300);
        let mut text = Zeroizing::new(Vec::with_capacity(HEADER.len() + 1 + sizes.sum::<usize>()));
        text.extend_from_slice(HEADER);
        for (key, value) in &self.0 {
            let start = format!("\n{{\"workspace\":\"{}\",\"name\":\"{}\",\"value\":\"", key.workspace, key.name);
            text.extend_from_slice(start.as_bytes());
            let at = text.len();
            text.resize(at + encoded(value), 0);
            // The space was measured.
            let _ = BASE64_STANDARD.encode_slice(value.expose(), &mut text[at..]);
            text.extend_from_slice(b"\"}");
        }
        text.push(b'\n');
        text
    }

    pub(super) fn insert(&mut self, key: Key, value: Secret) {
        self.0.insert(key, value);
    }

    pub(super) fn take(&mut self, key: &Key) -> Option<Secret> {
        self.0.remove(key)
    }

    pub(super) fn names(&self, workspace: &WorkspaceName) -> Vec<SecretName> {
        self.0.keys().filter(|key| key.workspace == *workspace).map(|key| key.name.clone()).collect()
    }
}

fn parse_line(line: &[u8]) -> Option<(Key, Secret)> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let key = Key { workspace: WorkspaceName::new(line.workspace).ok()?, name: SecretName::new(line.name).ok()? };
    Some((key, Secret::new(BASE64_STANDARD.decode(line.value).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rendered_is_read_again_and_nothing_else_is() {
        let path = Path::new("store");
        let mut records = Records::default();
        let key = crate::source::conformance::key("w.1", "A.b-c");
        for size in [1, 2, 3, 70_000] {
            records.insert(key.clone(), Secret::new((0..=255_u8).cycle().take(size).collect()));
            let text = records.render();
            let mut read = Records::parse(path, &text).unwrap();
            assert_eq!(read.take(&key).unwrap(), *records.0.get(&key).unwrap());
        }
        let text = records.render();
        for other in [&text[1..], b"", b"{\"agentsecrets\":\"store\",\"version\":2}\n", &text[..text.len() - 10]] {
            assert!(matches!(Records::parse(path, other), Err(SourceError::Damaged { .. })));
        }
    }
}
