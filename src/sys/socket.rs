//! Sockets: descriptors that travel in messages, and filters on what they receive.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, getpeername,
    getsockname, getsockopt, recvmsg, sendmsg, socketpair, sockopt,
};

use super::check;
use super::seccomp::Instruction;

/// The most descriptors that one message carries here (the kernel's own limit is 253).
pub const MOST_DESCRIPTORS: usize = 128;

/// Sends what fits of `bytes`, with `descriptors` attached to the first byte. Says how many bytes went.
pub fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[impl AsFd]) -> io::Result<usize> {
    let numbers: Vec<RawFd> = descriptors.iter().map(|descriptor| descriptor.as_fd().as_raw_fd()).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if numbers.is_empty() { &[][..] } else { &rights[..] };
    let pieces = [IoSlice::new(bytes)];
    loop {
        match sendmsg::<()>(socket.as_fd().as_raw_fd(), &pieces, control, MsgFlags::MSG_NOSIGNAL, None) {
            Err(nix::errno::Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Receives up to `buffer.len()` bytes and whatever descriptors come with them (closed on exec).
pub fn receive(socket: impl AsFd, buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut control = nix::cmsg_space!([RawFd; MOST_DESCRIPTORS]);
    let mut pieces = [IoSliceMut::new(buffer)];
    let message = loop {
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        match recvmsg::<()>(socket.as_fd().as_raw_fd(), &mut pieces, Some(&mut control), flags) {
            Err(nix::errno::Errno::EINTR) => {}
            other => break other?,
        }
    };
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            for number in numbers {
                // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
                descriptors.push(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
    }
    Ok(message.bytes)
}

/// Closes `descriptor`, and leaves waiting for what the kernel does then to the kernel itself (since Linux 6.8; an older one
/// makes the caller wait, as `close(2)` does).
///
/// It goes into a message that is on its way to a socket which is open nowhere but in that message, too. Nobody can receive
/// it, so the kernel closes both, in a worker of its own (`unix(7)`).
pub fn close_aside(descriptor: OwnedFd) {
    let pair = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC);
    let Ok((sender, receiver)) = pair else { return };
    // What could not be sent is closed here, as all is.
    let _ = send(&sender, b"\0", &[descriptor.as_fd(), receiver.as_fd()]);
    // Last of all the sender: the end of a socket is when the kernel looks for such messages.
    drop((descriptor, receiver));
    drop(sender);
}

/// Whether descriptor `number` is a connected Unix stream socket, which talks to its peer and to nobody else.
///
/// A number that is not open, or is no socket, is none.
pub fn is_connected_local_stream(number: RawFd) -> bool {
    if getsockname::<UnixAddr>(number).is_err() || getpeername::<UnixAddr>(number).is_err() {
        return false;
    }
    // SAFETY: the number is not -1, for the calls above took it; the borrow ends with this function, which closes nothing.
    let socket = unsafe { BorrowedFd::borrow_raw(number) };
    getsockopt(&socket, sockopt::SockType) == Ok(SockType::Stream)
}

/// Lets the socket receive only what `filter` accepts (`SO_ATTACH_FILTER`, socket(7)).
pub fn attach_filter(socket: &OwnedFd, filter: &[Instruction]) -> io::Result<()> {
    let length = u16::try_from(filter.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut() };
    let size = libc::socklen_t::try_from(size_of_val(&program)).map_err(io::Error::other)?;
    let (socket, value) = (socket.as_raw_fd(), (&raw const program).cast());
    // SAFETY: the kernel reads one `sock_fprog` of the size we state and `len` instructions from it; both live through
    // the call, and neither is written.
    let returned = unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, value, size) };
    check(returned.into()).map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_closed_aside_is_closed() {
        let (mut one, other) = UnixStream::pair().unwrap();
        one.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        close_aside(other.into());
        assert_eq!(one.read(&mut [0; 1]).unwrap(), 0);
    }

    #[test]
    fn knows_what_talks_to_its_peer_alone() {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("s")).unwrap();
        let client = UnixStream::connect(directory.path().join("s")).unwrap();
        let (served, _) = listener.accept().unwrap();
        let (one, other) = UnixStream::pair().unwrap();
        for socket in [client.as_raw_fd(), served.as_raw_fd(), one.as_raw_fd(), other.as_raw_fd()] {
            assert!(is_connected_local_stream(socket));
        }
        let (datagram, _peer) = UnixDatagram::pair().unwrap();
        let internet = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(internet.local_addr().unwrap()).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        for other in [
            listener.as_raw_fd(),
            datagram.as_raw_fd(),
            internet.as_raw_fd(),
            stream.as_raw_fd(),
            udp.as_raw_fd(),
            file.as_raw_fd(),
            -1,
        ] {
            assert!(!is_connected_local_stream(other));
        }
    }
}
