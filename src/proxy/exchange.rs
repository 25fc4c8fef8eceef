//! One request: judge, inject, record, send, answer.
//!
//! **Invariants.** The decision is in the log before the first byte goes upstream (L4). What goes upstream carries no
//! field of the hop to us, the run's token above all. A request whose child goes away is dropped here, and with it what
//! it holds upstream.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version, request};
use hyper::body::Incoming;

use super::answer::Answer;
use super::head;
use super::inject::{Injected, LONGEST_BODY, inject, is_in_body};
use super::noted::{Noted, noted};
use super::notice::Notice;
use super::record::Record;
use super::refusal::Refused;
use super::request_body::{Opener, RequestBody, gate};
use super::respond;
use super::route::{Allowed, Security, decide};
use super::rulebook::Site;
use super::scan::{self, answer};
use super::shared::Shared;
use super::upstream::{Case, Offer, Outgoing, UpstreamError};
use super::values;
use super::websocket::{self, Socket};
use crate::audit::{Decision, Verdict};
use crate::policy::Authority;

/// Takes a request that came over a connection to `site` all the way.
pub(super) async fn run(
    shared: &Arc<Shared>,
    site: &Arc<Site>,
    security: Security,
    mut request: Request<Incoming>,
) -> Response<Answer> {
    let socket = websocket::wanted(&mut request);
    let mut noted = noted(shared, &site.authority, security, &request);
    if socket.is_some() {
        noted.scheme = security.socket_word();
    }
    let (parts, body) = request.into_parts();
    let sent = Arc::default();
    let mut body = RequestBody::new(body, parts.version, &sent, &shared.tasks);
    let expects = (!body.is_empty() && head::expects(parts.version, &parts.headers)).then(|| {
        let (opener, gate) = gate();
        body.close(gate);
        opener
    });
    let judged = match judge(shared, site, security, parts, &mut body).await {
        Ok(judged) => judged,
        Err(refused) => return refuse(shared, &noted, &refused),
    };
    let expects = expects.filter(|_| body.is_streamed());
    let Some(record) = begin(shared, &noted, &judged, sent) else {
        return refuse(shared, &noted, &Refused::log());
    };
    let answered = match socket {
        // Rare and large: on the heap it does not make every request's task large.
        Some(socket) => Box::pin(upgrade(shared, &noted, judged, socket, record)).await,
        None => forward(shared, &noted, judged, Body { body, expects }, record).await,
    };
    answered.unwrap_or_else(|refused| respond::refusal(&refused, &noted.method))
}

/// Takes a request of our own all the way; `sent` counts what of `body` goes upstream.
pub(super) async fn send(
    shared: &Arc<Shared>,
    site: &Arc<Site>,
    security: Security,
    request: Request<RequestBody>,
    sent: Arc<AtomicU64>,
) -> Result<Response<Answer>, Refused> {
    let noted = noted(shared, &site.authority, security, &request);
    let (parts, mut body) = request.into_parts();
    let refuse = |refused: &Refused| {
        record_refusal(shared, &noted, refused);
        refused.named(&shared.redactor)
    };
    let judged = judge(shared, site, security, parts, &mut body).await.map_err(|refused| refuse(&refused))?;
    let record = begin(shared, &noted, &judged, sent).ok_or_else(|| refuse(&Refused::log()))?;
    forward(shared, &noted, judged, Body { body, expects: None }, record).await
}

/// Whether a request of our own would be sent.
pub(super) async fn may_go(
    shared: &Arc<Shared>,
    site: &Arc<Site>,
    security: Security,
    request: Request<RequestBody>,
) -> Result<(), Refused> {
    let (parts, mut body) = request.into_parts();
    let judged = judge(shared, site, security, parts, &mut body).await;
    judged.map(drop).map_err(|refused| refused.named(&shared.redactor))
}

/// A request that may go, with its head as it goes.
struct Judged {
    allowed: Allowed,
    injected: Injected,
    target: PathAndQuery,
    headers: HeaderMap,
    wants_trailers: bool,
    offer: Offer,
    case: Option<Case>,
}

/// The child's body, and what tells it to go on.
struct Body {
    body: RequestBody,
    expects: Option<Opener>,
}

async fn judge(
    shared: &Arc<Shared>,
    site: &Arc<Site>,
    security: Security,
    mut parts: request::Parts,
    body: &mut RequestBody,
) -> Result<Judged, Refused> {
    let mut headers = parts.headers;
    if parts.method == Method::CONNECT {
        return Err(Refused::malformed("CONNECT is for the proxy, not for a tunnel inside it"));
    }
    head::check(parts.version, &headers)?;
    let mut allowed = decide(site, security, &parts.method, &parts.uri, &headers)?;
    if is_in_body(&allowed, &headers) {
        let gathered = Box::pin(body.gather(LONGEST_BODY, &shared.memory)).await;
        gathered.map_err(|why| Refused::ungathered(why, LONGEST_BODY))?;
    }
    if site.bound.iter().any(|bound| bound.deferred.is_some()) {
        // Rare: on the heap it does not make every request's task large.
        allowed = Box::pin(values::fetch(shared, allowed, &parts.uri, &headers, body)).await?;
    }
    let wants_trailers = head::strip_request(&mut headers);
    if site.bound.iter().any(|bound| bound.is_narrowed()) {
        head::strip_overrides(&mut headers);
    }
    let injected = inject(&allowed, &parts.uri, &mut headers, body, &shared.book)?;
    scan::ask(site, &mut headers)?;
    let target = target(&allowed, &parts.uri, &injected)?;
    let offer = if parts.version == Version::HTTP_2 { Offer::Both } else { Offer::Http1 };
    let case = parts.extensions.remove::<Case>();
    Ok(Judged { allowed, injected, target, headers, wants_trailers, offer, case })
}

/// The judged path with the query as it came, or as a value was put into it.
fn target(allowed: &Allowed, uri: &Uri, injected: &Injected) -> Result<PathAndQuery, Refused> {
    let path = allowed.path.as_str();
    match uri.path_and_query() {
        Some(same) if same.path() == path && injected.query.is_none() => Ok(same.clone()),
        other => {
            let query = injected.query.as_deref().map(String::as_str);
            let text = match query.or(other.and_then(PathAndQuery::query)) {
                Some(query) => format!("{path}?{query}"),
                None => path.to_owned(),
            };
            PathAndQuery::try_from(text).map_err(|_| Refused::malformed("the path cannot be sent"))
        }
    }
}

/// Writes the decision; `None` when the log is broken.
fn begin(shared: &Arc<Shared>, noted: &Noted, judged: &Judged, sent: Arc<AtomicU64>) -> Option<Record> {
    let injected = &judged.injected;
    let verdict = match (injected.placed.is_empty(), injected.inert.is_empty()) {
        (false, _) => Verdict::Injected,
        (true, false) => Verdict::Inert,
        (true, true) => Verdict::Allowed,
    };
    let mut decision = noted.decision(verdict);
    for (_, name, place) in &injected.placed {
        decision.secrets.push(name.to_string());
        decision.placements.push(place.clone());
    }
    for name in &injected.inert {
        decision.secrets.push(name.to_string());
        decision.placements.push("inert".into());
        shared.notices.tell(Notice::Inert { secret: name.clone(), authority: noted.authority.clone() });
    }
    let record = Record::begin(shared, decision)?.counting(sent);
    shared.counters.allowed(&noted.authority.host, injected.placed.iter().map(|(id, ..)| *id));
    if !injected.inert.is_empty() {
        shared.counters.inert();
    }
    Some(record)
}

async fn forward(
    shared: &Arc<Shared>,
    noted: &Noted,
    judged: Judged,
    Body { body, expects }: Body,
    record: Record,
) -> Result<Response<Answer>, Refused> {
    let Judged { allowed, target, headers, wants_trailers, offer, case, .. } = judged;
    let method = allowed.method.clone();
    let outgoing = Outgoing { method, target, headers, body, offer, wants_trailers, expects, case };
    match shared.upstream.send(allowed.site(), allowed.security, outgoing).await {
        Ok(response) => answer(shared, allowed.site(), response, record).await,
        Err(error) => Err(failed(shared, noted, &error, record)),
    }
}

/// Asks upstream for a WebSocket.
async fn upgrade(
    shared: &Arc<Shared>,
    noted: &Noted,
    judged: Judged,
    socket: Socket,
    mut record: Record,
) -> Result<Response<Answer>, Refused> {
    let Judged { allowed, target, mut headers, .. } = judged;
    let site = Arc::clone(allowed.site());
    socket.prepare(&site, &mut headers);
    let (method, body) = (Method::GET, RequestBody::Empty);
    let outgoing = Outgoing {
        method,
        target,
        headers,
        body,
        offer: Offer::Http1,
        wants_trailers: false,
        expects: None,
        case: None,
    };
    let protocol = HeaderValue::from_static("websocket");
    match shared.upstream.upgrade(&site, allowed.security, outgoing, protocol).await {
        Ok((response, Some(switched))) => {
            record.answered(response.status());
            let switched = socket.switch(shared, &site, response, switched, record);
            switched.map_err(|refused| refused.named(&shared.redactor))
        }
        Ok((response, None)) => answer(shared, &site, response, record).await,
        Err(error) => Err(failed(shared, noted, &error, record)),
    }
}

/// The answer to a request that could not be sent.
pub(super) fn failed(shared: &Shared, noted: &Noted, error: &UpstreamError, mut record: Record) -> Refused {
    let refused = error.refused(&noted.authority);
    tell_failure(shared, &noted.authority, error);
    record.answered(refused.status);
    record.finish(None, Some(refused.code));
    refused.named(&shared.redactor)
}

/// Tells the user that a target could not be reached; one at a forbidden address counts as refused.
pub(super) fn tell_failure(shared: &Shared, authority: &Authority, error: &UpstreamError) {
    if let UpstreamError::Address(_) = error {
        shared.counters.turned_back(&authority.host);
    }
    let authority = authority.clone();
    shared.notices.tell(match error {
        UpstreamError::Address(refusal) => {
            Notice::AddressRefused { authority, why: refusal.to_string(), opens_when_named: refusal.opens_when_named() }
        }
        UpstreamError::NoSuchName => return,
        UpstreamError::Exchange(error) if error.is_user() => return,
        error => Notice::UpstreamFailed { authority, reason: error.chain() },
    });
}

/// Records a refusal, tells the user once, and answers the child.
pub(super) fn refuse(shared: &Arc<Shared>, noted: &Noted, refused: &Refused) -> Response<Answer> {
    record_refusal(shared, noted, refused);
    respond::refusal(&refused.named(&shared.redactor), &noted.method)
}

/// Records a head that could not be read (L3); the connection has answered 400, 414 or 431 and ends.
pub(super) fn unread(shared: &Arc<Shared>, authority: &Authority, security: Security, error: &hyper::Error) {
    let refused = match (error.is_parse(), error.is_parse_too_large()) {
        (_, true) => Refused::too_large(),
        (true, false) => Refused::malformed("the head of the request cannot be read"),
        (false, false) => return,
    };
    let method = Method::from_bytes(b"-").unwrap_or_default();
    let noted = Noted { method, scheme: security.word(), authority: authority.clone(), path: String::new() };
    record_refusal(shared, &noted, &refused);
}

/// Records a refusal and tells the user once.
pub(super) fn record_refusal(shared: &Arc<Shared>, noted: &Noted, refused: &Refused) {
    shared.counters.refused();
    let authority = noted.authority.clone();
    match refused.code {
        "host_not_allowed" => shared.notices.tell(Notice::HostRefused { authority }),
        "port_not_allowed" | "loopback_not_open" => shared.notices.tell(Notice::PortRefused { authority }),
        _ => {}
    }
    let decision = Decision { rule: Some(refused.code.to_owned()), ..noted.decision(Verdict::Refused) };
    if let Some(mut record) = Record::begin(shared, decision) {
        record.answered(refused.status);
        record.finish(None, None);
    }
}
