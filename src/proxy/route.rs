//! Decides on one request: pure, from what the request says and what policy says to allowed or refused.
//!
//! **Invariants.** [`Allowed`] is made here alone, and only for a request whose every name agrees with the connection
//! (S3). Its path is the form that is sent (S4).

use std::sync::Arc;

use http::header::HOST;
use http::uri::Scheme;
use http::{HeaderMap, Method, Uri};

use super::refusal::Refused;
use super::rulebook::{Bound, Reach, Site};
use crate::policy::{Authority, Host, RequestPath};

/// How the request travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Security {
    /// http and ws.
    Plain,
    /// https and wss.
    Tls,
}

impl Security {
    pub(super) fn scheme(self) -> Scheme {
        match self {
            Self::Plain => Scheme::HTTP,
            Self::Tls => Scheme::HTTPS,
        }
    }

    /// The scheme as the log has it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Plain => "http",
            Self::Tls => "https",
        }
    }

    /// The scheme of a WebSocket as the log has it.
    pub(super) fn socket_word(self) -> &'static str {
        match self {
            Self::Plain => "ws",
            Self::Tls => "wss",
        }
    }

    pub(super) fn default_port(self) -> u16 {
        match self {
            Self::Plain => 80,
            Self::Tls => 443,
        }
    }
}

/// A site whose name the whole request agrees with.
#[derive(Debug)]
pub(super) struct VerifiedHost(Arc<Site>);

/// A request that may be sent, with the form of its path that was judged.
#[derive(Debug)]
pub(super) struct Allowed {
    host: VerifiedHost,
    pub(super) security: Security,
    pub(super) method: Method,
    pub(super) path: RequestPath,
}

impl Allowed {
    /// Where it goes.
    pub(super) fn site(&self) -> &Arc<Site> {
        &self.host.0
    }

    /// The same request with the values of what is bound there.
    pub(super) fn with_values(self, bound: Vec<Arc<Bound>>) -> Self {
        let host = VerifiedHost(Arc::new(Site { bound, ..Site::clone(self.site()) }));
        Self { host, ..self }
    }

    /// Whether `bound` may be used for this request, by transport and rules; `Err` where a rule forbids it.
    pub(super) fn permits(&self, bound: &Bound) -> Result<bool, Refused> {
        if self.security == Security::Plain && !bound.binding.plaintext {
            return Ok(false);
        }
        if bound.binding.allows(self.method.as_str(), &self.path) {
            Ok(true)
        } else {
            Err(Refused::rule(&bound.name, self.method.as_str(), self.path.as_str()))
        }
    }
}

/// Judges a request that came over a connection to `site`.
pub(super) fn decide(
    site: &Arc<Site>,
    security: Security,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Allowed, Refused> {
    let host = verify(site, security, uri, headers)?;
    if !site.is_allowed() {
        return Err(match site.reach {
            Reach::ChildLoopback => Refused::loopback(&site.authority),
            _ => Refused::egress(site.verdict, &site.authority),
        });
    }
    let path = match uri.path() {
        "" => RequestPath::parse("/"),
        path => RequestPath::parse(path),
    };
    let path = path.map_err(|error| Refused::path(&error))?;
    if mints(site, method, headers, &path) {
        return Err(Refused::token_endpoint(&site.authority, path.as_str()));
    }
    Ok(Allowed { host, security, method: method.clone(), path })
}

/// Whether a server may take the request for one for a token, however it reads the path: what is refused is matched more
/// widely than what is allowed.
fn mints(site: &Site, method: &Method, headers: &HeaderMap, path: &RequestPath) -> bool {
    if site.token_rules.is_empty() {
        return false;
    }
    let only_reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) && !overrides_method(headers);
    let method = if only_reads { method.as_str() } else { "POST" };
    let folded = RequestPath::parse(&folded(path.as_str()));
    site.token_rules
        .iter()
        .any(|rule| rule.matches(method, path) || folded.as_ref().is_ok_and(|folded| rule.matches(method, folded)))
}

fn overrides_method(headers: &HeaderMap) -> bool {
    ["x-http-method-override", "x-http-method", "x-method-override"].iter().any(|name| headers.contains_key(*name))
}

/// A path as the most lenient server reads it: decoded to the end, without parameters, white space, a last extension or
/// doubled slashes, in lower case.
fn folded(path: &str) -> String {
    let text = decoded(path.as_bytes());
    let text = String::from_utf8_lossy(&text).to_lowercase().replace('\\', "/");
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let segments = text.split('/').map(|segment| segment.split(';').next().unwrap_or_default().trim());
    let kept: Vec<&str> = segments.filter(|segment| !segment.is_empty() && *segment != ".").collect();
    let joined = format!("/{}", kept.join("/"));
    joined.strip_suffix(".json").map_or(joined.clone(), str::to_owned)
}

/// Percent-decoded until nothing is encoded any more. An escape becomes its byte as soon as it is whole, and that byte may
/// make another one whole: so each byte is read once, however deep they lie in each other.
fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(text.len());
    for byte in text {
        decoded.push(*byte);
        while let [.., b'%', high, low] = *decoded
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            decoded.truncate(decoded.len() - 3);
            decoded.push(high << 4 | low);
        }
    }
    decoded
}

/// The authority that a request without a named connection is for: absolute-form, or `Host` on a transparent port.
pub(super) fn named(uri: &Uri, headers: &HeaderMap, default_port: u16) -> Result<Authority, Refused> {
    let text = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => single_host(headers)?.ok_or_else(|| Refused::malformed("the request names no host"))?,
    };
    Authority::parse(text, Some(default_port)).map_err(|error| Refused::malformed(error.to_string()))
}

/// Every name in the request is the connection's (RFC 9110 §7.2, RFC 9113 §8.3.1); a request may also name none, as
/// HTTP/1.0 does.
fn verify(site: &Arc<Site>, security: Security, uri: &Uri, headers: &HeaderMap) -> Result<VerifiedHost, Refused> {
    if uri.scheme().is_some_and(|scheme| *scheme != security.scheme()) {
        return Err(Refused::malformed("the request names another scheme than its connection has"));
    }
    let in_target = uri.authority().map(http::uri::Authority::as_str);
    for text in in_target.into_iter().chain(single_host(headers)?) {
        if !agrees(text, &site.authority, security.default_port()) {
            return Err(Refused::misdirected(&site.authority, text));
        }
    }
    Ok(VerifiedHost(Arc::clone(site)))
}

fn single_host(headers: &HeaderMap) -> Result<Option<&str>, Refused> {
    let mut values = headers.get_all(HOST).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refused::malformed("the request has more than one `Host`"));
    }
    first.to_str().map(Some).map_err(|_| Refused::malformed("`Host` is not ASCII"))
}

/// Whether `text` names `authority`. Most requests write it exactly so; the rest is parsed.
fn agrees(text: &str, authority: &Authority, default_port: u16) -> bool {
    let default = authority.port == default_port;
    if default && matches!(&authority.host, Host::Name(name) if name == text) {
        return true;
    }
    Authority::parse(text, Some(default_port)).is_ok_and(|named| named == *authority)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::super::rulebook::tests::{book, site};
    use super::*;

    fn judge(target: &str, host: Option<&str>, security: Security) -> Result<String, (&'static str, u16)> {
        let site = site(&book(), "api.stripe.com:443");
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        }
        decide(&site, security, &Method::GET, &target.parse().unwrap(), &headers)
            .map(|allowed| allowed.path.as_str().to_owned())
            .map_err(|refused| (refused.code, refused.status.as_u16()))
    }

    #[test]
    fn every_name_must_be_the_connections() {
        let misdirected = Err(("misdirected_request", 421));
        for (target, host, wanted) in [
            ("/v1", Some("api.stripe.com"), Ok("/v1".to_owned())),
            ("/v1", Some("API.stripe.com:443"), Ok("/v1".to_owned())),
            ("/v1", Some("api.stripe.com."), Ok("/v1".to_owned())),
            ("/v1", None, Ok("/v1".to_owned())),
            ("https://api.stripe.com/v1", None, Ok("/v1".to_owned())),
            ("https://api.stripe.com", None, Ok("/".to_owned())),
            ("/v1", Some("evil.example"), misdirected.clone()),
            ("/v1", Some("api.stripe.com:444"), misdirected.clone()),
            ("/v1", Some("api.stripe.com, evil.example"), misdirected.clone()),
            ("/v1", Some(""), misdirected.clone()),
            ("https://evil.example/v1", Some("api.stripe.com"), misdirected.clone()),
            ("https://api.stripe.com/v1", Some("evil.example"), misdirected),
            ("http://api.stripe.com/v1", None, Err(("malformed_request", 400))),
        ] {
            assert_eq!(judge(target, host, Security::Tls), wanted, "{target} {host:?}");
        }
    }

    #[test]
    fn two_hosts_are_one_too_many() {
        let mut headers = HeaderMap::new();
        headers.append(HOST, HeaderValue::from_static("api.stripe.com"));
        headers.append(HOST, HeaderValue::from_static("api.stripe.com"));
        let site = site(&book(), "api.stripe.com:443");
        let refused = decide(&site, Security::Tls, &Method::GET, &Uri::from_static("/"), &headers).unwrap_err();
        assert_eq!(refused.code, "malformed_request");
    }

    #[test]
    fn refuses_by_egress_and_token_endpoint() {
        let decide = |authority: &str, path: &'static str| {
            decide(&site(&book(), authority), Security::Tls, &Method::POST, &Uri::from_static(path), &HeaderMap::new())
                .map_err(|refused| refused.code)
                .map(|_| ())
        };
        assert_eq!(decide("other.example:443", "/"), Ok(()));
        assert_eq!(decide("other.example:22", "/"), Err("port_not_allowed"));
        assert_eq!(decide("127.0.0.1:22", "/"), Err("loopback_not_open"));
        assert_eq!(decide("login.example:443", "/oauth/token"), Err("token_endpoint"));
        assert_eq!(decide("login.example:443", "/oauth/authorize"), Ok(()));
    }

    #[test]
    fn paths_are_folded_as_lenient_servers_read_them() {
        for path in [
            "/oauth/token",
            "/oauth/%74oken",
            "/%6fauth/token",
            "/oauth%2ftoken",
            "/oauth%252ftoken",
            "/oauth/token/",
            "//oauth//token",
            "/OAuth/Token",
            "/oauth/token;a=b",
            "/oauth/token%20",
            "/oauth/token%3fx",
            "/oauth/token.json",
        ] {
            assert_eq!(folded(path), "/oauth/token", "{path}");
        }
        assert_eq!(folded("/oauth/tokens"), "/oauth/tokens");
    }

    #[test]
    fn the_host_of_a_request_without_connection() {
        let named = |target: &str, host: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(HOST, HeaderValue::from_static(host));
            }
            named(&target.parse().unwrap(), &headers, 80).map(|authority| authority.to_string()).ok()
        };
        assert_eq!(named("http://a.example/x", Some("b.example")).as_deref(), Some("a.example:80"));
        assert_eq!(named("/x", Some("b.example:8080")).as_deref(), Some("b.example:8080"));
        assert_eq!(named("/x", None), None);
        assert_eq!(named("http://user@a.example/", None), None);
    }
}
