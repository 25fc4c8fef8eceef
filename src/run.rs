//! The conductor: the order in which a run is planned, started, watched and taken down. It has no policy of its own.
//!
//! **Invariants.** Nothing of the child's is started before the whole plan stands: only the stage of the seal is, which
//! makes its namespaces meanwhile and knows nothing. On the way down the child's tree ends first, then the
//! broker, then the log; an error on the way leaves nothing behind, because each part takes itself down when dropped.

mod aside;
mod bare;
mod base_urls;
mod broking;
mod browser;
mod call;
mod ci;
mod error;
mod guarded;
mod hashicorp;
mod hooks;
mod keep;
mod merge;
mod offers;
mod opener;
mod packages;
mod ports;
mod profile;
mod project;
mod remask;
mod sealed;
mod sources;
mod spot;
mod sweep;
mod told;
mod trust;
mod usage;
mod watch;
mod watched;
mod workspace;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::thread::JoinHandle;

use jiff::Timestamp;
use nix::fcntl::OFlag;

use crate::audit::RunId;
use crate::exit::Exit;
use crate::mask::{self, Repository, Search, Writable};
use crate::plan::{self, Planned, Request};
use crate::policy::{self, Fingerprint, Flags, Isolation, PolicyText, Surroundings};
use crate::proxy::{ConnectTo, Totals};
use crate::report::{self, Terminal};
use crate::sandbox;
use crate::secret::WorkspaceName;
use crate::supervise::ports::{Bound, Publish};
use crate::world::World;

use broking::Supplies;
use ci::Ci;
use sweep::Trees;

pub use aside::{Aside, Moved};
pub use browser::{BROWSER_NAMES, BROWSER_PROGRAM, BROWSER_SOCKET};
pub use call::{
    CallBody, CallError, CallOrder, CallUrl, How, Judgement, Placement, Take, UrlError, call, is_inside, judge_call,
};
pub use error::RunError;
pub use hooks::Hook;
pub use keep::directory as kept_directory;
pub use project::{Trusted, all_trusted, distrust, read as project_file, trust, trusted};
pub use sealed::landlock_version;
pub use sources::{Replaced, Sources, dotenv, without_values};
pub use spot::{Look, Spot, is_file};
pub use usage::Usage;
pub use workspace::{
    Chosen, Held, choose, directory as workspaces, held, path_of as workspace_path, read as read_own, workspace_here,
};

use offers::{DeferredValues, Fetch, Gathered};

/// The most bytes of a policy file.
const LARGEST_POLICY: u64 = 1 << 20;

/// What the user asked for.
#[derive(Debug, Default)]
pub struct Order {
    /// The command and its arguments.
    pub command: Vec<OsString>,
    /// What the flags say of policy.
    pub flags: Flags,
    /// `--workspace`.
    pub workspace: Option<WorkspaceName>,
    /// `--trust`.
    pub trust: Vec<Fingerprint>,
    /// `--connect-to`.
    pub connect_to: Vec<ConnectTo>,
    /// `--upstream-ca`.
    pub upstream_ca: Vec<PathBuf>,
    /// `--device`.
    pub devices: Vec<PathBuf>,
    /// `--publish`.
    pub publish: Vec<Publish>,
    /// `--loopback` with a path, as written.
    pub sockets: Vec<String>,
    /// `--no-browser`.
    pub no_browser: bool,
    /// `--no-sweep`.
    pub no_sweep: bool,
    /// `--ci` or `--no-ci`.
    pub ci: Option<bool>,
    /// `--base-urls`.
    pub base_urls: Vec<String>,
    /// `--hook`.
    pub hooks: Vec<Hook>,
    /// What the level `guarded` is told.
    pub guard: GuardChoices,
    /// Neither banner nor summary.
    pub quiet: bool,
}

/// What the user grants a guarded child.
#[derive(Debug, Default, Clone, Copy)]
pub struct GuardChoices {
    /// `--allow-readable-dotenv`.
    pub allow_readable_dotenv: bool,
    /// `--unix-sockets`.
    pub unix_sockets: bool,
}

/// How a run ended.
struct Outcome {
    exit: Exit,
    totals: Totals,
    left: keep::Outcome,
    merged: Vec<report::Merged>,
    watched_changes: Vec<PathBuf>,
}

/// Plans, runs and reports; the status is the child's.
pub fn conduct(world: &World, order: &Order) -> Result<Exit, RunError> {
    let terminal = Terminal::new(world.terminal.error, world.terminal.no_color, order.quiet);
    broking::check_open_files()?;
    // A level that the command line names needs none; one of the user's configuration is known only later.
    let may_seal = order.flags.isolation.is_none_or(|level| level == Isolation::Sealed);
    let streams = ci::streams(world, order)?;
    // Read beside the start of the stage, which the kernel keeps us waiting for.
    let policies = policy::prepare();
    let stage = may_seal.then(|| sealed::stage(world, &streams));
    let decided = decide(world, order, Fetch::Values);
    // No signal that is held back later may find a thread that does not hold it back.
    let _ = policies.map(JoinHandle::join);
    let (planned, deferred) = decided?;
    tracing::debug!(
        run = planned.plan.run,
        secrets = planned.secrets.len(),
        masks = planned.plan.masks.len(),
        "planned"
    );
    let (run, workspace) = (planned.plan.run.clone(), planned.plan.workspace.clone());
    let supplies = Supplies { upstream: broking::certificates(&order.upstream_ca)?, deferred };
    // A port that is taken is to be heard of before anything starts.
    let bound = Bound::bind(&planned.plan.ports)?;
    let gaps = match planned.plan.level.value {
        Isolation::Guarded => sandbox::gaps(&sealed::left_out(world)?).unwrap_or_default(),
        Isolation::Sealed | Isolation::None => Vec::new(),
    };
    terminal.note(&report::banner(&planned.plan, &gaps));
    let job = ci::is_ci(world, order).then(|| Ci::prepare(world, &planned.plan, terminal));
    let quiet = job.as_ref().map(|job| job.quieten(terminal)).transpose()?;
    // What was granted on purpose is the user's to judge.
    let granted: Vec<PathBuf> = order.flags.writable.iter().map(|path| absolute(world, path)).collect();
    let mut watch = aside::Watch::default();
    let outcome = match planned.plan.level.value {
        Isolation::Sealed => {
            let stage = stage.unwrap_or_else(|| sealed::stage(world, &streams))?;
            let started = sealed::Started { stage, streams, watch: &mut watch, granted: &granted };
            sealed::run(world, order, started, planned, supplies, bound, terminal)
        }
        Isolation::None => {
            drop(stage);
            bare::run(world, order, streams, planned, supplies, terminal)
        }
        Isolation::Guarded => {
            drop(stage);
            watch = aside::Watch::look(world, policy::file_rules(), &planned.plan, &granted);
            guarded::run(world, order, streams, planned, supplies, terminal)
        }
    };
    // Whatever became of the run: the child may have lived before.
    let aside = watch.set_aside(&run);
    terminal.say(&report::set_aside(&aside));
    let outcome = outcome?;
    let Totals { requests, hosts, refused, secrets, inert } = outcome.totals;
    usage::used(world, workspace.as_ref(), &secrets);
    let keep::Outcome { kept, discarded, discarded_more, failure } = outcome.left;
    let mut changed = outcome.watched_changes;
    changed.extend(aside.left.into_iter().filter(|path| !changed.contains(path)).collect::<Vec<_>>());
    let totals =
        report::Totals { run, requests, hosts, refused, inert, secrets, kept, discarded, discarded_more, changed };
    drop(quiet);
    terminal.note(&report::summary(&totals));
    terminal.note(&report::merged(&outcome.merged));
    if let Some(failure) = failure {
        terminal.say(&report::not_kept(&failure));
    }
    if let Some(job) = job {
        job.finish(terminal);
    }
    Ok(outcome.exit)
}

/// Decides everything, fetches nothing and starts nothing: a plan to be shown.
pub fn plan(world: &World, order: &Order) -> Result<Planned, RunError> {
    Ok(decide(world, order, Fetch::Nothing)?.0)
}

/// Decides everything and starts nothing.
fn decide(world: &World, order: &Order, fetch: Fetch) -> Result<(Planned, DeferredValues), RunError> {
    let now = Timestamp::now();
    let project = world.project();
    let (merged, _) = workspace::merge(world, order.workspace.as_ref(), &order.trust, order.flags.clone())?;
    let Gathered { offered, mut notes, deferred } = offers::gather(world, &merged, fetch)?;
    let variable = |name: &str| world.variable(name).map(OsString::from);
    let rules = policy::file_rules();
    let around = Surroundings { home: &world.home, current_directory: &world.current_directory, variable: &variable };
    let agent = policy::agents().recognise(&order.command, &|path| located(world, path));
    let name = agent.map(|found| found.agent.id.as_str());
    let mut writable = outermost(&rules.writable_places(name, around), &project);
    let made = rules.made_places(name, around).into_iter().filter(|path| writable.contains(path)).collect();
    let named = merged.writable.iter().map(|path| absolute(world, &path.value));
    // A file by its real path, for that is where it is masked.
    let named = named.map(|path| path.canonicalize().ok().filter(|real| real.is_file()).unwrap_or(path));
    let named: Vec<PathBuf> = named.collect();
    writable.extend(named.iter().cloned());
    let trees: Vec<PathBuf> = named.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let trees = outermost(&trees, &project).into_iter().filter(|path| path.is_dir() && !world.home.starts_with(path));
    let trees: Vec<PathBuf> = trees.collect();
    let repository = repository(world, &project, &mut writable, &mut notes);
    let mounts = mounts();
    let search = Search {
        rules,
        mask: &merged.mask,
        project: &project,
        home: &world.home,
        current_directory: &world.current_directory,
        variable: &variable,
        writable: Writable::new(&writable),
        trees: &trees,
        repository: repository.as_deref(),
        needed: &needed(world, order),
        uid: world.user.uid,
        mounts: &mounts,
    };
    let findings = mask::find(&search).map_err(plan::PlanError::from)?;
    let trees = Trees::new(&world.home, &project, merged.writable.iter().map(|path| absolute(world, &path.value)));
    let sweep: plan::SweepWith<'_> = &|values, judged| trees.sweep(world, order, values, judged, &mounts);
    let ports = ports::wanted(world, order, &project, &writable, merged.isolation.value)?;
    let request = Request {
        run: RunId::mint(Timestamp::now())?.as_str().to_owned(),
        arguments: &order.command,
        agent,
        environment: &world.environment,
        offers: offered,
        notes,
        project_is_bound: !world.home.starts_with(&project),
        project: &project,
        current_directory: &world.current_directory,
        findings,
        sweep,
        writable,
        named,
        ports,
        made,
        allow_readable: order.guard.allow_readable_dotenv,
        now,
    };
    let mut planned = plan::build(request, &merged)?;
    if ci::is_ci(world, order) {
        ci::withhold(world, &mut planned, &merged.keep);
    }
    base_urls::check(order, &mut planned)?;
    hooks::check(&order.hooks, &mut planned);
    Ok((planned, deferred))
}

/// The kernel's table of mounts, empty where there is none. Read in one piece: by its size the file has none.
fn mounts() -> Vec<u8> {
    const USUAL: usize = 16 << 10;
    let mut table = Vec::with_capacity(USUAL);
    match fs::File::open("/proc/self/mountinfo").and_then(|mut file| file.read_to_end(&mut table)) {
        Ok(_) => table,
        Err(_) => Vec::new(),
    }
}

/// The repository of a project that is a linked worktree: it becomes writable, or the user is told why not.
fn repository(world: &World, project: &Path, writable: &mut Vec<PathBuf>, notes: &mut Vec<String>) -> Option<PathBuf> {
    match Repository::of(project, &world.home, writable) {
        Repository::Here => None,
        Repository::Linked(directory) => {
            let place = directory.display();
            notes.push(format!(
                "the project is a worktree of `{place}`: that is writable too, so that commits land there"
            ));
            writable.push(directory.clone());
            Some(directory)
        }
        Repository::Unproven(directory) => {
            let place = directory.display();
            notes.push(format!(
                "the project's `.git` leads to `{place}`, which does not lead back as that of a worktree does: it is not \
                 writable, and commits do not land there (git worktree repair, or --writable DIR)"
            ));
            None
        }
    }
}

/// Our own executable and the command's, wherever `PATH` finds it.
fn needed(world: &World, order: &Order) -> Vec<PathBuf> {
    let command = order.command.first().map(Path::new);
    std::iter::once(world.executable.clone()).chain(command.into_iter().flat_map(|path| places(world, path))).collect()
}

/// Where a command really is, for one without `/` the first that `PATH` finds.
fn located(world: &World, command: &Path) -> Option<PathBuf> {
    places(world, command).next()
}

/// Every place where a command really is: each that `PATH` finds, and the working directory's.
fn places<'a>(world: &'a World, command: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
    let path = world.variable("PATH").unwrap_or_default();
    let folders = std::env::split_paths(path).chain([PathBuf::new()]);
    let places = folders.map(move |folder| world.current_directory.join(folder).join(command));
    places.filter_map(|place| place.canonicalize().ok()).filter(|place| place.is_file())
}

/// Places that lie in no other one and not in the project, by their names: what lies there is writable already, and a
/// child could have put a symlink in its place.
fn outermost(places: &[PathBuf], project: &Path) -> Vec<PathBuf> {
    let lies_in = |path: &Path, tree: &Path| path != tree && path.starts_with(tree);
    let covered = |path: &PathBuf| {
        path.starts_with(project)
            || places.iter().any(|tree| lies_in(path, tree))
            || path.components().any(|part| part == Component::ParentDir)
    };
    places.iter().filter(|path| !covered(path)).cloned().collect()
}

/// The text of a policy file; none where there is no file.
///
/// The project's is written by whoever can write the project: what is no regular file, or too large, is refused unread.
fn read_policy(path: PathBuf) -> Result<Option<PolicyText>, RunError> {
    let failed = |path: &Path, source| RunError::ReadPolicy { path: path.to_owned(), source };
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    let file = match fs::OpenOptions::new().read(true).custom_flags(flags).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|source| failed(&path, source))?,
    };
    let metadata = file.metadata().map_err(|source| failed(&path, source))?;
    if !metadata.is_file() || metadata.len() > LARGEST_POLICY {
        return Err(failed(&path, io::Error::other("not a regular file of at most a megabyte")));
    }
    let mut text = String::new();
    file.take(LARGEST_POLICY).read_to_string(&mut text).map_err(|source| failed(&path, source))?;
    Ok(Some(PolicyText { path, text }))
}

/// A path of the user's with `~` and relative parts resolved.
fn absolute(world: &World, path: &str) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(below) => world.home.join(below),
        None if path == "~" => world.home.clone(),
        None => world.current_directory.join(path),
    }
}
