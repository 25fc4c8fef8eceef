//! Why a target could not be reached or its answer not be had.

use std::io;

use http::StatusCode;
use rustls::{AlertDescription, OtherError};

use super::tls::SelfSigned;
use crate::policy::Authority;
use crate::proxy::judge::AddressRefusal;
use crate::proxy::refusal::Refused;

/// Errors on the way upstream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The name does not exist.
    #[error("the name does not exist")]
    NoSuchName,
    /// The name could not be looked up.
    #[error("the name could not be looked up")]
    Lookup(#[source] io::Error),
    /// Every address of the target is one that may not be dialled.
    #[error(transparent)]
    Address(AddressRefusal),
    /// No address accepted the connection.
    #[error("the connection failed")]
    Connect(#[source] io::Error),
    /// The target did not answer in time.
    #[error("the connection was not made in {seconds} seconds")]
    Slow {
        /// How long it was tried.
        seconds: u64,
    },
    /// The child's loopback cannot be reached from here.
    #[error("the child's loopback cannot be reached")]
    NoLoopback,
    /// The user's own proxy refused.
    #[error("the proxy of the environment answered {status}")]
    Proxy {
        /// Its status code.
        status: u16,
    },
    /// The user's own proxy did not speak HTTP.
    #[error("the proxy of the environment gave no valid answer")]
    ProxyAnswer,
    /// TLS failed: mostly the certificate is not trusted.
    #[error("TLS with the target failed")]
    Tls(#[source] io::Error),
    /// The TLS configuration could not be made.
    #[error("TLS cannot be set up")]
    TlsSetup(#[source] rustls::Error),
    /// The exchange broke off.
    #[error("the exchange broke off")]
    Exchange(#[source] hyper::Error),
}

impl UpstreamError {
    /// Whether the target speaks none of the protocols that it was offered.
    pub(super) fn is_about_protocols(&self) -> bool {
        let Self::Tls(error) = self else { return false };
        matches!(rustls_fault(error), Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)))
    }

    /// What the child is told.
    pub(in crate::proxy) fn refused(&self, authority: &Authority) -> Refused {
        let (code, status, error) = match self {
            Self::NoSuchName => ("no_such_host", StatusCode::BAD_GATEWAY, "dns_error"),
            Self::Lookup(_) => ("lookup_failed", StatusCode::BAD_GATEWAY, "dns_error"),
            Self::Address(_) => ("address_not_allowed", StatusCode::FORBIDDEN, "destination_ip_prohibited"),
            Self::Connect(_) | Self::NoLoopback => ("connection_failed", StatusCode::BAD_GATEWAY, "connection_refused"),
            Self::Slow { .. } => ("connection_timeout", StatusCode::GATEWAY_TIMEOUT, "connection_timeout"),
            Self::Proxy { .. } | Self::ProxyAnswer => {
                ("environment_proxy", StatusCode::BAD_GATEWAY, "destination_unavailable")
            }
            Self::Tls(_) => ("upstream_tls", StatusCode::BAD_GATEWAY, "tls_certificate_error"),
            Self::TlsSetup(_) => ("upstream_tls", StatusCode::BAD_GATEWAY, "proxy_internal_error"),
            // The child's own body broke off: hyper says which side it was.
            Self::Exchange(error) if error.is_user() => {
                ("request_broke_off", StatusCode::BAD_REQUEST, "http_request_error")
            }
            Self::Exchange(_) => ("upstream_broke_off", StatusCode::BAD_GATEWAY, "connection_terminated"),
        };
        let hint = match self {
            Self::Address(refusal) if refusal.opens_when_named() => {
                Some(format!("agentsecrets run --allow {authority} -- ..."))
            }
            Self::Tls(_) => Some("agentsecrets run --upstream-ca FILE -- ... trusts one more authority".into()),
            _ => None,
        };
        Refused { code, status, error, sentence: format!("`{authority}`: {}", self.chain()), hint }
    }

    /// The message with its cause, in words of ours and the kernel's alone: what upstream wrote (a certificate's names, the
    /// debug data of a GOAWAY) can hold a value and goes nowhere.
    pub(in crate::proxy) fn chain(&self) -> String {
        match self {
            Self::Lookup(error) | Self::Connect(error) if error.get_ref().is_none() => format!("{self}: {error}"),
            Self::Tls(error) => format!("{self}: {}", certificate_fault(error)),
            Self::Exchange(error) if error.is_user() => "the request's body broke off".to_owned(),
            _ => self.to_string(),
        }
    }
}

/// What was wrong in a handshake, without upstream's own words.
fn certificate_fault(error: &io::Error) -> &'static str {
    use rustls::CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, Other, UnknownIssuer,
    };
    let Some(error) = rustls_fault(error) else { return "the connection broke off" };
    match error {
        rustls::Error::InvalidCertificate(UnknownIssuer) => "no trusted authority issued its certificate",
        rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }) => "its certificate has expired",
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "its certificate is for other names"
        }
        rustls::Error::InvalidCertificate(Other(OtherError(other))) if other.is::<SelfSigned>() => {
            "its certificate is self-signed, and no authority vouches for it"
        }
        rustls::Error::InvalidCertificate(_) => "its certificate is not valid",
        _ => "it does not speak TLS as expected",
    }
}

/// What the TLS library says of an error of its stream.
fn rustls_fault(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
