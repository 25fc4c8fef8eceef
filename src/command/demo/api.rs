//! The demo's API: a TLS server on loopback that accepts one key and echoes what it was sent.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::DemoError;
use crate::secret::Secret;

/// The name that the demo's API goes by; `.test` is reserved (RFC 6761) and resolves nowhere.
pub(super) const HOST: &str = "api.demo.test";

/// What the API received, in order: whether each request carried the real key.
#[derive(Debug, Default)]
pub(super) struct Received(Mutex<Vec<bool>>);

impl Received {
    /// Whether there was a request, and each carried the real key.
    pub(super) fn only_the_real_key(&self) -> bool {
        let received = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !received.is_empty() && received.iter().all(|real| *real)
    }
}

/// A server that runs until it is dropped.
pub(super) struct Api {
    /// The loopback port.
    pub(super) port: u16,
    /// Its self-signed certificate.
    pub(super) certificate_pem: String,
    /// What came in.
    pub(super) received: Arc<Received>,
    _runtime: tokio::runtime::Runtime,
}

impl Api {
    /// Starts it on a runtime of its own, so that it stands apart from the run as a real service does.
    pub(super) fn start(key: Arc<Secret>) -> Result<Self, DemoError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let CertifiedKey { cert: certificate, signing_key } = generate_simple_self_signed([HOST.to_owned()])?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let mut config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let port = listener.local_addr()?.port();
        let received = Arc::new(Received::default());
        let record = Arc::clone(&received);
        runtime.spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), key, record));
        Ok(Self { port, certificate_pem: certificate.pem(), received, _runtime: runtime })
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, key: Arc<Secret>, received: Arc<Received>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, key, received) = (acceptor.clone(), Arc::clone(&key), Arc::clone(&received));
        connections.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request| {
                let response = answer(&request, &key, &received);
                async move { Ok::<_, Infallible>(response) }
            });
            // A connection that breaks is the client's affair.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// 200 and an echo for the real key, 401 for anything else.
fn answer(request: &Request<Incoming>, key: &Secret, received: &Received) -> Response<Full<Bytes>> {
    let credential = request.headers().get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes).unwrap_or_default();
    let presented = Secret::new(credential.strip_prefix(b"Bearer ").unwrap_or_default().to_vec());
    let real = presented == *key;
    received.0.lock().unwrap_or_else(PoisonError::into_inner).push(real);
    let (status, body) = if real {
        let mut body = b"balance: 42; your key is ".to_vec();
        body.extend_from_slice(key.expose());
        (StatusCode::OK, body)
    } else {
        (StatusCode::UNAUTHORIZED, b"wrong key".to_vec())
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}
