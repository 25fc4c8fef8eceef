//! What can go wrong in the broker itself; what goes wrong with one request is a `route::Refused`.

use std::io;

/// Why the broker could not start, or a part of it could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The system's random source failed.
    #[error("the system's random source failed")]
    Random,
    /// The run's certificate authority or one of its leaves could not be made.
    #[error("cannot make a certificate for `{host}`")]
    Certificate {
        /// Whom the certificate is for.
        host: String,
        /// The reason.
        #[source]
        source: rcgen::Error,
    },
    /// The TLS library refused a key or a configuration.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// A certificate given with `--upstream-ca` cannot be used.
    #[error("a certificate of `--upstream-ca` cannot be used")]
    UpstreamCertificate(#[source] rustls::Error),
    /// A listener could not be taken into the runtime.
    #[error("cannot use the {what} listener")]
    Listener {
        /// Which.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A header name in a binding or the catalogue that HTTP does not allow.
    #[error("`{name}` is not a header name")]
    HeaderName {
        /// The name, control characters escaped.
        name: String,
    },
    /// A binding names a secret that the run does not hold.
    #[error("no secret is called `{name}`")]
    UnknownSecret {
        /// The name.
        name: String,
    },
    /// Not `HOST1:PORT1:HOST2:PORT2`.
    #[error("`{text}` is not `HOST1:PORT1:HOST2:PORT2`")]
    ConnectTo {
        /// The text, control characters escaped.
        text: String,
    },
    /// A proxy address in the user's own environment that cannot be used.
    #[error("`{text}` is not a proxy address that can be used: write `http://host:port`")]
    UpstreamProxy {
        /// The address without its credentials, control characters escaped.
        text: String,
    },
}
