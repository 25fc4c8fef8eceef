//! Masks put anew while the command runs, over what the host put in the place of a masked file, and over new files.
//!
//! **Invariants.** Where this returns without an error, the path is masked or nothing is there. A path at which a mask of
//! ours shows gets no second one. What is mounted holds placeholders only: the parent has seen to that.

use std::cell::Cell;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::super::mechanism::Mechanism;
use super::super::profile::{Mask, MaskKind, Put};
use super::changes::Layers;
use super::site::Site;
use super::staging::{Look, READ_ONLY, bind, write_new};

/// How often a mask is tried where the file is replaced at the same time.
const MOST_TRIES: usize = 64;

/// Puts masks.
#[derive(Debug)]
pub(super) struct Remask<'a> {
    site: &'a Site<'a>,
    /// Masks made so far, which gives each its name.
    made: Cell<u32>,
}

impl<'a> Remask<'a> {
    pub(super) fn new(site: &'a Site<'a>) -> Self {
        Self { site, made: Cell::new(0) }
    }

    /// Puts `mask` over what is at its path.
    pub(super) fn put(&self, mask: &Mask, layers: &Layers) -> io::Result<Put> {
        for _ in 0..MOST_TRIES {
            match self.try_to_put(mask, layers) {
                // It was taken away, or another put there, while it was masked: editors write and rename in one breath.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
        Err(io::Error::other("it is replaced faster than it can be masked"))
    }

    fn try_to_put(&self, mask: &Mask, layers: &Layers) -> io::Result<Put> {
        if self.site.without(Mechanism::LiveMasks) || self.is_carried(mask, layers) {
            return Ok(Put::Before);
        }
        let present = match fs::symlink_metadata(&mask.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Put::Nothing),
            other => other?,
        };
        let device = layers.device()?;
        if present.dev() == device {
            return Ok(Put::Before);
        }
        if present.is_dir() && matches!(mask.kind, MaskKind::File { .. }) {
            return Ok(Put::Nothing);
        }
        self.made.set(self.made.get() + 1);
        let source = layers.place(&format!("remask-{}", self.made.get()));
        let look = Look::of(&present, self.site);
        match &mask.kind {
            MaskKind::EmptyDirectory {} if present.is_dir() => look.make_directory(&source)?,
            MaskKind::EmptyDirectory {} => write_new(&source, b"", look)?,
            // A symlink's mode says nothing, and the mask is no symlink.
            MaskKind::File { bytes } if present.is_symlink() => {
                write_new(&source, &bytes.0, Look::own(0o600, self.site))?;
            }
            MaskKind::File { bytes } => write_new(&source, &bytes.0, look)?,
        }
        bind(&source, &mask.path, READ_ONLY)?;
        if fs::symlink_metadata(&mask.path)?.dev() == device {
            Ok(Put::Now)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// Whether the mask lies in the upper layer of an overlay, where nothing that the host does brings the file back.
    fn is_carried(&self, mask: &Mask, layers: &Layers) -> bool {
        let is_of_the_start = self.site.masks.iter().any(|known| known.path == mask.path);
        is_of_the_start && self.site.tree_of(&mask.path).is_none() && layers.carry(&mask.path)
    }
}
