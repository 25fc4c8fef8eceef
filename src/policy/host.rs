//! Hosts: names and addresses.
//!
//! **Invariants.** A [`Host`] is lower case ASCII (IDNA applied), without a trailing dot, or an IP address in its one
//! canonical form.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A host as a request names it: a DNS name or an address literal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Host {
    /// A DNS name, lower case, A-labels, no trailing dot, at most 253 bytes.
    Name(String),
    /// An address; v4-mapped IPv6 is turned into IPv4 so that one address has one form.
    Address(IpAddr),
}

/// Why a text is not a host, authority or pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Nothing was given.
    #[error("a host cannot be empty")]
    Empty,
    /// Not a DNS name by IDNA and RFC 1123, nor an address.
    #[error("`{text}` is not a host name or address")]
    Invalid {
        /// The text, control characters escaped.
        text: String,
    },
    /// A port that is missing where one is needed, zero or above 65535.
    #[error("`{text}` has no valid port: write `host:port` with a port from 1 to 65535")]
    Port {
        /// The text, control characters escaped.
        text: String,
    },
    /// A wildcard that is not a whole first label, or that covers a public suffix.
    #[error(
        "`{text}` is not a host pattern: a wildcard is the whole first label of a registrable domain, as in `*.example.com`"
    )]
    Wildcard {
        /// The text, control characters escaped.
        text: String,
    },
}

impl Host {
    /// Parses a name or an address; brackets around IPv6 are accepted, ports are not.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        let invalid = || HostError::Invalid { text: text.escape_debug().to_string() };
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or_else(invalid)?;
            return inner.parse::<Ipv6Addr>().map(|address| Self::from(IpAddr::V6(address))).map_err(|_| invalid());
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::from(address));
        }
        let name = idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::URL).map_err(|_| invalid())?;
        let name = name.strip_suffix('.').unwrap_or(&name);
        if is_dns_name(name) { Ok(Self::Name(name.to_owned())) } else { Err(invalid()) }
    }

    /// The name, where it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Address(_) => None,
        }
    }
}

/// RFC 1123 §2.1 with `_`, which real service names use; the last label is not all digits, or it would be an address in
/// the eyes of some client (`0x7f.1`, `127.1`).
fn is_dns_name(name: &str) -> bool {
    let label_is_valid = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_number = name.rsplit('.').next().is_some_and(|last| {
        last.bytes().all(|byte| byte.is_ascii_digit())
            || last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    name.len() <= 253 && name.split('.').all(label_is_valid) && !last_is_number
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(formatter, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(formatter, "[{address}]"),
        }
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Host {
    type Error = HostError;

    fn try_from(text: String) -> Result<Self, HostError> {
        Self::parse(&text)
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_one_form() {
        for (text, form) in [
            ("API.Stripe.com", "api.stripe.com"),
            ("api.stripe.com.", "api.stripe.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("::1", "[::1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(Host::parse(text).unwrap().to_string(), form);
        }
    }

    #[test]
    fn refuses_what_clients_read_differently() {
        for text in
            ["", "a b", "a..b", "-a.example", "127.1", "0x7f.0x1", "2130706433", "a\0b", "a/b", "a@b", "[::1", "*"]
        {
            assert!(Host::parse(text).is_err(), "{text:?}");
        }
    }
}
