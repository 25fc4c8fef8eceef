//! The way to the world: resolve, judge, dial, verify, pool.
//!
//! **Invariants.** Nothing is dialled that was not judged, except what the user's own flags name. The name that policy
//! judged is the name that TLS verifies.

mod connect_to;
mod forward;

pub use connect_to::ConnectTo;
pub use forward::UpstreamProxy;
