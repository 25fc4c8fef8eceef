//! TLS to upstream: verified with the roots of the user's system and of `--upstream-ca`, or with those that a target has of
//! its own.
//!
//! **Invariants.** Roots of one target are trusted for its host and port alone, and nothing else is trusted for it. Roots are read at the first dial, so that a run without traffic does not pay for them. A certificate
//! is verified for the name that policy judged, whatever address was dialled.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::{TlsConnector, TlsStream};

use super::UpstreamError;
use crate::policy::{Authority, Host, OwnAuthority};
use crate::proxy::ProxyError;
use crate::proxy::wire::Rewind;

/// Which protocols are offered: what the child speaks, so that the target sees the client that it would see without us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::proxy) enum Offer {
    /// `h2` and `http/1.1`.
    Both,
    /// `http/1.1` alone; only it can be upgraded, and such a connection needs no task of its own.
    Http1,
}

/// Makes TLS connections.
pub(super) struct ClientTls {
    extra: Vec<CertificateDer<'static>>,
    made: OnceCell<Made>,
    own: Vec<Own>,
}

/// What is trusted for one target.
struct Own {
    authority: OwnAuthority,
    made: OnceCell<Made>,
}

struct Made {
    both: TlsConnector,
    http1: TlsConnector,
}

impl ClientTls {
    /// Checks the extra roots; everything else waits.
    pub(super) fn new(extra: Vec<CertificateDer<'static>>, own: Vec<OwnAuthority>) -> Result<Self, ProxyError> {
        let mut store = RootCertStore::empty();
        for certificate in &extra {
            store.add(certificate.clone()).map_err(ProxyError::UpstreamCertificate)?;
        }
        let own = own.into_iter().map(|authority| Own { authority, made: OnceCell::new() }).collect();
        Ok(Self { extra, made: OnceCell::new(), own })
    }

    /// Speaks TLS over `stream` with `authority`.
    pub(super) async fn connect(
        &self,
        authority: &Authority,
        stream: TcpStream,
        offer: Offer,
    ) -> Result<TlsStream<Rewind>, UpstreamError> {
        let made = match self.own.iter().find(|own| own.authority.target.matches(authority)) {
            Some(own) => own.made.get_or_try_init(|| async { make(own_roots(&own.authority)) }).await?,
            None => self.made.get_or_try_init(|| self.make()).await?,
        };
        let name = match &authority.host {
            Host::Name(name) => {
                ServerName::try_from(name.clone()).map_err(|error| UpstreamError::Tls(std::io::Error::other(error)))?
            }
            Host::Address(address) => ServerName::from(*address),
        };
        let connector = match offer {
            Offer::Both => &made.both,
            Offer::Http1 => &made.http1,
        };
        let stream = Rewind::new(bytes::Bytes::new(), stream);
        connector.connect(name, stream).await.map(TlsStream::Client).map_err(UpstreamError::Tls)
    }

    async fn make(&self) -> Result<Made, UpstreamError> {
        let extra = self.extra.clone();
        let roots = tokio::task::spawn_blocking(move || roots(extra));
        make(roots.await.map_err(|error| UpstreamError::Lookup(std::io::Error::other(error)))?)
    }
}

fn make(roots: RootCertStore) -> Result<Made, UpstreamError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| UpstreamError::TlsSetup(rustls::Error::General(error.to_string())))?;
    let mut both = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(UpstreamError::TlsSetup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Telling(verifier)))
        .with_no_client_auth();
    both.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut http1 = both.clone();
    http1.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Made { both: TlsConnector::from(Arc::new(both)), http1: TlsConnector::from(Arc::new(http1)) })
}

/// The roots of one target; without one that can be read nothing is trusted, and the connection fails.
fn own_roots(authority: &OwnAuthority) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(authority.certificates.iter().cloned().map(CertificateDer::from));
    store
}

/// The system's roots as far as they can be read: an unreadable one shows as an untrusted certificate later.
fn roots(extra: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store.add_parsable_certificates(extra);
    store
}

/// The library's own verification, whose refusal of a certificate that signed itself says so: that is another mistake than
/// an authority that nobody knows.
#[derive(Debug)]
struct Telling(Arc<WebPkiServerVerifier>);

/// A certificate that nobody but itself vouches for.
#[derive(Debug, thiserror::Error)]
#[error("the certificate signed itself")]
pub(super) struct SelfSigned;

impl ServerCertVerifier for Telling {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{Other, UnknownIssuer};
        let verified = self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verified.map_err(|error| match error {
            rustls::Error::InvalidCertificate(UnknownIssuer | Other(_)) if is_self_signed(end_entity) => {
                rustls::Error::InvalidCertificate(Other(OtherError(Arc::new(SelfSigned))))
            }
            error => error,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    webpki::EndEntityCert::try_from(certificate).is_ok_and(|certificate| certificate.issuer() == certificate.subject())
}
