//! The result of merging: one policy, each value with its origin.

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

use super::project::ProjectLayer;
use super::source_table::{Cache, SecretSource, StoreKind};
use crate::policy::{
    Attach, Binding, DefaultEgress, Egress, Entry, FileGlob, Origin, Rule, Scan, ServiceId, Slot, Target, catalogue,
};
use crate::secret::{SecretName, WorkspaceName};

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

impl Isolation {
    /// How policy files spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Guarded => "guarded",
            Self::None => "none",
        }
    }
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
    /// Where its value comes from, where that is named.
    pub source: Option<SecretSource>,
    /// How long its value is used, where that is said.
    pub cache: Option<Cache>,
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
    /// How answers of its targets are searched for values, where that is said.
    pub scan: Option<Scan>,
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
    /// The workspace whose file is among the layers.
    pub workspace: Option<WorkspaceName>,
    /// The store that new values go to, where the user chose one.
    pub store: Option<StoreKind>,
    /// The project's file, where there is one.
    pub project: Option<ProjectLayer>,
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
            workspace: None,
            store: None,
            project: None,
        }
    }
}

impl Merged {
    /// Whether the user or a file says something of the variable called `name`.
    pub fn names(&self, name: &str) -> bool {
        self.scrub.iter().chain(&self.keep).any(|told| told.value == name) || self.secret(name).is_some()
    }

    /// What policy says of the secret called `name`.
    pub fn secret(&self, name: &str) -> Option<&SecretPolicy> {
        self.secrets.iter().find(|policy| policy.name.as_str() == name)
    }

    /// What policy says of the secret called `name`, or a new place to say something.
    pub(super) fn secret_or_new(&mut self, name: Sourced<SecretName>) -> &mut SecretPolicy {
        let index = self.secrets.iter().position(|policy| policy.name == name.value).unwrap_or(self.secrets.len());
        if index == self.secrets.len() {
            self.secrets.push(SecretPolicy::new(name));
        }
        &mut self.secrets[index]
    }

    /// The catalogue's entry for the secret called `name`, which was `recognised` by its name or value.
    pub fn entry(&self, name: &str, recognised: Option<Entry<'static>>) -> Option<Entry<'static>> {
        self.secret(name).map_or(recognised, |policy| policy.entry(recognised))
    }

    /// The binding of a secret: what policy says of it, else what the catalogue says of `entry`, to whose targets come
    /// the servers that `variable` (the user's own environment) points clients to. `None` where nothing names a target.
    pub fn bind(
        &self,
        secret: &SecretName,
        entry: Option<Entry<'static>>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Option<Binding> {
        self.bind_told(secret, entry, &[], variable)
    }

    /// The same for a secret of which a file of the user's own says where it goes.
    pub fn bind_told(
        &self,
        secret: &SecretName,
        entry: Option<Entry<'static>>,
        told: &[Target],
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Option<Binding> {
        let Some(policy) = self.secret(secret.as_str()) else {
            return unnamed(secret, entry, told, variable);
        };
        let entry = policy.entry(entry);
        let own = policy.targets.as_ref().map(|targets| Binding {
            secret: secret.clone(),
            service: None,
            targets: targets.clone(),
            slots: vec![Slot::Header("authorization".into()), Slot::Basic],
            attach: None,
            rules: Vec::new(),
            narrowed_rules: Vec::new(),
            plaintext: false,
            scan: Scan::default(),
            origin: policy.origin.clone(),
        });
        let mut binding = match (own, entry) {
            (Some(own), None) => own,
            (None, entry) => unnamed(secret, entry, told, variable)?,
            (Some(own), Some(entry)) => Binding { targets: own.targets, ..by_catalogue(secret, entry, variable) },
        };
        if let Some(most) = &policy.narrowed_targets {
            let both = |target: &Target| most.iter().filter_map(|other| target.both(other)).collect::<Vec<_>>();
            binding.targets = binding.targets.iter().flat_map(both).collect();
        }
        if let Some(slots) = &policy.slots {
            binding.slots.clone_from(slots);
            binding.attach.clone_from(&policy.attach);
        }
        binding.rules.clone_from(&policy.rules);
        binding.narrowed_rules.clone_from(&policy.narrowed_rules);
        binding.plaintext = policy.plaintext;
        binding.scan = policy.scan.unwrap_or_default();
        binding.origin = policy.origin.clone();
        (!binding.targets.is_empty()).then_some(binding)
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

impl SecretPolicy {
    fn new(name: Sourced<SecretName>) -> Self {
        Self {
            name: name.value,
            service: None,
            source: None,
            cache: None,
            targets: None,
            slots: None,
            attach: None,
            rules: Vec::new(),
            narrowed_targets: None,
            narrowed_rules: Vec::new(),
            plaintext: false,
            scan: None,
            origin: name.origin,
        }
    }

    /// The catalogue's entry for the secret: of the service that policy names, the credential that the value was
    /// recognised as, else the first; without a service in policy, what was recognised.
    fn entry(&self, recognised: Option<Entry<'static>>) -> Option<Entry<'static>> {
        let Some(id) = &self.service else { return recognised };
        recognised.filter(|entry| entry.service.id == *id).or_else(|| {
            let service = catalogue().service(id)?;
            Some(Entry { service, credential: service.credentials.first()? })
        })
    }
}

/// Where a secret goes of which no policy says it: a file's word on the host counts for more than the value's form, as it
/// is what the file's own clients go by.
fn unnamed(
    secret: &SecretName,
    entry: Option<Entry<'_>>,
    told: &[Target],
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Option<Binding> {
    let known = entry.map(|entry| by_catalogue(secret, entry, variable));
    let is_known = known.as_ref().is_some_and(|known| told.iter().all(|target| known.targets.contains(target)));
    if told.is_empty() || is_known {
        return known;
    }
    let mut slots = vec![Slot::Header("authorization".into()), Slot::Basic];
    let others = known.map(|known| known.slots).unwrap_or_default();
    slots.extend(
        others.into_iter().filter(|slot| !matches!(slot, Slot::Basic) && slot.header() != Some("authorization")),
    );
    Some(Binding {
        secret: secret.clone(),
        service: None,
        targets: told.to_vec(),
        slots,
        attach: None,
        rules: Vec::new(),
        narrowed_rules: Vec::new(),
        plaintext: false,
        scan: Scan::default(),
        origin: Origin::Builtin { file: "files.toml".into() },
    })
}

fn by_catalogue(secret: &SecretName, entry: Entry<'_>, variable: &dyn Fn(&str) -> Option<OsString>) -> Binding {
    Binding {
        secret: secret.clone(),
        service: Some(entry.service.id.clone()),
        targets: entry.credential.targets_with(variable),
        slots: entry.credential.slots.clone(),
        attach: entry.credential.attach.clone(),
        rules: Vec::new(),
        narrowed_rules: Vec::new(),
        plaintext: false,
        scan: Scan::default(),
        origin: entry.service.origin.clone(),
    }
}
