//! Puts one file back.

use std::io;
use std::path::Path;

use super::Done;
use crate::audit::{Kept, KeptError, KeptFile, KeptKind};
use crate::run::{Look, Spot};

/// Why a file could not be put back.
#[derive(Debug, thiserror::Error)]
pub(super) enum PutError {
    #[error("{0}")]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Kept(#[from] KeptError),
}

/// Puts `file` back below `home`; with `aside` what stands there stays beside it.
pub(super) fn put(kept: &Kept, file: &KeptFile, home: &Path, aside: bool) -> Result<Done, PutError> {
    let path = file.path.path();
    let below = path.strip_prefix(home).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let content = match &file.kind {
        KeptKind::File { stored, sha256, .. } => kept.content(*stored, sha256)?,
        KeptKind::Link { .. } | KeptKind::Removed => Vec::new(),
    };
    let spot = Spot::find(home, below, true)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let beside = if aside && spot.state()?.is_some() { Some(spot.keep_beside()?) } else { None };
    match &file.kind {
        KeptKind::File { mode, .. } => {
            let owner = spot.state()?.map(|there| (there.st_uid, there.st_gid));
            spot.write(&content, Look { mode: *mode, owner })?;
        }
        KeptKind::Link { target } => spot.link(&target.path())?,
        KeptKind::Removed => return Err(io::Error::from(io::ErrorKind::InvalidInput).into()),
    }
    let why = beside.map(|name| format!("what you had is `{}` now", name.display()));
    Ok(Done { word: "restored", why })
}
