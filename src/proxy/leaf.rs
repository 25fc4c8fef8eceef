//! Leaf certificates for the hosts that the broker stands for, minted when a client asks.
//!
//! **Invariants.** The cache is bounded; one key serves all leaves, so that a new host costs one signature.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{ServerConfig, crypto::aws_lc_rs};

use super::{CertificateAuthority, ProxyError};
use crate::policy::Host;

/// Leaves kept; a child that asks for more names than this pays a signature each.
const KEPT: usize = 1024;

/// Mints and keeps the leaves of a run.
pub(super) struct Leaves {
    authority: CertificateAuthority,
    key: KeyPair,
    signing: Arc<dyn SigningKey>,
    kept: Mutex<HashMap<Host, Arc<CertifiedKey>>>,
}

impl Leaves {
    pub(super) fn new(authority: CertificateAuthority) -> Result<Self, ProxyError> {
        let failed = |source| ProxyError::Certificate { host: "leaves".into(), source };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = aws_lc_rs::sign::any_ecdsa_type(&der).map_err(ProxyError::Tls)?;
        Ok(Self { authority, key, signing, kept: Mutex::default() })
    }

    /// The leaf for `host`, minted if it is new.
    fn leaf(&self, host: &Host) -> Result<Arc<CertifiedKey>, ProxyError> {
        if let Some(leaf) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(host) {
            return Ok(Arc::clone(leaf));
        }
        let certificate = self.authority.sign(host, &self.key)?;
        let leaf = Arc::new(CertifiedKey::new(vec![certificate], Arc::clone(&self.signing)));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(host.clone(), Arc::clone(&leaf));
        Ok(leaf)
    }
}

impl ResolvesServerCert for Leaves {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = Host::parse(hello.server_name()?).ok()?;
        self.leaf(&host).ok()
    }
}

impl fmt::Debug for Leaves {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Leaves")
    }
}

/// One leaf whatever the client asks: for a client without SNI, whose host is known otherwise.
#[derive(Debug)]
struct Fixed(Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// The TLS server side that the child sees.
pub(super) struct ChildTls {
    leaves: Arc<Leaves>,
    shared: Arc<ServerConfig>,
}

impl ChildTls {
    pub(super) fn new(authority: CertificateAuthority, provider: Arc<CryptoProvider>) -> Result<Self, ProxyError> {
        let leaves = Arc::new(Leaves::new(authority)?);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ProxyError::Tls)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Leaves>::clone(&leaves));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(ProxyError::Tls)?;
        config.send_tls13_tickets = 1;
        Ok(Self { leaves, shared: Arc::new(config) })
    }

    /// The configuration for a client that named its host by SNI.
    pub(super) fn by_name(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.shared)
    }

    /// The configuration for a client without SNI that meant `host`.
    pub(super) fn for_host(&self, host: &Host) -> Result<Arc<ServerConfig>, ProxyError> {
        let mut config = ServerConfig::clone(&self.shared);
        config.cert_resolver = Arc::new(Fixed(self.leaves.leaf(host)?));
        Ok(Arc::new(config))
    }
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;

    #[test]
    fn a_leaf_verifies_for_its_host_and_no_other() {
        let authority = CertificateAuthority::new().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let leaves = Leaves::new(authority).unwrap();
        for (host, other) in [("api.example.com", "example.com"), ("192.0.2.1", "192.0.2.2"), ("::2", "::3")] {
            let leaf = leaves.leaf(&Host::parse(host).unwrap()).unwrap();
            let verify = |name: &'static str| {
                let name = ServerName::try_from(name).unwrap();
                verifier.verify_server_cert(&leaf.cert[0], &[], &name, &[], UnixTime::now())
            };
            verify(host).unwrap();
            verify(other).unwrap_err();
        }
    }

    #[test]
    fn a_host_is_minted_once_and_the_cache_is_bounded() {
        let leaves = Leaves::new(CertificateAuthority::new().unwrap()).unwrap();
        let leaf = |text: &str| leaves.leaf(&Host::parse(text).unwrap()).unwrap();
        assert!(Arc::ptr_eq(&leaf("a.example"), &leaf("a.example")));
        for number in 0..KEPT {
            leaf(&format!("h{number}.example"));
        }
        assert!(leaves.kept.lock().unwrap().len() <= KEPT);
    }
}
