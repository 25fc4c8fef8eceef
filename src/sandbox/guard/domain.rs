//! The child's Landlock domain: finds the paths of the rules on this machine and enters it.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::AT_FDCWD;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, SFlag, fstat};

use super::super::failure::{Blame, Failure};
use super::super::left_out::LeftOut;
use super::super::mechanism::Mechanism;
use super::super::mountinfo;
use super::grants::{Grant, TooMany, Wanted, grants};
use super::profile::GuardProfile;
use super::rights::{self, Access};
use crate::sys::landlock::Ruleset;

/// What the host shares with every program, and programs write without asking.
const SHARED: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];
/// Devices that show and change nothing of the host. New terminals are made by `ptmx`; those of others lie beside theirs
/// in `/dev/pts`, which is why that takes `--device /dev/pts`.
const DEVICES: [&str; 7] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx"];
/// Parts of /run that hold the system itself: the resolver's configuration, and the programs of `NixOS`.
const SYSTEM: [&str; 5] = [
    "/run/systemd/resolve/resolv.conf",
    "/run/systemd/resolve/stub-resolv.conf",
    "/run/current-system",
    "/run/booted-system",
    "/run/opengl-driver",
];

/// Device and inode.
type Identity = (u64, u64);

/// The paths of a run on this machine.
#[derive(Debug)]
pub(super) struct Domain<'a> {
    profile: &'a GuardProfile,
    left_out: &'a LeftOut,
    version: u32,
    wanted: Wanted,
    identities: HashSet<Identity>,
}

impl<'a> Domain<'a> {
    /// Looks at the machine.
    pub(super) fn survey(
        profile: &'a GuardProfile,
        left_out: &'a LeftOut,
        version: u32,
        terminal: Option<&Path>,
    ) -> Result<Self, Failure> {
        let table = Path::new("/proc/self/mountinfo");
        let text = fs::read(table).blame_at(Mechanism::Landlock, "reading mounts", table)?;
        let mounts = mountinfo::parse(&text)
            .ok_or_else(|| Failure::found(Mechanism::Landlock, "reading mounts", Some(table)))?;
        let real = |paths: &[PathBuf]| paths.iter().filter_map(|path| path.canonicalize().ok()).collect::<Vec<_>>();
        let home = profile.home.canonicalize().unwrap_or_else(|_| profile.home.clone());
        let mut shared = real(&SHARED.map(PathBuf::from));
        shared.retain(|tree| !home.starts_with(tree));
        let mut denied: BTreeSet<PathBuf> = real(&profile.denied).into_iter().collect();
        let second: Vec<PathBuf> = denied.iter().flat_map(|path| mountinfo::aliases(&mounts, path)).collect();
        denied.extend(second.into_iter().filter(|path| path.exists()));
        let identities = denied.iter().filter_map(|path| identity_of(path)).collect();
        let mut devices = real(&DEVICES.map(PathBuf::from));
        devices.extend(real(&profile.devices));
        devices.extend(terminal.and_then(|path| path.canonicalize().ok()));
        let mut readable = real(std::slice::from_ref(&profile.own));
        readable.extend(real(&SYSTEM.map(PathBuf::from)));
        let writable = [real(&profile.writable), shared].concat();
        let wanted = Wanted { denied, writable, readable, devices };
        Ok(Self { profile, left_out, version, wanted, identities })
    }

    /// What cannot be read inside, each with its second mounts.
    pub(super) fn denied(&self) -> &BTreeSet<PathBuf> {
        &self.wanted.denied
    }

    /// Enters the domain; says how many rules it has. `no_new_privs` must be set.
    pub(super) fn enter(&self) -> Result<u32, Failure> {
        let handled = rights::handled(self.version, self.left_out);
        let ruleset = Ruleset::new(handled).blame(Mechanism::Landlock, "making a set of rules")?;
        let grants = grants(&self.wanted, &entries).map_err(|TooMany| {
            Failure::found(Mechanism::Landlock, "there are too many files beside those that are denied", None)
        })?;
        let mut rules = 0;
        for Grant { path, access } in &grants {
            // Gone since it was listed, or in a place that this user cannot enter: nothing to grant.
            let Ok((place, stat)) = open(path) else { continue };
            let rights = access.rights(handled, is_directory(&stat));
            let is_denied = *access != Access::Device && self.identities.contains(&(stat.st_dev, stat.st_ino));
            if rights != 0 && !is_denied {
                match ruleset.allow_beneath(&place, rights) {
                    // Kernel-internal file systems, which no rule can name and no domain judges.
                    Err(error) if error.raw_os_error() == Some(libc::EBADFD) => {}
                    added => added.blame_at(Mechanism::Landlock, "adding a rule", path)?,
                }
                rules += 1;
            }
        }
        if handled.network != 0 {
            for port in &self.profile.ports {
                let added = ruleset.allow_port(*port, rights::CONNECT);
                added.blame(Mechanism::LandlockConnections, "opening the broker's port")?;
            }
        }
        ruleset.restrict().blame(Mechanism::Landlock, "entering the domain")?;
        Ok(rules)
    }
}

/// Opens what a rule names, without following a symlink on the way: names come from listed directories, and one that
/// has been exchanged since then is not what was listed.
fn open(path: &Path) -> io::Result<(OwnedFd, FileStat)> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    let place = openat2(AT_FDCWD, path, how)?;
    let stat = fstat(place.as_fd())?;
    Ok((place, stat))
}

fn is_directory(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
}

fn identity_of(path: &Path) -> Option<Identity> {
    open(path).ok().map(|(_, stat)| (stat.st_dev, stat.st_ino))
}

/// The names in a directory that are no symlinks; none where it cannot be listed.
fn entries(directory: &Path) -> Vec<OsString> {
    let Ok(listed) = fs::read_dir(directory) else { return Vec::new() };
    let is_symlink = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_symlink());
    listed.flatten().filter(|entry| !is_symlink(entry)).map(|entry| entry.file_name()).collect()
}
