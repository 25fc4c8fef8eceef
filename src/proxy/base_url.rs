//! Base-URL routes: `/SERVICE/…` on the explicit listener, for clients that take neither proxy nor certificate.
//!
//! **Invariants.** A route asks for no token and for better proof: whole, in a slot of its binding, a placeholder of this
//! run that is bound to the service. Only that binding's own host is dialled, and only over TLS (S3). What follows is an
//! ordinary request: judged, recorded, injected and redacted like any other.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Uri};

use super::inject::decode_basic;
use super::refusal::Refused;
use super::rulebook::{Bound, Place, Rulebook, Site};
use super::shared::Shared;
use crate::policy::{Authority, HostPattern};

/// The service that a path begins with, and the rest of it; `None` where nothing of this run is bound to one.
fn split<'a>(book: &Rulebook, path: &'a str) -> Option<(&'a str, &'a str)> {
    let path = path.strip_prefix('/')?;
    let end = path.find(['/', '?']).unwrap_or(path.len());
    let (service, rest) = path.split_at(end);
    book.of_service(service).next().map(|_| (service, rest))
}

/// Whether a request to ourselves is one for a service.
pub(super) fn is_one(book: &Rulebook, uri: &Uri) -> bool {
    split(book, uri.path()).is_some()
}

/// The site that a request is for, and the request as it is sent there.
pub(super) fn open<B>(shared: &Shared, mut request: Request<B>) -> Result<(Arc<Site>, Request<B>), Refused> {
    let target = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let (service, rest) = split(&shared.book, target).ok_or_else(|| Refused::malformed("the path names no service"))?;
    let proven = shared.book.of_service(service).find(|bound| proves(bound, request.headers()));
    let bound = proven.ok_or_else(|| Refused::route(service))?;
    let authority = own_host(bound).ok_or_else(|| Refused::route(service))?;
    let path = upstream_path(rest, shared.base_paths.get(service).map(String::as_str));
    let path: PathAndQuery = path.parse().map_err(|_| Refused::malformed("the path cannot be sent on"))?;
    let host = HeaderValue::from_str(&authority.to_string()).map_err(|_| Refused::route(service))?;
    *request.uri_mut() = Uri::from(path);
    request.headers_mut().insert(HOST, host);
    Ok((Arc::new(shared.book.site(authority)), request))
}

/// Whether the placeholder is all of a credential in the request.
fn proves(bound: &Bound, headers: &HeaderMap) -> bool {
    let placeholder = bound.placeholder.as_str().as_bytes();
    let is_it = |text: &[u8]| verify_slices_are_equal(text, placeholder).is_ok();
    bound.slots.iter().filter_map(|slot| Some((slot, slot.header()?))).any(|(slot, header)| {
        headers.get_all(header).iter().any(|value| match slot {
            Place::Field(_) => false,
            Place::Header(_) => {
                // Behind a scheme word or alone.
                let text = value.as_bytes().trim_ascii();
                let word = text.iter().rposition(|byte| *byte == b' ').map_or(0, |space| space + 1);
                is_it(&text[word..])
            }
            Place::Basic => decode_basic(value).is_some_and(|pair| {
                let colon = memchr::memchr(b':', &pair);
                colon.is_some_and(|colon| is_it(&pair[..colon]) || is_it(&pair[colon + 1..]))
            }),
        })
    })
}

/// The first host of its own that a secret is bound to.
fn own_host(bound: &Bound) -> Option<Authority> {
    bound.binding.targets.iter().find_map(|target| match &target.host {
        HostPattern::Exact(host) => Some(Authority { host: host.clone(), port: target.port }),
        HostPattern::Below(_) => None,
    })
}

/// The path at the service: clients disagree whether the version is part of a base URL.
fn upstream_path(rest: &str, base: Option<&str>) -> String {
    let base = base.unwrap_or_default();
    let behind = rest.strip_prefix(base).filter(|_| !base.is_empty());
    let has_base = behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(['/', '?']));
    match (has_base, rest.starts_with('/')) {
        (true, _) => rest.to_owned(),
        (false, true) => format!("{base}{rest}"),
        (false, false) => format!("{base}/{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use http::HeaderName;

    use super::super::rulebook::tests::{OTHER_PLACEHOLDER, PLACEHOLDER, book};
    use super::*;

    #[test]
    fn the_version_may_be_left_out() {
        for (rest, base, expected) in [
            ("/messages", Some("/v1"), "/v1/messages"),
            ("/v1/messages?beta=true", Some("/v1"), "/v1/messages?beta=true"),
            ("/v1", Some("/v1"), "/v1"),
            ("/v1beta/models", Some("/v1"), "/v1/v1beta/models"),
            ("", Some("/v1"), "/v1/"),
            ("?a=b", None, "/?a=b"),
            ("", None, "/"),
            ("/v1/balance", None, "/v1/balance"),
            ("//evil.example/x", None, "//evil.example/x"),
        ] {
            assert_eq!(upstream_path(rest, base), expected, "{rest}");
        }
    }

    #[test]
    fn only_a_whole_placeholder_of_the_service_is_proof() {
        let book = book();
        let bound = book.of_service("stripe_key").next().unwrap();
        let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
        for (name, value, expected) in [
            ("authorization", format!("Bearer {PLACEHOLDER}"), true),
            ("authorization", PLACEHOLDER.to_owned(), true),
            ("x-api-key", PLACEHOLDER.to_owned(), true),
            ("authorization", basic(format!("{PLACEHOLDER}:")), true),
            ("authorization", basic(format!("u:{PLACEHOLDER}")), true),
            ("authorization", format!("Bearer {OTHER_PLACEHOLDER}"), false),
            ("authorization", format!("Bearer {PLACEHOLDER}x"), false),
            ("authorization", format!("Bearer {}", &PLACEHOLDER[1..]), false),
            ("authorization", basic(format!("u:{PLACEHOLDER}x")), false),
            ("x-prompt", PLACEHOLDER.to_owned(), false),
            ("authorization", String::new(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap());
            assert_eq!(proves(bound, &headers), expected, "{name}: {value}");
        }
    }

    #[test]
    fn a_route_begins_with_a_service_that_something_is_bound_to() {
        let book = book();
        for (path, expected) in [
            ("/stripe_key/v1/balance", Some(("stripe_key", "/v1/balance"))),
            ("/stripe_key", Some(("stripe_key", ""))),
            ("/stripe_key?a=/b", Some(("stripe_key", "?a=/b"))),
            ("/stripe/v1", None),
            ("/", None),
            ("//stripe_key/v1", None),
        ] {
            assert_eq!(split(&book, path), expected, "{path}");
        }
    }
}
