//! What the child reaches of ours by a path: Unix sockets whose listeners go to the parent, and our own executable under
//! the names of programs that open a browser.
//!
//! **Invariants.** Neither gives the child anything of the host's: a socket made here leads to the parent alone, which
//! judges what comes; the executable is a read-only mount. Both lie on top of masks and covers, at paths that the user or
//! this program chose.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use super::carried::make_way;
use super::site::Site;
use super::staging::{Look, READ_ONLY, Staging, bind};
use crate::sys::mount::{attach_tree, clone_tree, restrict};

/// Makes the sockets, in the order of the profile. No process of the child exists yet.
pub(super) fn make(site: &Site, staging: &mut Staging) -> Result<Vec<OwnedFd>, Failure> {
    // Without /run of the seal's own, which only a test leaves out, there is no place for what is ours there.
    let has_place = |path: &&PathBuf| !site.without(Mechanism::OwnRun) || !path.starts_with("/run");
    let sockets = site.profile.listeners.iter().filter(has_place);
    sockets
        .map(|path| {
            let made = make_one(path, site, staging);
            made.blame_at(Mechanism::Listeners, "making a socket for the child", path)
        })
        .collect()
}

/// Bound in the staging, where no path is too long and nothing of the host's is touched, then mounted where it belongs.
fn make_one(path: &Path, site: &Site, staging: &mut Staging) -> io::Result<OwnedFd> {
    let point = staging.fresh();
    let listener = UnixListener::bind(&point)?;
    listener.set_nonblocking(true)?;
    // Every process of the seal is the child, whatever ids root gives it.
    Look::own(0o666, site).put_on(&point)?;
    if site.is_volatile(path) && site.tree_of(path).is_none() {
        make_way(path, false)?;
    }
    bind(&point, path, READ_ONLY)?;
    Ok(listener.into())
}

/// Takes the executable while the host's directories are in sight.
pub(super) fn take_program(site: &Site) -> Result<Option<OwnedFd>, Failure> {
    let Some(program) = &site.profile.program else { return Ok(None) };
    let take = || {
        let tree = clone_tree(&program.executable, false)?;
        restrict(&tree, READ_ONLY, false)?;
        Ok::<_, io::Error>(tree)
    };
    take().map(Some).blame_at(Mechanism::Places, "taking our own executable", &program.executable)
}

/// Puts it in its place, with its names beside it.
pub(super) fn put_program(tree: Option<OwnedFd>, site: &Site) -> Result<(), Failure> {
    let (Some(tree), Some(program)) = (tree, &site.profile.program) else { return Ok(()) };
    if site.without(Mechanism::OwnRun) {
        return Ok(());
    }
    let put = || {
        make_way(&program.path, false)?;
        attach_tree(tree, &program.path)?;
        let (Some(directory), Some(name)) = (program.path.parent(), program.path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        program.names.iter().try_for_each(|link| symlink(name, directory.join(link)))?;
        bind(directory, directory, READ_ONLY)
    };
    put().blame_at(Mechanism::Places, "putting our own executable in its place", &program.path)
}
