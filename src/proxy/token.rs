//! The run's token: proof that a connection to the explicit listener comes from this run.
//!
//! **Invariants.** Compared in constant time; worthless outside the run and after it, because the child's tools see it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::ProxyError;

/// The user name in the proxy URL; it tells a reader of the child's environment whose proxy this is.
const USER: &str = "agentsecrets";

/// A token of one run: 192 random bits as hexadecimal digits, which every client carries through a URL unchanged.
pub struct Token(Zeroizing<String>);

/// What a request shows in `Proxy-Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// The header is missing.
    Nothing,
    /// This run's token.
    Right,
    /// Anything else.
    Wrong,
}

/// Whether `url`, the proxy of an environment, is that of a run: then we are inside of one.
pub fn is_run_proxy(url: &str) -> bool {
    let rest = url.strip_prefix("http://").and_then(|rest| rest.strip_prefix(USER)?.strip_prefix(':'));
    rest.and_then(|rest| rest.split_once('@')).is_some_and(|(_, host)| host.starts_with("127.0.0.1:"))
}

impl Token {
    /// Mints one from the system's random source.
    pub fn mint() -> Result<Self, ProxyError> {
        let mut bytes = [0_u8; 24];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| ProxyError::Random)?;
        let mut text = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
            text.extend([digit(byte >> 4), digit(byte & 15)]);
        }
        Ok(Self(Zeroizing::new(text)))
    }

    /// The proxy URL for the child: `http://agentsecrets:TOKEN@127.0.0.1:PORT`.
    pub fn proxy_url(&self, port: u16) -> String {
        format!("http://{USER}:{}@127.0.0.1:{port}", self.0.as_str())
    }

    /// Judges the value of `Proxy-Authorization` (RFC 7617: `Basic`, the token being the password).
    pub fn judge(&self, header: Option<&[u8]>) -> Presented {
        let Some(header) = header else { return Presented::Nothing };
        match basic_password(header) {
            Some(password)
                if aws_lc_rs::constant_time::verify_slices_are_equal(&password, self.0.as_bytes()).is_ok() =>
            {
                Presented::Right
            }
            _ => Presented::Wrong,
        }
    }
}

fn basic_password(header: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, encoded) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim_ascii()).ok()?);
    let colon = memchr::memchr(b':', &decoded)?;
    Some(Zeroizing::new(decoded[colon + 1..].to_vec()))
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_what_clients_send() {
        let token = Token::mint().unwrap();
        let header = |text: &str, scheme: &str| format!("{scheme} {}", STANDARD.encode(text)).into_bytes();
        let right = format!("{USER}:{}", token.0.as_str());
        assert_eq!(token.judge(None), Presented::Nothing);
        for scheme in ["Basic", "basic", "BASIC "] {
            assert_eq!(token.judge(Some(&header(&right, scheme))), Presented::Right, "{scheme}");
        }
        for (text, scheme) in
            [(right.as_str(), "Bearer"), ("agentsecrets:", "Basic"), ("agentsecrets", "Basic"), ("", "Basic")]
        {
            assert_eq!(token.judge(Some(&header(text, scheme))), Presented::Wrong, "{text} {scheme}");
        }
        assert_eq!(token.judge(Some(b"Basic !")), Presented::Wrong);
        assert_eq!(token.judge(Some(b"")), Presented::Wrong);
        let other = Token::mint().unwrap();
        assert_eq!(token.judge(Some(&header(&format!("{USER}:{}", other.0.as_str()), "Basic"))), Presented::Wrong);
    }

    #[test]
    fn the_url_names_the_listener_and_debug_hides_the_token() {
        let token = Token::mint().unwrap();
        let url = token.proxy_url(3128);
        assert!(url.starts_with("http://agentsecrets:") && url.ends_with("@127.0.0.1:3128"), "{url}");
        assert_eq!(format!("{token:?}"), "[redacted]");
    }
}
