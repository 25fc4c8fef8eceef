//! Calls that go past the filter's premise: other ways to do the same, other architectures, kernel-held secrets.

use std::arch::asm;
use std::fs::{self, OpenOptions};

use super::{Act, Outcome, c, call, why};
use crate::host::SEGMENT;

pub(crate) const ATTACKS: &[(&str, Act)] = &[
    ("io-uring", io_uring),
    ("foreign-architecture", foreign_architecture),
    ("x32", |_| call(0x4000_0000 | libc::SYS_getppid, &[]).map(|number| number.to_string()).map_err(why("getppid"))),
    ("keyring", keyring),
    ("userfaultfd", |_| numbered(libc::SYS_userfaultfd, &[1])),
    ("fanotify", |_| numbered(libc::SYS_fanotify_init, &[0x200, 0])),
    ("bpf", bpf),
    ("perf", perf),
    ("shared-memory", shared_memory),
    ("type-into-terminal", |mark| type_into_terminal(mark, 0)),
    ("type-into-terminal-high-bits", |mark| type_into_terminal(mark, 1 << 32)),
    ("block-device", block_device),
    ("device-mode", |_| keep_mode("/dev/full")),
    ("device-mode-by-stdin", |_| keep_mode("/proc/self/fd/0")),
    ("device-kernel-log", |_| open_to_write("/dev/kmsg")),
    ("core-pattern", |_| open_to_write("/proc/sys/kernel/core_pattern")),
    ("sysrq", |_| open_to_write("/proc/sysrq-trigger")),
    ("sys", |_| open_to_write("/sys/kernel/mm/ksm/run")),
    ("control-groups", control_groups),
    ("control-group-path", control_group_path),
    ("kernel-memory", |_| open_to_read("/proc/kcore")),
    ("kernel-keys", kernel_keys),
    ("kernel-log", kernel_log),
    ("host-name", |mark| {
        call(libc::SYS_sethostname, &[mark.as_ptr().addr(), mark.len()])
            .map(|_| "renamed".into())
            .map_err(why("sethostname"))
    }),
];

fn numbered(number: i64, arguments: &[usize]) -> Outcome {
    call(number, arguments).map(|result| format!("returned {result}")).map_err(why("the call"))
}

fn open_to_write(path: &str) -> Outcome {
    OpenOptions::new().write(true).open(path).map(|_| format!("{path} is open for writing")).map_err(why("open"))
}

fn open_to_read(path: &str) -> Outcome {
    OpenOptions::new().read(true).open(path).map(|_| format!("{path} is open")).map_err(why("open"))
}

fn io_uring(_: &str) -> Outcome {
    let mut parameters = [0_u8; 120];
    numbered(libc::SYS_io_uring_setup, &[1, parameters.as_mut_ptr().addr()])
}

/// `getpid` by the 32-bit gate, where it has the number 20 and the native filter does not look.
fn foreign_architecture(_: &str) -> Outcome {
    let mut number: i64 = 20;
    // SAFETY: getpid takes nothing and touches no memory; the gate clobbers r8 to r11.
    unsafe {
        asm!("int 0x80", inlateout("rax") number, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    if number > 0 { Ok(format!("process {number} by the 32-bit gate")) } else { Err(format!("errno {}", -number)) }
}

/// The host's session keyring holds a key; whoever inherits the keyring can read it (keyrings(7)).
fn keyring(_: &str) -> Outcome {
    const SESSION: usize = (-3_i32).cast_unsigned() as usize;
    let (kind, name) = (c("user"), c("escape"));
    let key =
        call(libc::SYS_keyctl, &[10, SESSION, kind.as_ptr().addr(), name.as_ptr().addr(), 0]).map_err(why("search"))?;
    let mut value = [0_u8; 64];
    let arguments = [11, usize::try_from(key).unwrap(), value.as_mut_ptr().addr(), value.len()];
    let length = usize::try_from(call(libc::SYS_keyctl, &arguments).map_err(why("read"))?).unwrap();
    Ok(String::from_utf8_lossy(&value[..length]).into_owned())
}

/// A program of one instruction pair, `r0 = 0; exit`, as a socket filter.
fn bpf(_: &str) -> Outcome {
    let program: [u64; 2] = [0xb7, 0x95];
    let licence = c("GPL");
    let mut attributes = [0_u64; 18];
    attributes[0] = 1 | 2 << 32;
    attributes[1] = program.as_ptr().addr() as u64;
    attributes[2] = licence.as_ptr().addr() as u64;
    numbered(libc::SYS_bpf, &[5, attributes.as_ptr().addr(), size_of_val(&attributes)])
}

/// Counts the process's own CPU time, as a software event, without the kernel's part.
fn perf(_: &str) -> Outcome {
    let mut attributes = [0_u64; 16];
    attributes[0] = 1 | 128 << 32;
    attributes[5] = 1 << 5 | 1 << 6;
    numbered(libc::SYS_perf_event_open, &[attributes.as_ptr().addr(), 0, usize::MAX, usize::MAX, 0])
}

fn shared_memory(_: &str) -> Outcome {
    let key = usize::try_from(SEGMENT).unwrap();
    let segment = usize::try_from(call(libc::SYS_shmget, &[key, 0, 0]).map_err(why("shmget"))?).unwrap();
    let memory =
        call(libc::SYS_shmat, &[segment, 0, usize::try_from(libc::SHM_RDONLY).unwrap()]).map_err(why("shmat"))?;
    let memory = std::ptr::with_exposed_provenance::<u8>(usize::try_from(memory).unwrap());
    // SAFETY: the segment was attached above and has a page.
    let text = unsafe { std::slice::from_raw_parts(memory, 18) };
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// Puts the mark into the input of the terminal on stdin, as if the user had typed it.
fn type_into_terminal(mark: &str, high_bits: usize) -> Outcome {
    for byte in mark.bytes() {
        let number = usize::try_from(libc::TIOCSTI).unwrap() | high_bits;
        call(libc::SYS_ioctl, &[0, number, (&raw const byte).addr()]).map_err(why("TIOCSTI"))?;
    }
    Ok("typed".into())
}

/// A node of the first disk, where no directory has one: whoever can make it reads the disk below every file system.
fn block_device(_: &str) -> Outcome {
    let disks = fs::read_dir("/sys/class/block").map_err(why("/sys/class/block"))?.flatten();
    let disk = disks.map(|entry| entry.path()).next().ok_or("no disk")?;
    let number = fs::read_to_string(disk.join("dev")).map_err(why("number"))?;
    let (major, minor) = number.trim().split_once(':').unwrap();
    let device = libc::makedev(major.parse().unwrap(), minor.parse().unwrap());
    let node = c("disk-node");
    let arguments = [node.as_ptr().addr(), 0o060_600, usize::try_from(device).unwrap()];
    call(libc::SYS_mknod, &arguments).map_err(why("mknod"))?;
    Ok(format!("a node of {}", disk.display()))
}

/// What the kernel said since it started (syslog(2), `SYSLOG_ACTION_READ_ALL`).
fn kernel_log(_: &str) -> Outcome {
    let mut text = vec![0_u8; 1 << 16];
    let length = call(libc::SYS_syslog, &[3, text.as_mut_ptr().addr(), text.len()]).map_err(why("syslog"))?;
    Ok(format!("{length} bytes of the kernel's log"))
}

/// Gives the host's device node the mode it has: whoever may do that may give it another.
fn keep_mode(path: &str) -> Outcome {
    let permissions = fs::metadata(path).map_err(why("look"))?.permissions();
    fs::set_permissions(path, permissions).map_err(why("chmod"))?;
    Ok(format!("{path} takes a mode"))
}

fn control_groups(_: &str) -> Outcome {
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
fn control_group_path(_: &str) -> Outcome {
    let own = fs::read_to_string("/proc/self/cgroup").map_err(why("cgroup"))?;
    let named = own.lines().find(|line| !line.ends_with(":/"));
    named.map(str::to_owned).ok_or_else(|| "every group is the root".into())
}

fn kernel_keys(_: &str) -> Outcome {
    let keys = fs::read_to_string("/proc/keys").map_err(why("read"))?;
    if keys.contains("escape") { Ok("the host's key is listed".into()) } else { Err("not listed".into()) }
}
