//! The conductor: the order in which a run is planned, started, watched and taken down. It has no policy of its own.
//!
//! **Invariants.** Nothing is started before the whole plan stands. On the way down the child's tree ends first, then the
//! broker, then the log; an error on the way leaves nothing behind, because each part takes itself down when dropped.

mod bare;
mod broking;
mod error;
mod packages;
mod profile;
mod sealed;
mod told;
mod trust;
mod watch;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::audit::RunId;
use crate::exit::Exit;
use crate::mask::{self, Search};
use crate::plan::{self, Planned, Request};
use crate::policy::{self, Flags, Isolation, Layers, PolicyText, Surroundings};
use crate::proxy::{ConnectTo, Totals};
use crate::report::{self, Terminal};
use crate::world::World;

pub use error::RunError;

/// What the user asked for.
#[derive(Debug, Default)]
pub struct Order {
    /// The command and its arguments.
    pub command: Vec<OsString>,
    /// What the flags say of policy.
    pub flags: Flags,
    /// `--connect-to`.
    pub connect_to: Vec<ConnectTo>,
    /// `--upstream-ca`.
    pub upstream_ca: Vec<PathBuf>,
    /// `--device`.
    pub devices: Vec<PathBuf>,
    /// Neither banner nor summary.
    pub quiet: bool,
}

/// How a run ended.
struct Outcome {
    exit: Exit,
    totals: Totals,
    home_changes: Vec<PathBuf>,
}

/// Plans, runs and reports; the status is the child's.
pub fn conduct(world: &World, order: &Order) -> Result<Exit, RunError> {
    let terminal = Terminal::new(world.terminal.error, world.terminal.no_color, order.quiet);
    let planned = plan(world, order)?;
    terminal.note(&report::banner(&planned.plan));
    let outcome = match planned.plan.level.value {
        Isolation::Sealed => sealed::run(world, order, planned, terminal)?,
        Isolation::None => bare::run(world, order, planned, terminal)?,
        Isolation::Guarded => return Err(RunError::Level),
    };
    let Totals { requests, hosts, refused, secrets, inert } = outcome.totals;
    let totals = report::Totals { requests, hosts, refused, inert, secrets, discarded: outcome.home_changes };
    terminal.note(&report::summary(&totals));
    Ok(outcome.exit)
}

/// Decides everything and starts nothing.
pub fn plan(world: &World, order: &Order) -> Result<Planned, RunError> {
    let project = world.project();
    let user = read_policy(world.config_directory.join("config.toml"))?;
    let own = read_policy(project.join("agentsecrets.toml"))?;
    let merged = Layers::load(user.as_ref(), own.as_ref(), order.flags.clone())?;
    let variable = |name: &str| world.variable(name).map(OsString::from);
    let rules = policy::file_rules();
    let around = Surroundings { home: &world.home, current_directory: &world.current_directory, variable: &variable };
    let named: Vec<PathBuf> = merged.writable.iter().map(|path| absolute(world, &path.value)).collect();
    let search = Search {
        rules,
        mask: &merged.mask,
        project: &project,
        home: &world.home,
        current_directory: &world.current_directory,
        variable: &variable,
        writable: &named,
        uid: world.user.uid,
        mounts: &fs::read("/proc/self/mountinfo").unwrap_or_default(),
    };
    let findings = mask::find(&search).map_err(plan::PlanError::from)?;
    let command = order.command.first().map(Path::new).and_then(Path::file_name).unwrap_or_default();
    let mut writable = rules.writable_places(&command.to_string_lossy(), around);
    writable.extend(named);
    let request = Request {
        run: RunId::mint(Timestamp::now())?.as_str().to_owned(),
        arguments: &order.command,
        environment: &world.environment,
        project_is_bound: !world.home.starts_with(&project),
        project: &project,
        current_directory: &world.current_directory,
        findings,
        writable,
        now: Timestamp::now(),
    };
    Ok(plan::build(request, &merged)?)
}

/// The text of a policy file; none where there is no file.
fn read_policy(path: PathBuf) -> Result<Option<PolicyText>, RunError> {
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(PolicyText { path, text })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RunError::ReadPolicy { path, source }),
    }
}

/// A path of the user's with `~` and relative parts resolved.
fn absolute(world: &World, path: &str) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(below) => world.home.join(below),
        None if path == "~" => world.home.clone(),
        None => world.current_directory.join(path),
    }
}
