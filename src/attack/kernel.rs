//! Calls that go past the filter's premise: other ways to do the same, other architectures, kernel-held secrets.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use super::{Act, Argument, Outcome, Scene, call, number, terminated, why};
use crate::sys::attempt::{Page, X32, process_by_foreign_gate};

pub(super) const ATTACKS: &[(&str, Act)] = &[
    ("io-uring", |_| {
        let mut parameters: Page = [0; 4096];
        numbered(libc::SYS_io_uring_setup, vec![number(1), Argument::Page(&mut parameters)])
    }),
    ("foreign-architecture", |_| match process_by_foreign_gate() {
        process @ 1.. => Ok(format!("process {process} by the 32-bit gate")),
        error => Err(format!("errno {}", -error)),
    }),
    ("x32", |_| numbered(X32 | libc::SYS_getppid, vec![])),
    ("keyring", keyring),
    ("userfaultfd", |_| numbered(libc::SYS_userfaultfd, vec![number(1)])),
    ("fanotify", |_| numbered(libc::SYS_fanotify_init, vec![number(0x200), number(0)])),
    ("bpf", |_| bpf()),
    ("perf", |_| perf()),
    ("shared-memory", shared_memory),
    ("block-device", |_| block_device()),
    ("device-mode", |_| keep_mode("/dev/full")),
    ("device-mode-by-stdin", |_| keep_mode("/proc/self/fd/0")),
    ("device-kernel-log", |_| open_to_write("/dev/kmsg")),
    ("core-pattern", |_| open_to_write("/proc/sys/kernel/core_pattern")),
    ("sysrq", |_| open_to_write("/proc/sysrq-trigger")),
    ("sys", |_| open_to_write("/sys/kernel/mm/ksm/run")),
    ("control-groups", |_| control_groups()),
    ("control-group-path", |_| control_group_path()),
    ("kernel-memory", |_| File::open("/proc/kcore").map(|_| "/proc/kcore is open".into()).map_err(why("open"))),
    ("kernel-keys", |scene| {
        let keys = fs::read_to_string("/proc/keys").map_err(why("read"))?;
        if keys.contains(&scene.aim.key) { Ok("the host's key is listed".into()) } else { Err("not listed".into()) }
    }),
    ("kernel-log", |_| {
        let mut text: Page = [0; 4096];
        let arguments = vec![number(3), Argument::Page(&mut text), Argument::Length];
        call(libc::SYS_syslog, arguments).map(|length| format!("{length} bytes of it")).map_err(why("syslog"))
    }),
    ("host-name", |scene| nix::unistd::sethostname(scene.mark).map(|()| "renamed".into()).map_err(why("sethostname"))),
];

fn numbered(number: i64, arguments: Vec<Argument>) -> Outcome {
    call(number, arguments).map(|result| format!("returned {result}")).map_err(why("the call"))
}

fn open_to_write(path: &str) -> Outcome {
    OpenOptions::new().write(true).open(path).map(|_| format!("{path} is open for writing")).map_err(why("open"))
}

/// The host's session keyring holds a key; whoever inherits the keyring can read it (keyrings(7)).
fn keyring(scene: &Scene) -> Outcome {
    const SESSION: i64 = -3;
    let (kind, name) = (terminated("user")?, terminated(&scene.aim.key)?);
    let search = vec![number(10), number(SESSION), Argument::Text(&kind), Argument::Text(&name), number(0)];
    let key = call(libc::SYS_keyctl, search).map_err(why("search"))?;
    let mut value: Page = [0; 4096];
    let read = vec![number(11), number(key), Argument::Page(&mut value), Argument::Length];
    let length = call(libc::SYS_keyctl, read).map_err(why("read"))?;
    Ok(format!("{length} bytes of the key `{}`", scene.aim.key))
}

/// The bytes of numbers as the kernel reads them.
fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn address(of: &[u8]) -> u64 {
    of.as_ptr().expose_provenance() as u64
}

/// A program of one instruction pair, `r0 = 0; exit`, as a socket filter.
fn bpf() -> Outcome {
    let (program, licence) = (bytes(&[0xb7, 0x95]), b"GPL\0");
    let mut attributes = [0_u64; 18];
    attributes[0] = 1 | 2 << 32;
    attributes[1] = address(&program);
    attributes[2] = address(licence);
    let attributes = bytes(&attributes);
    let length = i64::try_from(attributes.len()).map_err(why("length"))?;
    numbered(libc::SYS_bpf, vec![number(5), Argument::Bytes(&attributes), number(length)])
}

/// Counts the process's own CPU time, as a software event, without the kernel's part.
fn perf() -> Outcome {
    let mut attributes = [0_u64; 16];
    attributes[0] = 1 | 128 << 32;
    attributes[5] = 1 << 5 | 1 << 6;
    let attributes = bytes(&attributes);
    let arguments = vec![Argument::Bytes(&attributes), number(0), number(-1), number(-1), number(0)];
    numbered(libc::SYS_perf_event_open, arguments)
}

fn shared_memory(scene: &Scene) -> Outcome {
    let segment = vec![number(scene.aim.segment), number(0), number(0)];
    let segment = call(libc::SYS_shmget, segment).map_err(why("shmget"))?;
    let memory = call(libc::SYS_shmat, vec![number(segment), number(0), number(libc::SHM_RDONLY)]);
    let memory = u64::try_from(memory.map_err(why("shmat"))?).map_err(why("shmat"))?;
    let mut text = [0; 18];
    let mut own = File::open("/proc/self/mem").map_err(why("own memory"))?;
    own.seek(SeekFrom::Start(memory)).map_err(why("own memory"))?;
    own.read_exact(&mut text).map_err(why("own memory"))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A node of the first disk, where no directory has one: whoever can make it reads the disk below every file system.
fn block_device() -> Outcome {
    let disks = fs::read_dir("/sys/class/block").map_err(why("/sys/class/block"))?.flatten();
    let disk = disks.map(|entry| entry.path()).next().ok_or("no disk")?;
    let text = fs::read_to_string(disk.join("dev")).map_err(why("number"))?;
    let (major, minor) = text.trim().split_once(':').ok_or("no number")?;
    let device = makedev(major.parse().map_err(why("number"))?, minor.parse().map_err(why("number"))?);
    mknod("disk-node", SFlag::S_IFBLK, Mode::S_IRUSR | Mode::S_IWUSR, device).map_err(why("mknod"))?;
    Ok(format!("a node of {}", disk.display()))
}

/// Gives the host's device node the mode it has: whoever may do that may give it another.
fn keep_mode(path: &str) -> Outcome {
    let permissions = fs::metadata(path).map_err(why("look"))?.permissions();
    fs::set_permissions(path, permissions).map_err(why("chmod"))?;
    Ok(format!("{path} takes a mode"))
}

fn control_groups() -> Outcome {
    let own = fs::read_to_string("/proc/self/cgroup").map_err(why("cgroup"))?;
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (kind, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        for folder in [format!("/sys/fs/cgroup/{kind}{path}"), format!("/sys/fs/cgroup/unified{path}")] {
            if OpenOptions::new().write(true).open(format!("{folder}/cgroup.procs")).is_ok() {
                return Ok(format!("{folder} is open for writing"));
            }
        }
    }
    Err("no control group is writable".into())
}

/// The host's name for the group that the run was started in.
fn control_group_path() -> Outcome {
    let own = fs::read_to_string("/proc/self/cgroup").map_err(why("cgroup"))?;
    let named = own.lines().find(|line| !line.ends_with(":/"));
    named.map(str::to_owned).ok_or_else(|| "every group is the root".into())
}

/// Makes a System V segment that every user may read, with a text in it, and gives its number.
///
/// Call it in a process that may write its own memory by `/proc/self/mem`.
pub fn plant_segment(key: i32) -> Result<i64, String> {
    let make = vec![number(key), number(4096), number(libc::IPC_CREAT | libc::IPC_EXCL | 0o666)];
    let segment = call(libc::SYS_shmget, make).map_err(why("shmget"))?;
    let memory = call(libc::SYS_shmat, vec![number(segment), number(0), number(0)]).map_err(why("shmat"))?;
    let mut own = OpenOptions::new().write(true).open("/proc/self/mem").map_err(why("own memory"))?;
    own.seek(SeekFrom::Start(u64::try_from(memory).map_err(why("shmat"))?)).map_err(why("own memory"))?;
    own.write_all(b"memory of the host").map_err(why("own memory"))?;
    Ok(segment)
}
