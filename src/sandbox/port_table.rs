//! Which TCP ports listen in the child's network namespace: the kernel's own list, asked over `sock_diag(7)`.
//!
//! **Trade-off.** The kernel announces no new listener, so who wants to know asks again and again; a question costs some
//! tens of microseconds and touches nothing of the child's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{MsgFlags, recv, send};

/// A TCP socket that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Listening {
    /// Where; unspecified for every address.
    pub address: IpAddr,
    /// On which port.
    pub port: u16,
    /// The socket's own number, the inode that `fstat` gives for a descriptor of it.
    pub inode: u64,
}

/// A socket of the child's network namespace that lists the others.
#[derive(Debug)]
pub struct PortTable {
    netlink: OwnedFd,
}

/// `SOCK_DIAG_BY_FAMILY` of `linux/sock_diag.h`.
const BY_FAMILY: u16 = 20;
/// `TCP_LISTEN` of `netinet/tcp.h` as a bit of `idiag_states`.
const LISTEN: u32 = 1 << 10;
/// The sizes of `struct nlmsghdr`, `struct inet_diag_req_v2` and `struct inet_diag_msg`.
const HEADER: usize = 16;
const REQUEST: usize = 56;
const MESSAGE: usize = 72;

impl PortTable {
    /// Takes over a `NETLINK_SOCK_DIAG` socket.
    pub(super) fn new(netlink: OwnedFd) -> Self {
        Self { netlink }
    }

    /// The TCP sockets that listen now, of both families.
    pub fn listening(&self) -> io::Result<Vec<Listening>> {
        let mut found = Vec::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            send(self.netlink.as_raw_fd(), &request(family), MsgFlags::empty())?;
            let mut buffer = vec![0; 32 << 10];
            // A dump comes in several datagrams and ends with NLMSG_DONE (netlink(7)).
            loop {
                let length = recv(self.netlink.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
                if read(&buffer[..length], &mut found)? {
                    break;
                }
            }
        }
        Ok(found)
    }
}

/// Asks for every listening TCP socket of a family.
fn request(family: i32) -> Vec<u8> {
    let flags = u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_DUMP).unwrap_or(0);
    let byte = |number: i32| u8::try_from(number).unwrap_or(0);
    let mut request = Vec::with_capacity(HEADER + REQUEST);
    request.extend(u32::try_from(HEADER + REQUEST).unwrap_or(0).to_ne_bytes());
    request.extend(BY_FAMILY.to_ne_bytes());
    request.extend(flags.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([byte(family), byte(libc::IPPROTO_TCP), 0, 0]);
    request.extend(LISTEN.to_ne_bytes());
    request.resize(HEADER + REQUEST, 0);
    request
}

/// Adds what the messages of one datagram say; true when the dump is over.
fn read(mut datagram: &[u8], found: &mut Vec<Listening>) -> io::Result<bool> {
    while let Some(header) = datagram.get(..HEADER) {
        let length = usize::try_from(number(header, 0)).map_err(io::Error::other)?;
        let kind = i32::from(u16::from_ne_bytes([header[4], header[5]]));
        let body = datagram.get(HEADER..length).ok_or(io::ErrorKind::InvalidData)?;
        match kind {
            libc::NLMSG_DONE => return Ok(true),
            libc::NLMSG_ERROR => {
                let errno = body.get(..4).map_or(0, |_| number(body, 0).cast_signed());
                return Err(io::Error::from_raw_os_error(-errno));
            }
            _ => found.extend(listening(body)),
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// One `struct inet_diag_msg`: family and state, then `struct inet_diag_sockid` with port and address in network order.
fn listening(message: &[u8]) -> Option<Listening> {
    let message = message.get(..MESSAGE)?;
    let port = u16::from_be_bytes([message[4], message[5]]);
    let address: [u8; 16] = message[8..24].try_into().ok()?;
    let address = match i32::from(message[0]) {
        libc::AF_INET => IpAddr::V4(Ipv4Addr::new(address[0], address[1], address[2], address[3])),
        libc::AF_INET6 => IpAddr::V6(Ipv6Addr::from(address)),
        _ => return None,
    };
    Some(Listening { address, port, inode: u64::from(number(message, MESSAGE - 4)) })
}

/// The number of four bytes at `at`, which the caller has checked to be there.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
    use std::net::TcpListener;
    use std::os::unix::fs::MetadataExt;

    fn table() -> PortTable {
        let flags = SockFlag::SOCK_CLOEXEC;
        let protocol = SockProtocol::NetlinkSockDiag;
        PortTable::new(socket(AddressFamily::Netlink, SockType::Raw, flags, protocol).unwrap())
    }

    #[test]
    fn lists_what_listens_and_forgets_what_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let inode = std::fs::metadata(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap().ino();
        let expected = Listening { address: "127.0.0.1".parse().unwrap(), port, inode };
        let table = table();
        assert!(table.listening().unwrap().contains(&expected));
        drop(listener);
        assert!(!table.listening().unwrap().contains(&expected));
    }

    #[test]
    fn finds_listeners_of_ipv6() {
        let Ok(listener) = TcpListener::bind("[::]:0") else { return };
        let port = listener.local_addr().unwrap().port();
        let found = table().listening().unwrap();
        let same = |found: &&Listening| found.port == port && found.address == Ipv6Addr::UNSPECIFIED;
        assert_eq!(found.iter().filter(same).count(), 1);
    }

    #[test]
    fn a_cut_answer_is_an_error() {
        let mut found = Vec::new();
        assert!(read(&[200, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &mut found).is_err());
        let mut error = vec![20, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        error.extend((-libc::EPERM).to_ne_bytes());
        assert_eq!(read(&error, &mut found).unwrap_err().raw_os_error(), Some(libc::EPERM));
        assert!(!read(&[], &mut found).unwrap());
        assert!(found.is_empty());
    }
}
