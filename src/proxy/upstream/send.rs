//! Sends one request upstream over a kept or a new connection.
//!
//! **Invariants.** A request is sent twice only if no byte of it was sent, or if repeating it is harmless by its method
//! and it has no body (RFC 9110 §9.2.2), and only over a connection that was kept.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, COOKIE, HOST, TE, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version, uri};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::body::{Lease, UpstreamBody};
use super::case::Case;
use super::dial::Dialler;
use super::h1::{Failed, Http1, Upgraded};
use super::pool::{Connection, Key, Pool};
use super::resolve::Resolver;
use super::tls::{ClientTls, Offer};
use super::{ConnectTo, UpstreamError};
use crate::policy::Host;
use crate::proxy::request_body::{Opener, RequestBody};
use crate::proxy::route::Security;
use crate::proxy::rulebook::Site;
use crate::proxy::tasks::Tasks;
use crate::proxy::wire::{Rewind, Wire};
use crate::proxy::{LoopbackSockets, ProxyError, Settings};

/// How often the pool is swept.
const SWEEP: Duration = Duration::from_secs(5);

/// A request in the form that both protocols are made from.
pub(in crate::proxy) struct Outgoing {
    pub(in crate::proxy) method: Method,
    pub(in crate::proxy) target: PathAndQuery,
    /// Without `Host` and hop-by-hop fields.
    pub(in crate::proxy) headers: HeaderMap,
    pub(in crate::proxy) body: RequestBody,
    /// Which protocols the child speaks.
    pub(in crate::proxy) offer: Offer,
    /// Whether the child can take trailers.
    pub(in crate::proxy) wants_trailers: bool,
    /// Opens the body's gate when upstream says `100 Continue`.
    pub(in crate::proxy) expects: Option<Opener>,
    /// How names of fields are written, where that is told.
    pub(in crate::proxy) case: Option<Case>,
}

/// An upgraded connection to upstream.
pub(in crate::proxy) struct Switched {
    pub(in crate::proxy) wire: Wire,
    pub(in crate::proxy) ahead: Bytes,
}

/// The client side of the broker.
pub(in crate::proxy) struct Upstream {
    dialler: Dialler,
    tls: ClientTls,
    pool: Arc<Pool>,
    tasks: Tasks,
    keeps_case: bool,
}

impl Upstream {
    pub(in crate::proxy) fn new(settings: &mut Settings, tasks: &Tasks) -> Result<Self, ProxyError> {
        let redirects: Vec<ConnectTo> = settings.connect_to.clone();
        let proxy = settings.upstream_proxy.take().map(Arc::new);
        let loopback: Option<Arc<dyn LoopbackSockets>> = settings.loopback.clone();
        let pool = Arc::new(Pool::new(tasks.clone()));
        let swept = Arc::clone(&pool);
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                swept.sweep();
            }
        });
        Ok(Self {
            dialler: Dialler { resolver: Resolver::new(), redirects, proxy, loopback },
            tls: ClientTls::new(
                std::mem::take(&mut settings.upstream_certificates),
                std::mem::take(&mut settings.own_authorities),
            )?,
            pool,
            tasks: tasks.clone(),
            keeps_case: settings.keeps_case,
        })
    }

    /// The resolver, for the DNS that the child sees.
    pub(in crate::proxy) fn resolver(&self) -> &Resolver {
        &self.dialler.resolver
    }

    /// Whether names are resolved by the environment's proxy rather than here.
    pub(in crate::proxy) fn leaves_names_to_proxy(&self) -> bool {
        self.dialler.proxy.is_some()
    }

    /// A plain connection to `site`, for a tunnel.
    pub(in crate::proxy) async fn open(&self, site: &Site) -> Result<TcpStream, UpstreamError> {
        self.dialler.dial(site).await
    }

    /// Sends a request and waits for the head of the answer.
    pub(in crate::proxy) async fn send(
        &self,
        site: &Site,
        security: Security,
        outgoing: Outgoing,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let key = Key { authority: site.authority.clone(), security, offer: outgoing.offer };
        let mut outgoing = outgoing;
        loop {
            let kept = self.pool.take(&key);
            let was_kept = kept.is_some();
            let connection = match kept {
                Some(connection) => connection,
                // Rare and large: on the heap it does not make every request's task large.
                None => Box::pin(self.connect(site, &key)).await?,
            };
            let spare = (was_kept && outgoing.is_repeatable()).then(|| outgoing.copy());
            let wants_trailers = outgoing.wants_trailers;
            let (expects, case) = (outgoing.expects.clone(), outgoing.case.clone());
            let error = match self.exchange(&key, connection, outgoing).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            outgoing = match (error.unsent, spare) {
                (Some(unsent), _) if was_kept => {
                    Outgoing { expects, case, ..Outgoing::reclaimed(unsent, key.offer, wants_trailers) }
                }
                (None, Some(spare)) => spare,
                _ => return Err(UpstreamError::Exchange(error.error)),
            };
        }
    }

    async fn exchange(
        &self,
        key: &Key,
        connection: Connection,
        outgoing: Outgoing,
    ) -> Result<Response<UpstreamBody>, Failed> {
        match connection {
            Connection::Http1(mut connection) => {
                let response = connection.send(outgoing.into_http1(key)).await?;
                let idle = keep_alive_timeout(response.headers());
                let lease = Lease { connection, pool: Arc::clone(&self.pool), key: key.clone(), idle };
                Ok(response.map(|incoming| UpstreamBody::new(incoming, Some(lease))))
            }
            Connection::Http2(mut sender) => {
                // hyper says nothing of 1xx over HTTP/2: the body goes at once, as it would without `Expect`.
                if let Some(opener) = &outgoing.expects {
                    opener.open();
                }
                let request = outgoing.into_http2(key);
                let answered = sender.try_send_request(request).await;
                let response = answered
                    .map_err(|mut failed| Failed { unsent: failed.take_message(), error: failed.into_error() })?;
                Ok(response.map(|incoming| UpstreamBody::new(incoming, None)))
            }
        }
    }

    async fn connect(&self, site: &Site, key: &Key) -> Result<Connection, UpstreamError> {
        let gate = match (key.security, key.offer) {
            (Security::Tls, Offer::Both) => self.pool.gate(key),
            _ => None,
        };
        let _guard = match &gate {
            Some(gate) => Some(gate.lock().await),
            None => None,
        };
        if gate.is_some()
            && let Some(connection) = self.pool.take(key)
        {
            return Ok(connection);
        }
        let (wire, is_http2) = match self.wire(site, key.security, key.offer).await {
            // RFC 7301 §3.2: so says a target that speaks HTTP/2 alone. The child need not speak it for that.
            Err(error) if key.offer == Offer::Http1 && error.is_about_protocols() => {
                self.wire(site, key.security, Offer::Both).await?
            }
            wire => wire?,
        };
        if !is_http2 {
            self.pool.dialled(key, None);
            return Http1::over(wire, self.keeps_case).await.map(Connection::Http1).map_err(UpstreamError::Exchange);
        }
        let (sender, connection) = http2::Builder::new(self.tasks.clone())
            .timer(TokioTimer::new())
            .initial_stream_window_size(2 << 20)
            .initial_connection_window_size(4 << 20)
            .max_send_buf_size(64 << 10)
            .max_header_list_size(256 << 10)
            .keep_alive_interval(Duration::from_secs(30))
            .handshake(TokioIo::new(wire))
            .await
            .map_err(UpstreamError::Exchange)?;
        self.tasks.spawn(async move {
            // An error shows at each of its streams.
            let _ = connection.await;
        });
        self.pool.dialled(key, Some(&sender));
        Ok(Connection::Http2(sender))
    }

    async fn wire(&self, site: &Site, security: Security, offer: Offer) -> Result<(Wire, bool), UpstreamError> {
        let stream = self.dialler.dial(site).await?;
        match security {
            Security::Plain => Ok((Wire::Plain(Rewind::new(Bytes::new(), stream)), false)),
            Security::Tls => {
                let stream = self.tls.connect(&site.authority, stream, offer).await?;
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                Ok((Wire::Tls(Box::new(stream)), is_http2))
            }
        }
    }

    /// Sends a request for an upgrade to `protocol` over a connection of its own.
    pub(in crate::proxy) async fn upgrade(
        &self,
        site: &Site,
        security: Security,
        outgoing: Outgoing,
        protocol: HeaderValue,
    ) -> Result<(Response<UpstreamBody>, Option<Switched>), UpstreamError> {
        let (wire, _) = self.wire(site, security, Offer::Http1).await?;
        let connection = Http1::over(wire, self.keeps_case).await.map_err(UpstreamError::Exchange)?;
        let key = Key { authority: site.authority.clone(), security, offer: Offer::Http1 };
        let mut request = outgoing.into_http1(&key);
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        request.headers_mut().insert(UPGRADE, protocol);
        let (response, upgraded) = connection.upgrade(request).await.map_err(UpstreamError::Exchange)?;
        let lease = |connection| Lease { connection, pool: Arc::clone(&self.pool), key, idle: None };
        Ok(match upgraded {
            Upgraded::Switched(wire, ahead) => {
                (response.map(|incoming| UpstreamBody::new(incoming, None)), Some(Switched { wire: *wire, ahead }))
            }
            Upgraded::Refused(connection) => {
                (response.map(|incoming| UpstreamBody::new(incoming, Some(lease(connection)))), None)
            }
            Upgraded::Gone => (response.map(|incoming| UpstreamBody::new(incoming, None)), None),
        })
    }
}

impl Outgoing {
    fn is_repeatable(&self) -> bool {
        self.body.is_empty() && self.method.is_idempotent()
    }

    /// A second copy of a request without body.
    fn copy(&self) -> Self {
        Self {
            method: self.method.clone(),
            target: self.target.clone(),
            headers: self.headers.clone(),
            body: RequestBody::Empty,
            offer: self.offer,
            wants_trailers: self.wants_trailers,
            expects: None,
            case: self.case.clone(),
        }
    }

    /// Takes back a request of which no byte was sent.
    fn reclaimed(unsent: Request<RequestBody>, offer: Offer, wants_trailers: bool) -> Self {
        let (parts, body) = unsent.into_parts();
        let mut headers = parts.headers;
        for name in [HOST, TE, CONNECTION] {
            headers.remove(name);
        }
        let target = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let (method, expects, case) = (parts.method, None, None);
        Self { method, target, headers, body, offer, wants_trailers, expects, case }
    }

    /// Origin-form with `Host` (RFC 9112 §3.2.1).
    fn into_http1(self, key: &Key) -> Request<RequestBody> {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = Uri::from(self.target);
        *request.headers_mut() = self.headers;
        if let Some(case) = self.case {
            case.write(request.extensions_mut());
        }
        join_cookies(request.headers_mut());
        if let Ok(host) = HeaderValue::from_maybe_shared(Bytes::from(host_of(key))) {
            request.headers_mut().insert(HOST, host);
        }
        if self.wants_trailers {
            request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("TE"));
        }
        if let Some(opener) = self.expects {
            request.headers_mut().insert(http::header::EXPECT, HeaderValue::from_static("100-continue"));
            hyper::ext::on_informational(&mut request, move |informational| {
                if informational.status() == http::StatusCode::CONTINUE {
                    opener.open();
                }
            });
        }
        request
    }

    /// `:authority` and `:scheme` in place of `Host` (RFC 9113 §8.3.1).
    fn into_http2(self, key: &Key) -> Request<RequestBody> {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.version_mut() = Version::HTTP_2;
        let mut parts = uri::Parts::default();
        parts.scheme = Some(key.security.scheme());
        parts.authority = uri::Authority::from_maybe_shared(Bytes::from(host_of(key))).ok();
        parts.path_and_query = Some(self.target);
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        *request.headers_mut() = self.headers;
        if self.wants_trailers {
            request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        }
        request
    }
}

/// HTTP/2 may split a cookie field; HTTP/1.1 has one (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut values = headers.get_all(COOKIE).iter();
    if values.next().is_none() || values.next().is_none() {
        return;
    }
    let joined = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    if let Ok(joined) = HeaderValue::from_maybe_shared(Bytes::from(joined)) {
        headers.insert(COOKIE, joined);
    }
}

/// The one form of the authority that is sent: lower case, without the default port.
fn host_of(key: &Key) -> String {
    match (&key.authority.host, key.authority.port == key.security.default_port()) {
        (Host::Name(name), true) => name.clone(),
        (host, true) => host.to_string(),
        _ => key.authority.to_string(),
    }
}

/// `Keep-Alive: timeout=5, max=100`.
fn keep_alive_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("keep-alive")?.to_str().ok()?;
    let seconds = text.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}
