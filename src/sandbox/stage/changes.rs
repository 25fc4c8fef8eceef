//! What is handed to the parent at the end: the private layers, with what the child made, changed and deleted in them.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::super::left::LeftLayer;
use super::overlay::Layer;
use super::staging::Staging;

/// The layers, kept beyond the mount of the staging.
#[derive(Debug)]
pub(super) struct Layers {
    staging: OwnedFd,
    over: Vec<Layer>,
    /// The child's copies of masked files that it may change, by their names in the staging.
    copies: Vec<(PathBuf, PathBuf)>,
}

impl Layers {
    /// Keeps the layers `over` directories through a handle on the staging that they are in.
    pub(super) fn keep(staging: OwnedFd, over: Vec<Layer>, copies: &[(PathBuf, PathBuf)]) -> Self {
        let named = |(path, copy): &(PathBuf, PathBuf)| (path.clone(), Staging::name_of(copy).to_owned());
        Self { staging, over, copies: copies.iter().map(named).collect() }
    }

    /// The child's copies of masked files that it may change, by their names in the staging.
    pub(super) fn copies(&self) -> Vec<(PathBuf, PathBuf)> {
        self.copies.clone()
    }

    /// The file system that they are in.
    pub(super) fn staging(&self) -> BorrowedFd<'_> {
        self.staging.as_fd()
    }

    /// Whether `path` lies in a layer.
    pub(super) fn carry(&self, path: &Path) -> bool {
        self.over.iter().any(|layer| path.starts_with(&layer.path))
    }

    /// A path for something new in the staging.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.staging.as_raw_fd())).join(name)
    }

    /// The staging's file system.
    pub(super) fn device(&self) -> std::io::Result<u64> {
        Ok(nix::sys::stat::fstat(&self.staging)?.st_dev)
    }

    /// Each layer, by its name there, with what we put into it.
    pub(super) fn listed(&self) -> Vec<LeftLayer> {
        let list = |layer: &Layer| {
            let ours = layer.ours.iter().map(|(path, state)| (path.clone(), *state)).collect();
            Some(LeftLayer { path: layer.path.clone(), name: layer.upper.file_name()?.into(), ours })
        };
        self.over.iter().filter_map(list).collect()
    }
}
