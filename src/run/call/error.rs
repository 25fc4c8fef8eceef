//! Why a call was not made, or its answer is not all there.
//!
//! **Invariants.** No text here holds a value, nor a part of the URL besides its host and port.

use std::io;
use std::path::PathBuf;

use super::url::UrlError;
use crate::policy::{Authority, PointerError, Target};
use crate::proxy::{BrokenOff, ProxyError, Refusal};
use crate::run::RunError;
use crate::secret::SecretName;

/// Why a call was not made, or its answer is not all there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Policy, sources, log.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The URL of a redirect.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A secret without a value.
    #[error("there is no secret `{name}`: neither the workspace nor the environment has it")]
    NoSecret {
        /// Its name.
        name: SecretName,
    },
    /// A value in the place of a name.
    #[error("what stands for the name of a secret looks like a value: it is in the history of your shell now")]
    LooksLikeValue,
    /// A secret that the run does not offer.
    #[error("this run offers no secret `{name}`")]
    NotOffered {
        /// Its name.
        name: SecretName,
    },
    /// A secret that may go nowhere.
    #[error("`{name}` is bound to no host, so it is sent nowhere")]
    Unbound {
        /// Its name.
        name: SecretName,
        /// Where the call would have gone.
        authority: Authority,
    },
    /// A secret that may go elsewhere.
    #[error("`{name}` may not be sent to `{authority}`: it is bound to {}", listed(targets))]
    OtherHost {
        /// Its name.
        name: SecretName,
        /// Where the call would have gone.
        authority: Authority,
        /// Where it may go.
        targets: Vec<Target>,
    },
    /// Two names for one value.
    #[error("`{one}` and `{other}` hold the same value: name one of them for both places")]
    SameValue {
        /// One.
        one: SecretName,
        /// The other.
        other: SecretName,
    },
    /// A place that a run's broker does not look into.
    #[error("inside a run a value can be put into a header only: --bearer, --basic, --inject-header")]
    InRun,
    /// A header that cannot be sent; only its name is said.
    #[error("the header `{name}` cannot be sent: its name or value has a character that none may have")]
    Header {
        /// Its name.
        name: String,
    },
    /// A body that is to be changed and is no text.
    #[error("the body is not UTF-8, so no field can be put into it")]
    NotText,
    /// A body without the place that was asked for.
    #[error(transparent)]
    Pointer(PointerError),
    /// A file that is to be sent.
    #[error("`{}`: cannot read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Standard input.
    #[error("cannot read standard input")]
    Input(#[source] io::Error),
    /// The file that the answer goes to.
    #[error("`{}`: cannot write it", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Standard output.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// Our own judgement, or the way to the target.
    #[error("{0}")]
    Refused(Refusal, Authority),
    /// The answer ended early.
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
    /// Patience ended.
    #[error("no whole answer came in {seconds} seconds")]
    Timeout {
        /// How long was waited.
        seconds: f64,
    },
    /// A redirect that would take a value to where it may not go.
    #[error("the redirect to `{authority}` is not followed: the body holds `{name}`, which may not be sent there")]
    Redirect {
        /// The secret.
        name: SecretName,
        /// The target.
        authority: Authority,
    },
    /// A redirect with a body that is gone.
    #[error("the redirect is not followed: standard input can be sent only once")]
    Once,
    /// A chain of redirects.
    #[error("the target redirects in circles: {count} redirects were followed")]
    Circle {
        /// How many were followed.
        count: usize,
    },
    /// The place for the log of a call inside a run.
    #[error("cannot make a temporary directory")]
    Temporary(#[source] io::Error),
}

impl From<ProxyError> for CallError {
    fn from(error: ProxyError) -> Self {
        Self::Run(error.into())
    }
}

impl From<crate::audit::AuditError> for CallError {
    fn from(error: crate::audit::AuditError) -> Self {
        Self::Run(error.into())
    }
}

fn listed(targets: &[Target]) -> String {
    targets.iter().map(|target| format!("`{target}`")).collect::<Vec<_>>().join(", ")
}

/// The host, with its port where that is not 443.
fn host(authority: &Authority) -> String {
    if authority.port == 443 { authority.host.to_string() } else { authority.to_string() }
}

impl CallError {
    /// What the user can type.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Run(error) => error.hint(),
            Self::NoSecret { name } => Some(format!("agentsecrets secrets set {name}")),
            Self::LooksLikeValue => Some("agentsecrets secrets set NAME, then name it: --bearer NAME".into()),
            Self::NotOffered { name } => Some(format!("outside of the run: agentsecrets secrets set {name}")),
            Self::Unbound { name, authority } => {
                Some(format!("agentsecrets secrets bind {name} --host {}", host(authority)))
            }
            Self::OtherHost { name, authority, targets } => {
                let hosts = targets.iter().map(ToString::to_string).chain([host(authority)]);
                let hosts: Vec<String> = hosts.map(|host| format!(" --host {host}")).collect();
                Some(format!("if it is meant to go there: agentsecrets secrets bind {name}{}", hosts.concat()))
            }
            Self::Refused(refusal, authority) => match refusal.code {
                "host_not_allowed" | "port_not_allowed" | "address_not_allowed" => {
                    Some(format!("agentsecrets workspace allowlist add {}", host(authority)))
                }
                "loopback_not_open" => Some(format!(
                    "write `[egress] loopback = [{}]` into config.toml in your configuration directory",
                    authority.port
                )),
                "upstream_tls" => Some("--upstream-ca FILE trusts one more authority".into()),
                _ => refusal.hint.clone(),
            },
            _ => None,
        }
    }
}
