//! Other processes: the one that holds the values, and the init of the run.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;

use nix::sys::signal::kill;
use nix::unistd::{ForkResult, fork, getppid, setsid};

use super::{Act, Outcome, call, holds_secret, why};

pub(crate) const ATTACKS: &[(&str, Act)] = &[
    ("environments", environments),
    ("see-parent", see_parent),
    ("parent-memory", |_| open(&format!("/proc/{}/mem", getppid()))),
    ("parent-environment", |_| readable(&format!("/proc/{}/environ", getppid()))),
    ("parent-root", |_| link(&format!("/proc/{}/root", getppid()))),
    ("parent-working-directory", |_| link(&format!("/proc/{}/cwd", getppid()))),
    ("parent-descriptors", |_| {
        let all = fs::read_dir(format!("/proc/{}/fd", getppid())).map_err(why("list"))?.flatten();
        let targets: Vec<_> = all.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
        if targets.is_empty() { Err("none can be followed".into()) } else { Ok(format!("{targets:?}")) }
    }),
    ("parent-trace", trace),
    ("parent-read-memory", read_memory),
    ("parent-take-descriptor", take_descriptor),
    ("privileges-by-program", |_| flag("NoNewPrivs:", "0")),
    ("capability-admin", |_| capability(21)),
    ("capability-trace", |_| capability(19)),
    ("capability-network", |_| capability(12)),
    ("signal-parent", |_| {
        kill(getppid(), None).map(|()| "its parent takes signals".into()).map_err(|error| format!("kill: {error}"))
    }),
    ("outlive", outlive),
    ("outlive-as-daemon", daemon),
];

/// The environment and arguments of every process that can be seen.
fn environments(_: &str) -> Outcome {
    for entry in fs::read_dir("/proc").map_err(why("list"))?.flatten() {
        for file in ["environ", "cmdline"] {
            let path = entry.path().join(file);
            if fs::read(&path).is_ok_and(|bytes| holds_secret(&bytes)) {
                return Ok(format!("the real value in {}", path.display()));
            }
        }
    }
    Err("in no process".into())
}

/// A process whose arguments begin the run that this one is the command of.
fn see_parent(mark: &str) -> Outcome {
    let own = std::process::id().to_string();
    for entry in fs::read_dir("/proc").map_err(why("list"))?.flatten() {
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let names = |text: &[u8]| memchr::memmem::find(&arguments, text).is_some();
        if entry.file_name() != *own && names(b"\0run\0") && names(mark.as_bytes()) {
            return Ok(format!("the parent is process {}", entry.file_name().display()));
        }
    }
    Err("no such process".into())
}

fn open(path: &str) -> Outcome {
    File::open(path).map(|_| format!("{path} is open")).map_err(why(path))
}

fn readable(path: &str) -> Outcome {
    fs::read(path).map(|bytes| format!("{} bytes", bytes.len())).map_err(why(path))
}

fn link(path: &str) -> Outcome {
    let facts = fs::metadata(path).map_err(why(path))?;
    Ok(format!("inode {}", facts.ino()))
}

fn parent() -> usize {
    usize::try_from(getppid().as_raw()).unwrap()
}

fn trace(_: &str) -> Outcome {
    const PTRACE_SEIZE: usize = 0x4206;
    call(libc::SYS_ptrace, &[PTRACE_SEIZE, parent(), 0, 0]).map(|_| "traced".into()).map_err(why("ptrace"))
}

/// One byte of the parent's first mapping; where the list of mappings is closed, of where this program has its own.
fn read_memory(_: &str) -> Outcome {
    let maps = File::open(format!("/proc/{}/maps", getppid())).or_else(|_| File::open("/proc/self/maps"));
    let mut line = String::new();
    BufReader::new(maps.map_err(why("maps"))?).read_line(&mut line).map_err(why("maps"))?;
    let address = usize::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
    let mut byte = 0_u8;
    let (local, remote) = ([(&raw mut byte).addr(), 1], [address, 1]);
    let arguments = [parent(), local.as_ptr().addr(), 1, remote.as_ptr().addr(), 1, 0];
    call(libc::SYS_process_vm_readv, &arguments).map(|_| "a byte of its memory".into()).map_err(why("process_vm_readv"))
}

fn take_descriptor(_: &str) -> Outcome {
    let process = call(libc::SYS_pidfd_open, &[parent(), 0]).map_err(why("pidfd_open"))?;
    let process = usize::try_from(process).unwrap();
    call(libc::SYS_pidfd_getfd, &[process, 0, 0]).map(|_| "its stdin".into()).map_err(why("pidfd_getfd"))
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
    let effective = u64::from_str_radix(&status("CapEff:")?, 16).map_err(|error| error.to_string())?;
    if effective >> number & 1 == 1 { Ok(format!("{effective:#x}")) } else { Err(format!("{effective:#x}")) }
}

/// Waits to be killed; whether it lives on is for the host to say.
fn outlive(_: &str) -> Outcome {
    println!("waiting");
    loop {
        std::thread::park();
    }
}

/// Leaves a process whose parents are gone, in a session of its own, and waits like the other.
fn daemon(mark: &str) -> Outcome {
    // SAFETY: the attacker has one thread.
    match unsafe { fork() }.map_err(|error| error.to_string())? {
        ForkResult::Parent { child } => {
            nix::sys::wait::waitpid(child, None).map_err(|error| error.to_string())?;
            loop {
                std::thread::park();
            }
        }
        ForkResult::Child => {
            setsid().map_err(|error| error.to_string())?;
            // SAFETY: the attacker has one thread.
            match unsafe { fork() }.map_err(|error| error.to_string())? {
                ForkResult::Parent { .. } => std::process::exit(0),
                ForkResult::Child => outlive(mark),
            }
        }
    }
}
