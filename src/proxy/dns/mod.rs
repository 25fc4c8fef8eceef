//! The name server of a run: answers the child's questions on port 53 of any address.
//!
//! **Invariants.** A name that policy denies is never looked up (C2). Every name has a synthetic address of its own, so
//! that a connection tells its name. An answer leaves from the address that was asked.

mod datagram;
#[cfg(test)]
mod fuzz;
mod message;
mod names;
mod resolve;
mod server;

use std::future::Future;

use crate::policy::Host;

pub use names::Names;
pub use server::Server;

/// Whether a name exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existence {
    /// It has an address.
    Exists,
    /// There is no such name, or it has no address.
    Missing,
    /// Nobody could be asked.
    Failed,
}

/// Asks the world for names, with the policy of the run. `name` is always a [`Host::Name`].
pub trait Lookup: Send + Sync + 'static {
    /// Whether policy lets `name` be looked up. If not, the child gets a synthetic address for it and, when it connects,
    /// our refusal.
    fn may_look_up(&self, name: &Host) -> bool;

    /// Looks up `name`, which may be looked up.
    fn exists(&self, name: &Host) -> impl Future<Output = Existence> + Send;
}
