//! Speaks HTTP with the child over one connection.
//!
//! **Invariants.** Heads are bounded in size and time, so that a child cannot make the parent wait or grow.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::answer::Answer;
use super::attend::attend;
use super::exchange;
use super::noted::noted;
use super::refusal::Refused;
use super::route::{self, Security};
use super::rulebook::Site;
use super::shared::Shared;
use super::wire::Wire;
use crate::policy::Authority;

/// The longest request head; what curl and nginx take at most is less.
const LONGEST_HEAD: usize = 64 * 1024;
/// How long a head may take, the wait for the next request included.
const PATIENCE: Duration = Duration::from_mins(2);

/// For whom a connection is.
pub(super) enum Arrival {
    /// One site, known before the first request. With a refusal every request gets that answer.
    Site { site: Arc<Site>, security: Security, refusal: Option<Refused> },
    /// Whatever plaintext requests name, on this port.
    ByHost { port: u16 },
}

impl Arrival {
    /// For whom it is as long as no request has said it.
    fn whom(&self) -> (Authority, Security) {
        match self {
            Self::Site { site, security, .. } => (site.authority.clone(), *security),
            Self::ByHost { port } => (nobody(*port), Security::Plain),
        }
    }
}

/// A target that nobody named.
fn nobody(port: u16) -> Authority {
    Authority { host: IpAddr::V4(Ipv4Addr::UNSPECIFIED).into(), port }
}

/// Which HTTP the child speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

impl Version {
    /// By the client connection preface (RFC 9113 §3.4), for connections without ALPN.
    pub(super) fn of(ahead: &[u8]) -> Self {
        if ahead.starts_with(b"PRI * HTTP/2.0\r\n") { Self::Http2 } else { Self::Http1 }
    }
}

/// Serves requests until the child or an error ends the connection.
pub(super) async fn serve(shared: &Arc<Shared>, wire: Wire, version: Version, arrival: Arrival) {
    let arrival = Arc::new(arrival);
    let service = service_fn(|request: Request<Incoming>| {
        let (shared, arrival) = (Arc::clone(shared), Arc::clone(&arrival));
        async move { Ok::<_, Infallible>(handle(&shared, &arrival, request).await) }
    });
    // A connection's error is the child's doing or shows at its exchange; of a head that cannot be read the log is told.
    match version {
        Version::Http1 => {
            let watch = wire.watch();
            let served =
                attend(http1_builder().serve_connection(TokioIo::new(wire), service).with_upgrades(), watch).await;
            if let Some(Err(error)) = served {
                let (authority, security) = arrival.whom();
                exchange::unread(shared, &authority, security, &error);
            }
        }
        Version::Http2 => {
            let mut builder = http2::Builder::new(shared.tasks.clone());
            builder
                .timer(TokioTimer::new())
                .auto_date_header(false)
                .enable_connect_protocol()
                .max_concurrent_streams(256)
                .initial_stream_window_size(256 << 10)
                .initial_connection_window_size(1 << 20)
                .max_send_buf_size(64 << 10)
                .max_header_list_size(64 << 10);
            let _ = builder.serve_connection(TokioIo::new(wire), service).await;
        }
    }
}

/// HTTP/1 as both kinds of listener speak it.
pub(super) fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(LONGEST_HEAD).auto_date_header(false);
    builder
}

async fn handle(shared: &Arc<Shared>, arrival: &Arrival, request: Request<Incoming>) -> Response<Answer> {
    match arrival {
        Arrival::Site { site, security, refusal: None } => exchange::run(shared, site, *security, request).await,
        Arrival::Site { site, security, refusal: Some(refused) } => {
            exchange::refuse(shared, &noted(shared, &site.authority, *security, &request), refused)
        }
        Arrival::ByHost { port } => match route::named(request.uri(), request.headers(), *port) {
            Ok(authority) => {
                let meant = Authority { port: *port, ..authority };
                let site = Arc::new(shared.book.site(meant));
                exchange::run(shared, &site, Security::Plain, request).await
            }
            Err(refused) => {
                let noted = noted(shared, &nobody(*port), Security::Plain, &request);
                exchange::refuse(shared, &noted, &refused)
            }
        },
    }
}
