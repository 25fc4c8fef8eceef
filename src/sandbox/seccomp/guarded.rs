//! What the filter refuses where no namespace confines sockets and signals.

use libc::{
    AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, EAFNOSUPPORT, EOPNOTSUPP, EPERM, IPPROTO_TCP, MSG_FASTOPEN, NETLINK_ROUTE,
    SECCOMP_RET_ALLOW, SOCK_DGRAM, SOCK_STREAM,
};

use super::super::bpf::{Program, Test};
use super::super::left_out::LeftOut;
use super::super::mechanism::Mechanism;
use super::{SOCKET_TYPE, argument, is, refusal};

/// Calls whose first argument is whom a signal goes to, or a handle for one.
const SIGNALS: &[libc::c_long] = &[
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_open,
];

/// Signals to the run's own processes, by whose end a daemon of the child's could outlive it (L1). Landlock judges them
/// only from its sixth version on.
pub(super) fn end(program: &mut Program, keepers: &[u32]) {
    let refused = |call: &mut Program| call.end(refusal(EPERM));
    for number in SIGNALS {
        program.when(is(*number), |call| {
            call.load(argument(0));
            for keeper in keepers {
                call.when(Test::Equal(*keeper), refused);
            }
            // The process group that one of them leads.
            for keeper in keepers {
                call.when(Test::Equal(keeper.wrapping_neg()), refused);
            }
            call.end(SECCOMP_RET_ALLOW);
        });
    }
}

/// TCP and netlink for routes. Landlock judges neither UDP nor a path of a Unix socket, and sees no connection that is
/// made by sending; a pair of stream sockets has each other alone.
pub(super) fn sockets(program: &mut Program, left_out: &LeftOut, unix_sockets: bool) {
    let unix_sockets = unix_sockets || left_out.has(Mechanism::FilterUnixSockets);
    let datagrams = left_out.has(Mechanism::FilterDatagrams);
    let by_any_way = left_out.has(Mechanism::FilterConnections);
    let allowed = |call: &mut Program| call.end(SECCOMP_RET_ALLOW);
    program.when(is(libc::SYS_socket), |call| {
        call.load(argument(0));
        if unix_sockets {
            call.when(Test::Equal(AF_UNIX.cast_unsigned()), allowed);
        }
        call.when(Test::Equal(AF_NETLINK.cast_unsigned()), |netlink| {
            netlink.load(argument(2));
            netlink.when(Test::Equal(NETLINK_ROUTE.cast_unsigned()), allowed);
            netlink.end(refusal(EAFNOSUPPORT));
        });
        for family in [AF_INET, AF_INET6] {
            call.when(Test::Equal(family.cast_unsigned()), |internet| {
                internet.load(argument(1));
                internet.and(SOCKET_TYPE);
                if datagrams {
                    internet.when(Test::Equal(SOCK_DGRAM.cast_unsigned()), allowed);
                }
                internet.unless(Test::Equal(SOCK_STREAM.cast_unsigned()), |other| other.end(refusal(EAFNOSUPPORT)));
                if by_any_way {
                    internet.end(SECCOMP_RET_ALLOW);
                }
                internet.load(argument(2));
                internet.when(Test::Equal(0), allowed);
                internet.when(Test::Equal(IPPROTO_TCP.cast_unsigned()), allowed);
                internet.end(refusal(EAFNOSUPPORT));
            });
        }
        call.end(refusal(EAFNOSUPPORT));
    });
    if !unix_sockets {
        program.when(is(libc::SYS_socketpair), |call| {
            call.load(argument(1));
            call.and(SOCKET_TYPE);
            // A pair of datagram sockets can send to any path.
            call.when(Test::Equal(SOCK_DGRAM.cast_unsigned()), |datagram| datagram.end(refusal(EAFNOSUPPORT)));
            call.end(SECCOMP_RET_ALLOW);
        });
    }
    if !by_any_way {
        for (number, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
            program.when(is(number), |call| {
                call.load(argument(flags));
                call.when(Test::AnyOf(MSG_FASTOPEN.cast_unsigned()), |open| open.end(refusal(EOPNOTSUPP)));
                call.end(SECCOMP_RET_ALLOW);
            });
        }
    }
}
