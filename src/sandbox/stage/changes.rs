//! Which files of the private layers the child made, changed or deleted: they end with the run, and the user is told.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::overlay::Layer;

/// The most paths that are told.
const MOST_TOLD: usize = 200;
/// The most entries that are looked at: a package manager may have written a hundred thousand.
const MOST_SEEN: usize = 20_000;

/// The layers, kept beyond the mount of the staging.
#[derive(Debug)]
pub(super) struct Layers {
    staging: OwnedFd,
    layers: Vec<Layer>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Paths as the child saw them, sorted.
    pub(super) paths: Vec<PathBuf>,
    /// There are more.
    pub(super) more: bool,
}

impl Layers {
    /// Keeps `layers` through a handle on the staging that they are in.
    pub(super) fn keep(staging: OwnedFd, layers: Vec<Layer>) -> Self {
        Self { staging, layers }
    }

    /// Looks through every layer. Best effort: what cannot be read is not told.
    pub(super) fn changes(&self) -> Changes {
        let mut changes = Changes::default();
        let mut seen = 0;
        for layer in &self.layers {
            let Some(name) = layer.upper.file_name() else { continue };
            let upper = PathBuf::from(format!("/proc/self/fd/{}", self.staging.as_raw_fd())).join(name);
            look(layer, &upper, Path::new(""), &mut seen, &mut changes);
        }
        changes.paths.sort();
        changes
    }
}

fn look(layer: &Layer, upper: &Path, below: &Path, seen: &mut usize, changes: &mut Changes) {
    let Ok(entries) = fs::read_dir(upper.join(below)) else { return };
    for entry in entries.flatten() {
        *seen += 1;
        if *seen > MOST_SEEN || changes.paths.len() >= MOST_TOLD {
            changes.more = true;
            return;
        }
        let below = below.join(entry.file_name());
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            look(layer, upper, &below, seen, changes);
        } else if layer.ours.get(&below) != Some(&(metadata.ino(), metadata.mtime_nsec())) {
            changes.paths.push(layer.path.join(below));
        }
    }
}
