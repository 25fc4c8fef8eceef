//! What is allowed: typed policy, each value with its origin.
//!
//! **Invariants.** A value is valid from its constructor on (`Host`, `HostPattern`, `RequestPath`, `PathPattern`); what
//! was matched is what is sent (S4). No wildcard reaches a bare domain or another tenant. A project file can narrow and
//! never grant by itself (C3).

mod agents;
mod binding;
mod builtin;
mod catalogue;
mod characters;
mod edit;
#[cfg(test)]
mod effort;
mod egress;
mod file_glob;
mod files;
mod fingerprint;
#[cfg(test)]
mod fuzz;
mod glob;
mod host;
mod json_pointer;
mod layers;
mod link;
mod nesting;
mod path;
mod rule;
mod scrub;
mod suffix;
mod target;
mod trust;

pub use agents::{Agent, Agents, Recognised, Sealed};
pub use binding::{Attach, Binding, Origin, OwnAuthority, Scan, ServiceId, Slot, TokenEndpoint};
pub use builtin::{
    BuiltinError, agents, catalogue, file_rules, prepare, scrub_rules, trust_rules, verify, without_keys,
};
pub use catalogue::{Alias, Catalogue, Credential, Entry, Found, KeyPattern, Service, ValueKind, server};
pub use characters::Characters;
pub use edit::{Edit, Injection, SecretChange};
pub use egress::{DefaultEgress, Egress, Verdict};
pub use file_glob::{FileGlob, FileGlobError};
pub use files::{
    Action, Coding, Field, FileRules, Form, Format, Guard, HomeEntry, HostPlace, Judge, Nested, Note, Place,
    ProjectEntry, Render, RootPath, RootRules, Surroundings, Writable,
};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use host::{Host, HostError};
pub(crate) use json_pointer::quoted;
pub use json_pointer::{JsonPointer, PointerError};
pub use layers::{
    Cache, EgressPolicy, Flags, Hashicorp, Inspect, Isolation, Layers, Login, Merged, OnStray, PolicyError,
    PolicyPlace, PolicyText, ProjectLayer, ProjectText, SecretPolicy, SecretSource, Sourced, Standing, StoreKind,
};
pub use link::{LONGEST_LINK, Link, LinkError};
pub use nesting::too_deep;
pub use path::{PathError, RequestPath};
pub use rule::{PathPattern, Rule};
pub use scrub::{NameJudgement, NameVerdict, ScrubRules, ValuePattern};
pub use target::{Authority, HostPattern, Target};
pub use trust::{ClientRoots, TrustRules};
