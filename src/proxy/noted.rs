//! What the log says of a request whatever becomes of it.

use http::uri::PathAndQuery;
use http::{Method, Request};

use super::route::Security;
use super::shared::Shared;
use crate::audit::{Decision, Verdict, recorded_path};
use crate::policy::Authority;

/// A request, as the log names it.
pub(super) struct Noted {
    pub(super) method: Method,
    pub(super) scheme: &'static str,
    pub(super) authority: Authority,
    pub(super) path: String,
}

impl Noted {
    /// Of a tunnel.
    pub(super) fn tunnel(authority: &Authority) -> Self {
        Self { method: Method::CONNECT, scheme: "tunnel", authority: authority.clone(), path: String::new() }
    }

    pub(super) fn decision(&self, verdict: Verdict) -> Decision {
        Decision {
            method: self.method.to_string(),
            scheme: self.scheme.to_owned(),
            host: self.authority.host.to_string(),
            port: self.authority.port,
            path: self.path.clone(),
            verdict,
            ..Decision::default()
        }
    }
}

/// Of a request to `authority`; no value stands in its path.
pub(super) fn noted<B>(shared: &Shared, authority: &Authority, security: Security, request: &Request<B>) -> Noted {
    let target = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    Noted {
        method: request.method().clone(),
        scheme: security.word(),
        authority: authority.clone(),
        path: recorded_path(target, |text| shared.secret_in(text)),
    }
}
