//! A sealed run: the seal is built while nothing runs in it, the broker takes its doors, then the command starts.

use std::fs::DirBuilder;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::base_urls;
use super::broking::{self, Credentials, Supplies, Wires};
use super::told::{Heard, Told};
use super::watch::{Child, watch};
use super::{Order, Outcome, RunError, aside, browser, ci, keep, merge, ports, profile, remask, trust};
use crate::exit::Exit;
use crate::plan::Planned;
use crate::policy;
use crate::proxy::{Broker, Listeners, LoopbackSockets};
use crate::report::Terminal;
use crate::sandbox::{Doors, Ended, Established, LeftOut, Loopback, Processes, Profile, Stage, Status};
use crate::scrub;
use crate::supervise::ports::{Bound, Ports};
use crate::supervise::{Attached, Job, Received, Signals, Streams, spawn};
use crate::world::World;

/// What was started before there was a plan, and what is looked at while the seal is being built.
pub(super) struct Started<'a> {
    /// The stage.
    pub(super) stage: Stage,
    /// The streams that it was given.
    pub(super) streams: Streams,
    /// What was there before the command: filled in before that can run.
    pub(super) watch: &'a mut aside::Watch,
    /// The places that the user has made writable.
    pub(super) granted: &'a [PathBuf],
}

/// Starts the stage of a seal, which makes its namespaces and waits for the plan.
///
/// Call it from the main thread: the kernel ends the stage with the thread that started it.
pub(super) fn stage(world: &World, streams: &Streams) -> Result<Stage, RunError> {
    Ok(spawn::stage(&left_out(world)?, streams)?)
}

/// Runs the command in the seal that `stage` builds.
pub(super) fn run(
    world: &World,
    order: &Order,
    started: Started<'_>,
    mut planned: Planned,
    supplies: Supplies,
    bound: Bound,
    terminal: Terminal,
) -> Result<Outcome, RunError> {
    let signals = Signals::block_with_job_control().map_err(RunError::Signals)?;
    let Started { mut stage, streams, watch: before, granted } = started;
    let shown = streams.show().map_err(RunError::Terminal)?;
    let user = ci::users_terminal(world, order);
    make_session_places(&planned.plan.made);
    let profile = profile::profile(world, order, &planned);
    let masks = remask::Prepared::new(world, &planned);
    let live = std::mem::take(&mut planned.live);
    stage.establish(Profile { own_terminal: user.is_some(), ..profile })?;
    // Made while the seal is being built.
    let keeper = user.as_ref().map(spawn::keeper).transpose()?;
    let credentials = Credentials::mint()?;
    let rules = policy::trust_rules();
    let certificates = trust::certificates(world, &planned.plan, rules, credentials.authority.certificate_pem());
    stage.lay(profile::places(certificates))?;
    *before = aside::Watch::look(world, policy::file_rules(), &planned.plan, granted);
    let runtime = broking::runtime()?;
    let log = broking::open_log(world, &planned)?;
    // What never began leaves no log.
    let established = stage.established().inspect_err(|_| log.discard())?;
    let Established { enforcement, facts, mut doors, terminal: master } = established;
    tracing::debug!(?facts, port = doors.explicit_port, "the seal stands");

    let wiring = profile::wiring(credentials.token.proxy_url(doors.explicit_port), planned.plan.ports.browser);
    base_urls::add(order, &mut planned, doors.explicit_port);
    let environment = scrub::environment(std::mem::take(&mut planned.environment), &wiring, rules);
    let (sender, notices) = mpsc::channel(256);
    let (news, learnt) = mpsc::channel(256);
    let mut heard = Heard { notices, news: learnt };
    let own_loopback = Arc::new(stage.loopback().map_err(RunError::Watch)?);
    let hands = remask::Hands { loopback: Arc::clone(&own_loopback), log: Arc::clone(&log), news: news.clone() };
    let mut masks = masks.begin(live, hands)?;
    let crossing = ports::seal(&own_loopback, &mut doors, &planned.plan.ports)?;
    let browser = doors.listeners.pop().map(|listener| browser::Asked::new(listener, world, order, &planned.plan));
    let loopback: Arc<dyn LoopbackSockets> =
        Arc::new(ChildLoopback { loopback: own_loopback, processes: stage.processes() });
    let wires = Wires { loopback: Some(loopback), log: Arc::clone(&log), notices: sender, supplies };
    let arguments = std::mem::take(&mut planned.arguments);
    let (run, copies) = (planned.plan.run.clone(), std::mem::take(&mut planned.merges));
    let placeholders: Vec<String> = planned.secrets.iter().map(|(_, held)| held.placeholder.to_string()).collect();
    let settings = broking::settings(world, order, planned, credentials, wires)?;
    let own_terminal = Attached::connect(user, master, keeper).map_err(RunError::Terminal)?;
    let mut job = Job::new(stage, own_terminal, &signals);
    let mut told = Told::new(terminal, !world.terminal.error || ci::is_ci(world, order));

    let (ended, key, totals) = runtime.block_on(async {
        let broker = Broker::start(settings, listeners(doors))?;
        let ports = Ports::start(bound, crossing, news.clone()).map_err(RunError::Ports)?;
        let mut bridge = JoinSet::new();
        if let Some(asked) = browser {
            bridge.spawn(asked.start(ports.callbacks(), Arc::clone(&log), news).map_err(RunError::Ports)?.serve());
        }
        tracing::debug!("the broker is up");
        let ended = match job.execute(&arguments, environment.pairs(), &enforcement) {
            Ok(()) => tokio::select! {
                ended = watch(&mut job, &signals, &mut heard, &mut told) => ended,
                error = masks.failed() => Err(error),
            },
            Err(error) => Err(error.into()),
        };
        tracing::debug!("the command ended");
        // The tree first: it is killed, and the broker closes while the kernel takes it down.
        job.end();
        drop(masks);
        bridge.shutdown().await;
        ports.close().await;
        let totals = broker.close().await;
        let key = job.key();
        job.finish();
        shown.finish(&signals);
        Ok::<_, RunError>((ended, key, totals))
    })?;
    // A source that does not answer holds nobody up.
    runtime.shutdown_background();
    tracing::debug!(?totals, "the broker is closed");
    told.finish(&mut heard);
    let exit = ended.as_ref().map_or_else(RunError::exit, |ended| exit(ended.status, key));
    log.close(Some(exit.code()))?;
    let (mut kept, mut merged) = (keep::Outcome::default(), Vec::new());
    if let Some(left) = ended?.left {
        merged = merge::merge(&left, &copies, &placeholders);
        kept = keep::keep(world, &run, &left, &merge::paths(&copies), &placeholders);
    }
    Ok(Outcome { exit, totals, left: kept, merged, watched_changes: Vec::new() })
}

/// Makes what the agent itself would make for its sessions, so that they outlive the run.
fn make_session_places(places: &[PathBuf]) {
    for place in places {
        // An agent whose sessions cannot be kept works all the same.
        if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(place) {
            tracing::debug!(place = %place.display(), %error, "no place for sessions");
        }
    }
}

/// The version of Landlock that runs have; 0 is none.
pub fn landlock_version(world: &World) -> u32 {
    left_out(world).ok().and_then(|left_out| crate::sandbox::landlock_version(&left_out).ok()).unwrap_or(0)
}

/// In a test-only build, the mechanisms that `AGENTSECRETS_LEAVE_OUT` names.
#[cfg(feature = "leave-out")]
pub(super) fn left_out(world: &World) -> Result<LeftOut, RunError> {
    let names = world.variable("AGENTSECRETS_LEAVE_OUT").unwrap_or_default().to_string_lossy();
    LeftOut::parse(&names).map_err(|name| RunError::LeaveOut { name })
}

#[cfg(not(feature = "leave-out"))]
#[expect(clippy::unnecessary_wraps, reason = "a build with the feature reads names that can be wrong")]
pub(super) fn left_out(_: &World) -> Result<LeftOut, RunError> {
    Ok(LeftOut::default())
}

fn listeners(doors: Doors) -> Listeners {
    Listeners {
        explicit: vec![TcpListener::from(doors.explicit)],
        transparent: doors.transparent.into_iter().map(|(port, socket)| (port, TcpListener::from(socket))).collect(),
        dns_udp: doors.dns_udp.into_iter().map(UdpSocket::from).collect(),
        dns_tcp: doors.dns_tcp.into_iter().map(TcpListener::from).collect(),
        refusals: doors.refusals,
    }
}

/// `key` is the signal that the user's last key of that kind has sent.
pub(super) fn exit(status: Status, key: Option<i32>) -> Exit {
    match status {
        Status::Exited(code) => Exit::Child(code),
        Status::Signaled(number) if key == Some(number.into()) => Exit::Key(number),
        Status::Signaled(number) => Exit::Signal(number),
    }
}

/// The child's own loopback, for the broker.
#[derive(Debug)]
struct ChildLoopback {
    loopback: Arc<Loopback>,
    processes: Option<Processes>,
}

impl LoopbackSockets for ChildLoopback {
    fn socket(&self, v6: bool) -> io::Result<OwnedFd> {
        self.loopback.socket(v6)
    }

    fn program(&self, address: SocketAddr) -> Option<String> {
        self.processes.as_ref()?.program(address)
    }
}

impl Child for Job<'_> {
    type Ended = Ended;

    fn readiness(&self) -> io::Result<OwnedFd> {
        Job::readiness(self)
    }

    fn try_wait(&mut self) -> Result<Option<Ended>, RunError> {
        Ok(Job::try_wait(self)?)
    }

    fn hear(&mut self, signal: Received) -> Result<(), RunError> {
        Ok(Job::hear(self, signal)?)
    }

    fn terminal_is_gone(&self) -> io::Result<Option<OwnedFd>> {
        Job::terminal_is_gone(self)
    }

    fn hang_up(&mut self) -> Result<(), RunError> {
        Ok(Job::hang_up(self)?)
    }
}
