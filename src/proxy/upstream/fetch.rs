//! Requests of the user's own to a server that keeps secrets.
//!
//! **Invariants.** The server is named by the user's own configuration, so its address is not judged; its certificate
//! is verified like any other. Redirects are not followed. A request ends at its deadline.
//!
//! **Trade-off.** A runtime and a connection for each request: there are a few in a run.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::runtime::Builder;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::dial::Dialler;
use super::resolve::Resolver;
use super::tls::{ClientTls, Offer};
use super::{UpstreamError, UpstreamProxy};
use crate::policy::Authority;
use crate::secret::Secret;
use crate::source::hashicorp::{Answer, Fetch, Request};

/// The whole way of a request.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most bytes of an answer.
const LARGEST: usize = 4 << 20;

/// Sends requests for sources.
#[derive(Debug)]
pub struct Fetcher {
    proxy: Option<Arc<UpstreamProxy>>,
}

impl Fetch for Fetcher {
    fn fetch(&self, request: &Request<'_>) -> io::Result<Answer> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(timeout(PATIENCE, self.exchange(request)));
        // A lookup that does not end holds nobody up.
        runtime.shutdown_background();
        let slow = || UpstreamError::Slow { seconds: PATIENCE.as_secs() };
        answer.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, slow().to_string())))
    }
}

impl Fetcher {
    /// Through the proxy that the user's own environment names, if one does.
    pub fn new(proxy: Option<UpstreamProxy>) -> Self {
        Self { proxy: proxy.map(Arc::new) }
    }

    async fn exchange(&self, request: &Request<'_>) -> io::Result<Answer> {
        let told = |error: UpstreamError| io::Error::other(error.chain());
        let authority = Authority::parse(request.server, Some(443)).map_err(io::Error::other)?;
        let mut certificates = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(request.ca.unwrap_or_default()) {
            certificates
                .push(certificate.map_err(|_| io::Error::other("its authority is no certificate in PEM form"))?);
        }
        let tls = ClientTls::new(certificates, Vec::new()).map_err(io::Error::other)?;
        let dialler =
            Dialler { resolver: Resolver::new(), redirects: Vec::new(), proxy: self.proxy.clone(), loopback: None };
        let stream = dialler.dial_named(&authority).await.map_err(told)?;
        let stream = tls.connect(&authority, stream, Offer::Http1).await.map_err(told)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| told(UpstreamError::Exchange(error)))?;
        let answer = async {
            let sent = sender.send_request(head(request, &authority)?).await;
            let response = sent.map_err(|error| told(UpstreamError::Exchange(error)))?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            let body = body.map_err(|_| io::Error::other("its answer broke off, or is too large"))?.to_bytes();
            Ok(Answer { status, body: Secret::new(body.to_vec()) })
        };
        tokio::pin!(answer, connection);
        tokio::select! {
            answer = &mut answer => answer,
            // What it brought is there all the same.
            _ = &mut connection => answer.await,
        }
    }
}

fn head(request: &Request<'_>, authority: &Authority) -> io::Result<http::Request<Full<Bytes>>> {
    // Its memory is wiped by whoever drops the last of it: the body is short and owned.
    let body = Bytes::from_owner(Zeroizing::new(request.body.expose().to_vec()));
    let has_body = !body.is_empty();
    let mut sent = http::Request::new(Full::new(body));
    *sent.method_mut() = request.method.parse().map_err(io::Error::other)?;
    *sent.uri_mut() = request.path.parse().map_err(io::Error::other)?;
    let text = |text: &str| HeaderValue::from_str(text).map_err(io::Error::other);
    let host = match authority.port {
        443 => authority.host.to_string(),
        _ => authority.to_string(),
    };
    let headers = sent.headers_mut();
    headers.insert(HOST, text(&host)?);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("agentsecrets/", env!("CARGO_PKG_VERSION"))));
    if has_body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in &request.headers {
        // Nothing of the value is in the error.
        let mut value = HeaderValue::from_bytes(value.expose())
            .map_err(|_| io::Error::other(format!("the value of `{name}` cannot stand in a header")))?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(sent)
}
