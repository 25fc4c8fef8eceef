//! Every decision of a run as plain data.
//!
//! The environment, the files that were found and the merged policy go in; what the child sees, what is brokered and what
//! is masked come out. Nothing is read, started or opened here.
//!
//! **Invariants.** A [`Plan`] names values and holds none: where one stood there is a [`Placeholder`]. Every value that
//! was judged secret is in the [`Table`], and the environment and the masked bytes of [`Planned`] hold none of them.

mod agent;
mod arguments;
mod claims;
mod coded;
mod confined;
mod error;
mod fields;
mod files;
mod form;
mod hosts;
mod known;
mod live;
mod offers;
mod rendered;
mod replace;
mod shown;
mod swept;
mod variables;
mod wants;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::mask::{Awaited, Findings, Masked};
use crate::policy::{
    Binding, Egress, Inspect, Isolation, Merged, OnStray, Origin, OwnAuthority, Recognised, Scan, ServiceId, Sourced,
    Target,
};
use crate::secret::{Placeholder, SecretName, Table, WorkspaceName};
use crate::supervise::ports::Wanted;

use shown::{awaited, path, paths, texts};

pub use agent::AgentPlan;
pub use error::PlanError;
pub use live::Live;
pub use offers::Offer;
pub use swept::{SweepAnswer, SweepPlan, SweepWith};

/// What a plan is made from.
pub struct Request<'a> {
    /// The run's id.
    pub run: String,
    /// The command and its arguments.
    pub arguments: &'a [OsString],
    /// The agent that the command starts, if it is one.
    pub agent: Option<Recognised<'a>>,
    /// The parent's raw environment, duplicates included.
    pub environment: &'a [(OsString, OsString)],
    /// The project's directory.
    pub project: &'a Path,
    /// Whether the project is bound through; false where it is the home or lies above it.
    pub project_is_bound: bool,
    /// Where the command starts.
    pub current_directory: &'a Path,
    /// The secrets of the workspace with their values.
    pub offers: Vec<Offer>,
    /// What the user should know of those that are not offered.
    pub notes: Vec<String>,
    /// What was found on disk.
    pub findings: Findings,
    /// Searches files that no rule names for known values.
    pub sweep: SweepWith<'a>,
    /// Places besides the project that the child may write and that outlive the run.
    pub writable: Vec<PathBuf>,
    /// Those of them that the user named: a masked file among them is merged at the end.
    pub named: Vec<PathBuf>,
    /// What is to be reached across the seal.
    pub ports: Wanted,
    /// Those of them that are directories and are made where they are missing.
    pub made: Vec<PathBuf>,
    /// Whether a guarded child may read secrets in the project.
    pub allow_readable: bool,
    /// The time before anything was looked at.
    pub now: Timestamp,
}

/// A plan, and what it takes to carry it out.
pub struct Planned {
    /// The decisions.
    pub plan: Plan,
    /// The command that is executed: the user's, and what its agent needs besides.
    pub arguments: Vec<OsString>,
    /// The real values beside their placeholders.
    pub secrets: Table,
    /// Where they may be injected.
    pub bindings: Vec<Binding>,
    /// What the broker alone trusts for some targets.
    pub authorities: Vec<OwnAuthority>,
    /// Judges files that appear later.
    pub live: Live,
    /// The child's variables apart from those of proxy and trust, see [`crate::scrub::environment`].
    pub environment: Vec<(OsString, OsString)>,
    /// The masked files that the child may change, with what they hold.
    pub merges: Vec<Merge>,
}

/// A masked file that the child may change; what it changes is merged into the host's at the end.
pub struct Merge {
    /// Where it is, symlinks resolved.
    pub path: PathBuf,
    /// What it was, and what the child sees.
    pub file: Masked,
}

impl Planned {
    /// Takes a variable away from the child. `reason` is the rest of a sentence.
    pub fn withhold(&mut self, name: &str, reason: &str, origin: &Origin) {
        self.environment.retain(|(known, _)| known != name);
        for variable in self.plan.variables.iter_mut().filter(|variable| variable.name == name) {
            variable.decision = Decision::Removed;
            reason.clone_into(&mut variable.reason);
            variable.origin = Some(origin.clone());
        }
    }
}

impl Plan {
    /// Notes that the child gets this value. `reason` is the rest of a sentence.
    pub fn set(&mut self, name: &str, value: String, reason: &str, origin: &Origin) {
        self.variables.retain(|variable| variable.name != name);
        self.variables.push(VariablePlan {
            name: name.to_owned(),
            decision: Decision::Set { value },
            reason: reason.to_owned(),
            origin: Some(origin.clone()),
        });
    }
}

/// The decisions of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The run's id.
    pub run: String,
    /// The level of isolation that was asked for.
    pub level: Sourced<Isolation>,
    /// The command and its arguments as they may be shown: without what looks like a key.
    #[serde(serialize_with = "texts")]
    pub arguments: Vec<OsString>,
    /// The agent that the command starts, if it is one that is known.
    pub agent: Option<AgentPlan>,
    /// The project's directory.
    #[serde(serialize_with = "path")]
    pub project: PathBuf,
    /// Whether the project is bound through.
    pub project_is_bound: bool,
    /// Where the command starts.
    #[serde(serialize_with = "path")]
    pub working_directory: PathBuf,
    /// The workspace whose secrets are offered.
    pub workspace: Option<WorkspaceName>,
    /// The variables.
    pub variables: Vec<VariablePlan>,
    /// The secrets.
    pub secrets: Vec<SecretPlan>,
    /// The masked files and directories.
    pub masks: Vec<MaskPlan>,
    /// The search for known values in files that no rule names.
    #[serde(flatten)]
    pub sweep: SweepPlan,
    /// Existing paths that are read-only in the child.
    #[serde(serialize_with = "paths")]
    pub guarded: Vec<PathBuf>,
    /// Paths at which nothing stands yet and which the host would obey: what the child makes there is set aside.
    #[serde(serialize_with = "awaited")]
    pub awaited: Vec<Awaited>,
    /// Existing paths that the child can change and whose change is reported.
    #[serde(serialize_with = "paths")]
    pub watched: Vec<PathBuf>,
    /// Unix sockets that are masked.
    #[serde(serialize_with = "paths")]
    pub sockets: Vec<PathBuf>,
    /// Places besides the project that the child may write and that outlive the run.
    #[serde(serialize_with = "paths")]
    pub writable: Vec<PathBuf>,
    /// Masked files that the child may change, with placeholders in them, and that are merged at the end.
    #[serde(serialize_with = "paths")]
    pub merged: Vec<PathBuf>,
    /// What is reached across the seal.
    pub ports: Wanted,
    /// Those of them that are made before the command starts where they are missing: an agent's own session state.
    #[serde(serialize_with = "paths")]
    pub made: Vec<PathBuf>,
    /// Where requests may go.
    pub egress: Egress,
    /// Which allowed targets have their TLS terminated.
    pub inspect: Inspect,
    /// What happens to a placeholder that travels where it is not bound.
    pub on_stray: OnStray,
    /// What the project's trusted file grants.
    pub grants: Vec<Sourced<String>>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// What becomes of a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VariablePlan {
    /// Its name; bytes that are no text are shown as `\u{fffd}`.
    pub name: String,
    /// What becomes of it.
    #[serde(flatten)]
    pub decision: Decision,
    /// Why, as the rest of a sentence; empty for what is kept because nothing speaks against it.
    pub reason: String,
    /// The rule's origin.
    pub origin: Option<Origin>,
}

/// What becomes of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum Decision {
    /// The child sees it as it is.
    Kept,
    /// The child sees placeholders in its place that are never swapped.
    Hidden {
        /// The secrets in it, by name; one mostly.
        secrets: Vec<SecretName>,
    },
    /// The child sees a placeholder that the broker swaps.
    Brokered {
        /// The secrets in it, by name; one mostly.
        secrets: Vec<SecretName>,
    },
    /// The child does not get it.
    Removed,
    /// The child gets this value, whatever the parent has.
    Set {
        /// The value.
        value: String,
    },
    /// The child gets it besides what the parent has: a second name of a secret.
    Added {
        /// The secret.
        secret: SecretName,
    },
}

/// A secret of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretPlan {
    /// What the log calls it.
    pub name: SecretName,
    /// What the child sees.
    pub placeholder: Placeholder,
    /// Whose it is.
    pub service: Option<ServiceId>,
    /// Where it is injected; empty where it is only hidden.
    pub hosts: Vec<Target>,
    /// How answers of these hosts are searched for values.
    pub scan: Scan,
    /// Where its value was found.
    pub places: Vec<String>,
    /// Why it is a secret, as the rest of a sentence.
    pub reason: String,
    /// The rule's origin.
    pub origin: Origin,
    /// Whether it is looked for everywhere: false for short and plain values, which are replaced only where they are named.
    pub is_distinctive: bool,
}

/// A masked file or directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MaskPlan {
    /// Where it is, symlinks resolved.
    #[serde(serialize_with = "path")]
    pub path: PathBuf,
    /// What the child sees there.
    pub content: MaskContent,
    /// The keys whose values were replaced, where it is rendered.
    pub keys: Vec<String>,
    /// Whose the brokered secrets in it are: titles of services, and hosts.
    pub owners: Vec<String>,
    /// Why nothing of it is shown although it would be rendered.
    pub hidden_because: Option<String>,
    /// Why, as the rest of a sentence.
    pub reason: String,
    /// The rule's origin.
    pub origin: Origin,
}

/// What the child sees in the place of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskContent {
    /// The same file with placeholders.
    File {
        /// Its bytes.
        #[serde(skip)]
        bytes: Vec<u8>,
    },
    /// A file without bytes.
    EmptyFile,
    /// A directory without entries.
    EmptyDirectory,
    /// Nothing: it cannot be opened.
    Unreadable,
}

/// Decides everything about a run.
pub fn build(request: Request<'_>, policy: &Merged) -> Result<Planned, PlanError> {
    let variables = variables::sites(request.environment);
    let mut claims = claims::Claims::default();
    offers::claim(&request.offers, policy, &mut claims);
    variables::claim(&variables, policy, &request.offers, &mut claims);
    let judged = files::judge(&request.findings.found, policy, &mut claims);
    let value = |name: &str| variables::value(&variables, name).or_else(|| files::variable(&judged, name));
    let settled = claims.settle(policy, &value)?;
    arguments::check(request.arguments, &settled)?;

    let named = if policy.isolation.value == Isolation::Sealed { request.named.as_slice() } else { &[] };
    let mut files = files::plan(&judged, &settled, request.now, named)?;
    let swept = swept::plan(request.sweep, &request.findings.found, &settled)?;
    files.masks.extend(swept.masks);
    files.warnings.extend(swept.warnings);
    files.close_masked(named);
    let mut variables = variables::plan(&variables, policy, &settled, &request.offers, &request.findings.found);
    offers::add(&request.offers, &settled, &request.findings.found, &mut variables);
    let bindings = settled.bindings();
    let mut warnings = arguments::warnings(request.arguments);
    let mut command = request.arguments.to_vec();
    let level = policy.isolation.value;
    let agent = request.agent.map(|agent| agent::apply(agent, level, &mut command, &mut variables));
    warnings.extend(files.warnings);
    warnings.extend(request.notes);
    let directories = if request.project_is_bound { request.findings.directories } else { Vec::new() };
    let mut found = confined::Confined {
        masks: files.masks,
        guarded: request.findings.guarded,
        sockets: request.findings.sockets,
        ..confined::Confined::default()
    };
    found.guarded.retain(|path| !found.masks.iter().any(|mask| mask.path == *path));
    match level {
        Isolation::Sealed => {}
        Isolation::Guarded => {
            let project = request.project_is_bound.then_some(request.project);
            let trees = confined::Trees { project, writable: &request.writable };
            warnings.extend(found.guard(&trees, request.allow_readable)?);
        }
        Isolation::None => warnings.extend(found.give_up()),
    }
    let mut writable = request.writable;
    writable.retain(|path| !files.closed.contains(path) && !files.merges.iter().any(|merge| merge.path == *path));
    let plan = Plan {
        run: request.run,
        level: policy.isolation.clone(),
        arguments: arguments::shown(&command),
        agent,
        project: request.project.to_owned(),
        project_is_bound: request.project_is_bound,
        workspace: policy.workspace.clone(),
        working_directory: request.current_directory.to_owned(),
        variables: variables.plans,
        secrets: settled.plans(),
        masks: found.masks,
        sweep: swept.plan,
        guarded: found.guarded,
        awaited: request.findings.awaited,
        watched: found.watched,
        sockets: found.sockets,
        writable,
        merged: files.merges.iter().map(|merge| merge.path.clone()).collect(),
        ports: request.ports,
        made: request.made,
        egress: policy.egress(&bindings),
        inspect: policy.inspect.value,
        on_stray: policy.on_stray.value,
        grants: policy.project.as_ref().map(|project| project.grants.clone()).unwrap_or_default(),
        warnings,
    };
    Ok(Planned {
        live: Live::new(policy, settled.table(), directories, request.now),
        plan,
        arguments: command,
        secrets: settled.into_table(),
        bindings,
        authorities: files.authorities,
        environment: variables.environment,
        merges: files.merges,
    })
}

#[cfg(test)]
mod tests;
