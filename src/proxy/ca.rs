//! The run's certificate authority: made at start, held in memory, gone with the run.
//!
//! **Invariants.** The private key never leaves this value. The certificate carries what strict verifiers ask for
//! (Python 3.13, Go, Java): critical basic constraints and key usage, subject key identifier, at most 398 days.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::pki_types::CertificateDer;

use super::ProxyError;
use crate::policy::Host;

/// Days before now from which certificates are valid: clocks in containers and virtual machines are behind at times.
const DAYS_BEFORE: i32 = 3;
/// Days after now until which they are; together below the 398 that some clients allow.
const DAYS_AFTER: i32 = 390;

/// A P-256 certificate authority of one run.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl CertificateAuthority {
    /// Makes one.
    pub fn new() -> Result<Self, ProxyError> {
        let failed = |source| ProxyError::Certificate { host: "the run's authority".into(), source };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let mut parameters = parameters("agentsecrets run CA");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = parameters.self_signed(&key).map_err(failed)?.pem();
        Ok(Self { issuer: Issuer::new(parameters, key), pem })
    }

    /// The certificate, for the child's trust store.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// Signs a certificate for `host` over `key`.
    pub(super) fn sign(&self, host: &Host, key: &KeyPair) -> Result<CertificateDer<'static>, ProxyError> {
        let failed = |source| ProxyError::Certificate { host: host.to_string(), source };
        let mut parameters = parameters("agentsecrets run");
        parameters.subject_alt_names = vec![match host {
            Host::Name(name) => SanType::DnsName(name.as_str().try_into().map_err(failed)?),
            Host::Address(address) => SanType::IpAddress(*address),
        }];
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        Ok(parameters.signed_by(key, &self.issuer).map_err(failed)?.der().clone())
    }
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("CertificateAuthority")
    }
}

/// What authority and leaves share. The name does not hold the host: a common name has at most 64 characters, and
/// clients read the subject alternative name alone (RFC 9110 §4.3.4).
fn parameters(common_name: &str) -> CertificateParams {
    let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    let midnight = |date: Date| {
        rcgen::date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    parameters.not_before = midnight(today.saturating_sub(DAYS_BEFORE.days()));
    parameters.not_after = midnight(today.saturating_add(DAYS_AFTER.days()));
    parameters
}
