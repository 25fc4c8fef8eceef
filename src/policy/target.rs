//! Authorities, and the patterns of hosts and ports that match them.
//!
//! **Invariants.** `*.domain` matches exactly the names below `domain`, never `domain` itself, and those names belong
//! to one owner.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::suffix;
use super::{Host, HostError};

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
    /// Parses a host or `*.domain`. A wildcard needs a domain whose names belong to one owner.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let wildcard_error = || HostError::Wildcard { text: text.escape_debug().to_string() };
        match text.strip_prefix("*.") {
            Some(domain) => match Host::parse(domain)? {
                Host::Name(name) if !suffix::is_shared(&name) => Ok(Self::Below(name)),
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
        for text in ["*.com", "*.co.uk", "*.github.io", "*", "a.*.com", "*a.example.com", "*.10.0.0.1"] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_both_cover_is_what_each_covers(
            patterns in proptest::array::uniform2("(\\*\\.)?([ab]\\.){0,2}x\\.example"),
            host in "([ab]\\.){0,3}x\\.example",
        ) {
            let [one, other] = patterns.map(|text| HostPattern::parse(&text).unwrap());
            let host = Host::parse(&host).unwrap();
            let both = one.both(&other).is_some_and(|both| both.matches(&host));
            proptest::prop_assert_eq!(both, one.matches(&host) && other.matches(&host));
        }
    }
}
