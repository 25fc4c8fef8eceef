//! What a broker needs, gathered for both levels.

use std::collections::HashMap;
use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::offers::DeferredValues;
use super::{Order, RunError};
use crate::audit::{Sink, Start};
use crate::plan::Planned;
use crate::policy::{self, Catalogue, Inspect, OnStray, ServiceId};
use crate::proxy::{BODY_MEMORY, CertificateAuthority, LoopbackSockets, Notice, Settings, Token, UpstreamProxy};
use crate::world::World;

/// Threads that serve connections, at most; one passes on several gigabits a second.
const MOST_WORKERS: usize = 4;

/// The run's own credentials towards its child.
pub(super) struct Credentials {
    /// The authority that signs leaves.
    pub(super) authority: CertificateAuthority,
    /// The proxy's token.
    pub(super) token: Token,
}

impl Credentials {
    /// Makes both anew.
    pub(super) fn mint() -> Result<Self, RunError> {
        Ok(Self { authority: CertificateAuthority::new()?, token: Token::mint()? })
    }
}

/// Opens the log of the run.
pub(super) fn open_log(world: &World, planned: &Planned) -> Result<Arc<Sink>, RunError> {
    let plan = &planned.plan;
    let command = plan.arguments.first().map(|command| command.to_string_lossy().into_owned()).unwrap_or_default();
    let start = Start {
        command,
        project: plan.project.to_string_lossy().into_owned(),
        level: format!("{:?}", plan.level.value).to_lowercase(),
    };
    Ok(Arc::new(Sink::create(&world.state_directory.join("runs"), &plan.run.parse()?, start)?))
}

/// The broker's settings.
pub(super) fn settings(
    world: &World,
    order: &Order,
    planned: Planned,
    credentials: Credentials,
    wires: Wires,
) -> Result<Settings, RunError> {
    let upstream_proxy = upstream_proxy(world)?;
    let catalogue = policy::catalogue();
    Ok(Settings {
        run_id: planned.plan.run,
        token: credentials.token,
        token_required: wires.loopback.is_none(),
        authority: credentials.authority,
        secrets: Arc::new(planned.secrets),
        deferred: wires.supplies.deferred,
        bindings: planned.bindings,
        egress: planned.plan.egress,
        token_endpoints: catalogue.token_endpoints().cloned().collect(),
        credential_headers: credential_headers(catalogue),
        base_paths: base_paths(catalogue),
        inspect_all: planned.plan.inspect == Inspect::All,
        body_memory: BODY_MEMORY,
        block_stray: planned.plan.on_stray == OnStray::Block,
        keeps_case: false,
        connect_to: order.connect_to.clone(),
        upstream_certificates: wires.supplies.upstream,
        own_authorities: planned.authorities,
        upstream_proxy,
        loopback: wires.loopback,
        audit: wires.log,
        notices: wires.notices,
        names: Arc::default(),
    })
}

/// The proxy that the user's own environment names.
pub(super) fn upstream_proxy(world: &World) -> Result<Option<UpstreamProxy>, RunError> {
    let variable = |name: &str| world.variable(name).and_then(|value| value.to_str()).unwrap_or_default();
    let either = |lower: &str, upper: &str| {
        if variable(lower).is_empty() { variable(upper) } else { variable(lower) }.to_owned()
    };
    Ok(UpstreamProxy::parse(&either("https_proxy", "HTTPS_PROXY"), &either("no_proxy", "NO_PROXY"))?)
}

/// What clients leave out of each service's paths.
fn base_paths(catalogue: &Catalogue) -> HashMap<String, String> {
    catalogue.services().iter().filter_map(|service| Some((service.id.0.clone(), service.base_path.clone()?))).collect()
}

/// Every header by which each service takes a credential.
fn credential_headers(catalogue: &Catalogue) -> HashMap<ServiceId, Vec<String>> {
    let headers = |service: &policy::Service| service.credential_headers().into_iter().map(str::to_owned).collect();
    catalogue.services().iter().map(|service| (service.id.clone(), headers(service))).collect()
}

/// The runtime of a run: a thread a core, as long as they serve, however many cores and whatever the environment says.
///
/// A request and its way upstream are one task. Fewer threads would spare the wake-ups of those that find nothing, and
/// would leave a core unused when many connections are busy: at 16 of them that costs more.
pub(super) fn runtime() -> Result<Runtime, RunError> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread().worker_threads(cores.min(MOST_WORKERS)).enable_all().build().map_err(RunError::Runtime)
}

/// As many files a run has open without a connection, and a few connections besides.
const LEAST_FILES: u64 = 64;

/// Refuses to begin what would end in the middle for want of descriptors.
pub(super) fn check_open_files() -> Result<(), RunError> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|errno| RunError::Runtime(errno.into()))?;
    if limit < LEAST_FILES { Err(RunError::FewFiles { limit, least: LEAST_FILES }) } else { Ok(()) }
}

/// What a broker is connected to.
pub(super) struct Wires {
    /// The child's own loopback, where the child is sealed.
    pub(super) loopback: Option<Arc<dyn LoopbackSockets>>,
    /// The log.
    pub(super) log: Arc<Sink>,
    /// Where notices go.
    pub(super) notices: mpsc::Sender<Notice>,
    /// What the broker is given for its work.
    pub(super) supplies: Supplies,
}

/// What a broker is given beside its plan.
pub(super) struct Supplies {
    /// Certificates trusted upstream beside the platform's.
    pub(super) upstream: Vec<CertificateDer<'static>>,
    /// What fetches values when they are used.
    pub(super) deferred: DeferredValues,
}

/// The certificates that `--upstream-ca` names.
pub(super) fn certificates(files: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>, RunError> {
    let mut certificates = Vec::new();
    for path in files {
        let failed = |source| RunError::UpstreamCertificate { path: path.clone(), source };
        let pem = fs::read(path).map_err(|source| failed(Some(source)))?;
        let before = certificates.len();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            certificates.push(certificate.map_err(|_| failed(None))?);
        }
        if certificates.len() == before {
            return Err(failed(None));
        }
    }
    Ok(certificates)
}
