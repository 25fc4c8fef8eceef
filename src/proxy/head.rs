//! Heads of messages on their way through: what belongs to one hop ends here, what has two readings is refused.

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Version};

use super::refusal::Refused;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Whether an HTTP/1.1 request asks for a WebSocket (RFC 6455 §4.1).
pub(super) fn asks_for_websocket(version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_11 && lists(headers, UPGRADE, "websocket") && lists(headers, CONNECTION, "upgrade")
}

/// Whether a field has `word` among its words.
pub(super) fn lists(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    headers.get_all(name).iter().any(|value| has_word(value, word))
}

/// Whether the child waits for `100 Continue` before it sends its body.
pub(super) fn expects(version: Version, headers: &HeaderMap) -> bool {
    version >= Version::HTTP_11 && lists(headers, EXPECT, "100-continue")
}

/// Refuses framing that two parsers may read in two ways (RFC 9112 §6.3); hyper has refused the rest.
pub(super) fn check(version: Version, headers: &HeaderMap) -> Result<(), Refused> {
    if headers.contains_key(TRANSFER_ENCODING) && (version < Version::HTTP_11 || headers.contains_key(CONTENT_LENGTH)) {
        return Err(Refused::malformed("the request has two framings"));
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let first = lengths.next();
    if first.is_some_and(|length| !length.as_bytes().iter().all(u8::is_ascii_digit)) || lengths.next().is_some() {
        return Err(Refused::malformed("the request has more than one length"));
    }
    Ok(())
}

/// Removes the fields of one hop from a request (RFC 9110 §7.6.1), and `Host`, which is made anew. Whether the child
/// takes trailers, as one of those fields said.
pub(super) fn strip_request(headers: &mut HeaderMap) -> bool {
    let wants_trailers = lists(headers, TE, "trailers");
    strip_hop(headers);
    for name in [HOST, EXPECT, PROXY_AUTHORIZATION, HTTP2_SETTINGS] {
        headers.remove(name);
    }
    wants_trailers
}

/// Whether an answer is in a transfer coding besides `chunked`, which would hide its body from the redactor.
pub(super) fn transfer_coding(headers: &HeaderMap) -> bool {
    let codings =
        headers.get_all(TRANSFER_ENCODING).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    codings.map(<[u8]>::trim_ascii).any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"chunked"))
}

/// Removes fields by which some servers take another method or path than the request line says: rules are judged by
/// that line (S4).
pub(super) fn strip_overrides(headers: &mut HeaderMap) {
    for name in ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"] {
        headers.remove(name);
    }
}

/// Removes the fields of one hop from an answer.
pub(super) fn strip_response(headers: &mut HeaderMap) {
    strip_hop(headers);
    headers.remove(PROXY_AUTHENTICATE);
}

/// Makes the head of an answer fit its body with the content coding taken off: fields that speak of the coded bytes go, a
/// strong validator becomes a weak one (RFC 9110 §8.8.1).
pub(super) fn strip_coding(headers: &mut HeaderMap) {
    for name in [CONTENT_ENCODING, CONTENT_LENGTH] {
        headers.remove(name);
    }
    for name in ["content-digest", "content-md5", "digest", "repr-digest"] {
        headers.remove(name);
    }
    if let Some(strong) = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"))
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", strong.as_bytes()].concat())
    {
        headers.insert(ETAG, weak);
    }
}

fn strip_hop(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|word| HeaderName::from_bytes(word.trim_ascii()).ok())
        .collect();
    for name in listed {
        headers.remove(name);
    }
    for name in [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

fn has_word(value: &HeaderValue, word: &str) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|part| {
        let part = part.split(|byte| *byte == b';').next().unwrap_or_default();
        part.trim_ascii().eq_ignore_ascii_case(word.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn one_framing_only() {
        for (version, lines, is_fine) in [
            (Version::HTTP_11, &[("content-length", "5")][..], true),
            (Version::HTTP_11, &[("transfer-encoding", "chunked")], true),
            (Version::HTTP_11, &[("content-length", "5"), ("transfer-encoding", "chunked")], false),
            (Version::HTTP_11, &[("content-length", "5"), ("content-length", "5")], false),
            (Version::HTTP_11, &[("content-length", "5, 5")], false),
            (Version::HTTP_11, &[("content-length", "+5")], false),
            (Version::HTTP_10, &[("transfer-encoding", "chunked")], false),
        ] {
            assert_eq!(check(version, &headers(lines)).is_ok(), is_fine, "{lines:?}");
        }
    }

    #[test]
    fn overrides_of_the_request_line_are_removed() {
        let mut request =
            headers(&[("x-http-method-override", "DELETE"), ("x-original-url", "/admin"), ("accept", "*/*")]);
        strip_overrides(&mut request);
        assert_eq!(request, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn fields_of_one_hop_end_here() {
        let mut request = headers(&[
            ("host", "a.example"),
            ("connection", "keep-alive, X-Hop"),
            ("connection", "Upgrade"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("te", "gzip;q=0.5, Trailers"),
            ("expect", "100-Continue"),
            ("upgrade", "WebSocket"),
            ("trailer", "x-sum"),
            ("accept", "*/*"),
        ]);
        assert!(asks_for_websocket(Version::HTTP_11, &request));
        assert!(expects(Version::HTTP_11, &request) && !expects(Version::HTTP_10, &request));
        assert!(strip_request(&mut request));
        assert_eq!(request, headers(&[("trailer", "x-sum"), ("accept", "*/*")]));
        assert!(!strip_request(&mut request));
    }

    /// Fields that end here, whatever they say.
    const OF_ONE_HOP: [&str; 10] = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "transfer-encoding",
        "upgrade",
        "expect",
        "host",
        "http2-settings",
    ];

    proptest! {
        #[test]
        fn nothing_of_one_hop_goes_on_and_all_else_does(
            fields in prop::collection::vec(
                (prop::sample::select([&OF_ONE_HOP[..], &["x-hop", "x-other", "accept"]].concat()),
                    "(x-hop|close|[ -~]{0,9})(, ?(x-hop|X-Other|[ -~]{0,3})){0,2}"),
                0..12,
            ),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in &fields {
                headers.append(*name, HeaderValue::from_str(value).unwrap());
            }
            strip_request(&mut headers);
            let listed = |name: &str| {
                let mut lists = fields.iter().filter(|(field, _)| *field == "connection");
                lists.any(|(_, list)| list.split(',').any(|word| word.trim_ascii().eq_ignore_ascii_case(name)))
            };
            for (name, value) in fields.iter().filter(|(name, _)| !headers.contains_key(*name)) {
                prop_assert!(OF_ONE_HOP.contains(name) || listed(name), "{name}: {value} is lost");
            }
            for name in headers.keys() {
                prop_assert!(!OF_ONE_HOP.contains(&name.as_str()) && !listed(name.as_str()), "{name} goes on");
            }
        }
    }
}
