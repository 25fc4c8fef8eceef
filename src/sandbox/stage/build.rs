//! The order in which the seal's file system is built.
//!
//! **Invariants.** What stays writable is taken aside first; then everything is read-only; then layers, kernel file
//! systems and directories of ours go on top; then what was taken aside goes back, and masks and guards over it, last.
//! From a failure on, nothing goes on.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use super::super::profile::{Mask, Place};
use super::carried::{Carried, take_trees};
use super::changes::Layers;
use super::covers::{self, Covers};
use super::devices::Devices;
use super::kernel;
use super::listeners;
use super::overlay::Overlays;
use super::places;
use super::site::Site;
use super::staging::{READ_ONLY, Staging};
use crate::sys::mount::restrict;

/// A finished file system.
#[derive(Debug)]
pub(super) struct Built<'a> {
    /// What the child will have changed in the end.
    pub(super) layers: Layers,
    /// Whether the home directory is overlaid.
    pub(super) home_is_overlaid: bool,
    /// Directories that had to be read-only.
    pub(super) read_only: Vec<std::path::PathBuf>,
    /// What is mounted over host paths.
    pub(super) covers: Covers<'a>,
    /// The Unix sockets that the profile asked for, listening.
    pub(super) listeners: Vec<OwnedFd>,
}

/// Builds it. `places` gives our own files when it is their turn.
pub(super) fn build<'a>(
    site: &'a Site,
    places: impl FnOnce() -> Result<Vec<Place>, Failure>,
) -> Result<Built<'a>, Failure> {
    let root = Path::new("/");
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, root, None::<&str>, private, None::<&str>)
        .blame(Mechanism::MountNamespace, "making mounts private")?;
    let trees = take_trees(site)?;
    let devices = if site.without(Mechanism::OwnDev) { None } else { Some(Devices::take(site)?) };
    let program = listeners::take_program(site)?;
    let control_groups = kernel::take_control_groups();
    if !site.without(Mechanism::ReadOnlyRoot) {
        let everything = std::fs::File::open(root).blame(Mechanism::ReadOnlyRoot, "opening the root")?;
        restrict(&everything, READ_ONLY, true).blame(Mechanism::ReadOnlyRoot, "making every mount read-only")?;
    }
    let mut staging = Staging::mount()?;
    let (mut overlays, rest) = overlay(site, &mut staging)?;
    let home = take_volatile_home(site, &overlays)?;
    kernel::proc(site, &mut staging)?;
    kernel::sys(control_groups, site, &mut staging)?;
    places::own_directories(site, &mut staging)?;
    for tree in home.into_iter().chain(trees) {
        tree.put_back(site).blame(Mechanism::ReadOnlyRoot, "putting a writable directory back")?;
    }
    let covers = covers::plan(site, &rest, &overlays.sockets);
    covers::mount(&covers, site, &mut staging)?;
    let listeners = listeners::make(site, &mut staging)?;
    listeners::put_program(program, site)?;
    places::lay(&places()?, site, &mut overlays, &mut staging)?;
    let handle = Staging::handle().blame(Mechanism::MountNamespace, "keeping the staging")?;
    let devices = devices.map(|devices| devices.assemble(site, &mut staging)).transpose()?;
    Staging::cover(devices.as_deref()).blame(Mechanism::OwnDev, "mounting our own /dev")?;
    let home_is_overlaid = overlays.layers.iter().any(|layer| site.home.starts_with(&layer.path));
    let mut copies = std::mem::take(&mut staging.copies);
    let others = site.profile.merged.iter().filter(|path| site.tree_of(path).is_none());
    let others: Vec<_> = others.filter(|path| !copies.iter().any(|(known, _)| known == *path)).collect();
    copies.extend(others.into_iter().filter_map(|path| Some((path.clone(), overlays.copy_of(path)?))));
    let layers = Layers::keep(handle, overlays.layers, &copies);
    Ok(Built { layers, home_is_overlaid, read_only: overlays.read_only, covers, listeners })
}

/// Mounts the overlays; gives the masks that none of them carries.
fn overlay<'a>(site: &'a Site, staging: &mut Staging) -> Result<(Overlays, Vec<&'a Mask>), Failure> {
    let mut overlays = Overlays::find(site, staging)?;
    let (mut hidden, mut rest) = (Vec::new(), Vec::new());
    for mask in &site.masks {
        if site.tree_of(&mask.path).is_some() {
            rest.push(mask);
        } else if overlays.hide(mask, site)? {
            hidden.push(mask);
        } else {
            rest.push(mask);
        }
    }
    overlays.mount(site, staging);
    // A layer that the kernel refused carries nothing.
    rest.extend(hidden.into_iter().filter(|mask| !overlays.carry(&mask.path)));
    // What lies where the seal has a directory of its own is out of sight.
    let is_seen = |path: &Path| site.tree_of(path).is_some() || !site.is_volatile(path) || overlays.carry(path);
    rest.retain(|mask| is_seen(&mask.path));
    Ok((overlays, rest))
}

/// A home directory in /tmp or its like would vanish under the seal's own: its overlay is taken aside as well.
fn take_volatile_home(site: &Site, overlays: &Overlays) -> Result<Option<Carried>, Failure> {
    let home = &site.home;
    if !site.is_volatile(home) || !overlays.layers.iter().any(|layer| layer.path == *home) {
        return Ok(None);
    }
    Carried::take(home).map(Some).blame_at(Mechanism::Overlay, "keeping the home layer", home)
}
