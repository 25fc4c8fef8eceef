//! The packet filter that lets the parent see which ports the child could not reach: pure.
//!
//! Inside the seal every address is local, so a connection to a port on which nobody listens is refused at once by the
//! kernel, which answers the SYN with RST and ACK, sequence number 0 (RFC 9293, section 3.5.2). Such an answer from an
//! address that is not loopback is what the child would have reached on the network.

use super::bpf::{Program, Test};
use crate::sys::seccomp::Instruction;

/// Passes a packet whole, or not at all.
const WHOLE: u32 = u32::MAX;
const NOT_AT_ALL: u32 = 0;

const TCP: u32 = 6;
const RST_AND_ACK: u32 = 0x14;
/// Where packets keep their direction (`SKF_AD_OFF + SKF_AD_PKTTYPE`): each is seen going out and coming in.
const DIRECTION: u32 = 0xffff_f000 + 4;
const OUTGOING: u32 = 4;

/// The program; `None` never happens for a program of this length.
pub(super) fn program() -> Option<Vec<Instruction>> {
    let mut program = Program::default();
    program.load_byte(DIRECTION);
    program.when(Test::Equal(OUTGOING), |outgoing| outgoing.end(NOT_AT_ALL));
    program.load_byte(0);
    program.shift_right(4);
    program.when(Test::Equal(4), |v4| {
        v4.load_byte(9);
        v4.unless(Test::Equal(TCP), |other| other.end(NOT_AT_ALL));
        v4.load_byte(12);
        v4.when(Test::Equal(127), |loopback| loopback.end(NOT_AT_ALL));
        v4.load_header_length(0);
        refusal(v4, 0);
    });
    program.load_byte(0);
    program.shift_right(4);
    program.when(Test::Equal(6), |v6| {
        v6.load_byte(6);
        v6.unless(Test::Equal(TCP), |other| other.end(NOT_AT_ALL));
        v6.load(8);
        v6.when(Test::Equal(0), |zeros| {
            zeros.load(12);
            zeros.when(Test::Equal(0), |zeros| {
                zeros.load(16);
                // ::1 and IPv4-mapped addresses, which do not appear in IPv6 packets.
                zeros.when(Test::Equal(0), |loopback| loopback.end(NOT_AT_ALL));
            });
        });
        // X is 0 until it is loaded: offsets are from the start of the packet.
        refusal(v6, 40);
    });
    program.end(NOT_AT_ALL);
    program.finish()
}

/// The TCP header at X + `offset`: RST and ACK, sequence number 0.
fn refusal(packet: &mut Program, offset: u32) {
    packet.load_byte_indexed(offset + 13);
    packet.unless(Test::Equal(RST_AND_ACK), |other| other.end(NOT_AT_ALL));
    packet.load_indexed(offset + 4);
    packet.unless(Test::Equal(0), |later| later.end(NOT_AT_ALL));
    packet.end(WHOLE);
}

#[cfg(test)]
mod tests {
    use super::super::bpf::interpreter::{Order, run};
    use super::*;

    fn v4(source: [u8; 4], flags: u8, sequence: u32) -> Vec<u8> {
        let mut packet = vec![0x46, 0, 0, 44, 0, 0, 0, 0, 64, 6, 0, 0];
        packet.extend(source);
        packet.extend([127, 0, 0, 1, 1, 1, 1, 1]);
        tcp(packet, flags, sequence)
    }

    fn v6(source: std::net::Ipv6Addr, flags: u8, sequence: u32) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
        packet.extend(source.octets());
        packet.extend([0; 16]);
        tcp(packet, flags, sequence)
    }

    fn tcp(mut packet: Vec<u8>, flags: u8, sequence: u32) -> Vec<u8> {
        packet.extend([0, 22, 0x80, 0]);
        packet.extend(sequence.to_be_bytes());
        packet.extend([0, 0, 0, 9, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        packet
    }

    #[test]
    fn passes_refusals_of_other_hosts_alone() {
        // The direction is beyond what the interpreter knows: leave out the two instructions that ask for it.
        let program = &program().unwrap()[3..];
        let passes = |packet: &[u8]| run(program, packet, Order::Network) == WHOLE;
        assert!(passes(&v4([10, 0, 0, 1], 0x14, 0)));
        assert!(passes(&v6("2001:db8::1".parse().unwrap(), 0x14, 0)));
        assert!(passes(&v6("::2:0:0:1".parse().unwrap(), 0x14, 0)));
        for other in [
            v4([127, 0, 0, 5], 0x14, 0),
            v4([10, 0, 0, 1], 0x04, 0),
            v4([10, 0, 0, 1], 0x12, 0),
            v4([10, 0, 0, 1], 0x14, 77),
            v6("::1".parse().unwrap(), 0x14, 0),
            v6("2001:db8::1".parse().unwrap(), 0x10, 0),
            vec![],
            vec![0x45],
        ] {
            assert!(!passes(&other), "{other:x?}");
        }
    }
}
