//! The system call filter of the command: pure, from a set of mechanisms to a program.
//!
//! **Invariants.** Only calls of the native architecture are judged; all others end the process. What the kernel gains
//! after this list was written is answered with ENOSYS, as by a kernel that is older. Arguments are compared on the
//! 32 bits that the kernel looks at.
//!
//! **Trade-off.** A list of what is refused, not of what is allowed: agents run compilers, databases and browsers, and
//! the namespaces, masks and capabilities carry the main weight. The list holds what would get around those.

mod guarded;

use libc::{
    AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, CLONE_NEWNS, EAFNOSUPPORT, ENOSYS, EPERM, NETLINK_ROUTE, SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS, SOCK_DGRAM, SOCK_STREAM,
};

use super::bpf::{Program, Test};
use super::left_out::LeftOut;
use super::mechanism::Mechanism;
use crate::sys::seccomp::Instruction;

/// Offsets in `struct seccomp_data`; arguments are 64 bits each, the low half first on both architectures.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

/// `AUDIT_ARCH_*`: the ELF machine with the bits for 64-bit and little-endian.
#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0x3e | 0xc000_0000;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xb7 | 0xc000_0000;

/// The bit of x32 calls (`__X32_SYSCALL_BIT`), which share x86-64's architecture value.
const X32: u32 = 0x4000_0000;
/// The newest call this list knows, `file_setattr` of Linux 6.17; numbers from 424 on are the same everywhere.
const NEWEST: u32 = 469;

/// `linux/mount.h` and friends: too new for every libc.
const OPEN_TREE_ATTR: libc::c_long = 467;

const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;
/// btrfs lets the owner of a subvolume take a snapshot of it: `BTRFS_IOC_SNAP_CREATE` and `BTRFS_IOC_SNAP_CREATE_V2`.
const SNAPSHOTS: [u32; 2] = [0x5000_9401, 0x5000_9417];
/// The number of the init inside.
const INIT: u32 = 1;
/// `linux/resource.h` and `linux/ioprio.h`: the second argument is a process.
const PRIO_PROCESS: u32 = 0;
const IOPRIO_WHO_PROCESS: u32 = 1;
/// The bits of a socket type beside `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
const SOCKET_TYPE: u32 = 0xf;

/// Calls that are always refused, with the mechanism they belong to and the error they give.
const REFUSED: &[(Mechanism, i32, &[libc::c_long])] = &[
    (
        Mechanism::FilterMounts,
        EPERM,
        &[
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_open_tree,
            libc::SYS_move_mount,
            libc::SYS_fsopen,
            libc::SYS_fsconfig,
            libc::SYS_fsmount,
            libc::SYS_fspick,
            libc::SYS_mount_setattr,
            OPEN_TREE_ATTR,
        ],
    ),
    (Mechanism::FilterNamespaces, EPERM, &[libc::SYS_setns]),
    // The flags of clone3 are in memory, which a filter cannot read; libc falls back to clone.
    (Mechanism::FilterNamespaces, ENOSYS, &[libc::SYS_clone3]),
    (
        Mechanism::FilterIoUring,
        ENOSYS,
        &[libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register],
    ),
    (Mechanism::FilterKeyrings, EPERM, &[libc::SYS_keyctl, libc::SYS_add_key, libc::SYS_request_key]),
    (
        Mechanism::FilterProcesses,
        EPERM,
        &[libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_pidfd_getfd],
    ),
    (Mechanism::FilterHandles, EPERM, &[libc::SYS_open_by_handle_at]),
    (
        Mechanism::FilterTracing,
        EPERM,
        &[libc::SYS_bpf, libc::SYS_userfaultfd, libc::SYS_perf_event_open, libc::SYS_fanotify_init],
    ),
    (
        Mechanism::FilterSystem,
        EPERM,
        &[
            libc::SYS_kexec_load,
            libc::SYS_kexec_file_load,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_delete_module,
            libc::SYS_reboot,
            libc::SYS_swapon,
            libc::SYS_swapoff,
            libc::SYS_quotactl,
            libc::SYS_quotactl_fd,
            libc::SYS_acct,
            libc::SYS_syslog,
            libc::SYS_vhangup,
            libc::SYS_lookup_dcookie,
        ],
    ),
    #[cfg(target_arch = "x86_64")]
    (Mechanism::FilterSystem, EPERM, &[libc::SYS_iopl, libc::SYS_ioperm]),
];

/// What stands around the filter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Around<'a> {
    /// Namespaces, in which the init is number 1.
    Seal,
    /// A Landlock domain on the host's own network, with the processes of the run beside the child's.
    Guard {
        /// Whether Unix sockets may be made.
        unix_sockets: bool,
        /// The numbers of the run's processes outside of it: parent, monitor, keeper of the terminal.
        keepers: &'a [u32],
    },
}

/// The program; `None` never happens for the list above and is there because a jump reaches 255 instructions.
pub(super) fn program(left_out: &LeftOut, around: Around) -> Option<Vec<Instruction>> {
    let mut program = Program::default();
    if !left_out.has(Mechanism::FilterArchitecture) {
        program.load(ARCHITECTURE);
        program.unless(Test::Equal(NATIVE), |foreign| foreign.end(SECCOMP_RET_KILL_PROCESS));
    }
    program.load(NUMBER);
    let mut ceiling = NEWEST + 1;
    if left_out.has(Mechanism::FilterX32) {
        ceiling |= X32;
    }
    program.when(Test::AtLeast(ceiling), |unknown| unknown.end(refusal(ENOSYS)));
    for (mechanism, errno, numbers) in REFUSED {
        if left_out.has(*mechanism) {
            continue;
        }
        for number in *numbers {
            program.when(is(*number), |call| call.end(refusal(*errno)));
        }
    }
    by_argument(&mut program, left_out, around);
    program.end(SECCOMP_RET_ALLOW);
    program.finish()
}

/// Calls that are refused for some arguments.
fn by_argument(program: &mut Program, left_out: &LeftOut, around: Around) {
    if !left_out.has(Mechanism::FilterNamespaces) {
        for number in [libc::SYS_clone, libc::SYS_unshare] {
            program.when(is(number), |call| {
                call.load(argument(0));
                call.when(Test::AnyOf(CLONE_NEWNS.cast_unsigned()), |mount| mount.end(refusal(EPERM)));
                call.end(SECCOMP_RET_ALLOW);
            });
        }
    }
    if !left_out.has(Mechanism::FilterProcesses) {
        match around {
            Around::Seal => starve(program, &[INIT]),
            Around::Guard { keepers, .. } => {
                starve(program, keepers);
                guarded::end(program, keepers);
            }
        }
    }
    let ioctls = [(Mechanism::FilterTerminal, [TIOCSTI, TIOCLINUX]), (Mechanism::FilterSnapshots, SNAPSHOTS)];
    program.when(is(libc::SYS_ioctl), |call| {
        call.load(argument(1));
        for (_, requests) in ioctls.into_iter().filter(|(mechanism, _)| !left_out.has(*mechanism)) {
            for request in requests {
                call.when(Test::Equal(request), |refused| refused.end(refusal(EPERM)));
            }
        }
        call.end(SECCOMP_RET_ALLOW);
    });
    match around {
        _ if left_out.has(Mechanism::FilterSockets) => {}
        Around::Seal => program.when(is(libc::SYS_socket), sockets),
        Around::Guard { unix_sockets, .. } => guarded::sockets(program, left_out, unix_sockets),
    }
}

/// What would starve a process of the run: a new limit, or another place in the scheduler. It has the child's user, so
/// that the kernel would allow it. Number 0 is the caller, and other processes are the child's own.
fn starve(program: &mut Program, keepers: &[u32]) {
    let refused = |call: &mut Program| call.end(refusal(EPERM));
    program.when(is(libc::SYS_prlimit64), |call| {
        call.load(argument(0));
        for keeper in keepers {
            call.when(Test::Equal(*keeper), |limit| {
                // A pointer to the new limit; reading the old one is allowed.
                for half in [argument(2), argument(2) + 4] {
                    limit.load(half);
                    limit.when(Test::AtLeast(1), refused);
                }
                limit.end(SECCOMP_RET_ALLOW);
            });
        }
        call.end(SECCOMP_RET_ALLOW);
    });
    for number in
        [libc::SYS_sched_setaffinity, libc::SYS_sched_setscheduler, libc::SYS_sched_setparam, libc::SYS_sched_setattr]
    {
        program.when(is(number), |call| {
            call.load(argument(0));
            for keeper in keepers {
                call.when(Test::Equal(*keeper), refused);
            }
            call.end(SECCOMP_RET_ALLOW);
        });
    }
    for (number, process) in [(libc::SYS_setpriority, PRIO_PROCESS), (libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS)] {
        program.when(is(number), |call| {
            call.load(argument(0));
            call.when(Test::Equal(process), |one| {
                one.load(argument(1));
                for keeper in keepers {
                    one.when(Test::Equal(*keeper), refused);
                }
            });
            call.end(SECCOMP_RET_ALLOW);
        });
    }
}

/// Unix, IPv4 and IPv6 (stream and datagram), netlink for routes: what a program needs, and what a network namespace
/// confines. vsock, for one, ignores network namespaces.
fn sockets(call: &mut Program) {
    call.load(argument(0));
    call.when(Test::Equal(AF_UNIX.cast_unsigned()), |unix| unix.end(SECCOMP_RET_ALLOW));
    call.when(Test::Equal(AF_NETLINK.cast_unsigned()), |netlink| {
        netlink.load(argument(2));
        netlink.when(Test::Equal(NETLINK_ROUTE.cast_unsigned()), |route| route.end(SECCOMP_RET_ALLOW));
        netlink.end(refusal(EAFNOSUPPORT));
    });
    for family in [AF_INET, AF_INET6] {
        call.when(Test::Equal(family.cast_unsigned()), |internet| {
            internet.load(argument(1));
            internet.and(SOCKET_TYPE);
            internet.when(Test::Equal(SOCK_STREAM.cast_unsigned()), |stream| stream.end(SECCOMP_RET_ALLOW));
            internet.when(Test::Equal(SOCK_DGRAM.cast_unsigned()), |datagram| datagram.end(SECCOMP_RET_ALLOW));
            internet.end(refusal(EAFNOSUPPORT));
        });
    }
    call.end(refusal(EAFNOSUPPORT));
}

fn is(number: libc::c_long) -> Test {
    // Numbers of system calls are small; one that were not would match nothing, and a test would notice.
    Test::Equal(u32::try_from(number).unwrap_or(u32::MAX))
}

fn refusal(errno: i32) -> u32 {
    SECCOMP_RET_ERRNO | errno.cast_unsigned()
}

#[cfg(test)]
mod tests;
