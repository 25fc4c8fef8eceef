//! The kernel's own file systems: a fresh /proc of the process namespace, and /sys, with the switches out of reach.
//!
//! Real root is uid 0 of the host here too, and most switches in /proc ask for nothing else: `core_pattern` alone would
//! run a program of the child's on the host. So for uid 0 whatever can be written in /proc outside the processes'
//! directories becomes read-only.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use super::super::failure::{Blame, Failure};
use super::super::mechanism::Mechanism;
use super::carried::Carried;
use super::site::Site;
use super::staging::{Look, READ_ONLY, Staging, WRITABLE, bind};

/// Files in /proc that show the kernel's memory or log, to uid 0.
const HIDDEN_FROM_ROOT: &[&str] = &[
    "kallsyms",
    "kcore",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "mtrr",
    "sched_debug",
    "slabinfo",
    "timer_list",
    "timer_stats",
    "vmallocinfo",
    "vmcore",
];

/// Files in /proc that show keys, to everybody.
const HIDDEN: &[&str] = &["keys", "key-users"];

/// Directories in /proc with devices' own switches.
const EMPTIED_FOR_ROOT: &[&str] = &["acpi", "asound", "scsi"];

/// Directories in /sys with switches or memory of the kernel: emptied where the host's own /sys has to do.
const EMPTIED_IN_SYS: &[&str] =
    &["firmware", "fs/bpf", "fs/pstore", "kernel/config", "kernel/debug", "kernel/security", "kernel/tracing"];

/// Larger than most files of the kernel's.
const USUAL: usize = 8192;

const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// Reads a file of /proc or /sys, which say that they have no bytes: into room for all of it, not piece by piece.
pub(super) fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL);
    fs::File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same as text.
pub(super) fn text(path: impl AsRef<Path>) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Mounts /proc. The kernel allows it only where the /proc it replaces is whole.
pub(super) fn proc(site: &Site, staging: &mut Staging) -> Result<(), Failure> {
    let proc = Path::new("/proc");
    // The kernel mounts /proc of a process namespace of our own only.
    if !site.without(Mechanism::FreshProc) && !site.without(Mechanism::PidNamespace) {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let mounted = mount(Some("proc"), proc, Some("proc"), flags, None::<&str>);
        mounted.blame_at(Mechanism::FreshProc, "mounting", proc)?;
    }
    if !site.without(Mechanism::ProcHidden) {
        hide_all(proc, site, staging).blame_at(Mechanism::ProcHidden, "hiding the kernel's memory", proc)?;
    }
    if site.user == 0 && !site.without(Mechanism::ProcReadOnly) {
        for path in switches(proc).blame(Mechanism::ProcReadOnly, "finding switches")? {
            bind(&path, &path, READ_ONLY).blame_at(Mechanism::ProcReadOnly, "making it read-only", &path)?;
        }
    }
    Ok(())
}

fn hide_all(proc: &Path, site: &Site, staging: &mut Staging) -> io::Result<()> {
    hide(proc, HIDDEN, site, staging)?;
    if site.user != 0 {
        return Ok(());
    }
    hide(proc, HIDDEN_FROM_ROOT, site, staging)?;
    empty(proc, EMPTIED_FOR_ROOT, site, staging)
}

/// What uid 0 could write in /proc outside the directories of processes.
fn switches(proc: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(proc)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        let metadata = entry.metadata()?;
        // Links (`self`, `net`, `mounts`) lead into the directories of processes.
        let writable = metadata.is_dir() || metadata.is_file() && metadata.permissions().mode() & 0o222 != 0;
        if writable && ![HIDDEN, HIDDEN_FROM_ROOT, EMPTIED_FOR_ROOT].concat().iter().any(|hidden| name == *hidden) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn hide(base: &Path, names: &[&str], site: &Site, staging: &mut Staging) -> io::Result<()> {
    let mut nothing = None;
    for path in names.iter().map(|name| base.join(name)).filter(|path| path.exists()) {
        let source = match &nothing {
            Some(source) => source,
            None => nothing.insert(staging.file(b"", Look::own(0o400, site))?),
        };
        bind(source, &path, READ_ONLY)?;
    }
    Ok(())
}

fn empty(base: &Path, names: &[&str], site: &Site, staging: &mut Staging) -> io::Result<()> {
    for path in names.iter().map(|name| base.join(name)).filter(|path| path.is_dir()) {
        bind(&staging.directory(Look::own(0o555, site))?, &path, READ_ONLY)?;
    }
    Ok(())
}

/// The host's control groups, taken while they are in sight.
pub(super) fn take_control_groups() -> Option<Carried> {
    Carried::take(Path::new(CONTROL_GROUPS)).ok()
}

/// Mounts a fresh, read-only /sys, which knows the network namespace; where that cannot be, the host's stays, which is
/// read-only already.
pub(super) fn sys(control_groups: Option<Carried>, site: &Site, staging: &mut Staging) -> Result<(), Failure> {
    let sys = Path::new("/sys");
    let step = "making it read-only";
    let mut flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let restrictions = if site.without(Mechanism::SysReadOnly) { WRITABLE } else { READ_ONLY };
    flags.set(MsFlags::MS_RDONLY, restrictions.read_only);
    if mount(Some("sysfs"), sys, Some("sysfs"), flags, None::<&str>).is_err() {
        return empty(sys, EMPTIED_IN_SYS, site, staging).blame_at(Mechanism::SysReadOnly, step, sys);
    }
    let back = control_groups.map_or(Ok(()), |groups| groups.restrict(restrictions)?.put_back(site));
    back.blame_at(Mechanism::SysReadOnly, step, Path::new(CONTROL_GROUPS))
}
