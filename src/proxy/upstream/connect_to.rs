//! `--connect-to HOST1:PORT1:HOST2:PORT2`, as curl has it.

use std::str::FromStr;

use crate::policy::{Authority, Host};
use crate::proxy::ProxyError;

/// Connections meant for one address go to another. The name in TLS, `Host` and policy stays the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectTo {
    /// The host that the request names; `None` stands for any.
    host: Option<Host>,
    /// The port that the request names; `None` stands for any.
    port: Option<u16>,
    /// Where to dial instead; `None` keeps the request's own.
    to_host: Option<Host>,
    to_port: Option<u16>,
}

impl ConnectTo {
    /// Whether it covers some port of `host`.
    pub(in crate::proxy) fn covers_host(&self, host: &Host) -> bool {
        self.host.as_ref().is_none_or(|covered| covered == host)
    }

    /// Where to dial for `authority`, if this line covers it. The address it names is the user's word and needs no judgement.
    pub fn redirect(&self, authority: &Authority) -> Option<Authority> {
        let covers = self.host.as_ref().is_none_or(|host| *host == authority.host)
            && self.port.is_none_or(|port| port == authority.port);
        covers.then(|| Authority {
            host: self.to_host.clone().unwrap_or_else(|| authority.host.clone()),
            port: self.to_port.unwrap_or(authority.port),
        })
    }
}

impl FromStr for ConnectTo {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let invalid = || ProxyError::ConnectTo { text: text.escape_debug().to_string() };
        let parts = split(text).ok_or_else(invalid)?;
        let host = |part: &str| match part {
            "" => Ok(None),
            part => Host::parse(part).map(Some).map_err(|_| invalid()),
        };
        let port = |part: &str| match part {
            "" => Ok(None),
            part => part.parse::<u16>().ok().filter(|port| *port != 0).map(Some).ok_or_else(invalid),
        };
        Ok(Self { host: host(parts[0])?, port: port(parts[1])?, to_host: host(parts[2])?, to_port: port(parts[3])? })
    }
}

/// Splits at colons outside brackets into exactly four parts.
fn split(text: &str) -> Option<[&str; 4]> {
    let mut bracket = false;
    let parts: Vec<&str> = text
        .split(|character| {
            match character {
                '[' => bracket = true,
                ']' => bracket = false,
                _ => {}
            }
            character == ':' && !bracket
        })
        .collect();
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_what_it_covers() {
        let cases = [
            ("a.example:443:127.0.0.1:8443", "a.example:443", Some("127.0.0.1:8443")),
            ("a.example:443:127.0.0.1:8443", "a.example:444", None),
            ("a.example:443:127.0.0.1:8443", "b.example:443", None),
            ("::127.0.0.1:8443", "b.example:80", Some("127.0.0.1:8443")),
            ("a.example::[::1]:", "a.example:80", Some("[::1]:80")),
            ("[2001:db8::1]:443:b.example:1", "[2001:db8::1]:443", Some("b.example:1")),
        ];
        for (text, asked, wanted) in cases {
            let line: ConnectTo = text.parse().unwrap();
            let redirected = line.redirect(&Authority::parse(asked, None).unwrap());
            assert_eq!(redirected.map(|to| to.to_string()).as_deref(), wanted, "{text} {asked}");
        }
    }

    #[test]
    fn refuses_other_forms() {
        for text in ["", "a", "a:1:b", "a:1:b:0", "a:x:b:1", "a:1:b:2:c", "a b:1:c:2"] {
            text.parse::<ConnectTo>().unwrap_err();
        }
    }
}
