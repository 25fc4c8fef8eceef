//! The proxy that the user's own environment names for traffic to the world.
//!
//! **Trade-off.** Every target is reached by CONNECT, plaintext ones too, and only `http://` proxies are spoken to.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::policy::{Authority, Host};
use crate::proxy::ProxyError;
use crate::secret::Secret;

/// An HTTP proxy between the broker and the world.
#[derive(Debug)]
pub struct UpstreamProxy {
    authority: Authority,
    /// The value of `Proxy-Authorization`.
    authorization: Option<Secret>,
    exempt: Vec<Exempt>,
}

/// One entry of `NO_PROXY`.
#[derive(Debug, PartialEq, Eq)]
enum Exempt {
    All,
    /// The name itself and all below it, whether written with a leading dot or not.
    Domain(String),
    Exact(Host),
    /// `10.0.0.0/8`.
    Network(IpAddr, u32),
    Port(Host, u16),
}

impl UpstreamProxy {
    /// Reads the values of `HTTPS_PROXY` and `NO_PROXY`; an empty proxy means none.
    pub fn parse(https_proxy: &str, no_proxy: &str) -> Result<Option<Self>, ProxyError> {
        let text = https_proxy.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (userinfo, host) = rest.rsplit_once('@').map_or((None, rest), |(userinfo, host)| (Some(userinfo), host));
        let host = host.split(['/', '?', '#']).next().unwrap_or_default();
        let invalid = || ProxyError::UpstreamProxy { text: host.escape_debug().to_string() };
        if text.split_once("://").is_some_and(|(scheme, _)| !scheme.eq_ignore_ascii_case("http")) {
            return Err(invalid());
        }
        let authority = Authority::parse(host, Some(80)).map_err(|_| invalid())?;
        let authorization = userinfo.map(authorization);
        Ok(Some(Self { authority, authorization, exempt: no_proxy.split([',', ' ']).filter_map(exempt).collect() }))
    }

    /// The proxy's own address.
    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Whether `target` goes through it.
    pub(super) fn serves(&self, target: &Authority) -> bool {
        !self.exempt.iter().any(|exempt| match exempt {
            Exempt::All => true,
            Exempt::Domain(domain) => target.host.name().is_some_and(|name| {
                name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }),
            Exempt::Exact(host) => *host == target.host,
            Exempt::Network(network, length) => {
                matches!(&target.host, Host::Address(address) if is_within(*address, *network, *length))
            }
            Exempt::Port(host, port) => *host == target.host && *port == target.port,
        })
    }

    /// The head of the CONNECT request for `target` (RFC 9110 §9.3.6).
    pub(super) fn head(&self, target: &Authority) -> Zeroizing<Vec<u8>> {
        let mut head = Zeroizing::new(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes());
        if let Some(authorization) = &self.authorization {
            head.extend_from_slice(b"Proxy-Authorization: ");
            head.extend_from_slice(authorization.expose());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

/// Percent-decodes `user:password` (RFC 3986 §2.1) and encodes it for Basic; a `%` that encodes nothing stays.
fn authorization(userinfo: &str) -> Secret {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Zeroizing::new(Vec::with_capacity(userinfo.len()));
    let mut rest = userinfo.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if digit(high).is_some() && digit(low).is_some() => {
                decoded.push(digit(high).unwrap_or_default() << 4 | digit(low).unwrap_or_default());
                rest = after;
            }
            _ => decoded.push(*first),
        }
    }
    let encoded = Zeroizing::new(STANDARD.encode(&decoded));
    Secret::new([b"Basic ", encoded.as_bytes()].concat())
}

fn is_within(address: IpAddr, network: IpAddr, length: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (address.to_bits() ^ network.to_bits()).checked_shr(32 - length).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            (address.to_bits() ^ network.to_bits()).checked_shr(128 - length).unwrap_or(0) == 0
        }
        _ => false,
    }
}

fn network(entry: &str) -> Option<Exempt> {
    let (address, length) = entry.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let length = length.parse().ok().filter(|length| *length <= if address.is_ipv4() { 32 } else { 128 })?;
    Some(Exempt::Network(address, length))
}

fn exempt(entry: &str) -> Option<Exempt> {
    let entry = entry.trim();
    let bare = entry.trim_start_matches("*.").trim_start_matches('.');
    match entry {
        "" => None,
        "*" => Some(Exempt::All),
        _ if entry.contains('/') => network(entry),
        _ => match Host::parse(bare) {
            Ok(Host::Name(name)) => Some(Exempt::Domain(name)),
            Ok(address) => Some(Exempt::Exact(address)),
            Err(_) => Authority::parse(bare, None).ok().map(|authority| Exempt::Port(authority.host, authority.port)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exempts_as_curl_and_go_do() {
        let proxy = UpstreamProxy::parse(
            "http://proxy.example:3128",
            "localhost, .corp.example,10.0.0.1,b.example:8443,172.16.0.0/12,fd00::/8,9.9.9.9/99",
        )
        .unwrap()
        .unwrap();
        for (target, served) in [
            ("a.example:443", true),
            ("corp.example:443", false),
            ("x.corp.example:443", false),
            ("xcorp.example:443", true),
            ("10.0.0.1:443", false),
            ("10.0.0.2:443", true),
            ("172.31.0.1:443", false),
            ("172.32.0.1:443", true),
            ("[fd12::1]:443", false),
            ("[fe80::1]:443", true),
            ("9.9.9.9:443", true),
            ("b.example:8443", false),
            ("b.example:443", true),
        ] {
            assert_eq!(proxy.serves(&Authority::parse(target, None).unwrap()), served, "{target}");
        }
        let none = UpstreamProxy::parse("proxy.example", "*").unwrap().unwrap();
        assert_eq!(none.authority().to_string(), "proxy.example:80");
        assert!(!none.serves(&Authority::parse("a.example:443", None).unwrap()));
    }

    #[test]
    fn credentials_are_decoded_once_and_never_shown() {
        let proxy = UpstreamProxy::parse("http://us%65r:p%40ss@proxy.example:3128/", "").unwrap().unwrap();
        let head = proxy.head(&Authority::parse("a.example:443", None).unwrap());
        let line = format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode("user:p@ss"));
        assert!(String::from_utf8_lossy(&head).contains(&line));
        assert!(!format!("{proxy:?}").contains(&STANDARD.encode("user:p@ss")));
        let refused = UpstreamProxy::parse("socks5://user:hunter2@proxy.example:1080", "").unwrap_err();
        assert!(!refused.to_string().contains("hunter2"));
    }

    #[test]
    fn nothing_means_none() {
        assert!(UpstreamProxy::parse(" ", "").unwrap().is_none());
        for text in ["https://proxy.example", "http://", "http://a b:1"] {
            UpstreamProxy::parse(text, "").unwrap_err();
        }
    }
}
