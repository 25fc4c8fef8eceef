//! A link that a child wants opened in the user's browser.
//!
//! **Invariants.** A [`Link`] begins with `http://` or `https://`, so that no program takes it for an option, a file or a
//! scheme of its own; it names a host, has no userinfo, and consists of visible ASCII characters of which none means
//! something to a shell. What browsers would escape themselves is escaped here.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

use super::{Authority, Host, HostError};

/// The longest link: what browsers and servers take.
pub const LONGEST_LINK: usize = 8192;
/// The most addresses to call back to that one link names.
const MOST_CALLBACKS: usize = 4;
/// What RFC 3986 does not allow as it stands, and quotes and dollars, which shells would see.
const ESCAPED: AsciiSet =
    CONTROLS.add(b'"').add(b'\'').add(b'<').add(b'>').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}').add(b'$');
/// How often a link may stand escaped within another.
const NESTING: usize = 3;

/// A checked link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    text: String,
    authority: Authority,
    callbacks: Vec<u16>,
}

/// Why something is not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Longer than [`LONGEST_LINK`].
    #[error("it is longer than {LONGEST_LINK} bytes")]
    Long,
    /// A character that has no place in a link.
    #[error("it holds a character that no link has")]
    Character,
    /// `file:`, `javascript:`, a path, an option.
    #[error("only http and https links are opened")]
    Scheme,
    /// `https://user@host`: it looks like one host and is another.
    #[error("it holds a user name or password")]
    Userinfo,
    /// No host, or one that cannot be read.
    #[error("its host cannot be read")]
    Host(#[source] HostError),
}

impl Link {
    /// Checks what a child sent.
    pub fn parse(bytes: &[u8]) -> Result<Self, LinkError> {
        if bytes.len() > LONGEST_LINK {
            return Err(LinkError::Long);
        }
        if bytes.iter().any(|byte| !(0x21..=0x7e).contains(byte)) {
            return Err(LinkError::Character);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| LinkError::Character)?;
        let (scheme, rest) = text.split_once("://").ok_or(LinkError::Scheme)?;
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => ("http", 80),
            "https" => ("https", 443),
            _ => return Err(LinkError::Scheme),
        };
        // A backslash ends the authority for a browser and not for RFC 3986: no link has one.
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(LinkError::Userinfo);
        }
        if path.contains('\\') {
            return Err(LinkError::Character);
        }
        let authority = Authority::parse(authority, Some(default_port)).map_err(LinkError::Host)?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = format!("{slash}{}", utf8_percent_encode(path, &ESCAPED));
        let shown = if authority.port == default_port { authority.host.to_string() } else { authority.to_string() };
        let callbacks = callbacks(&path);
        Ok(Self { text: format!("{scheme}://{shown}{path}"), authority, callbacks })
    }

    /// Host and port.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The ports of the loopback at which the login behind the link is to come back.
    pub fn callbacks(&self) -> &[u16] {
        &self.callbacks
    }

    /// The port, where the link leads to a loopback itself.
    pub fn local_port(&self) -> Option<u16> {
        let is_local = match &self.authority.host {
            Host::Address(address) => address.is_loopback() || address.is_unspecified(),
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        };
        is_local.then_some(self.authority.port)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Ports of loopback addresses that stand in the query or fragment, however often escaped.
fn callbacks(path: &str) -> Vec<u16> {
    let mut ports = Vec::new();
    let Some(start) = path.find(['?', '#']) else { return ports };
    let mut text = path.as_bytes()[start..].to_vec();
    for _ in 0..=NESTING {
        for host in [&b"://localhost:"[..], b"://127.0.0.1:", b"://[::1]:"] {
            for at in memchr::memmem::find_iter(&text, host) {
                let digits: String = text[at + host.len()..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit())
                    .map(|byte| char::from(*byte))
                    .collect();
                if let Ok(port @ 1..) = digits.parse()
                    && !ports.contains(&port)
                    && ports.len() < MOST_CALLBACKS
                {
                    ports.push(port);
                }
            }
        }
        text = percent_decode(&text).collect();
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_links_of_the_web_pass() {
        for (text, expected) in [
            ("https://a.example", "https://a.example/"),
            ("HTTPS://A.Example:443/x?y=1#z", "https://a.example/x?y=1#z"),
            ("http://a.example:8080?q", "http://a.example:8080/?q"),
            ("https://a.example/`id`$(id)'\"{|}", "https://a.example/%60id%60%24(id)%27%22%7B%7C%7D"),
            ("http://[::1]:99/", "http://[::1]:99/"),
        ] {
            assert_eq!(Link::parse(text.as_bytes()).unwrap().to_string(), expected);
        }
        for text in [
            "",
            "a.example",
            "--version",
            "-x",
            "/etc/passwd",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "data:text/html,x",
            "javascript://a.example/%0aalert(1)",
            "mailto:a@b",
            "vscode://x",
            "http:/a.example",
            "ftp://a.example/",
            "https://user@a.example/",
            "https://user:pass@a.example/",
            "https://good.example\\@evil.example/",
            "https://",
            "https:///x",
            "https://a.example/\n--flag",
            "https://a.example/ x",
            "https://a.example/\u{7f}",
            "https://a.example/é",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://a.example:0/",
            "https://a.example:99999/",
            "https://a.example/\\x",
            "https://a b/",
            "https://%61.example/",
            " https://a.example/",
            "https://-a.example/",
            "https://a.example:80:90/",
        ] {
            assert!(Link::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert_eq!(
            Link::parse(format!("https://a.example/{}", "x".repeat(LONGEST_LINK)).as_bytes()),
            Err(LinkError::Long)
        );
    }

    #[test]
    fn callbacks_are_found_however_they_are_escaped() {
        let ports = |text: &str| Link::parse(text.as_bytes()).unwrap().callbacks().to_vec();
        for (text, expected) in [
            ("https://a.example/authorize?redirect_uri=http://localhost:54545/callback", vec![54545]),
            (
                "https://a.example/authorize?redirect_uri=http%3A%2F%2Flocalhost%3A1455%2Fauth%2Fcallback&x=1",
                vec![1455],
            ),
            (
                "https://a.example/login?next=%2Foauth%3Fredirect_uri%3Dhttp%253A%252F%252F127.0.0.1%253A7777%252F",
                vec![7777],
            ),
            ("https://a.example/#u=http%3a%2f%2f%5b%3a%3a1%5d%3a8123", vec![8123]),
            ("https://a.example/?a=http://localhost:1&b=http://127.0.0.1:2&c=http://localhost:1", vec![1, 2]),
            ("https://a.example/http://localhost:80/", vec![]),
            ("https://a.example/?a=http://localhost.evil.example:80/", vec![]),
            ("https://a.example/?a=http://localhost:99999", vec![]),
            ("https://a.example/?a=http://localhost", vec![]),
            ("https://a.example/?a=http://10.0.0.1:80", vec![]),
        ] {
            assert_eq!(ports(text), expected, "{text}");
        }
    }

    #[test]
    fn links_to_the_loopback_are_known() {
        for (text, expected) in [
            ("http://localhost:5173/", Some(5173)),
            ("http://app.localhost:5173/", Some(5173)),
            ("http://127.0.0.2/", Some(80)),
            ("http://0.0.0.0:3000/", Some(3000)),
            ("https://[::1]/", Some(443)),
            ("https://localhost.example/", None),
        ] {
            assert_eq!(Link::parse(text.as_bytes()).unwrap().local_port(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_passes_is_a_link_and_passes_again(bytes in proptest::collection::vec(any::<u8>(), 0..60), web in any::<bool>()) {
            let text = if web { [b"https://a.example/", &bytes[..]].concat() } else { bytes };
            if let Ok(link) = Link::parse(&text) {
                let shown = link.to_string();
                prop_assert!(shown.starts_with("http://") || shown.starts_with("https://"));
                prop_assert!(shown.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && !b"'\"`$\\<>|".contains(&byte)));
                prop_assert_eq!(Link::parse(shown.as_bytes()).unwrap(), link);
            }
        }
    }
}
