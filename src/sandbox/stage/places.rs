//! Files of ours inside: the resolver's configuration, and what the profile adds (certificate bundles).
//!
//! Each goes where the path's symlinks lead inside the seal. In a directory of the seal's own it is a file; elsewhere it
//! is mounted over the file that is there, or, for real root, written through the overlay, so that package managers can
//! replace it for themselves.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use super::super::profile::Place;
use super::overlay::Overlays;
use super::site::{Site, VOLATILE};
use super::staging::{Look, READ_ONLY, Staging, bind, make_directories, write_new};

const RESOLVER: &str = "/etc/resolv.conf";
const SWITCH: &str = "/etc/nsswitch.conf";

/// Every address is local and has the broker's DNS on port 53; no search domain leaks a name into others.
const RESOLVER_TEXT: &[u8] = b"nameserver 127.0.0.1\n";

/// The directories of the seal's own: /tmp, /var/tmp and /run, with the user's runtime directory.
pub(super) fn own_directories(site: &Site, staging: &mut Staging) -> Result<(), Failure> {
    for (path, mechanism) in VOLATILE.iter().filter(|(path, _)| *path != "/dev") {
        let path = Path::new(path);
        // A link (to /tmp, say) leads to a directory of ours already.
        if site.without(*mechanism) || !path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            continue;
        }
        let made = if path == Path::new("/run") { run(path, site, staging) } else { temporary(path, site, staging) };
        made.blame_at(*mechanism, "making a directory of our own", path)?;
    }
    let Some(runtime) = &site.profile.runtime_directory else { return Ok(()) };
    if !site.is_volatile(runtime) {
        return Ok(());
    }
    let made = make_directories(runtime).and_then(|()| Look::own(0o700, site).put_on(runtime));
    made.blame_at(Mechanism::OwnRun, "making the runtime directory", runtime)
}

fn temporary(path: &Path, site: &Site, staging: &mut Staging) -> io::Result<()> {
    bind(&staging.directory(Look::own(0o1777, site))?, path, super::staging::WRITABLE)
}

/// Links at the top of /run lead elsewhere (NixOS's `current-system`): they are kept.
fn run(path: &Path, site: &Site, staging: &mut Staging) -> io::Result<()> {
    let own = staging.directory(Look::own(0o755, site))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, own.join(entry.file_name()))?;
        }
    }
    let lock = own.join("lock");
    if lock.symlink_metadata().is_err() {
        fs::create_dir(&lock)?;
        Look::own(0o1777, site).put_on(&lock)?;
    }
    bind(&own, path, super::staging::WRITABLE)
}

/// Puts every file in its place.
pub(super) fn lay(
    places: &[Place],
    site: &Site,
    overlays: &mut Overlays,
    staging: &mut Staging,
) -> Result<(), Failure> {
    if site.without(Mechanism::Places) {
        return Ok(());
    }
    let switch = fs::read(SWITCH).map(|text| with_own_hosts(&text));
    let ours = [(RESOLVER, Some(RESOLVER_TEXT.to_vec())), (SWITCH, switch.ok())];
    for (path, bytes) in ours {
        let Some(bytes) = bytes else { continue };
        lay_one(&[path.into()], &bytes, site, overlays, staging)?;
    }
    for place in places {
        lay_one(&place.paths, &place.bytes.0, site, overlays, staging)?;
    }
    close_directories(places, site).blame(Mechanism::Places, "making our own files read-only")
}

/// Directories of ours with nothing but files of ours (/run/agentsecrets): read-only for the child, whose user owns them.
fn close_directories(places: &[Place], site: &Site) -> io::Result<()> {
    let paths = places.iter().flat_map(|place| &place.paths);
    let directories: BTreeSet<&Path> = paths.filter_map(|path| path.parent()).collect();
    let is_ours = |directory: &Path| {
        let is_users = site.profile.runtime_directory.iter().any(|runtime| directory.starts_with(runtime));
        let is_in_run = directory.starts_with("/run") && directory != Path::new("/run");
        is_in_run && !is_users && site.is_volatile(directory) && site.tree_of(directory).is_none()
    };
    let ours = directories.into_iter().filter(|directory| is_ours(directory));
    let mut ours = ours.filter(|directory| directory.symlink_metadata().is_ok_and(|found| found.is_dir()));
    ours.try_for_each(|directory| bind(directory, directory, READ_ONLY))
}

/// Puts one file at all its paths, each real place once.
fn lay_one(
    paths: &[PathBuf],
    bytes: &[u8],
    site: &Site,
    overlays: &mut Overlays,
    staging: &mut Staging,
) -> Result<(), Failure> {
    let mut staged = None;
    for path in paths.iter().filter_map(|path| destination(path)).collect::<BTreeSet<_>>() {
        put(&path, bytes, &mut staged, site, staging).blame_at(Mechanism::Places, "placing a file", &path)?;
        overlays.is_ours(&path);
    }
    Ok(())
}

/// `staged` is the file that is mounted wherever it is: made when it is first needed.
fn put(path: &Path, bytes: &[u8], staged: &mut Option<PathBuf>, site: &Site, staging: &mut Staging) -> io::Result<()> {
    let look = Look::own(0o644, site);
    let exists = path.symlink_metadata().is_ok();
    if site.is_volatile(path) && site.tree_of(path).is_none() {
        if let Some(parent) = path.parent() {
            make_directories(parent)?;
        }
        return if exists { fs::write(path, bytes) } else { write_new(path, bytes, look) };
    }
    if !exists || site.real_root && fs::write(path, bytes).is_ok() {
        return Ok(());
    }
    let source = match staged {
        Some(source) => source,
        None => staged.insert(staging.file(bytes, look)?),
    };
    bind(source, path, READ_ONLY)
}

/// Where the symlinks of `path` lead inside, whether or not something is there; `None` for a loop.
fn destination(path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    // As many links as the kernel follows (path_resolution(7)).
    for _ in 0..40 {
        let parent = path.parent()?;
        let parent = fs::canonicalize(parent).unwrap_or_else(|_| parent.to_owned());
        path = parent.join(path.file_name()?);
        match fs::read_link(&path) {
            Ok(link) => path = without_dots(&parent.join(link)),
            Err(_) => return Some(path),
        }
    }
    None
}

/// Takes `.` and `..` out by name: `path` leads through directories that may not exist.
fn without_dots(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// The name service switch with hosts from the file and from DNS alone: other modules ask services of the host.
fn with_own_hosts(text: &[u8]) -> Vec<u8> {
    let mut own = Vec::with_capacity(text.len() + 18);
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if !line.trim_ascii_start().starts_with(b"hosts:") {
            own.extend_from_slice(line);
        }
    }
    if own.last().is_some_and(|&byte| byte != b'\n') {
        own.push(b'\n');
    }
    own.extend_from_slice(b"hosts: files dns\n");
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_files_and_dns_alone() {
        let text = b"passwd: files sss\n hosts: mymachines resolve [!UNAVAIL=return] dns\n# end";
        assert_eq!(with_own_hosts(text), b"passwd: files sss\n# end\nhosts: files dns\n");
        assert_eq!(with_own_hosts(b""), b"hosts: files dns\n");
    }

    #[test]
    fn follows_links_that_lead_nowhere_yet() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().canonicalize().unwrap();
        std::os::unix::fs::symlink("../other/./x", base.join("link")).unwrap();
        std::os::unix::fs::symlink("loop", base.join("loop")).unwrap();
        let expected = base.parent().unwrap().join("other/x");
        assert_eq!(destination(&base.join("link")), Some(expected));
        assert_eq!(destination(&base.join("plain")), Some(base.join("plain")));
        assert_eq!(destination(&base.join("loop")), None);
    }
}
