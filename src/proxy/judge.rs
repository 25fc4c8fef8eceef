//! Which addresses the broker may dial: the guard against requests that a name smuggles into the user's own networks.
//!
//! A table of the IANA special-purpose address registries (RFC 6890 and its updates) with what each block means here.
//! IPv6 forms that carry an IPv4 address are judged by that address as well, because a gateway on the way may unpack it.
//!
//! **Invariants.** An address outside the table and outside global unicast space (`2000::/3`) is refused. What serves
//! credentials to whoever can reach it (metadata services) is refused even where policy names it.
//!
//! **Trade-off.** `64:ff9b::/96` is judged by the embedded address alone: behind DNS64 every name resolves into it, and
//! RFC 6052 §3.1 forbids it for non-global addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address may not be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{address}` is {kind}")]
pub struct AddressRefusal {
    /// The address.
    pub address: IpAddr,
    /// What kind of address it is.
    pub kind: Kind,
}

impl AddressRefusal {
    /// Whether an entry of policy that names the target would allow it.
    pub fn opens_when_named(&self) -> bool {
        self.kind.access() == Access::Named
    }
}

/// The kinds of address that are not simply public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A service that hands credentials to every machine that asks.
    Metadata,
    /// "This network" and the unspecified address.
    Unspecified,
    /// The machine itself.
    Loopback,
    /// Only on this link.
    LinkLocal,
    /// A private network.
    Private,
    /// A provider's shared space, which overlay networks use too.
    Shared,
    /// Addresses that the seal gives to names, and network test gear.
    Benchmarking,
    /// Examples in texts.
    Documentation,
    /// A group, not a host.
    Multicast,
    /// Everybody on the link.
    Broadcast,
    /// Not assigned for use, or used by a protocol within itself.
    Reserved,
    /// An IPv4 address in an IPv6 form that only a translator of this site understands.
    Translated,
    /// An IPv4 address in an IPv6 form that no public name should have.
    Embedded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// For a target that policy names.
    Named,
    /// For none.
    Never,
}

impl Kind {
    fn access(self) -> Access {
        match self {
            Self::Private | Self::Shared | Self::Translated | Self::Embedded => Access::Named,
            _ => Access::Never,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Metadata => "a metadata service's address",
            Self::Unspecified => "not the address of a host",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Private => "a private address",
            Self::Shared => "in the shared address space of providers and overlay networks",
            Self::Benchmarking => "in the range for benchmarks, which stands for names inside a run",
            Self::Documentation => "an address for documentation",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Reserved => "a reserved address",
            Self::Translated => "in a local translation prefix",
            Self::Embedded => "an IPv4 address in an IPv6 form",
        })
    }
}

/// Judges an address before it is dialled. `named`: policy names the target, so private networks are meant. `exempt`:
/// the user's own `--connect-to` named this address.
pub fn judge(address: IpAddr, named: bool, exempt: bool) -> Result<(), AddressRefusal> {
    if exempt {
        return Ok(());
    }
    let kinds: Vec<Option<Kind>> = match address {
        IpAddr::V4(address) => vec![kind_of_v4(address)],
        IpAddr::V6(address) => {
            let inner = embedded(address).into_iter().map(kind_of_v4);
            std::iter::once(kind_of_v6(address)).chain(inner).collect()
        }
    };
    let is_refused = |kind: &Kind| kind.access() == Access::Never || !named;
    match kinds.into_iter().flatten().find(is_refused) {
        Some(kind) => Err(AddressRefusal { address, kind }),
        None => Ok(()),
    }
}

fn kind_of_v4(address: Ipv4Addr) -> Option<Kind> {
    let bits = address.to_bits();
    V4.iter().find(|(block, length, _)| bits >> (32 - length) == block.to_bits() >> (32 - length)).map(|row| row.2)
}

fn kind_of_v6(address: Ipv6Addr) -> Option<Kind> {
    let bits = address.to_bits();
    let row = V6.iter().find(|(block, length, _)| bits >> (128 - length) == block.to_bits() >> (128 - length));
    match row {
        Some((_, _, meaning)) => *meaning,
        None if bits >> 125 == 0b001 => None,
        None => Some(Kind::Reserved),
    }
}

type V4Row = (Ipv4Addr, u32, Kind);
type V6Row = (Ipv6Addr, u32, Option<Kind>);

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const fn v6(segments: [u16; 8]) -> Ipv6Addr {
    let [zero, one, two, three, four, five, six, seven] = segments;
    Ipv6Addr::new(zero, one, two, three, four, five, six, seven)
}

/// The first row that covers an address counts.
#[rustfmt::skip]
const V4: &[V4Row] = &[
    (v4(100, 100, 100, 200), 32, Kind::Metadata),      // Alibaba Cloud
    (v4(168, 63, 129, 16), 32, Kind::Metadata),        // Azure WireServer
    (v4(169, 254, 0, 23), 32, Kind::Metadata),         // Tencent Cloud
    (v4(169, 254, 42, 42), 32, Kind::Metadata),        // Scaleway
    (v4(169, 254, 169, 254), 32, Kind::Metadata),      // AWS, Azure, Google, Oracle, DigitalOcean, OpenStack
    (v4(169, 254, 170, 2), 32, Kind::Metadata),        // AWS ECS task credentials
    (v4(169, 254, 170, 23), 32, Kind::Metadata),       // AWS EKS pod identity
    (v4(192, 0, 0, 192), 32, Kind::Metadata),          // Oracle Cloud Classic
    (v4(0, 0, 0, 0), 8, Kind::Unspecified),            // RFC 791 §3.2
    (v4(10, 0, 0, 0), 8, Kind::Private),               // RFC 1918
    (v4(100, 64, 0, 0), 10, Kind::Shared),             // RFC 6598
    (v4(127, 0, 0, 0), 8, Kind::Loopback),             // RFC 1122 §3.2.1.3
    (v4(169, 254, 0, 0), 16, Kind::LinkLocal),         // RFC 3927
    (v4(172, 16, 0, 0), 12, Kind::Private),            // RFC 1918
    (v4(192, 0, 0, 0), 24, Kind::Reserved),            // RFC 6890 §2.1, IETF protocol assignments
    (v4(192, 0, 2, 0), 24, Kind::Documentation),       // RFC 5737
    (v4(192, 88, 99, 0), 24, Kind::Reserved),          // RFC 7526, 6to4 relays, deprecated
    (v4(192, 168, 0, 0), 16, Kind::Private),           // RFC 1918
    (v4(198, 18, 0, 0), 15, Kind::Benchmarking),       // RFC 2544
    (v4(198, 51, 100, 0), 24, Kind::Documentation),    // RFC 5737
    (v4(203, 0, 113, 0), 24, Kind::Documentation),     // RFC 5737
    (v4(224, 0, 0, 0), 4, Kind::Multicast),            // RFC 5771
    (v4(255, 255, 255, 255), 32, Kind::Broadcast),     // RFC 919
    (v4(240, 0, 0, 0), 4, Kind::Reserved),             // RFC 1112 §4
];

/// The first row that covers an address counts; `None` is public.
#[rustfmt::skip]
const V6: &[V6Row] = &[
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]), 128, Some(Kind::Metadata)),   // AWS
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23]), 128, Some(Kind::Metadata)),    // AWS EKS pod identity
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]), 128, Some(Kind::Metadata)),    // Google
    (v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42]), 128, Some(Kind::Metadata)),     // Scaleway
    (v6([0, 0, 0, 0, 0, 0, 0, 0]), 128, Some(Kind::Unspecified)),             // RFC 4291 §2.5.2
    (v6([0, 0, 0, 0, 0, 0, 0, 1]), 128, Some(Kind::Loopback)),                // RFC 4291 §2.5.3
    (v6([0, 0, 0, 0, 0, 0, 0, 0]), 96, Some(Kind::Embedded)),                 // RFC 4291 §2.5.5.1, v4-compatible
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0]), 96, Some(Kind::Embedded)),            // RFC 4291 §2.5.5.2, v4-mapped
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0]), 96, Some(Kind::Embedded)),            // RFC 2765 §2.1, v4-translated
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0]), 96, None),                         // RFC 6052, NAT64 of global addresses
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0]), 48, Some(Kind::Translated)),       // RFC 8215
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0]), 8, Some(Kind::Reserved)),              // RFC 6666 and 9780 within, discard
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0]), 32, Some(Kind::Embedded)),            // RFC 4380, Teredo
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0]), 48, Some(Kind::Benchmarking)),        // RFC 5180
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0]), 23, Some(Kind::Reserved)),            // RFC 2928, IETF protocol assignments
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0]), 32, Some(Kind::Documentation)),   // RFC 3849
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0]), 16, Some(Kind::Embedded)),            // RFC 3056, 6to4
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0]), 20, Some(Kind::Documentation)),       // RFC 9637
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0]), 7, Some(Kind::Private)),              // RFC 4193
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0]), 10, Some(Kind::LinkLocal)),           // RFC 4291 §2.5.6
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0]), 10, Some(Kind::Private)),             // RFC 3879, site-local, deprecated
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0]), 8, Some(Kind::Multicast)),            // RFC 4291 §2.7
];

/// Every IPv4 address that a gateway might read out of `address`.
fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bits = address.to_bits();
    let at = |shift: u32| Ipv4Addr::from_bits(u32::try_from(bits >> shift & 0xffff_ffff).unwrap_or_default());
    match address.segments() {
        // The unspecified and loopback addresses are themselves, not compatible forms of 0.0.0.0 and 0.0.0.1.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Vec::new(),
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => vec![at(0)],
        // RFC 6052 §2.2: prefixes of 48, 56, 64 and 96 bits, with bits 64 to 71 left out. Which one this site uses is
        // not known, so only those readings count that would be dangerous.
        [0x64, 0xff9b, 1, ..] => {
            let around = |high: u32| {
                let (upper, lower) = (bits >> 64 & ((1 << high) - 1), bits >> (24 + high) & ((1 << (32 - high)) - 1));
                Ipv4Addr::from_bits(u32::try_from(upper << (32 - high) | lower).unwrap_or_default())
            };
            let mut readings = vec![around(8), around(16), at(24), at(0)];
            readings.retain(|reading| {
                matches!(kind_of_v4(*reading), Some(Kind::Metadata | Kind::Loopback | Kind::LinkLocal))
            });
            readings
        }
        // RFC 4380 §4: the server's address, and the client's with all bits turned.
        [0x2001, 0, ..] => vec![at(64), Ipv4Addr::from_bits(!at(0).to_bits())],
        [0x2002, ..] => vec![at(80)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str, named: bool) -> Option<Kind> {
        judge(text.parse().unwrap(), named, false).err().map(|refusal| refusal.kind)
    }

    #[test]
    fn public_addresses_pass() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.31.196.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2620:4f:8000::1",
            "64:ff9b::101:101",
        ] {
            assert_eq!(kind(text, false), None, "{text}");
        }
    }

    #[test]
    fn private_networks_need_to_be_named() {
        for (text, expected) in [
            ("10.0.0.1", Kind::Private),
            ("10.255.255.255", Kind::Private),
            ("172.16.0.0", Kind::Private),
            ("172.31.255.255", Kind::Private),
            ("192.168.1.1", Kind::Private),
            ("100.64.0.1", Kind::Shared),
            ("100.127.255.255", Kind::Shared),
            ("fc00::1", Kind::Private),
            ("fd12:3456::1", Kind::Private),
            ("fec0::1", Kind::Private),
            ("::ffff:10.0.0.1", Kind::Embedded),
            ("::ffff:1.1.1.1", Kind::Embedded),
            ("2002:0101:0101::1", Kind::Embedded),
            ("64:ff9b::a00:1", Kind::Private),
            ("64:ff9b:1::a00:1", Kind::Translated),
        ] {
            assert_eq!((kind(text, false), kind(text, true)), (Some(expected), None), "{text}");
            let refusal = judge(text.parse().unwrap(), false, false).unwrap_err();
            assert!(refusal.opens_when_named(), "{text}");
        }
    }

    #[test]
    fn the_rest_is_refused_whatever_policy_names() {
        for (text, expected) in [
            ("0.0.0.0", Kind::Unspecified),
            ("0.1.2.3", Kind::Unspecified),
            ("127.0.0.1", Kind::Loopback),
            ("127.255.255.255", Kind::Loopback),
            ("169.254.0.1", Kind::LinkLocal),
            ("192.0.0.8", Kind::Reserved),
            ("192.0.2.1", Kind::Documentation),
            ("192.88.99.1", Kind::Reserved),
            ("198.18.0.1", Kind::Benchmarking),
            ("198.19.255.255", Kind::Benchmarking),
            ("198.51.100.1", Kind::Documentation),
            ("203.0.113.1", Kind::Documentation),
            ("224.0.0.1", Kind::Multicast),
            ("239.255.255.255", Kind::Multicast),
            ("240.0.0.1", Kind::Reserved),
            ("255.255.255.255", Kind::Broadcast),
            ("::", Kind::Unspecified),
            ("::1", Kind::Loopback),
            ("100::1", Kind::Reserved),
            ("2001:2::1", Kind::Benchmarking),
            ("2001:20::1", Kind::Reserved),
            ("2001:db8::1", Kind::Documentation),
            ("3fff::1", Kind::Documentation),
            ("4000::1", Kind::Reserved),
            ("5f00::1", Kind::Reserved),
            ("fe80::1", Kind::LinkLocal),
            ("ff02::1", Kind::Multicast),
            ("::127.0.0.1", Kind::Loopback),
            ("::ffff:127.0.0.1", Kind::Loopback),
            ("::ffff:0:127.0.0.1", Kind::Loopback),
            ("64:ff9b::7f00:1", Kind::Loopback),
            ("2002:7f00:1::1", Kind::Loopback),
            ("2001:0:7f00:1::", Kind::Loopback),
            ("2001:0:101:101:0:0:80ff:fffe", Kind::Loopback),
        ] {
            assert_eq!(kind(text, true), Some(expected), "{text}");
            assert!(kind(text, false).is_some(), "{text}");
        }
    }

    #[test]
    fn metadata_services_are_refused_in_every_disguise() {
        for text in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1:a9:fe:a9fe::",
            "64:ff9b:1:0:a9:fea9:fe00:0",
            "2002:a9fe:a9fe::1",
            "2001:0:a9fe:a9fe::",
            "2001:0:101:101:0:0:5601:5601",
        ] {
            assert_eq!(kind(text, true), Some(Kind::Metadata), "{text}");
        }
        assert!(judge("169.254.169.254".parse().unwrap(), false, true).is_ok(), "what the user's own flag names");
    }

    #[test]
    fn a_refusal_says_what_the_address_is() {
        let refusal = judge("10.0.0.1".parse().unwrap(), false, false).unwrap_err();
        assert_eq!(refusal.to_string(), "`10.0.0.1` is a private address");
    }
}
