//! Which ports the child could not reach because nobody listens there: read off the resets that the kernel sent.
//!
//! Inside the seal a connection to a port that is not open to the broker is refused by the kernel before we see it. A
//! packet socket shows us the reset that it answered with, so that the user can be told which flag opens the port. The
//! packets come without a link header (packet(7), `SOCK_DGRAM`).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram as StdUnixDatagram;

use tokio::net::UnixDatagram;

use super::dns::Names;
use crate::policy::{Authority, Host};

const TCP: u8 = 6;
const RST_AND_ACK: u8 = 0x14;

/// Tells each refused port, by name where the address stands for one; the same one may come again. Ends with an error
/// when the socket can no longer be read.
pub async fn watch(packets: OwnedFd, names: &Names, mut tell: impl FnMut(Authority)) -> io::Result<()> {
    let packets = StdUnixDatagram::from(packets);
    packets.set_nonblocking(true)?;
    // Of a packet socket nothing is used but recv(2), which is the same for every datagram socket.
    let packets = UnixDatagram::from_std(packets)?;
    let mut buffer = [0; 128];
    loop {
        let length = packets.recv(&mut buffer).await?;
        if let Some(authority) = refused(&buffer[..length]).and_then(|address| authority(address, names)) {
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

/// The address and port that refused a connection, if `packet` says that one did: an IP packet with a TCP segment that
/// has RST and ACK set and sequence number 0, as the answer to a SYN has (RFC 9293 §3.5.2).
fn refused(packet: &[u8]) -> Option<SocketAddr> {
    let (address, segment) = match packet.first()? >> 4 {
        4 => {
            let header_length = usize::from(packet[0] & 0x0f) * 4;
            let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
            let segment = packet.get(header_length..).filter(|_| header_length >= 20 && packet.get(9) == Some(&TCP))?;
            (Ipv4Addr::from(source).into(), segment)
        }
        6 => {
            let source: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
            (Ipv6Addr::from(source).into(), packet.get(40..).filter(|_| packet.get(6) == Some(&TCP))?)
        }
        _ => return None,
    };
    let is_refusal = segment.get(4..8)? == [0; 4] && *segment.get(13)? == RST_AND_ACK;
    let port = u16::from_be_bytes([*segment.first()?, *segment.get(1)?]);
    is_refusal.then_some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::sync::mpsc;

    use super::*;

    fn segment(flags: u8, sequence: u32) -> Vec<u8> {
        let mut segment = vec![0x15, 0x38, 0x80, 0x00];
        segment.extend(sequence.to_be_bytes());
        segment.extend([0, 0, 0, 9, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        segment
    }

    fn v4(options: u8, source: [u8; 4], segment: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45 + options, 0, 0, 40, 0, 0, 0, 0, 64, TCP, 0, 0];
        packet.extend(source);
        packet.extend([127, 0, 0, 1]);
        packet.resize(20 + usize::from(options) * 4, 1);
        packet.extend(segment);
        packet
    }

    fn v6(source: &str, segment: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 20, TCP, 64];
        packet.extend(source.parse::<Ipv6Addr>().unwrap().octets());
        packet.extend([0; 16]);
        packet.extend(segment);
        packet
    }

    #[test]
    fn only_the_answer_to_a_refused_connection_counts() {
        let reset = segment(RST_AND_ACK, 0);
        let mut datagram = v4(0, [9, 9, 9, 9], &reset);
        datagram[9] = 17;
        for (packet, expected) in [
            (v4(0, [198, 18, 0, 1], &reset), Some("198.18.0.1:5432")),
            (v4(2, [10, 0, 0, 7], &reset), Some("10.0.0.7:5432")),
            (v6("2606:4700::1", &reset), Some("[2606:4700::1]:5432")),
            (v4(0, [9, 9, 9, 9], &segment(0x12, 0)), None),
            (v4(0, [9, 9, 9, 9], &segment(0x04, 0)), None),
            (v4(0, [9, 9, 9, 9], &segment(RST_AND_ACK, 77)), None),
            (v4(0, [9, 9, 9, 9], &reset[..10]), None),
            (datagram, None),
            (vec![], None),
        ] {
            assert_eq!(refused(&packet), expected.map(|text| text.parse().unwrap()), "{packet:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(packet in proptest::collection::vec(any::<u8>(), 0..80), version in 0_u8..16) {
            let mut packet = packet;
            if let Some(first) = packet.first_mut() {
                *first = version << 4 | *first & 0x0f;
            }
            let _ = refused(&packet);
        }
    }

    #[tokio::test]
    async fn refused_ports_are_told_by_name() {
        let names = Names::default();
        let address = names.assign(&Host::parse("db.example").unwrap()).unwrap();
        let (kernel, ours) = StdUnixDatagram::pair().unwrap();
        for source in [address.octets(), [10, 0, 0, 7], [198, 18, 9, 9]] {
            kernel.send(&v4(0, source, &segment(RST_AND_ACK, 0))).unwrap();
        }
        kernel.send(b"noise").unwrap();
        kernel.send(&v6("2606:4700::1", &segment(RST_AND_ACK, 0))).unwrap();
        let (sender, mut told) = mpsc::unbounded_channel();
        let watching = watch(ours.into(), &names, |authority| sender.send(authority.to_string()).unwrap());
        let listening = async {
            for expected in ["db.example:5432", "10.0.0.7:5432", "[2606:4700::1]:5432"] {
                assert_eq!(told.recv().await.as_deref(), Some(expected));
            }
        };
        tokio::select! {
            ended = watching => panic!("ended: {ended:?}"),
            () = listening => {}
        }
    }
}
