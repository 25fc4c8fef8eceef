//! `--publish` as users of `docker run -p` write it, and the host's side of it.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A port of the child to be reached from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// Every port that the child opens, on the host's loopback.
    Auto,
    /// One port.
    Port {
        /// The address of the host that listens.
        host: IpAddr,
        /// Its port there.
        host_port: u16,
        /// The port inside.
        port: u16,
    },
}

/// Why a port cannot be published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Not of the form.
    #[error("`{text}` is no port to publish: {reason}")]
    Malformed {
        /// What was written.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The host does not let us listen there.
    #[error("cannot publish port {port} on {at}")]
    Bind {
        /// Where on the host.
        at: SocketAddr,
        /// The port inside.
        port: u16,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl PublishError {
    /// What the user can type.
    pub fn hint(&self) -> String {
        match self {
            Self::Malformed { .. } => {
                "write `--publish 3000`, `--publish 8080:3000`, `--publish 192.0.2.7:8080:3000` or `--publish auto`"
                    .into()
            }
            Self::Bind { at, port, source } => match source.kind() {
                io::ErrorKind::AddrInUse => {
                    let other = if at.port() > u16::MAX - 10_000 { at.port() - 10_000 } else { at.port() + 10_000 };
                    format!(
                        "something else listens there (`ss -ltnp` says what); `--publish {other}:{port}` takes another number"
                    )
                }
                io::ErrorKind::PermissionDenied => {
                    format!(
                        "ports below 1024 are the administrator's; `--publish {}:{port}` takes another",
                        u32::from(at.port()) + 8000
                    )
                }
                _ => "publish on an address of this machine: `ip address` lists them".into(),
            },
        }
    }
}

impl FromStr for Publish {
    type Err = PublishError;

    fn from_str(text: &str) -> Result<Self, PublishError> {
        let malformed = |reason| PublishError::Malformed { text: text.escape_debug().to_string(), reason };
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let ports = match text.rsplit_once('/') {
            Some((ports, "tcp")) => ports,
            Some(_) => return Err(malformed("only TCP is relayed")),
            None => text,
        };
        let (before, port) = match ports.rsplit_once(':') {
            Some((before, port)) => (Some(before), port),
            None => (None, ports),
        };
        let port = number(port).ok_or_else(|| malformed("the last part is to be a port from 1 to 65535"))?;
        let (host, host_port) = match before {
            None => (None, port),
            Some(before) if before.bytes().all(|byte| byte.is_ascii_digit()) => {
                (None, number(before).ok_or_else(|| malformed("a port of the host is from 1 to 65535"))?)
            }
            Some(before) => match before.rsplit_once(':') {
                Some((host, digits)) if !before.ends_with(']') => {
                    (Some(host), number(digits).ok_or_else(|| malformed("a port of the host is from 1 to 65535"))?)
                }
                _ => (Some(before), port),
            },
        };
        let host = match host {
            None | Some("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Some(host) => address(host).ok_or_else(|| malformed("the host is to be an address, IPv6 in brackets"))?,
        };
        Ok(Self::Port { host, host_port, port })
    }
}

fn number(digits: &str) -> Option<u16> {
    let are_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| are_digits && *port != 0)
}

fn address(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
        None => text.parse().ok().map(IpAddr::V4),
    }
}

impl fmt::Display for Publish {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Port { host, host_port, port } => {
                write!(formatter, "{} -> {port}", SocketAddr::new(*host, *host_port))
            }
        }
    }
}

impl Serialize for Publish {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A port of the host that is ours now.
#[derive(Debug)]
pub struct HostPort {
    pub(super) listener: TcpListener,
    /// The port inside.
    pub(super) port: u16,
}

impl HostPort {
    /// Listens.
    pub(super) fn bind(host: IpAddr, host_port: u16, port: u16) -> Result<Self, PublishError> {
        let at = SocketAddr::new(host, host_port);
        let listener = TcpListener::bind(at).map_err(|source| PublishError::Bind { at, port, source })?;
        Ok(Self { listener, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_users_of_containers_write() {
        for (text, shown) in [
            ("3000", "127.0.0.1:3000 -> 3000"),
            ("8080:3000", "127.0.0.1:8080 -> 3000"),
            ("localhost:3000", "127.0.0.1:3000 -> 3000"),
            ("0.0.0.0:3000", "0.0.0.0:3000 -> 3000"),
            ("127.0.0.1:8080:3000", "127.0.0.1:8080 -> 3000"),
            ("[::1]:3000", "[::1]:3000 -> 3000"),
            ("[::]:8080:3000/tcp", "[::]:8080 -> 3000"),
            ("auto", "auto"),
        ] {
            assert_eq!(text.parse::<Publish>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn refuses_what_it_would_have_to_guess() {
        for text in [
            "",
            "0",
            "65536",
            "+80",
            "a",
            "8080:",
            ":8080",
            "0:80",
            "80:0",
            "host:80",
            "::1:80",
            "[::1]",
            "1:2:3",
            "8000-8010",
            "53:53/udp",
            "127.0.0.1::80",
            "[::1:80",
            "auto:80",
            "-1",
        ] {
            assert!(text.parse::<Publish>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_taken_port_says_what_to_type() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = taken.local_addr().unwrap();
        let error = HostPort::bind(at.ip(), at.port(), 3000).unwrap_err();
        assert!(error.hint().contains(":3000` takes another number"), "{}", error.hint());
        assert!(error.to_string().contains(&at.to_string()), "{error}");
    }
}
