//! Turns a path that a rule names into a [`Found`].

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{Content, Found, Realm, Search, read};
use crate::mask::MaskError;
use crate::policy::{Action, Origin};

/// Why a path is looked at.
#[derive(Clone)]
pub(super) struct Wanted<'a> {
    pub(super) realm: Realm,
    pub(super) id: Option<&'a str>,
    pub(super) action: &'a Action,
    pub(super) reason: String,
    pub(super) origin: Origin,
    /// Whether a directory in its place is hidden as well; a directory called `.env` is none of ours.
    pub(super) directories: bool,
}

/// What is guarded where a rule names `path`: what stands there, by a name without symlinks on the way, and what a symlink
/// there leads to, unless the project lies in that. Symlinks of the project on the way are guarded as well, since they could
/// be replaced.
pub(super) fn guarded(search: &Search<'_>, path: &Path) -> Vec<PathBuf> {
    // Most of what the rules name does not exist, and this is the cheapest way to see it.
    if fs::symlink_metadata(path).is_err() {
        return Vec::new();
    }
    let target = fs::canonicalize(path).ok().filter(|target| !search.project.starts_with(target));
    let in_project = |above: &&Path| above.starts_with(search.project) && *above != search.project;
    let way = path.ancestors().skip(1).take_while(in_project);
    let links = way.filter(|above| above.is_symlink()).filter_map(itself);
    let mut guarded: Vec<PathBuf> = itself(path).into_iter().chain(target).chain(links).collect();
    guarded.dedup();
    guarded
}

/// `path` without symlinks on the way, if something stands there.
pub(super) fn itself(path: &Path) -> Option<PathBuf> {
    fs::symlink_metadata(path).ok()?;
    Some(fs::canonicalize(path.parent()?).ok()?.join(path.file_name()?))
}

/// Looks at `path`, through symlinks. `None` where nothing is there that could show a secret.
pub(super) fn look(search: &Search<'_>, path: &Path, wanted: Wanted<'_>) -> Result<Option<Found>, MaskError> {
    let Some((real, metadata)) = resolve(path)? else { return Ok(None) };
    let kind = metadata.file_type();
    // A history that leads to `/dev/null` holds nothing, and sockets are found by their kind.
    if kind.is_char_device() || kind.is_block_device() || kind.is_socket() || is_kernels(&real) {
        return Ok(None);
    }
    let render = match wanted.action {
        Action::Render(render) => Some(render.clone()),
        Action::Hide => None,
    };
    let content = match (metadata.is_dir(), wanted.directories) {
        (true, true) => Content::Directory,
        (true, false) => return Ok(None),
        (false, _) => content(search, &real, &metadata, render.is_some())?,
    };
    let render = render.filter(|_| matches!(content, Content::Bytes(_)));
    let may_grant = wanted.realm == Realm::Home && path == real && !is_writable(search, &real);
    Ok(Some(Found {
        path: real,
        aliases: Vec::new(),
        unseen_links: unseen_links(search, &metadata, wanted.action),
        realm: wanted.realm,
        id: wanted.id.map(ToOwned::to_owned),
        may_grant,
        render,
        content,
        reason: wanted.reason,
        origin: wanted.origin,
    }))
}

/// Whether some run may have written what stands there.
pub(super) fn is_writable(search: &Search<'_>, path: &Path) -> bool {
    path.starts_with(search.project) || search.writable.holds(path)
}

/// Whether a path is in one of the kernel's own trees, which the child has its own of: what a name there shows differs
/// from process to process. Of those, only /dev/shm holds files of users.
fn is_kernels(path: &Path) -> bool {
    ["/proc", "/sys", "/dev"].iter().any(|tree| path.starts_with(tree)) && !path.starts_with("/dev/shm")
}

/// How many further names the file has. A hidden file of somebody else that all may read is no secret, and its names are
/// legion where a package store links equal files; a rendered one is judged by what stands in it.
fn unseen_links(search: &Search<'_>, metadata: &Metadata, action: &Action) -> u64 {
    let is_public = metadata.uid() != search.uid && metadata.mode() & 0o004 != 0 && *action == Action::Hide;
    if metadata.is_dir() || is_public { 0 } else { metadata.nlink().saturating_sub(1) }
}

/// Where the path leads; `None` where it leads nowhere, or where neither we nor the child can follow it.
fn resolve(path: &Path) -> Result<Option<(PathBuf, Metadata)>, MaskError> {
    // Most places of the rules do not exist, and this is the cheapest way to see it.
    let resolved = fs::symlink_metadata(path)
        .and_then(|_| fs::canonicalize(path))
        .and_then(|real| fs::metadata(&real).map(|metadata| (real, metadata)));
    match resolved {
        Ok(resolved) => Ok(Some(resolved)),
        Err(error) if leads_nowhere(&error) => Ok(None),
        Err(source) => Err(MaskError::Unreadable { path: path.to_owned(), source }),
    }
}

/// Whether the child meets the same end: nothing there, a loop of symlinks, a directory closed to the user.
fn leads_nowhere(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidFilename
    ) || error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32)
}

fn content(search: &Search<'_>, path: &Path, metadata: &Metadata, is_rendered: bool) -> Result<Content, MaskError> {
    if !metadata.is_file() {
        return Ok(Content::Unreadable);
    }
    if !is_rendered {
        return Ok(Content::Unread);
    }
    match read::read(path) {
        Ok(content) => Ok(content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Content::Unread),
        // A file of somebody else that is closed to us is closed to the child; one of ours it could open up.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && metadata.uid() != search.uid => {
            Ok(Content::Unread)
        }
        Err(source) => Err(MaskError::Unreadable { path: path.to_owned(), source }),
    }
}
