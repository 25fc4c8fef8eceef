//! The index of what a run left: one JSON document.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A path of the child's: bytes, mostly text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KeptPath {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl From<&Path> for KeptPath {
    fn from(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(path.as_os_str().as_bytes().to_vec()),
        }
    }
}

impl KeptPath {
    /// The path itself.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Text(text) => PathBuf::from(text),
            Self::Bytes(bytes) => PathBuf::from(OsString::from_vec(bytes.clone())),
        }
    }
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum KeptKind {
    /// It was written; its content is kept.
    File {
        /// The name of the content.
        stored: u32,
        /// Its length in bytes.
        size: u64,
        /// Its permissions.
        mode: u32,
        /// SHA-256 of its content, in hex.
        sha256: String,
        /// Whether a placeholder of the run stands in it.
        placeholders: bool,
    },
    /// It became a symlink.
    Link {
        /// Where it leads.
        target: KeptPath,
    },
    /// It was deleted.
    Removed,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Where the command saw it, absolute.
    pub path: KeptPath,
    /// What became of it.
    #[serde(flatten)]
    pub kind: KeptKind,
    /// Whether the command saw something of ours there instead of what the host has.
    pub masked: bool,
    /// Whether the host had something there when the run ended.
    pub existed: bool,
}

/// All of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptIndex {
    /// The run.
    pub run: String,
    /// When it began.
    pub started: Timestamp,
    /// The home that the files lie in.
    pub home: KeptPath,
    /// The files.
    pub files: Vec<KeptFile>,
    /// Files that were over the bounds, or could not be read: the first of them.
    pub discarded: Vec<KeptPath>,
    /// Whether there were more.
    pub discarded_more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_comes_back() {
        for bytes in [&b"/home/u/caf\xc3\xa9"[..], b"/home/u/\xff\n", b"/", b"\x1b[2J"] {
            let path = PathBuf::from(OsString::from_vec(bytes.to_vec()));
            let text = serde_json::to_string(&KeptPath::from(path.as_path())).unwrap();
            assert_eq!(serde_json::from_str::<KeptPath>(&text).unwrap().path(), path, "{text}");
        }
    }
}
