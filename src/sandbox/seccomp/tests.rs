//! Verdicts on calls, as the kernel would give them.

use libc::{EOPNOTSUPP, MSG_FASTOPEN};

use super::super::bpf::interpreter::{Order, run};
use super::*;

fn judge(architecture: u32, number: libc::c_long, arguments: [u64; 3]) -> u32 {
    judge_in(Around::Seal, architecture, number, &arguments)
}

fn judge_in(around: Around, architecture: u32, number: libc::c_long, arguments: &[u64]) -> u32 {
    let mut data = Vec::new();
    data.extend(u32::try_from(number).unwrap().to_ne_bytes());
    data.extend(architecture.to_ne_bytes());
    data.extend(0_u64.to_ne_bytes());
    data.extend(arguments.iter().flat_map(|argument| argument.to_ne_bytes()));
    data.resize(64, 0);
    run(&program(&LeftOut::default(), around).unwrap(), &data, Order::Machine)
}

#[test]
fn the_guard_lets_out_tcp_alone_and_protects_its_keepers() {
    let closed = Around::Guard { unix_sockets: false, keepers: &[71, 72] };
    let open = Around::Guard { unix_sockets: true, keepers: &[71, 72] };
    let (allowed, family, eperm) = (SECCOMP_RET_ALLOW, refusal(EAFNOSUPPORT), refusal(EPERM));
    let fast_open = u64::from(MSG_FASTOPEN.cast_unsigned());
    for (number, arguments, expected) in [
        (libc::SYS_socket, [2, 0x80801, 0, 0], allowed),
        (libc::SYS_socket, [10, 1, 6, 0], allowed),
        (libc::SYS_socket, [2, 1, 262, 0], family),
        (libc::SYS_socket, [2, 1, 132, 0], family),
        (libc::SYS_socket, [2, 2, 17, 0], family),
        (libc::SYS_socket, [10, 2, 0, 0], family),
        (libc::SYS_socket, [2, 3, 1, 0], family),
        (libc::SYS_socket, [1, 1, 0, 0], family),
        (libc::SYS_socket, [16, 3, 0, 0], allowed),
        (libc::SYS_socket, [40, 1, 0, 0], family),
        (libc::SYS_socketpair, [1, 0x80001, 0, 0], allowed),
        (libc::SYS_socketpair, [1, 5, 0, 0], allowed),
        (libc::SYS_socketpair, [1, 2, 0, 0], family),
        (libc::SYS_sendto, [3, 0, 5, fast_open | 0x4000], refusal(EOPNOTSUPP)),
        (libc::SYS_sendto, [3, 0, fast_open, 0x4000], allowed),
        (libc::SYS_sendmsg, [3, 0, fast_open, 0], refusal(EOPNOTSUPP)),
        (libc::SYS_sendmmsg, [3, 0, 1, fast_open], refusal(EOPNOTSUPP)),
        (libc::SYS_kill, [71, 9, 0, 0], eperm),
        (libc::SYS_kill, [72, 0, 0, 0], eperm),
        (libc::SYS_kill, [(-72_i64).cast_unsigned(), 9, 0, 0], eperm),
        (libc::SYS_kill, [73, 9, 0, 0], allowed),
        (libc::SYS_tgkill, [71, 71, 9, 0], eperm),
        (libc::SYS_pidfd_open, [71, 0, 0, 0], eperm),
        (libc::SYS_prlimit64, [72, 7, 1, 0], eperm),
        (libc::SYS_prlimit64, [1, 7, 1, 0], allowed),
        (libc::SYS_sched_setaffinity, [71, 8, 1, 0], eperm),
        (libc::SYS_setpriority, [0, 72, 1, 0], eperm),
        (libc::SYS_mount, [0; 4], eperm),
        (libc::SYS_io_uring_setup, [0; 4], refusal(ENOSYS)),
    ] {
        assert_eq!(judge_in(closed, NATIVE, number, &arguments), expected, "{number} {arguments:x?}");
    }
    for (number, arguments) in [(libc::SYS_socket, [1, 1, 0]), (libc::SYS_socketpair, [1, 2, 0])] {
        assert_eq!(judge_in(open, NATIVE, number, &arguments), allowed, "{number}");
    }
}

#[test]
fn judges_by_number_and_architecture() {
    let ordinary = [libc::SYS_read, libc::SYS_openat, libc::SYS_execve, libc::SYS_ptrace, libc::SYS_seccomp];
    for number in ordinary {
        assert_eq!(judge(NATIVE, number, [u64::MAX; 3]), SECCOMP_RET_ALLOW, "{number}");
        assert_eq!(judge(3 | 0x4000_0000, number, [0; 3]), SECCOMP_RET_KILL_PROCESS, "{number}");
        assert_eq!(judge(NATIVE, number | 0x4000_0000, [0; 3]), refusal(ENOSYS), "{number}");
    }
    for (_, errno, numbers) in REFUSED {
        for number in *numbers {
            assert_eq!(judge(NATIVE, *number, [0; 3]), refusal(*errno), "{number}");
        }
    }
    assert_eq!(judge(NATIVE, 469, [0; 3]), SECCOMP_RET_ALLOW);
    assert_eq!(judge(NATIVE, 470, [0; 3]), refusal(ENOSYS));
}

#[test]
fn judges_by_argument() {
    const HIGH: u64 = 0xdead_beef_0000_0000;
    let new = |flag: i32| u64::from(flag.cast_unsigned());
    let (allowed, namespace) = (SECCOMP_RET_ALLOW, refusal(EPERM));
    let family = refusal(EAFNOSUPPORT);
    for (number, arguments, expected) in [
        (libc::SYS_unshare, [new(libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::CLONE_NEWNET), 0, 0], allowed),
        (libc::SYS_unshare, [new(CLONE_NEWNS), 0, 0], namespace),
        (libc::SYS_clone, [new(libc::CLONE_NEWUSER | CLONE_NEWNS) | HIGH, 0, 0], namespace),
        (libc::SYS_clone, [new(libc::SIGCHLD), 0, 0], allowed),
        (libc::SYS_ioctl, [0, 0x5412, 0], refusal(EPERM)),
        (libc::SYS_ioctl, [0, 0x5412 | HIGH, 0], refusal(EPERM)),
        (libc::SYS_ioctl, [0, 0x541c, 0], refusal(EPERM)),
        (libc::SYS_ioctl, [0, 0x5413, 0], allowed),
        (libc::SYS_ioctl, [0, 0x5000_9417, 0], refusal(EPERM)),
        (libc::SYS_prlimit64, [1, 7, 0x7fff_0000_1000], refusal(EPERM)),
        (libc::SYS_prlimit64, [1 | HIGH, 7, 1 << 32], refusal(EPERM)),
        (libc::SYS_prlimit64, [1, 7, 0], allowed),
        (libc::SYS_prlimit64, [0, 7, 0x1000], allowed),
        (libc::SYS_prlimit64, [2, 7, 0x1000], allowed),
        (libc::SYS_sched_setaffinity, [1, 8, 0x1000], refusal(EPERM)),
        (libc::SYS_sched_setaffinity, [0, 8, 0x1000], allowed),
        (libc::SYS_sched_setscheduler, [1, 5, 0x1000], refusal(EPERM)),
        (libc::SYS_sched_setparam, [1 | HIGH, 0x1000, 0], refusal(EPERM)),
        (libc::SYS_sched_setattr, [1, 0x1000, 0], refusal(EPERM)),
        (libc::SYS_sched_setattr, [12, 0x1000, 0], allowed),
        (libc::SYS_setpriority, [0, 1, 19], refusal(EPERM)),
        (libc::SYS_setpriority, [0, 0, 19], allowed),
        (libc::SYS_setpriority, [1, 1, 19], allowed),
        (libc::SYS_ioprio_set, [1, 1, 0], refusal(EPERM)),
        (libc::SYS_ioprio_set, [1, 0, 0], allowed),
        (libc::SYS_ioprio_set, [2, 1, 0], allowed),
        (libc::SYS_socket, [1, 1, 0], allowed),
        (libc::SYS_socket, [2, 0x80801, 6], allowed),
        (libc::SYS_socket, [HIGH + 10, 2, 17], allowed),
        (libc::SYS_socket, [2, 3, 1], family),
        (libc::SYS_socket, [10, 3, 58], family),
        (libc::SYS_socket, [16, 3, 0], allowed),
        (libc::SYS_socket, [16, 3, 9], family),
        (libc::SYS_socket, [17, 3, 0], family),
        (libc::SYS_socket, [40, 1, 0], family),
        (libc::SYS_socket, [38, 5, 0], family),
    ] {
        assert_eq!(judge(NATIVE, number, arguments), expected, "{number} {arguments:x?}");
    }
}
