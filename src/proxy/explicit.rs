//! The explicit proxy: CONNECT, absolute-form requests, and requests to ourselves.
//!
//! **Invariants.** A wrong token is refused always, a missing one unless the seal keeps everybody else away. The token
//! is compared before anything else is looked at; only a route under a base URL needs none (see `base_url`).

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::PROXY_AUTHORIZATION;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, uri};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::answer::Answer;
use super::attend::attend;
use super::base_url;
use super::connect::{self, Dialled, dial};
use super::exchange;
use super::noted::{Noted, noted};
use super::refusal::Refused;
use super::respond;
use super::route::{self, Security};
use super::rulebook::Site;
use super::serve::http1_builder;
use super::shared::Shared;
use super::token::Presented;
use super::wire::{Rewind, Wire};
use crate::policy::{Authority, Host};

/// What follows a CONNECT.
struct Next {
    upgrade: OnUpgrade,
    to: To,
}

enum To {
    Site(Arc<Site>, Option<Dialled>),
    /// Back to ourselves.
    Own,
}

type Slot = Mutex<Option<Next>>;

/// Serves one connection to the explicit listener. `is_inner`: it came through a tunnel to ourselves already.
pub(super) async fn serve(shared: &Arc<Shared>, ahead: Bytes, stream: TcpStream, is_inner: bool) {
    let slot = Arc::new(Slot::default());
    let service = service_fn(|request: Request<Incoming>| {
        let (shared, slot) = (Arc::clone(shared), Arc::clone(&slot));
        async move { Ok::<_, Infallible>(handle(&shared, &slot, is_inner, request).await) }
    });
    let rewind = Rewind::new(ahead, stream);
    let watch = rewind.watch();
    let wire = TokioIo::new(Wire::Plain(rewind));
    let served = attend(http1_builder().serve_connection(wire, service).with_upgrades(), watch).await;
    if let (Some(Err(error)), Some(own)) = (&served, shared.explicit.first()) {
        let own = Authority { host: own.ip().into(), port: own.port() };
        exchange::unread(shared, &own, Security::Plain, error);
    }
    let next = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (Some(Ok(())), Some(Next { upgrade, to })) = (served, next) else { return };
    let Ok(Ok(parts)) = upgrade.await.map(hyper::upgrade::Upgraded::downcast::<TokioIo<Wire>>) else { return };
    let Wire::Plain(wire) = parts.io.into_inner() else { return };
    let Some((behind, stream)) = wire.into_parts() else { return };
    let ahead = if behind.is_empty() { parts.read_buf } else { [parts.read_buf, behind].concat().into() };
    match to {
        To::Site(site, dialled) => connect::run(shared, site, ahead, stream, dialled).await,
        To::Own => Box::pin(serve(shared, ahead, stream, true)).await,
    }
}

async fn handle(shared: &Arc<Shared>, slot: &Slot, is_inner: bool, request: Request<Incoming>) -> Response<Answer> {
    let presented = presented(shared, request.headers());
    let is_for_us = request.uri().scheme().is_none() || is_own(shared, request.uri());
    let is_route = is_for_us && *request.method() != Method::CONNECT && base_url::is_one(&shared.book, request.uri());
    match presented {
        // Its own proof is looked for; a wrong token stays wrong.
        Presented::Nothing | Presented::Right if is_route => return route(shared, request).await,
        Presented::Right => {}
        Presented::Nothing if !shared.token_required || is_inner => {}
        Presented::Nothing | Presented::Wrong => return respond::token_wanted(request.method()),
    }
    if *request.method() == Method::CONNECT {
        return tunnel(shared, slot, is_inner, request).await;
    }
    match request.uri().scheme() {
        None => own(request.method()),
        Some(_) if is_own(shared, request.uri()) => own(request.method()),
        Some(_) => plain(shared, request).await,
    }
}

/// A request under a base URL of ours.
async fn route(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Answer> {
    // Refused, it is a request to ourselves.
    let own = shared.explicit.first().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST).into(), |own| own.ip().into());
    let own = Authority { host: own, port: shared.explicit.first().map_or(0, SocketAddr::port) };
    let noted = noted(shared, &own, Security::Plain, &request);
    match base_url::open(shared, request) {
        Ok((site, request)) => exchange::run(shared, &site, Security::Tls, request).await,
        Err(refused) => exchange::refuse(shared, &noted, &refused),
    }
}

/// What the request shows; of several fields each must be right.
fn presented(shared: &Shared, headers: &HeaderMap) -> Presented {
    let fields = headers.get_all(PROXY_AUTHORIZATION).iter();
    let judged = fields.map(|field| shared.token.judge(Some(field.as_bytes())));
    judged.reduce(|one, other| if one == other { one } else { Presented::Wrong }).unwrap_or(Presented::Nothing)
}

/// An absolute-form request (RFC 9112 §3.2.2).
async fn plain(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Answer> {
    let named = route::named(request.uri(), request.headers(), Security::Plain.default_port());
    let site = match named {
        Ok(authority) => Arc::new(shared.book.site(meant(shared, authority))),
        Err(refused) => return respond::refusal(&refused.named(&shared.redactor), request.method()),
    };
    if request.uri().scheme() != Some(&uri::Scheme::HTTP) {
        let refused = Refused::malformed("https goes through this proxy by CONNECT");
        return exchange::refuse(shared, &noted(shared, &site.authority, Security::Plain, &request), &refused);
    }
    exchange::run(shared, &site, Security::Plain, request).await
}

/// CONNECT (RFC 9110 §9.3.6). Where the tunnel stays closed its far end is dialled first, so that a failure is the
/// answer; where TLS is terminated the answer comes inside.
async fn tunnel(shared: &Arc<Shared>, slot: &Slot, is_inner: bool, mut request: Request<Incoming>) -> Response<Answer> {
    let named = request.uri().authority().map_or("", uri::Authority::as_str);
    let authority = match Authority::parse(named, None) {
        Ok(authority) => meant(shared, authority),
        Err(error) => return respond::refusal(&Refused::malformed(error.to_string()), &Method::GET),
    };
    let to = if is_own(shared, request.uri()) {
        if is_inner {
            return respond::refusal(&Refused::malformed("a tunnel to this proxy inside another"), &Method::GET);
        }
        To::Own
    } else {
        let site = Arc::new(shared.book.site(authority));
        if !site.is_allowed() && site.reach == super::rulebook::Reach::ChildLoopback {
            let refused = Refused::loopback(&site.authority);
            return exchange::refuse(shared, &Noted::tunnel(&site.authority), &refused);
        }
        // On port 80 the child is about to speak HTTP, which is not passed on as it is.
        let dialled = if connect::is_opaque(&site) && site.authority.port != 80 {
            match dial(shared, &site).await {
                Ok(dialled) => Some(dialled),
                Err(refused) => return respond::refusal(&refused.named(&shared.redactor), &Method::GET),
            }
        } else {
            None
        };
        To::Site(site, dialled)
    };
    let upgrade = hyper::upgrade::on(&mut request);
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Next { upgrade, to });
    Response::new(Answer::Empty)
}

/// The name that a synthetic address stands for; any other authority stays as it is.
fn meant(shared: &Shared, authority: Authority) -> Authority {
    match &authority.host {
        Host::Address(address) => match shared.names.name(*address) {
            Some(name) => Authority { host: Host::clone(&name), port: authority.port },
            None => authority,
        },
        Host::Name(_) => authority,
    }
}

/// Whether the target is this listener.
fn is_own(shared: &Shared, uri: &Uri) -> bool {
    let Some(Ok(authority)) = uri.authority().map(|authority| Authority::parse(authority.as_str(), Some(80))) else {
        return false;
    };
    let is_our_port = shared.explicit.iter().any(|own| own.port() == authority.port);
    is_our_port
        && match &authority.host {
            Host::Name(name) => name == "localhost",
            Host::Address(address) => {
                shared.explicit.iter().any(|own| own.ip() == *address)
                    || matches!(address, IpAddr::V6(v6) if v6.is_loopback())
            }
        }
}

/// A request to ourselves.
fn own(method: &Method) -> Response<Answer> {
    let refused = Refused {
        code: "not_a_site",
        status: StatusCode::NOT_FOUND,
        error: "http_request_error",
        sentence: "this is the proxy of one run of agentsecrets, not a web site".into(),
        hint: Some("send requests through it: HTTPS_PROXY and HTTP_PROXY name it".into()),
    };
    respond::refusal(&refused, method)
}
