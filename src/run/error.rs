//! Why a run did not start, or did not end well.

use std::io;
use std::path::PathBuf;

use crate::audit::AuditError;
use crate::exit::Exit;
use crate::plan::PlanError;
use crate::policy::{Fingerprint, PolicyError, Target};
use crate::proxy::ProxyError;
use crate::sandbox::{ExecError, SandboxError};
use crate::secret::{SecretName, WorkspaceName};
use crate::source::SourceError;
use crate::supervise::SpawnError;
use crate::supervise::ports::{PublishError, SocketError};

/// Why a run did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A policy file that cannot be read.
    #[error("`{}`: cannot read the policy", path.display())]
    ReadPolicy {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The user's limit of open files is too low for a broker.
    #[error("no more than {limit} files may be open, and a run takes {least}")]
    FewFiles {
        /// The limit (`RLIMIT_NOFILE`, soft).
        limit: u64,
        /// What is needed.
        least: u64,
    },
    /// A policy file or flag that is wrong.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// `--trust` names another content of the project's file.
    #[error("--trust: `{}` is {fingerprint}, which no `--trust` names", path.display())]
    OtherFingerprint {
        /// The file.
        path: PathBuf,
        /// Of what it holds.
        fingerprint: Fingerprint,
    },
    /// There is no project's file.
    #[error("`{}`: there is no such file to trust", path.display())]
    NothingToTrust {
        /// Where it would be.
        path: PathBuf,
    },
    /// A file that is to be trusted no longer and never was.
    #[error("`{}`: it is not trusted", path.display())]
    NotTrusted {
        /// The file.
        path: PathBuf,
    },
    /// What was kept of a trusted file cannot be read.
    #[error("`{}`: what was trusted cannot be read", path.display())]
    BrokenTrust {
        /// The record.
        path: PathBuf,
    },
    /// The user did not say yes, or nobody could be asked.
    #[error("it stays untrusted: nobody said yes")]
    TrustDeclined,
    /// A child that asks for trust.
    #[error("inside a run nothing can be trusted: a child would widen its own rules")]
    TrustInside,
    /// A secret file that appeared while the command ran cannot be masked: the run ends.
    #[error("`{}`: appeared and cannot be masked, so the run was ended", path.display())]
    Remask {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// `--base-urls` names a service that has no such variable.
    #[error("--base-urls: `{name}` is no service with a base-URL variable")]
    NoBaseUrl {
        /// What was written.
        name: String,
        /// Those that are.
        known: String,
    },
    /// A workspace that was named and does not exist.
    #[error("there is no workspace `{name}`")]
    NoWorkspace {
        /// Its name.
        name: WorkspaceName,
    },
    /// A value that the run needs and that its source did not give.
    #[error("cannot fetch `{name}`")]
    Fetch {
        /// The secret.
        name: SecretName,
        /// Why.
        source: SourceError,
    },
    /// A value that cannot be kept.
    #[error("cannot keep `{name}`")]
    Keep {
        /// The secret.
        name: SecretName,
        /// Why.
        source: SourceError,
    },
    /// A secret that was named and does not exist.
    #[error("the workspace `{workspace}` has no secret `{name}`")]
    NoSecret {
        /// Its name.
        name: SecretName,
        /// Where it was looked for.
        workspace: WorkspaceName,
    },
    /// A workspace that is to be made and is there.
    #[error("there is a workspace `{name}` already")]
    WorkspaceExists {
        /// Its name.
        name: WorkspaceName,
    },
    /// A workspace that would go with its secrets.
    #[error("the workspace `{name}` holds {secrets} secrets, which would be forgotten with it")]
    WorkspaceFull {
        /// Its name.
        name: WorkspaceName,
        /// How many.
        secrets: usize,
    },
    /// A host that is to be taken off a list that it is not on.
    #[error("`{target}` is not on the allowlist of the workspace `{workspace}`")]
    NotAllowed {
        /// The host.
        target: Target,
        /// The workspace.
        workspace: WorkspaceName,
    },
    /// The project's file cannot be written.
    #[error("`{}`: cannot write it", path.display())]
    WriteProject {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A store or a file of the user's own.
    #[error(transparent)]
    Source(SourceError),
    /// A dotenv file that is a source.
    #[error("`{}`: cannot read it", path.display())]
    ReadDotenv {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A dotenv file that is to be put back and is not what was left of it.
    #[error("`{}`: it has changed since its values were taken out", path.display())]
    NotAsLeft {
        /// Its path.
        path: PathBuf,
    },
    /// `--upstream-ca` names no certificates.
    #[error("`{}`: holds no certificate in PEM form", path.display())]
    UpstreamCertificate {
        /// The file.
        path: PathBuf,
        /// Why, where the file could not be read.
        #[source]
        source: Option<io::Error>,
    },
    /// The log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The broker.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// A process could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The seal.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The command.
    #[error(transparent)]
    Execute(#[from] ExecError),
    /// Names of mechanisms to leave out that are none (test-only builds).
    #[error("`{name}` is no mechanism")]
    LeaveOut {
        /// The name.
        name: String,
    },
    /// Signals could not be watched.
    #[error("cannot watch signals")]
    Signals(#[source] nix::Error),
    /// The child could not be watched.
    #[error("cannot watch the child")]
    Watch(#[source] io::Error),
    /// The two terminals could not be connected.
    #[error("cannot connect the terminal with the child's own")]
    Terminal(#[source] io::Error),
    /// The runtime did not start.
    #[error("cannot start the broker's runtime")]
    Runtime(#[source] io::Error),
    /// A port that cannot be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A Unix socket that cannot be given to the child.
    #[error("--loopback: {0}")]
    Socket(#[source] SocketError),
    /// A flag that only the seal can carry out.
    #[error("{flag} needs the seal: without it the child is on the host's own network")]
    NeedsSeal {
        /// The flag.
        flag: &'static str,
    },
    /// The random source failed.
    #[error("the system gave no random bytes")]
    Random,
    /// The relays could not be started.
    #[error("cannot start the relays of ports")]
    Ports(#[source] io::Error),
    /// Certificates for the child could not be put anywhere (outside a seal).
    #[error("cannot write the run's certificates to a directory of its own")]
    Certificates(#[source] io::Error),
}

impl RunError {
    /// The status that says whose failure it is (L2).
    pub fn exit(&self) -> Exit {
        match self {
            Self::Execute(ExecError::NotFound { .. }) => Exit::NotFound,
            Self::Execute(ExecError::NotExecutable { .. }) => Exit::NotExecutable,
            _ => Exit::Failure,
        }
    }

    /// What the user can type.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::FewFiles { .. } => Some("ulimit -n 1024".into()),
            Self::Policy(error) => error.hint(),
            Self::Plan(error) => error.hint(),
            Self::OtherFingerprint { fingerprint, .. } => {
                Some(format!("look at what it grants (agentsecrets trust --json), then: --trust {fingerprint}"))
            }
            Self::NothingToTrust { .. } => Some("agentsecrets init, which writes one".into()),
            Self::NotTrusted { .. } => Some("agentsecrets trust --list".into()),
            Self::BrokenTrust { path } => Some(format!("rm {}, then: agentsecrets trust", path.display())),
            Self::TrustDeclined => Some("agentsecrets trust --yes".into()),
            Self::TrustInside => Some("run `agentsecrets trust` in a terminal of your own".into()),
            Self::NoBaseUrl { known, .. } => Some(format!("those are {known}")),
            Self::NoWorkspace { name } => Some(format!(
                "agentsecrets workspace create {name}, or see which there are: agentsecrets workspace list"
            )),
            Self::Fetch { source: error, .. } | Self::Keep { source: error, .. } | Self::Source(error) => error.hint(),
            Self::NoSecret { workspace, .. } => Some(format!("agentsecrets secrets list --workspace {workspace}")),
            Self::WorkspaceExists { name } => Some(format!("agentsecrets workspace use {name}")),
            Self::WorkspaceFull { name, .. } => Some(format!("agentsecrets workspace remove {name} --yes")),
            Self::NotAsLeft { path } => {
                Some(format!("put your changes aside (mv {0} {0}.mine), and make it as it was left", path.display()))
            }
            Self::NotAllowed { workspace, .. } => {
                Some(format!("agentsecrets workspace allowlist list --workspace {workspace}"))
            }
            Self::Publish(error) => Some(error.hint()),
            Self::Socket(error) => Some(error.hint()),
            Self::NeedsSeal { flag } => {
                Some(format!("leave `{flag}` out: what the child opens is on your loopback already"))
            }
            Self::Sandbox(error) | Self::Execute(ExecError::Sandbox(error)) => sandbox_hint(error),
            Self::Execute(ExecError::NotFound { command }) if !command.contains('/') => {
                Some(format!("see whether `command -v {command}` finds it outside"))
            }
            _ => None,
        }
    }
}

fn sandbox_hint(error: &SandboxError) -> Option<String> {
    let SandboxError::Refused { mend, .. } = error else { return None };
    Some(format!(
        "{mend}\n`agentsecrets doctor` says what this machine can give; `--isolation guarded` does without namespaces, \
         `--isolation none` runs with placeholders and broker alone"
    ))
}
