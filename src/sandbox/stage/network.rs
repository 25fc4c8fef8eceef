//! The network namespace: every address is local, and the broker listens on all of them.
//!
//! With `local 0.0.0.0/0 dev lo` and `local ::/0 dev lo` in the local table the kernel delivers what the child sends to
//! any host to a listener on the wildcard address, whose accepted socket knows the address that was meant. No packet
//! has anywhere else to go (C2).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo, Ipv6V6Only, ReuseAddr};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, SockaddrLike, bind,
    getsockname, listen, recv, send, setsockopt, socket,
};

use super::super::failure::{Blame, Failure};
use super::super::left_out::LeftOut;
use super::super::mechanism::Mechanism;
use super::super::message::DoorList;
use super::super::refusals;
use crate::sys::seccomp::Instruction;
use crate::sys::socket::attach_filter;

/// The index of `lo` in every network namespace.
const LOOPBACK: i32 = 1;
const DNS: u16 = 53;
const WEB: [u16; 2] = [80, 443];

/// Makes every address local.
pub(super) fn route(left_out: &LeftOut) -> Result<(), Failure> {
    if left_out.has(Mechanism::NetworkNamespace) {
        return Ok(());
    }
    let flags = SockFlag::SOCK_CLOEXEC;
    let netlink = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute);
    let netlink = netlink.blame(Mechanism::Routes, "opening a netlink socket")?;
    ask(&netlink, &link_up()).blame(Mechanism::Routes, "bringing lo up")?;
    if left_out.has(Mechanism::Routes) {
        return Ok(());
    }
    ask(&netlink, &local_route(libc::AF_INET)).blame(Mechanism::Routes, "routing IPv4 to lo")?;
    match ask(&netlink, &local_route(libc::AF_INET6)) {
        // A kernel without IPv6: nothing can be sent over it either.
        Err(Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP | Errno::EACCES) if !has_v6() => Ok(()),
        other => other.blame(Mechanism::Routes, "routing IPv6 to lo"),
    }
}

/// Sends one request and waits for the kernel's acknowledgement (netlink(7)).
fn ask(netlink: &OwnedFd, request: &[u8]) -> Result<(), Errno> {
    send(netlink.as_raw_fd(), request, MsgFlags::empty())?;
    let mut answer = [0; 512];
    let length = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // `struct nlmsgerr` follows the header of 16 bytes: a negative error number, or 0.
    match answer[..length].get(16..).and_then(|rest| rest.first_chunk()).map(|bytes| i32::from_ne_bytes(*bytes)) {
        Some(0) => Ok(()),
        Some(errno) => Err(Errno::from_raw(-errno)),
        None => Err(Errno::EPROTO),
    }
}

/// A netlink message: length, kind, flags, sequence and port, then the body.
fn message(kind: u16, flags: i32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    let flags = u16::try_from(flags | libc::NLM_F_REQUEST | libc::NLM_F_ACK).unwrap_or(0);
    let mut message = Vec::new();
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// `ip link set lo up`: `struct ifinfomsg` (rtnetlink(7)).
fn link_up() -> Vec<u8> {
    let up = libc::IFF_UP.cast_unsigned().to_ne_bytes();
    let mut body = vec![0; 4];
    body.extend(LOOPBACK.to_ne_bytes());
    body.extend(up);
    body.extend(up);
    message(libc::RTM_NEWLINK, 0, &body)
}

/// `ip route add local default dev lo table local`: `struct rtmsg` and the attribute for the interface.
fn local_route(family: i32) -> Vec<u8> {
    let family = u8::try_from(family).unwrap_or(0);
    let (table, scope) = (libc::RT_TABLE_LOCAL, libc::RT_SCOPE_HOST);
    let mut body = vec![family, 0, 0, 0, table, libc::RTPROT_BOOT, scope, libc::RTN_LOCAL, 0, 0, 0, 0];
    body.extend(8_u16.to_ne_bytes());
    body.extend(libc::RTA_OIF.to_ne_bytes());
    body.extend(LOOPBACK.to_ne_bytes());
    message(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_EXCL, &body)
}

/// Opens the sockets of the broker, in the order of the list.
pub(super) fn doors(ports: &[u16], left_out: &LeftOut) -> Result<(DoorList, Vec<OwnedFd>), Failure> {
    open_doors(ports, left_out).blame(Mechanism::Listeners, "opening the broker's listeners")
}

fn open_doors(ports: &[u16], left_out: &LeftOut) -> io::Result<(DoorList, Vec<OwnedFd>)> {
    let explicit = listener(&SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)))?;
    let explicit_port = getsockname::<SockaddrIn>(explicit.as_raw_fd())?.port();
    let mut list =
        DoorList { explicit_port, transparent: Vec::new(), udp: 0, tcp: 0, refusals: 0, listeners: 0, terminal: false };
    let mut sockets = vec![explicit];
    if left_out.has(Mechanism::NetworkNamespace) {
        // These ports are the host's then.
        return Ok((list, sockets));
    }
    list.transparent = WEB.iter().chain(ports).copied().filter(|port| *port != DNS).collect();
    list.transparent.sort_unstable();
    list.transparent.dedup();
    for port in &list.transparent {
        sockets.push(everywhere(*port)?);
    }
    let udp = resolvers()?;
    list.udp = u8::try_from(udp.len()).map_err(io::Error::other)?;
    sockets.extend(udp);
    sockets.push(everywhere(DNS)?);
    list.tcp = 1;
    // The sight of refused ports is a comfort, not a wall.
    for (family, filter) in [(AddressFamily::Inet, refusals::v4()), (AddressFamily::Inet6, refusals::v6())] {
        let filter = filter.ok_or(io::ErrorKind::InvalidInput)?;
        if let Ok(refused) = segments(family, &filter) {
            sockets.push(refused);
            list.refusals += 1;
        }
    }
    Ok((list, sockets))
}

/// A raw socket that receives the TCP segments that `filter` accepts. Nothing is received before the filter is in place:
/// nothing runs in this namespace yet.
///
/// Not a packet socket: to close one the kernel waits until every processor has seen it go, ten milliseconds and more.
fn segments(family: AddressFamily, filter: &[Instruction]) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(family, SockType::Raw, flags, SockProtocol::Tcp)?;
    attach_filter(&socket, filter)?;
    Ok(socket)
}

fn has_v6() -> bool {
    stream(true).is_ok()
}

/// An unconnected TCP socket of this network namespace.
pub(super) fn stream(v6: bool) -> nix::Result<OwnedFd> {
    let family = if v6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)
}

/// A netlink socket that lists the sockets of this network namespace. It shows nothing that the child cannot see in its
/// own /proc/net/tcp.
pub(super) fn port_table() -> nix::Result<OwnedFd> {
    socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkSockDiag)
}

/// A listener on `port` of every address, of both families where there are two.
fn everywhere(port: u16) -> io::Result<OwnedFd> {
    if has_v6() {
        listener(&SockaddrIn6::from(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0)))
    } else {
        listener(&SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)))
    }
}

fn listener<A: SockaddrLike>(address: &A) -> io::Result<OwnedFd> {
    let v6 = address.family() == Some(AddressFamily::Inet6);
    let listener = stream(v6)?;
    setsockopt(&listener, ReuseAddr, &true)?;
    if v6 {
        setsockopt(&listener, Ipv6V6Only, &false)?;
    }
    bind(listener.as_raw_fd(), address)?;
    listen(&listener, Backlog::MAXALLOWABLE)?;
    Ok(listener)
}

/// Sockets for DNS over UDP that tell which address was asked, so that the answer can come from there.
fn resolvers() -> io::Result<Vec<OwnedFd>> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let v4 = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
    setsockopt(&v4, Ipv4PacketInfo, &true)?;
    bind(v4.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, DNS)))?;
    let mut sockets = vec![v4];
    if has_v6() {
        let v6 = socket(AddressFamily::Inet6, SockType::Datagram, flags, None)?;
        setsockopt(&v6, Ipv6V6Only, &true)?;
        setsockopt(&v6, Ipv6RecvPacketInfo, &true)?;
        bind(v6.as_raw_fd(), &SockaddrIn6::from(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, DNS, 0, 0)))?;
        sockets.push(v6);
    }
    Ok(sockets)
}
