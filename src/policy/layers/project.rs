//! A project's file: whether its owner trusts it, and what it grants if so.

use serde::Serialize;

use super::PolicyText;
use super::error::PolicyError;
use super::file::PolicyFile;
use super::merged::Sourced;
use super::reader::At;
use super::secret_table::Inject;
use super::source_table::{Cache, SecretSource};
use crate::policy::{Fingerprint, Slot};
use crate::secret::WorkspaceName;

/// Whether the user trusts what a project's file grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Standing {
    /// Its owner looked at this very content and said yes.
    Trusted {
        /// On which day; none where the command line says it for once.
        since: Option<String>,
    },
    /// It narrows and grants nothing.
    Untrusted {
        /// On which day another content of it was trusted.
        before: Option<String>,
    },
}

/// A project's file that was read, once: what was judged is what counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectText {
    /// The file.
    pub file: PolicyText,
    /// Of its text.
    pub fingerprint: Fingerprint,
    /// Whether it is trusted.
    pub standing: Standing,
}

/// The project's file among the layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProjectLayer {
    /// Its path.
    pub path: String,
    /// Its content.
    pub sha256: Fingerprint,
    /// Whether it is trusted.
    pub standing: Standing,
    /// What it grants, each as the rest of a sentence.
    pub grants: Vec<Sourced<String>>,
}

impl ProjectText {
    /// A file whose trust is not known.
    pub fn new(file: PolicyText) -> Self {
        let fingerprint = Fingerprint::of(file.text.as_bytes());
        Self { file, fingerprint, standing: Standing::Untrusted { before: None } }
    }

    /// Whether it may grant.
    pub fn is_trusted(&self) -> bool {
        matches!(self.standing, Standing::Trusted { .. })
    }

    /// The workspace that it chooses, if it is trusted.
    pub fn workspace(&self) -> Result<Option<WorkspaceName>, PolicyError> {
        if !self.is_trusted() {
            return Ok(None);
        }
        let file = PolicyFile::parse(&self.file.path, &self.file.text)?;
        Ok(file.workspace.map(|workspace| workspace.value))
    }

    /// The refusal of a grant.
    pub(super) fn refusal<T>(&self, at: &At<T>, what: String) -> PolicyError {
        let before = match &self.standing {
            Standing::Untrusted { before } => before.clone(),
            Standing::Trusted { .. } => None,
        };
        PolicyError::Grant { place: at.place.clone(), what, fingerprint: self.fingerprint, before }
    }
}

/// How a secret is sent, as the rest of a sentence.
pub(super) fn manner(inject: &Inject) -> String {
    let slots: Vec<String> = inject.slots.iter().map(slot).collect();
    let attach = inject.attach.as_ref();
    let attach = attach.map(|attach| format!(", put in as `{}` where a request has none", attach.format));
    format!("{}{}", slots.join(" and "), attach.unwrap_or_default())
}

fn slot(slot: &Slot) -> String {
    match slot {
        Slot::Header(name) => format!("in the header `{name}`"),
        Slot::Basic => "as basic authentication".into(),
        Slot::Query(name) => format!("in the query as `{name}`"),
        Slot::Cookie(name) => format!("in the cookie `{name}`"),
        Slot::JsonField(pointer) => format!("in the JSON body at `{pointer}`"),
        Slot::FormField(name) => format!("in the form as `{name}`"),
    }
}

/// Where a value comes from, whole: who trusts it is to have seen it.
pub(super) fn origin(source: &SecretSource, name: &str) -> String {
    let key = |key: &Option<String>| key.clone().unwrap_or_else(|| name.to_owned());
    match source {
        SecretSource::Store(store) => format!("the store `{}`", store.as_str()),
        SecretSource::Env { variable } => format!("the variable `{}`", key(variable)),
        SecretSource::Dotenv { path, key: named } => format!("`{}` of `{path}`", key(named)),
        SecretSource::Command { argv, environment } => {
            let with = if environment.is_empty() { String::new() } else { format!(" with {}", environment.join(", ")) };
            format!("the command {argv:?}{with}")
        }
        SecretSource::Hashicorp(at) => {
            let login: Vec<&str> = source.variables().collect();
            let login = if login.is_empty() { String::new() } else { format!(", login by {}", login.join(", ")) };
            let ca = at.ca.as_ref().map(|ca| format!(", its certificate from `{ca}`"));
            format!(
                "`{}` of `{}/{}` at {}{login}{}",
                key(&at.key),
                at.mount,
                at.path,
                at.server,
                ca.unwrap_or_default()
            )
        }
    }
}

/// How long a value is used.
pub(super) fn lifetime(cache: Cache) -> String {
    match cache {
        Cache::Run => "to the run's end".into(),
        Cache::For(time) => format!("for {} seconds", time.as_secs()),
    }
}
