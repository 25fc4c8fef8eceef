//! What a broker is started with: decided by the plan, plain values.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;

use super::dns::Names;
use super::upstream::{ConnectTo, UpstreamProxy};
use super::{CertificateAuthority, Notice, Token};
use crate::audit::Sink;
use crate::policy::{Binding, Egress, OwnAuthority, ServiceId, TokenEndpoint};
use crate::secret::{SecretName, Table};
use crate::source::Deferred;

/// [`Settings::body_memory`] of a run: a dozen of the largest decoders at once, or some thousand ordinary ones.
pub const BODY_MEMORY: usize = 256 << 20;

/// Everything the broker has to know.
#[expect(clippy::struct_excessive_bools, reason = "each is one independent setting")]
pub struct Settings {
    /// The run's id, as the audit log has it.
    pub run_id: String,
    /// The run's token.
    pub token: Token,
    /// Whether a request without token is refused: true outside the seal. A wrong token is refused always.
    pub token_required: bool,
    /// The run's certificate authority.
    pub authority: CertificateAuthority,
    /// The secrets.
    pub secrets: Arc<Table>,
    /// What fetches the values of those that have none yet.
    pub deferred: HashMap<SecretName, Arc<Deferred>>,
    /// Which secret may go where.
    pub bindings: Vec<Binding>,
    /// Where anything may go. Targets of bindings are to be in `allow` already.
    pub egress: Egress,
    /// Endpoints that mint tokens; their hosts are terminated and the endpoints answered 403.
    pub token_endpoints: Vec<TokenEndpoint>,
    /// The headers by which each service authenticates, so that none is sent beside an injected one.
    pub credential_headers: HashMap<ServiceId, Vec<String>>,
    /// By the name of a service, the version that clients leave out of its paths under a base URL.
    pub base_paths: HashMap<String, String>,
    /// Terminate every target, not only those with a binding.
    pub inspect_all: bool,
    /// Refuse a request in which a placeholder stands where it is not swapped, rather than let it out inert.
    pub block_stray: bool,
    /// How many bytes the decoders and gathered bodies of the run may hold together.
    pub body_memory: usize,
    /// Whether names of fields are sent as they were written, where HTTP/1.1 can.
    pub keeps_case: bool,
    /// `--connect-to`, first match wins.
    pub connect_to: Vec<ConnectTo>,
    /// `--upstream-ca`, trusted beside the platform's roots.
    pub upstream_certificates: Vec<CertificateDer<'static>>,
    /// What alone is trusted for some targets, in the place of all that.
    pub own_authorities: Vec<OwnAuthority>,
    /// The proxy that the user's own environment names.
    pub upstream_proxy: Option<UpstreamProxy>,
    /// Which synthetic address stands for which name; shared with the name server.
    pub names: Arc<Names>,
    /// Reaches the child's own loopback; without it a target on loopback is refused, `--loopback` ports apart.
    pub loopback: Option<Arc<dyn LoopbackSockets>>,
    /// The run's log.
    pub audit: Arc<Sink>,
    /// Where notices for the user go.
    pub notices: mpsc::Sender<Notice>,
}

/// What the broker asks of the child's network namespace.
pub trait LoopbackSockets: Send + Sync + std::fmt::Debug {
    /// Makes an unconnected TCP socket there, IPv6 where `v6` says so. May block for a moment.
    fn socket(&self, v6: bool) -> std::io::Result<OwnedFd>;

    /// The program that holds the child's end of a connection, where it can be told. May block for a moment.
    fn program(&self, address: SocketAddr) -> Option<String>;
}

/// Sockets that listen for the child.
#[derive(Debug, Default)]
pub struct Listeners {
    /// The explicit proxy.
    pub explicit: Vec<TcpListener>,
    /// Ports on which every address is ours, each with its number.
    pub transparent: Vec<(u16, TcpListener)>,
    /// DNS over UDP, for any address.
    pub dns_udp: Vec<UdpSocket>,
    /// DNS over TCP, for any address.
    pub dns_tcp: Vec<TcpListener>,
    /// Raw sockets that see the resets of ports where nobody listens.
    pub refusals: Vec<OwnedFd>,
}
