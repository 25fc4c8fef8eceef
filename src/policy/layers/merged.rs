//! The result of merging: one policy, each value with its origin.

use serde::{Deserialize, Serialize};

use crate::policy::{Attach, Binding, DefaultEgress, Egress, Entry, FileGlob, Origin, Rule, ServiceId, Slot, Target};
use crate::secret::SecretName;

/// A value with the line that it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it was decided.
    pub origin: Origin,
}

/// How the child is confined (the levels of isolation), strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Namespaces: nothing leaves except through the broker.
    #[default]
    Sealed,
    /// Landlock: files and TCP connections.
    Guarded,
    /// The environment alone.
    None,
}

/// What happens to a placeholder that travels to a place not bound to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnStray {
    /// It goes out as it is, worthless, and is recorded.
    #[default]
    Inert,
    /// The request is refused.
    Block,
}

/// Which allowed targets have their TLS terminated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inspect {
    /// Those with a binding.
    #[default]
    Bound,
    /// Every one.
    All,
}

/// What policy says of egress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EgressPolicy {
    /// For targets that no line names.
    pub default: Sourced<DefaultEgress>,
    /// Named targets.
    pub allow: Vec<Sourced<Target>>,
    /// Targets that a project file listed for itself: reached as under `web`, never at private addresses.
    pub web: Vec<Sourced<Target>>,
    /// Host loopback ports.
    pub loopback: Vec<Sourced<u16>>,
}

/// What policy says of one secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretPolicy {
    /// Its name.
    pub name: SecretName,
    /// The service whose targets and slots it has.
    pub service: Option<ServiceId>,
    /// Its targets, where named; they take the place of the service's.
    pub targets: Option<Vec<Target>>,
    /// Its slots, where named; they take the place of the service's.
    pub slots: Option<Vec<Slot>>,
    /// What to add to a request without a credential.
    pub attach: Option<Attach>,
    /// Methods and paths it may be used for; empty means any.
    pub rules: Vec<Rule>,
    /// A project's own limits on top: targets it wants at most.
    pub narrowed_targets: Option<Vec<Target>>,
    /// A project's own limits on top: rules that must match as well; empty means any.
    pub narrowed_rules: Vec<Rule>,
    /// Whether plaintext http is allowed.
    pub plaintext: bool,
    /// The line that says so.
    pub origin: Origin,
}

/// All layers as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// Where requests may go.
    pub egress: EgressPolicy,
    /// What was said of secrets, by name.
    pub secrets: Vec<SecretPolicy>,
    /// Project files to mask besides the built-in ones.
    pub mask: Vec<Sourced<FileGlob>>,
    /// Places to bind through writable.
    pub writable: Vec<Sourced<String>>,
    /// Variables to keep as they are.
    pub keep: Vec<Sourced<String>>,
    /// Variables to hide.
    pub scrub: Vec<Sourced<String>>,
    /// The level.
    pub isolation: Sourced<Isolation>,
    /// What to do with strays.
    pub on_stray: Sourced<OnStray>,
    /// What to terminate.
    pub inspect: Sourced<Inspect>,
}

impl Default for Merged {
    /// What holds without any file or flag.
    fn default() -> Self {
        fn builtin<T: Default>() -> Sourced<T> {
            Sourced { value: T::default(), origin: Origin::Builtin { file: "defaults".into() } }
        }
        Self {
            egress: EgressPolicy { default: builtin(), allow: vec![], web: vec![], loopback: vec![] },
            secrets: vec![],
            mask: vec![],
            writable: vec![],
            keep: vec![],
            scrub: vec![],
            isolation: builtin(),
            on_stray: builtin(),
            inspect: builtin(),
        }
    }
}

impl Merged {
    /// What policy says of the secret called `name`.
    pub fn secret(&self, name: &str) -> Option<&SecretPolicy> {
        self.secrets.iter().find(|policy| policy.name.as_str() == name)
    }

    /// The binding of a secret: what policy says of it, else what the catalogue says of `entry`; `None` where neither
    /// names a target.
    pub fn bind(&self, secret: &SecretName, entry: Option<Entry<'_>>) -> Option<Binding> {
        let policy = self.secret(secret.as_str());
        let by_service = policy.and_then(|policy| policy.service.as_ref());
        let entry = match by_service {
            Some(id) => entry.filter(|entry| entry.service.id == *id).or_else(|| {
                let service = crate::policy::catalogue().service(id)?;
                Some(Entry { service, credential: service.credentials.first()? })
            }),
            None => entry,
        };
        let from_entry = entry.map(|entry| entry.credential);
        let mut targets = policy
            .and_then(|policy| policy.targets.clone())
            .or_else(|| from_entry.map(|credential| credential.targets.clone()))?;
        if let Some(most) = policy.and_then(|policy| policy.narrowed_targets.as_ref()) {
            targets = targets.iter().flat_map(|target| most.iter().filter_map(|other| target.both(other))).collect();
        }
        let slots = policy
            .and_then(|policy| policy.slots.clone())
            .or_else(|| from_entry.map(|credential| credential.slots.clone()))
            .unwrap_or_else(|| vec![Slot::Header("authorization".into()), Slot::Basic]);
        let attach = match policy {
            Some(policy) if policy.slots.is_some() => policy.attach.clone(),
            _ => from_entry.and_then(|credential| credential.attach.clone()),
        };
        let origin = policy.map(|policy| policy.origin.clone()).or_else(|| Some(entry?.service.origin.clone()))?;
        Some(Binding {
            secret: secret.clone(),
            service: entry.map(|entry| entry.service.id.clone()),
            targets,
            slots,
            attach,
            rules: policy.map(|policy| policy.rules.clone()).unwrap_or_default(),
            narrowed_rules: policy.map(|policy| policy.narrowed_rules.clone()).unwrap_or_default(),
            plaintext: policy.is_some_and(|policy| policy.plaintext),
            origin,
        })
    }

    /// The egress policy of a run with these bindings: their targets are allowed.
    pub fn egress(&self, bindings: &[Binding]) -> Egress {
        let mut allow: Vec<Target> = self.egress.allow.iter().map(|target| target.value.clone()).collect();
        for target in bindings.iter().flat_map(|binding| &binding.targets) {
            if !allow.contains(target) {
                allow.push(target.clone());
            }
        }
        Egress {
            default: self.egress.default.value,
            allow,
            web: self.egress.web.iter().map(|target| target.value.clone()).collect(),
            loopback: self.egress.loopback.iter().map(|port| port.value).collect(),
        }
    }
}
