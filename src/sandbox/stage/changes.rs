//! What is handed to the parent at the end: the private layers, with what the child made, changed and deleted in them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::super::left::LeftLayer;
use super::overlay::Layer;

/// The layers, kept beyond the mount of the staging.
#[derive(Debug)]
pub(super) struct Layers {
    staging: OwnedFd,
    layers: Vec<Layer>,
}

impl Layers {
    /// Keeps `layers` through a handle on the staging that they are in.
    pub(super) fn keep(staging: OwnedFd, layers: Vec<Layer>) -> Self {
        Self { staging, layers }
    }

    /// The file system that they are in.
    pub(super) fn staging(&self) -> BorrowedFd<'_> {
        self.staging.as_fd()
    }

    /// Each layer, by its name there, with what we put into it.
    pub(super) fn listed(&self) -> Vec<LeftLayer> {
        let list = |layer: &Layer| {
            let ours = layer.ours.iter().map(|(path, state)| (path.clone(), *state)).collect();
            Some(LeftLayer { path: layer.path.clone(), name: layer.upper.file_name()?.into(), ours })
        };
        self.layers.iter().filter_map(list).collect()
    }
}
