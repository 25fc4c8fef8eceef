//! A call: one request of the user's own, with secrets put in by the engine that serves runs.
//!
//! **Invariants.** A value is fetched only after its binding covers the target. Every call leaves a log. Inside a run the
//! store is not opened: the call sends the run's placeholders through the run's own proxy, which decides.

mod error;
mod hops;
mod judge;
mod message;
mod secrets;
mod url;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, Version};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::broking::{self, Credentials};
use super::usage;
use crate::audit::{RunId, Sink, Start};
use crate::exit::Exit;
use crate::policy::{Fingerprint, JsonPointer};
use crate::proxy::{BODY_MEMORY, Client, ConnectTo, Settings, is_run_proxy};
use crate::report::Terminal;
use crate::secret::{SecretName, WorkspaceName};
use crate::world::World;

pub use error::CallError;
pub use judge::{Judgement, judge_call};
pub use url::{CallUrl, UrlError};

use secrets::Prepared;

/// What the user asked for.
pub struct CallOrder {
    /// `--url`.
    pub url: CallUrl,
    /// `--method`, or what the body says.
    pub method: Method,
    /// `--header`, names as written.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: CallBody,
    /// What the body is, where no header says it.
    pub content_type: Option<&'static str>,
    /// Where values go.
    pub placements: Vec<Placement>,
    /// `--workspace`.
    pub workspace: Option<WorkspaceName>,
    /// `--trust`.
    pub trust: Vec<Fingerprint>,
    /// `--connect-to`.
    pub connect_to: Vec<ConnectTo>,
    /// `--upstream-ca`.
    pub upstream_ca: Vec<PathBuf>,
    /// `--timeout`.
    pub timeout: Option<Duration>,
    /// `--retry`: how many times more.
    pub retry: u32,
    /// `--location`.
    pub follow: bool,
    /// `--fail`.
    pub fail: bool,
}

impl CallOrder {
    /// A plain request.
    pub fn to(url: CallUrl) -> Self {
        Self {
            url,
            method: Method::GET,
            headers: Vec::new(),
            body: CallBody::Empty,
            content_type: None,
            placements: Vec::new(),
            workspace: None,
            trust: Vec::new(),
            connect_to: Vec::new(),
            upstream_ca: Vec::new(),
            timeout: None,
            retry: 0,
            follow: false,
            fail: false,
        }
    }
}

/// A request's body.
#[derive(Debug, Clone)]
pub enum CallBody {
    /// None.
    Empty,
    /// All of it.
    Whole(Vec<u8>),
    /// A file, as it is.
    File(PathBuf),
    /// Standard input, as it is.
    Input,
}

/// A secret and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The secret.
    pub secret: SecretName,
    /// Where its value is put.
    pub how: How,
}

/// Where a value is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: Basic`: the password of `user`; without one, user and password.
    Basic {
        /// The user.
        user: Option<String>,
    },
    /// A header, as written.
    Header(String),
    /// A parameter of the query.
    Query(String),
    /// A cookie.
    Cookie(String),
    /// A string in a JSON body.
    Json(JsonPointer),
    /// A field of a form.
    Form(String),
}

/// What takes the answer, as it comes. No text of it holds a value.
pub trait Take {
    /// The head of the answer that is shown.
    fn head(&mut self, version: Version, status: StatusCode, headers: &HeaderMap) -> Result<(), CallError>;

    /// Bytes of its body.
    fn body(&mut self, bytes: &[u8]) -> Result<(), CallError>;
}

/// Whether this process is part of a run.
pub fn is_inside(world: &World) -> bool {
    let proxy = |name| world.variable(name).and_then(std::ffi::OsStr::to_str);
    ["https_proxy", "HTTPS_PROXY"].into_iter().filter_map(proxy).any(is_run_proxy)
}

/// Makes the call.
pub fn call(world: &World, order: &CallOrder, take: &mut dyn Take, terminal: Terminal) -> Result<Exit, CallError> {
    let inside = is_inside(world);
    let prepared = if inside {
        secrets::inside(world, order)?
    } else {
        secrets::outside(world, order, secrets::Fetching::Values)?
    };
    let upstream = broking::certificates(&order.upstream_ca)?;
    let temporary = inside.then(|| tempfile::Builder::new().prefix("agentsecrets-").tempdir()).transpose();
    let temporary = temporary.map_err(CallError::Temporary)?;
    let directory = temporary.as_ref().map_or_else(|| world.state_directory.join("runs"), |place| place.path().into());
    let log = Arc::new(Sink::create(&directory, &RunId::mint(Timestamp::now())?, start(world))?);
    for fetched in &prepared.fetched {
        log.fetch(fetched.clone())?;
    }
    let workspace = prepared.workspace.clone();
    let (settings, mut hops) = settings(world, order, prepared, Arc::clone(&log), upstream)?;
    let runtime = broking::runtime()?;
    let (ended, totals) = runtime.block_on(async {
        let client = Client::new(settings)?;
        let made = hops.make(&client, order, take, terminal);
        let ended = match order.timeout {
            Some(patience) => tokio::time::timeout(patience, made)
                .await
                .unwrap_or(Err(CallError::Timeout { seconds: patience.as_secs_f64() })),
            None => made.await,
        };
        Ok::<_, CallError>((ended, client.close().await))
    })?;
    // Standard input may be read still, and need not be waited for.
    runtime.shutdown_background();
    let exit = ended.as_ref().map_or(Exit::Failure, |status| exit(order, *status));
    log.close(Some(exit.code()))?;
    if !inside {
        usage::used(world, workspace.as_ref(), &totals.secrets);
    }
    ended.map(|_| exit)
}

fn exit(order: &CallOrder, status: StatusCode) -> Exit {
    if order.fail && status.as_u16() >= 400 { Exit::Http } else { Exit::Success }
}

fn start(world: &World) -> Start {
    Start {
        command: "agentsecrets call".into(),
        project: world.project().to_string_lossy().into_owned(),
        level: "call".into(),
    }
}

/// The engine's settings for a call, and the way that it takes.
fn settings(
    world: &World,
    order: &CallOrder,
    prepared: Prepared,
    log: Arc<Sink>,
    upstream: Vec<rustls::pki_types::CertificateDer<'static>>,
) -> Result<(Settings, hops::Hops), CallError> {
    let credentials = Credentials::mint()?;
    let hops = hops::Hops::new(order, &prepared.bindings);
    let settings = Settings {
        run_id: String::new(),
        token: credentials.token,
        token_required: true,
        authority: credentials.authority,
        secrets: Arc::new(prepared.secrets),
        // Each value is fetched before the call begins.
        deferred: HashMap::new(),
        bindings: prepared.bindings,
        egress: prepared.egress,
        // What a call is answered is its user's own, tokens too.
        token_endpoints: Vec::new(),
        credential_headers: HashMap::new(),
        base_paths: HashMap::new(),
        inspect_all: false,
        block_stray: true,
        body_memory: BODY_MEMORY,
        keeps_case: true,
        connect_to: order.connect_to.clone(),
        upstream_certificates: upstream,
        own_authorities: Vec::new(),
        upstream_proxy: broking::upstream_proxy(world)?,
        names: Arc::default(),
        loopback: None,
        audit: log,
        // Whatever there is to say is an error of the call.
        notices: mpsc::channel(1).0,
    };
    Ok((settings, hops))
}
