//! The socket filters that let the parent see which ports the child could not reach: pure.
//!
//! Inside the seal every address is local, so a connection to a port on which nobody listens is refused at once by the
//! kernel, which answers the SYN with RST and ACK, sequence number 0 (RFC 9293, section 3.5.2). Raw sockets receive a copy
//! of every segment that arrives (raw(7)); of those, these filters pass such answers alone.

use super::bpf::{Program, Test};
use crate::sys::seccomp::Instruction;

/// Passes a packet whole, or not at all.
const WHOLE: u32 = u32::MAX;
const NOT_AT_ALL: u32 = 0;

const RST_AND_ACK: u32 = 0x14;

/// For a raw socket of IPv4, which sees the IP header too: answers of loopback addresses stay out.
///
/// `None` never happens for a program of this length.
pub(super) fn v4() -> Option<Vec<Instruction>> {
    let mut program = Program::default();
    program.load_byte(12);
    program.when(Test::Equal(127), |loopback| loopback.end(NOT_AT_ALL));
    program.load_header_length(0);
    refusal(&mut program);
    program.finish()
}

/// For a raw socket of IPv6, which sees the segment alone (RFC 3542, section 3).
///
/// `None` never happens for a program of this length.
pub(super) fn v6() -> Option<Vec<Instruction>> {
    let mut program = Program::default();
    // X is 0 until it is loaded: offsets are from the start of the segment.
    refusal(&mut program);
    program.finish()
}

/// The TCP header at X: RST and ACK, sequence number 0.
fn refusal(program: &mut Program) {
    program.load_byte_indexed(13);
    program.unless(Test::Equal(RST_AND_ACK), |other| other.end(NOT_AT_ALL));
    program.load_indexed(4);
    program.unless(Test::Equal(0), |later| later.end(NOT_AT_ALL));
    program.end(WHOLE);
}

#[cfg(test)]
mod tests {
    use super::super::bpf::interpreter::{Order, run};
    use super::*;

    fn packet(source: [u8; 4], flags: u8, sequence: u32) -> Vec<u8> {
        let mut packet = vec![0x46, 0, 0, 44, 0, 0, 0, 0, 64, 6, 0, 0];
        packet.extend(source);
        packet.extend([127, 0, 0, 1, 1, 1, 1, 1]);
        packet.extend(segment(flags, sequence));
        packet
    }

    fn segment(flags: u8, sequence: u32) -> Vec<u8> {
        let mut segment = vec![0, 22, 0x80, 0];
        segment.extend(sequence.to_be_bytes());
        segment.extend([0, 0, 0, 9, 0x50, flags, 0, 0, 0, 0, 0, 0]);
        segment
    }

    #[test]
    fn passes_refusals_of_other_hosts_alone() {
        let passes = |packet: &[u8]| run(&v4().unwrap(), packet, Order::Network) == WHOLE;
        assert!(passes(&packet([10, 0, 0, 1], 0x14, 0)));
        for other in [
            packet([127, 0, 0, 5], 0x14, 0),
            packet([10, 0, 0, 1], 0x04, 0),
            packet([10, 0, 0, 1], 0x12, 0),
            packet([10, 0, 0, 1], 0x14, 77),
            vec![],
            vec![0x45],
        ] {
            assert!(!passes(&other), "{other:x?}");
        }
    }

    #[test]
    fn passes_refusals_by_the_segment_alone() {
        let passes = |packet: &[u8]| run(&v6().unwrap(), packet, Order::Network) == WHOLE;
        assert!(passes(&segment(0x14, 0)));
        for other in [segment(0x10, 0), segment(0x14, 1), segment(0x14, 0)[..12].to_vec(), vec![]] {
            assert!(!passes(&other), "{other:x?}");
        }
    }
}
