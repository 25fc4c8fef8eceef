//! Bindings: which secret may be injected where, and how.

use serde::{Deserialize, Serialize};

use super::{Rule, Target};
use crate::secret::SecretName;

/// The catalogue's name of a service, such as `stripe`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceId(pub String);

/// Where a line of policy came from; shown by `explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum Origin {
    /// Compiled in: the file under `policies/`.
    Builtin {
        /// Its path below `policies/`.
        file: String,
    },
    /// A file of the user or the project, with its line (from 1).
    File {
        /// Its path.
        path: String,
        /// The line.
        line: usize,
    },
    /// A flag of the command line, as written.
    Flag {
        /// The flag.
        flag: String,
    },
}

/// A place in a request where a placeholder is swapped for its value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// A header that carries the credential alone or behind a scheme word (`Bearer`, `token`, …). Lower case name.
    Header(String),
    /// `Authorization: Basic`, the placeholder being the whole user or the whole password.
    Basic,
}

/// What to add to a request that carries no credential at all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attach {
    /// The header, lower case.
    pub header: String,
    /// The header's value with `{}` where the credential goes: `Bearer {}`.
    pub format: String,
}

/// One secret bound to the targets where it may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Binding {
    /// Which secret.
    pub secret: SecretName,
    /// The catalogue entry that this came from, if any.
    pub service: Option<ServiceId>,
    /// Where it may go; never empty.
    pub targets: Vec<Target>,
    /// Where in a request it is swapped; never empty.
    pub slots: Vec<Slot>,
    /// Added where the request has no credential header and this is the only secret bound to the target.
    pub attach: Option<Attach>,
    /// Methods and paths it may be used for; empty means any.
    pub rules: Vec<Rule>,
    /// Whether plaintext http is allowed for these targets (S3); false unless the policy says so.
    pub plaintext: bool,
    /// Where this binding was decided.
    pub origin: Origin,
}

/// An endpoint that mints tokens: answered 403 with a hint until capture exists (S7).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TokenEndpoint {
    /// Its host and port.
    pub target: Target,
    /// Its path, exact.
    pub path: String,
}
