//! Hosts, ports and the patterns that match them.
//!
//! **Invariants.** A [`Host`] is lower case ASCII (IDNA applied), without a trailing dot, or an IP address in its one
//! canonical form. `*.label` matches exactly the names below `label`, never `label` itself.

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

/// A host with a port, as CONNECT names it (RFC 9110 §7.2, authority without userinfo).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// 1 to 65535.
    pub port: u16,
}

impl Authority {
    /// Parses `host:port`; where the port is missing, `default_port` stands in, and without one it is an error.
    pub fn parse(text: &str, default_port: Option<u16>) -> Result<Self, HostError> {
        let (host, port) = split_port(text);
        let port = match port {
            Some(digits) => parse_port(digits).ok_or_else(|| port_error(text))?,
            None => default_port.ok_or_else(|| port_error(text))?,
        };
        Ok(Self { host: Host::parse(host)?, port })
    }
}

fn port_error(text: &str) -> HostError {
    HostError::Port { text: text.escape_debug().to_string() }
}

fn parse_port(digits: &str) -> Option<u16> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| all_digits && *port != 0)
}

/// Splits off `:port`. A bare IPv6 address has more than one colon and no port.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if text.starts_with('[') {
        return match text.split_once("]:") {
            Some((host, port)) => (&text[..=host.len()], Some(port)),
            None => (text, None),
        };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

impl TryFrom<String> for Authority {
    type Error = HostError;

    fn try_from(text: String) -> Result<Self, HostError> {
        Self::parse(&text, None)
    }
}

impl From<Authority> for String {
    fn from(authority: Authority) -> Self {
        authority.to_string()
    }
}

/// One host, or all names below a domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// This host only.
    Exact(Host),
    /// `*.domain`: any name with at least one more label, never `domain` itself.
    Below(String),
}

impl HostPattern {
    /// Parses a host or `*.domain`. A wildcard needs a domain of two labels or more.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let wildcard_error = || HostError::Wildcard { text: text.escape_debug().to_string() };
        match text.strip_prefix("*.") {
            Some(domain) => match Host::parse(domain)? {
                Host::Name(name) if name.contains('.') => Ok(Self::Below(name)),
                _ => Err(wildcard_error()),
            },
            None if text.contains('*') => Err(wildcard_error()),
            None => Host::parse(text).map(Self::Exact),
        }
    }

    /// Whether `host` is covered.
    pub fn matches(&self, host: &Host) -> bool {
        match self {
            Self::Exact(exact) => exact == host,
            Self::Below(domain) => host
                .name()
                .and_then(|name| name.strip_suffix(domain.as_str()))
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        }
    }

    /// What both cover; of two patterns one lies within the other, or they have nothing in common.
    pub fn both(&self, other: &Self) -> Option<Self> {
        if self.contains(other) { Some(other.clone()) } else { other.contains(self).then(|| self.clone()) }
    }

    /// Whether every host that `other` covers is covered.
    fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Exact(host)) => self.matches(host),
            (Self::Exact(_), Self::Below(_)) => false,
            (Self::Below(domain), Self::Below(below)) => {
                below.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(formatter),
            Self::Below(domain) => write!(formatter, "*.{domain}"),
        }
    }
}

/// Where requests may go or a secret may be used: a host pattern and one port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    /// Which hosts.
    pub host: HostPattern,
    /// Which port; 443 where the text named none.
    pub port: u16,
}

impl Target {
    /// Parses `host`, `host:port`, `*.domain` or `*.domain:port`.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let (host, port) = split_port(text);
        let port = match port {
            Some(digits) => parse_port(digits).ok_or_else(|| port_error(text))?,
            None => 443,
        };
        Ok(Self { host: HostPattern::parse(host)?, port })
    }

    /// Whether `authority` is covered.
    pub fn matches(&self, authority: &Authority) -> bool {
        self.port == authority.port && self.host.matches(&authority.host)
    }

    /// What both cover.
    pub fn both(&self, other: &Self) -> Option<Self> {
        let host = self.host.both(&other.host).filter(|_| self.port == other.port)?;
        Some(Self { host, port: self.port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            443 => self.host.fmt(formatter),
            port => write!(formatter, "{}:{port}", self.host),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = HostError;

    fn try_from(text: String) -> Result<Self, HostError> {
        Self::parse(&text)
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
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

    #[test]
    fn authorities_need_a_port() {
        assert_eq!(Authority::parse("[::1]:8443", None).unwrap().to_string(), "[::1]:8443");
        assert_eq!(Authority::parse("a.example", Some(443)).unwrap().to_string(), "a.example:443");
        for text in ["a.example", "a.example:", "a.example:0", "a.example:65536", "a.example:+1", "::1"] {
            assert!(Authority::parse(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wildcard_covers_names_below_and_nothing_else() {
        let pattern = HostPattern::parse("*.example.com").unwrap();
        let covers = |text: &str| pattern.matches(&Host::parse(text).unwrap());
        assert!(covers("a.example.com") && covers("a.b.example.com"));
        assert!(!covers("example.com") && !covers("badexample.com") && !covers("example.com.evil.org"));
        for text in ["*.com", "*", "a.*.com", "*a.example.com", "*.10.0.0.1"] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }
}
