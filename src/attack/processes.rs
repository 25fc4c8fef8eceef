//! Other processes: the one that holds the values, and the init of the run.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, IoSliceMut};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use nix::sched::CloneFlags;
use nix::sys::signal::{SIGKILL, kill};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::{getpid, setsid};

use super::{Act, Outcome, Scene, call, number, why};
use crate::sys::process::{Side, fork};

pub(super) const ATTACKS: &[(&str, Act)] = &[
    ("environments", environments),
    ("see-parent", see_parent),
    ("parent-memory", |scene| {
        let path = format!("/proc/{}/mem", scene.parent);
        File::open(&path).map(|_| format!("{path} is open")).map_err(why(&path))
    }),
    ("parent-environment", |scene| {
        let path = format!("/proc/{}/environ", scene.parent);
        fs::read(&path).map(|bytes| format!("{} bytes", bytes.len())).map_err(why(&path))
    }),
    ("parent-root", |scene| link(&format!("/proc/{}/root", scene.parent))),
    ("parent-working-directory", |scene| link(&format!("/proc/{}/cwd", scene.parent))),
    ("parent-descriptors", |scene| {
        let all = fs::read_dir(format!("/proc/{}/fd", scene.parent)).map_err(why("list"))?.flatten();
        let targets: Vec<_> = all.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
        if targets.is_empty() { Err("none can be followed".into()) } else { Ok(format!("{targets:?}")) }
    }),
    ("parent-trace", |scene| {
        const PTRACE_SEIZE: i64 = 0x4206;
        call(libc::SYS_ptrace, vec![number(PTRACE_SEIZE), number(scene.parent.as_raw()), number(0), number(0)])
            .map(|_| "traced".into())
            .map_err(why("ptrace"))
    }),
    ("parent-read-memory", read_memory),
    ("parent-take-descriptor", |scene| {
        let process = call(libc::SYS_pidfd_open, vec![number(scene.parent.as_raw()), number(0)]);
        let process = process.map_err(why("pidfd_open"))?;
        call(libc::SYS_pidfd_getfd, vec![number(process), number(0), number(0)])
            .map(|_| "its stdin".into())
            .map_err(why("pidfd_getfd"))
    }),
    ("privileges-by-program", |_| flag("NoNewPrivs:", "0")),
    ("capability-admin", |_| capability(21)),
    ("capability-trace", |_| capability(19)),
    ("capability-network", |_| capability(12)),
    ("signal-parent", |scene| {
        kill(scene.parent, None).map(|()| "its parent takes signals".into()).map_err(why("kill"))
    }),
    ("outlive", |_| outlive()),
    ("outlive-as-daemon", |_| daemon()),
];

/// The longest that an attack waits to be killed.
const LONGEST: Duration = Duration::from_mins(1);

/// The environment and arguments of every process that can be seen.
fn environments(scene: &Scene) -> Outcome {
    for entry in fs::read_dir("/proc").map_err(why("list"))?.flatten() {
        for file in ["environ", "cmdline"] {
            let path = entry.path().join(file);
            if fs::read(&path).is_ok_and(|bytes| scene.aim.is_in(&bytes)) {
                return Ok(format!("the real value in {}", path.display()));
            }
        }
    }
    Err("in no process".into())
}

/// A process whose arguments begin the run that this one is the command of.
fn see_parent(scene: &Scene) -> Outcome {
    let own = std::process::id().to_string();
    for entry in fs::read_dir("/proc").map_err(why("list"))?.flatten() {
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let names = |text: &[u8]| memchr::memmem::find(&arguments, text).is_some();
        if entry.file_name() != *own && names(b"\0run\0") && names(scene.mark.as_bytes()) {
            return Ok(format!("the parent is process {}", entry.file_name().display()));
        }
    }
    Err("no such process".into())
}

fn link(path: &str) -> Outcome {
    let facts = fs::metadata(path).map_err(why(path))?;
    Ok(format!("inode {}", facts.ino()))
}

/// One byte of the parent's first mapping; where the list of mappings is closed, of where this program has its own.
fn read_memory(scene: &Scene) -> Outcome {
    let maps = File::open(format!("/proc/{}/maps", scene.parent)).or_else(|_| File::open("/proc/self/maps"));
    let mut line = String::new();
    BufReader::new(maps.map_err(why("maps"))?).read_line(&mut line).map_err(why("maps"))?;
    let base = usize::from_str_radix(line.split('-').next().unwrap_or_default(), 16).map_err(why("maps"))?;
    let mut byte = [0];
    let remote = [RemoteIoVec { base, len: 1 }];
    process_vm_readv(scene.parent, &mut [IoSliceMut::new(&mut byte)], &remote)
        .map(|_| "a byte of its memory".into())
        .map_err(why("process_vm_readv"))
}

fn status(name: &str) -> Result<String, String> {
    let status = fs::read_to_string("/proc/self/status").map_err(why("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.map(|value| value.trim().to_owned()).ok_or_else(|| format!("no {name}"))
}

fn flag(name: &str, wanted: &str) -> Outcome {
    let value = status(name)?;
    if value == wanted { Ok(format!("{name} {value}")) } else { Err(format!("{name} {value}")) }
}

fn capability(number: u32) -> Outcome {
    let effective = u64::from_str_radix(&status("CapEff:")?, 16).map_err(why("status"))?;
    if effective >> number & 1 == 1 { Ok(format!("{effective:#x}")) } else { Err(format!("{effective:#x}")) }
}

/// Waits to be killed; whether it lives on is for the host to say.
fn outlive() -> Outcome {
    super::driver::say("waiting");
    // A control that nobody kills any more ends by itself.
    let end = Instant::now() + LONGEST;
    while Instant::now() < end {
        std::thread::park_timeout(end.saturating_duration_since(Instant::now()));
    }
    Err("it was left alone".into())
}

/// Leaves a process whose parents are gone, in a session of its own, and waits like the other.
fn daemon() -> Outcome {
    match fork(CloneFlags::empty()).map_err(why("fork"))? {
        Side::Parent(child, _) => {
            nix::sys::wait::waitpid(child, None).map_err(why("wait"))?;
            outlive()
        }
        Side::Child => {
            setsid().map_err(why("setsid"))?;
            match fork(CloneFlags::empty()).map_err(why("fork"))? {
                // It ends at once, with nobody to return to.
                Side::Parent(..) => kill(getpid(), SIGKILL).map(|()| String::new()).map_err(why("end")),
                Side::Child => outlive(),
            }
        }
    }
}
