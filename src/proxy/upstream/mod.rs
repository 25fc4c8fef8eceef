//! The way to the world: resolve, judge, dial, verify, pool.
//!
//! **Invariants.** Nothing is dialled that was not judged, except what the user's own flags name. The name that policy
//! judged is the name that TLS verifies. No redirect is followed (S5).

mod body;
mod case;
mod connect_to;
mod dial;
mod error;
mod fetch;
mod forward;
mod h1;
mod pool;
mod resolve;
mod send;
mod tls;

pub(super) use body::UpstreamBody;
pub(super) use case::Case;
pub use connect_to::ConnectTo;
pub use error::UpstreamError;
pub use fetch::Fetcher;
pub use forward::UpstreamProxy;
#[cfg(test)]
pub(super) use h1::http1_builder;
pub(super) use send::{Outgoing, Switched, Upstream};
pub(super) use tls::Offer;
