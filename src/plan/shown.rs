//! How paths and arguments are written where a plan is shown: as text, what is none of it replaced.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Serializer;

use crate::mask::Awaited;

pub(super) fn path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

pub(super) fn paths<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}

pub(super) fn awaited<S: Serializer>(awaited: &[Awaited], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(awaited.iter().map(|awaited| awaited.path.to_string_lossy()))
}

pub(super) fn texts<S: Serializer>(texts: &[OsString], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(texts.iter().map(|text| text.to_string_lossy()))
}
