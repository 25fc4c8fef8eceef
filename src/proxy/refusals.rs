//! Which ports the child could not reach because nobody listens there: read off the resets that the kernel sent.
//!
//! Inside the seal a connection to a port that is not open to the broker is refused by the kernel before we see it. Raw
//! sockets show us the reset that it answered with, so that the user can be told which flag opens the port. One of IPv4
//! gives the IP header too (raw(7)), one of IPv6 the segment alone (RFC 3542 §3).

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket};
use std::os::fd::OwnedFd;

use tokio::net::UdpSocket;

use super::dns::Names;
use crate::policy::{Authority, Host};

const RST_AND_ACK: u8 = 0x14;

/// Tells each refused port, by name where the address stands for one; the same one may come again. Ends with an error
/// when the socket can no longer be read.
pub async fn watch(segments: OwnedFd, names: &Names, mut tell: impl FnMut(Authority)) -> io::Result<()> {
    let segments = StdUdpSocket::from(segments);
    segments.set_nonblocking(true)?;
    // Of a raw socket nothing is used but recvfrom(2), which is the same for every datagram socket.
    let segments = UdpSocket::from_std(segments)?;
    let mut buffer = [0; 128];
    loop {
        let (length, source) = segments.recv_from(&mut buffer).await?;
        if let Some(authority) = refused(source.ip(), &buffer[..length]).and_then(|address| authority(address, names)) {
            tell(authority);
        }
    }
}

/// What the child meant by `address`.
fn authority(address: SocketAddr, names: &Names) -> Option<Authority> {
    let host = match names.name(address.ip()) {
        Some(name) => Host::clone(&name),
        None if Names::is_synthetic(address.ip()) => return None,
        None => Host::from(address.ip()),
    };
    Some(Authority { host, port: address.port() }).filter(|authority| authority.port != 0)
}

/// The address and port that refused a connection, if `packet` from `source` says that one did: a TCP segment that has RST
/// and ACK set and sequence number 0, as the answer to a SYN has (RFC 9293 §3.5.2).
fn refused(source: IpAddr, packet: &[u8]) -> Option<SocketAddr> {
    let header_length = if source.is_ipv4() { usize::from(packet.first()? & 0x0f) * 4 } else { 0 };
    let segment = packet.get(header_length..)?;
    let is_refusal = segment.get(4..8)? == [0; 4] && *segment.get(13)? == RST_AND_ACK;
    let port = u16::from_be_bytes([*segment.first()?, *segment.get(1)?]);
    (is_refusal && !source.is_loopback()).then_some(SocketAddr::new(source, port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment(port: u16, flags: u8, sequence: u32) -> Vec<u8> {
        let mut segment = port.to_be_bytes().to_vec();
        segment.extend([0x80, 0x00]);
        segment.extend(sequence.to_be_bytes());
        segment.extend([0, 0, 0, 9, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        segment
    }

    fn v4(options: u8, segment: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45 + options, 0, 0, 40, 0, 0, 0, 0, 64, 6];
        packet.resize(20 + usize::from(options) * 4, 1);
        packet.extend(segment);
        packet
    }

    #[test]
    fn only_the_answer_to_a_refused_connection_counts() {
        let reset = segment(5432, RST_AND_ACK, 0);
        for (source, packet, expected) in [
            ("198.18.0.1", v4(0, &reset), Some("198.18.0.1:5432")),
            ("10.0.0.7", v4(2, &reset), Some("10.0.0.7:5432")),
            ("2606:4700::1", reset.clone(), Some("[2606:4700::1]:5432")),
            ("127.0.0.9", v4(0, &reset), None),
            ("::1", reset.clone(), None),
            ("9.9.9.9", v4(0, &segment(5432, 0x12, 0)), None),
            ("9.9.9.9", v4(0, &segment(5432, 0x04, 0)), None),
            ("9.9.9.9", v4(0, &segment(5432, RST_AND_ACK, 77)), None),
            ("9.9.9.9", v4(0, &reset[..10]), None),
            ("9.9.9.9", vec![], None),
            ("2606:4700::1", vec![], None),
        ] {
            let address = source.parse().unwrap();
            assert_eq!(refused(address, &packet), expected.map(|text| text.parse().unwrap()), "{source} {packet:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(packet in proptest::collection::vec(any::<u8>(), 0..80), v6 in any::<bool>()) {
            let source = if v6 { "2606:4700::1" } else { "9.9.9.9" };
            let _ = refused(source.parse().unwrap(), &packet);
        }
    }

    #[test]
    fn an_address_is_told_by_its_name() {
        let names = Names::default();
        let address = names.assign(&Host::parse("db.example").unwrap()).unwrap();
        let told = |source: IpAddr| authority(SocketAddr::new(source, 5432), &names).map(|found| found.to_string());
        assert_eq!(told(address.into()).as_deref(), Some("db.example:5432"));
        assert_eq!(told([10, 0, 0, 7].into()).as_deref(), Some("10.0.0.7:5432"));
        assert_eq!(told([198, 18, 9, 9].into()), None);
    }
}
