//! A guarded run: the broker stands on the host's own loopback, the command in a Landlock domain.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::base_urls;
use super::broking::{self, Credentials, Supplies, Wires};
use super::hooks::{self, Hook};
use super::profile::named_descriptor;
use super::sealed::{exit, left_out};
use super::told::{Heard, Told};
use super::trust::{self, Certificates};
use super::watch::watch;
use super::watched::Watched;
use super::{Order, Outcome, RunError, ci, keep};
use crate::plan::Planned;
use crate::policy;
use crate::proxy::{Broker, Listeners};
use crate::report::Terminal;
use crate::sandbox::{Bytes, GuardProfile, Guarded, Place};
use crate::scrub::{self, Wiring};
use crate::supervise::{Attached, Job, Keeper, Signals, Streams, spawn};
use crate::world::World;

/// Files of the run's own directory.
const BUNDLE: &str = "ca-bundle.pem";
const CERTIFICATE: &str = "ca.pem";
const WGETRC: &str = "wgetrc";

/// Runs the command under a guard.
pub(super) fn run(
    world: &World,
    order: &Order,
    streams: Streams,
    mut planned: Planned,
    supplies: Supplies,
    terminal: Terminal,
) -> Result<Outcome, RunError> {
    let signals = Signals::block_with_job_control().map_err(RunError::Signals)?;
    let mut monitor = spawn::monitor(&left_out(world)?, &streams)?;
    let shown = streams.show().map_err(RunError::Terminal)?;
    let user = ci::users_terminal(world, order);
    let credentials = Credentials::mint()?;
    let rules = policy::trust_rules();
    let certificates = trust::certificates(world, &planned.plan, rules, credentials.authority.certificate_pem());
    // Below our own state, which the child can neither read nor write, this directory apart.
    let place = world.state_directory.join("wires").join(&planned.plan.run);
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(RunError::Watch)?;
    let port = listener.local_addr().map_err(RunError::Watch)?.port();
    let keeper = user.as_ref().map(spawn::keeper).transpose()?;
    let profile = GuardProfile {
        own_terminal: user.is_some(),
        keeper: keeper.as_ref().map(Keeper::number),
        ..profile(world, order, &planned, &place, port, &certificates)
    };
    let _removed = Removed(&place);
    let watched = Watched::look(&planned.plan.watched);
    let Guarded { enforcement, facts, terminal: master } = monitor.guard(&profile)?;
    tracing::debug!(?facts, port, "the guard stands");
    let log = broking::open_log(world, &planned)?;

    let wiring = wiring(&place, credentials.token.proxy_url(port));
    base_urls::add(order, &mut planned, port);
    hooks::add(&order.hooks, &mut planned, &place);
    let environment = scrub::environment(std::mem::take(&mut planned.environment), &wiring, rules);
    let (sender, notices) = mpsc::channel(256);
    let mut heard = Heard { notices, news: mpsc::channel(1).1 };
    let wires = Wires { loopback: None, log: std::sync::Arc::clone(&log), notices: sender, supplies };
    let arguments = std::mem::take(&mut planned.arguments);
    let settings = broking::settings(world, order, planned, credentials, wires)?;
    let mut told = Told::new(terminal, !world.terminal.error || ci::is_ci(world, order));

    let own_terminal = Attached::connect(user, master, keeper).map_err(RunError::Terminal)?;
    let mut job = Job::new(monitor, own_terminal, &signals);
    let runtime = broking::runtime()?;
    let (ended, key, totals) = runtime.block_on(async {
        let broker = Broker::start(settings, Listeners { explicit: vec![listener], ..Listeners::default() })?;
        let ended = match job.execute(&arguments, environment.pairs(), &enforcement) {
            Ok(()) => watch(&mut job, &signals, &mut heard, &mut told).await,
            Err(error) => Err(error.into()),
        };
        // The tree first: nothing of the child is left when the broker closes.
        let key = job.key();
        job.finish();
        shown.finish(&signals);
        Ok::<_, RunError>((ended, key, broker.close().await))
    })?;
    // A source that does not answer holds nobody up.
    runtime.shutdown_background();
    told.finish(&mut heard);
    let exit = ended.as_ref().map_or_else(RunError::exit, |ended| exit(ended.status, key));
    log.close(Some(exit.code()))?;
    ended?;
    Ok(Outcome { exit, totals, left: keep::Outcome::default(), merged: Vec::new(), watched_changes: watched.changes() })
}

/// A directory that is removed with the value: the run's own, where its monitor could not.
struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        // Gone already is the usual case.
        let _ = std::fs::remove_dir_all(self.0);
    }
}

/// What the child is told of proxy and certificates.
fn wiring(place: &Path, proxy_url: String) -> Wiring {
    Wiring {
        proxy_url: Some(proxy_url),
        bundle: Some(place.join(BUNDLE)),
        certificate: Some(place.join(CERTIFICATE)),
        wgetrc: Some(place.join(WGETRC)),
        ..Wiring::default()
    }
}

/// The run's certificates, public keys only, what names them, and what loads them.
fn files(place: &Path, certificates: &Certificates, hooks: &[Hook]) -> Vec<Place> {
    let wgetrc = format!("ca_certificate = {}\n", place.join(BUNDLE).display()).into_bytes();
    let file = |name: &str, bytes: &[u8]| Place { paths: vec![place.join(name)], bytes: Bytes(bytes.to_vec()) };
    let mut files =
        vec![file(BUNDLE, &certificates.bundle), file(CERTIFICATE, &certificates.authority), file(WGETRC, &wgetrc)];
    let hooks = hooks::files(hooks, place);
    files.extend(hooks.map(|(path, text)| Place { paths: vec![path], bytes: Bytes(text.into()) }));
    files
}

/// Everything the monitor needs to know.
fn profile(
    world: &World,
    order: &Order,
    planned: &Planned,
    place: &Path,
    port: u16,
    certificates: &Certificates,
) -> GuardProfile {
    let plan = &planned.plan;
    let mut denied: Vec<PathBuf> = plan.masks.iter().map(|mask| mask.path.clone()).collect();
    denied.extend([world.config_directory.clone(), world.state_directory.clone()]);
    let project = plan.project_is_bound.then(|| plan.project.clone());
    GuardProfile {
        working_directory: plan.working_directory.clone(),
        home: world.home.clone(),
        denied,
        writable: plan.writable.iter().cloned().chain(project).collect(),
        devices: order.devices.clone(),
        ports: std::iter::once(port).chain(plan.egress.loopback.iter().copied()).collect(),
        kept_descriptors: order.command.iter().filter_map(|argument| named_descriptor(argument)).collect(),
        unix_sockets: order.guard.unix_sockets,
        own: place.to_owned(),
        files: files(place, certificates, &order.hooks),
        ..GuardProfile::default()
    }
}
