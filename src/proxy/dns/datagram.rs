//! A UDP socket that knows which address a datagram was sent to, and answers from there.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::UdpSocket as StdUdpSocket;
use std::os::fd::{AsFd, AsRawFd};

use nix::cmsg_space;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, getsockname, recvmsg, sendmsg, setsockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A UDP socket bound to a port of all addresses of one family, or of both.
pub(super) struct Datagrams(UdpSocket);

/// Who sent a datagram, and where to: what its answer needs.
pub(super) struct Sender {
    address: SockaddrStorage,
    control: Option<ControlMessageOwned>,
}

impl Datagrams {
    /// Takes a bound socket.
    pub(super) fn new(socket: StdUdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let own: SockaddrStorage = getsockname(socket.as_raw_fd())?;
        if own.as_sockaddr_in6().is_some() {
            setsockopt(&socket.as_fd(), Ipv6RecvPacketInfo, &true)?;
        } else {
            setsockopt(&socket.as_fd(), Ipv4PacketInfo, &true)?;
        }
        Ok(Self(UdpSocket::from_std(socket)?))
    }

    /// Waits for a datagram; gives its length and its sender.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Sender)> {
        self.0.async_io(Interest::READABLE, || receive_now(&self.0, buffer)).await
    }

    /// Sends an answer. One that cannot be sent is lost, as datagrams may be: the client asks again.
    pub(super) async fn send(&self, answer: &[u8], sender: &Sender) {
        let _ = self.0.async_io(Interest::WRITABLE, || send_now(&self.0, answer, sender)).await;
    }
}

fn receive_now(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, Sender)> {
    let mut control = cmsg_space!([u8; 64]);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
    let address = message.address.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let is_information = |control: &ControlMessageOwned| {
        matches!(control, ControlMessageOwned::Ipv4PacketInfo(_) | ControlMessageOwned::Ipv6PacketInfo(_))
    };
    let control = message.cmsgs()?.find(is_information);
    Ok((message.bytes, Sender { address, control }))
}

fn send_now(socket: &UdpSocket, answer: &[u8], sender: &Sender) -> io::Result<()> {
    let parts = [IoSlice::new(answer)];
    let send = |control: &[ControlMessage<'_>]| {
        sendmsg(socket.as_raw_fd(), &parts, control, MsgFlags::MSG_DONTWAIT, Some(&sender.address))
    };
    match sender.control {
        // What came as the destination goes back as the source (ip(7): `ipi_spec_dst` is what sendmsg(2) looks at).
        Some(ControlMessageOwned::Ipv4PacketInfo(mut information)) => {
            information.ipi_spec_dst = information.ipi_addr;
            send(&[ControlMessage::Ipv4PacketInfo(&information)])?
        }
        Some(ControlMessageOwned::Ipv6PacketInfo(information)) => {
            send(&[ControlMessage::Ipv6PacketInfo(&information)])?
        }
        _ => send(&[])?,
    };
    Ok(())
}
