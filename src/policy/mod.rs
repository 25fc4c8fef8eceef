//! What is allowed: typed policy, each value with its origin.
//!
//! **Invariants.** A value is valid from its constructor on (`Host`, `HostPattern`, `RequestPath`, `PathPattern`); what
//! was matched is what is sent (S4). No wildcard reaches a bare domain or another tenant. A project file can narrow and
//! never grant by itself (C3).

mod binding;
mod egress;
mod host;
mod path;

pub use binding::{Attach, Binding, Origin, ServiceId, Slot, TokenEndpoint};
pub use egress::{DefaultEgress, Egress, Verdict};
pub use host::{Authority, Host, HostError, HostPattern, Target};
pub use path::{PathError, PathPattern, RequestPath, Rule};
