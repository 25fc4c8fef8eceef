//! Bindings: which secret may be injected where, and how.

use serde::{Deserialize, Serialize};

use super::{Authority, JsonPointer, RequestPath, Rule, Target};
use crate::secret::SecretName;

/// The catalogue's name of a service, such as `stripe`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceId(pub String);

/// The authorities that alone vouch for a target: those of a cluster that signs its own certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAuthority {
    /// The target.
    pub target: Target,
    /// Their certificates in DER.
    pub certificates: Vec<Vec<u8>>,
}

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
    /// `Authorization: Basic`, the placeholder being the whole user or the whole password, or all of it.
    Basic,
    /// A parameter of the query, by its name.
    Query(String),
    /// A cookie, by its name.
    Cookie(String),
    /// A string of a JSON body, by its pointer (RFC 6901). Of a body that says it is JSON.
    JsonField(JsonPointer),
    /// A field of a form, by its name. Of a body that says it is one.
    FormField(String),
}

impl Slot {
    /// The header that is the slot, lower case; none where it is only a part of one or stands elsewhere.
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Header(name) => Some(name),
            Self::Basic => Some("authorization"),
            Self::Query(_) | Self::Cookie(_) | Self::JsonField(_) | Self::FormField(_) => None,
        }
    }
}

/// What to add to a request that carries no credential at all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// The header, lower case.
    pub header: String,
    /// The header's value with `{}` where the credential goes: `Bearer {}`.
    pub format: String,
}

/// How answers of a secret's hosts are searched for values, the least strict first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scan {
    /// What can be searched is; an unknown coding passes as it is, and so do parts of an answer.
    Off,
    /// What cannot be searched is refused; whole answers are asked for in place of parts.
    #[default]
    On,
    /// As `On`, and whoever asks for a part of an answer is refused.
    Strict,
}

impl Scan {
    /// How policy files spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Strict => "strict",
        }
    }
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
    /// Limits that a project adds: one of these must match as well; empty means any.
    pub narrowed_rules: Vec<Rule>,
    /// Whether plaintext http is allowed for these targets (S3); false unless the policy says so.
    pub plaintext: bool,
    /// How answers of its targets are searched for values; of several bindings the strictest counts.
    pub scan: Scan,
    /// Where this binding was decided.
    pub origin: Origin,
}

impl Binding {
    /// Whether its rules allow the request; the target is judged apart.
    pub fn allows(&self, method: &str, path: &RequestPath) -> bool {
        let matches = |rules: &[Rule]| rules.is_empty() || rules.iter().any(|rule| rule.matches(method, path));
        matches(&self.rules) && matches(&self.narrowed_rules)
    }

    /// Whether it may be used for requests to `authority`.
    pub fn covers(&self, authority: &Authority) -> bool {
        self.targets.iter().any(|target| target.matches(authority))
    }
}

/// An endpoint that mints tokens: answered 403 with a hint until capture exists (S7).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenEndpoint {
    /// Its host and port.
    pub target: Target,
    /// Its method and path.
    pub rule: Rule,
}

impl TokenEndpoint {
    /// Whether a request to `authority` is one for a token.
    pub fn matches(&self, authority: &Authority, method: &str, path: &RequestPath) -> bool {
        self.target.matches(authority) && self.rule.matches(method, path)
    }
}
