//! The URL of a call, taken apart once.
//!
//! **Invariants.** No error repeats a part of it: a key may sit in a URL.

use http::uri::PathAndQuery;

use crate::policy::Authority;

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallUrl {
    /// Whether it is https.
    pub is_secure: bool,
    /// The host and port.
    pub authority: Authority,
    /// Path and query, as they were written.
    pub target: PathAndQuery,
}

/// Why a URL cannot be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Neither https nor http.
    #[error("the URL must begin with `https://`")]
    Scheme,
    /// `user:password@`.
    #[error("the URL holds a user name or password: use --basic USER:NAME, with the name of a secret")]
    Credentials,
    /// No host, or one that no policy can name.
    #[error("the URL has no valid host and port")]
    Host,
    /// A character that a request line cannot carry.
    #[error("the URL has a space or another character that is to be written as %XX")]
    Character,
}

impl CallUrl {
    /// Takes `text` apart.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let is_secure = scheme.eq_ignore_ascii_case("https");
        if !is_secure && !scheme.eq_ignore_ascii_case("http") {
            return Err(UrlError::Scheme);
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        let port = if is_secure { 443 } else { 80 };
        let authority = Authority::parse(authority, Some(port)).map_err(|_| UrlError::Host)?;
        Ok(Self { is_secure, authority, target: path_and_query(target)? })
    }

    /// What a `Location` of an answer to this names (RFC 3986 §5.2; dot segments are resolved where the path is judged).
    pub fn join(&self, location: &str) -> Result<Self, UrlError> {
        let scheme = if self.is_secure { "https" } else { "http" };
        let is_absolute = location.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(['/', '?', '#']));
        if is_absolute {
            return Self::parse(location);
        }
        if location.starts_with("//") {
            return Self::parse(&format!("{scheme}:{location}"));
        }
        let location = location.split('#').next().unwrap_or_default();
        let path = self.target.path();
        let target = match location.as_bytes().first() {
            None => return Ok(self.clone()),
            Some(b'/') => location.to_owned(),
            Some(b'?') => format!("{path}{location}"),
            Some(_) => format!("{}/{location}", path.rsplit_once('/').map_or("", |(folder, _)| folder)),
        };
        Ok(Self { target: path_and_query(&target)?, ..self.clone() })
    }

    /// The same with one more parameter in its query.
    pub(super) fn with_parameter(&self, name: &str, value: &str) -> Result<PathAndQuery, UrlError> {
        let separator = match self.target.query() {
            None => "?",
            Some("") => "",
            Some(_) => "&",
        };
        let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        // What is unreserved (RFC 3986 §2.3) is written as it is, so that a name stays readable.
        let name = name.to_string().replace("%2D", "-").replace("%5F", "_").replace("%2E", ".").replace("%7E", "~");
        PathAndQuery::try_from(format!("{}{separator}{name}={value}", self.target)).map_err(|_| UrlError::Character)
    }
}

fn path_and_query(text: &str) -> Result<PathAndQuery, UrlError> {
    let text = if text.starts_with('/') { text.to_owned() } else { format!("/{text}") };
    PathAndQuery::try_from(text).map_err(|_| UrlError::Character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &CallUrl) -> String {
        format!("{} {} {}", url.is_secure, url.authority, url.target)
    }

    #[test]
    fn takes_urls_apart() {
        for (text, wanted) in [
            ("https://a.example", "true a.example:443 /"),
            ("HTTPS://A.Example:8443/x/../y?q=1#f", "true a.example:8443 /x/../y?q=1"),
            ("http://[::1]/", "false [::1]:80 /"),
            ("https://a.example?q", "true a.example:443 /?q"),
            ("https://bücher.example/", "true xn--bcher-kva.example:443 /"),
        ] {
            assert_eq!(CallUrl::parse(text).map(|url| shown(&url)).as_deref(), Ok(wanted), "{text}");
        }
        for (text, wanted) in [
            ("", UrlError::Scheme),
            ("a.example/x", UrlError::Scheme),
            ("ftp://a.example", UrlError::Scheme),
            ("https://", UrlError::Host),
            ("https://a b/", UrlError::Host),
            ("https://a.example:99999/", UrlError::Host),
            ("https://u:p@a.example/", UrlError::Credentials),
            ("https://a.example/a b", UrlError::Character),
            ("https://a.example/\n", UrlError::Character),
        ] {
            assert_eq!(CallUrl::parse(text), Err(wanted), "{text}");
        }
    }

    #[test]
    fn joins_locations() {
        let url = CallUrl::parse("https://a.example:8443/v1/x?q=1").unwrap();
        for (location, wanted) in [
            ("/y", "true a.example:8443 /y"),
            ("y?z", "true a.example:8443 /v1/y?z"),
            ("?z", "true a.example:8443 /v1/x?z"),
            ("//b.example/y", "true b.example:443 /y"),
            ("http://b.example/y", "false b.example:80 /y"),
            ("/y?next=https://b.example/", "true a.example:8443 /y?next=https://b.example/"),
            ("", "true a.example:8443 /v1/x?q=1"),
        ] {
            assert_eq!(url.join(location).map(|url| shown(&url)).as_deref(), Ok(wanted), "{location}");
        }
    }

    #[test]
    fn adds_parameters() {
        for (text, wanted) in [
            ("https://a.example", "/?api_Key={K}"),
            ("https://a.example/x?", "/x?api_Key={K}"),
            ("https://a.example/x?a=b", "/x?a=b&api_Key={K}"),
        ] {
            assert_eq!(CallUrl::parse(text).unwrap().with_parameter("api_Key", "{K}").unwrap().as_str(), wanted);
        }
        let encoded = CallUrl::parse("https://a.example").unwrap().with_parameter("a b&=[]", "1").unwrap();
        assert_eq!(encoded.as_str(), "/?a%20b%26%3D%5B%5D=1");
    }
}
