//! The broker: swaps placeholders for values on the wire and scrubs values from what comes back.
//!
//! The way of a request: `listener` takes the connection, `explicit` or `transparent` learns for whom it is, `connect`
//! looks at its first bytes, `serve` speaks HTTP with the child, `exchange` sends one request: `route` decides, `inject`
//! puts values in, `record` writes the decision, `upstream` sends, `scan` says how its answer is read, `answer` streams
//! back what `decode` reads and `redact` lets through.
//!
//! **Invariants.** See S1 to S5 and L3, L4 in the manual; each file says which it holds. No task outlives the broker.

mod answer;
mod attend;
mod base_url;
mod broker;
mod ca;
mod client;
mod connect;
mod decode;
pub mod dns;
mod error;
mod exchange;
mod explicit;
mod frames;
mod head;
mod hello;
mod inject;
mod judge;
mod leaf;
mod listener;
mod lookup;
mod memory;
mod noted;
mod notice;
mod programs;
mod record;
mod redact;
mod refusal;
pub mod refusals;
mod request_body;
mod respond;
mod route;
mod rulebook;
mod scan;
mod serve;
mod settings;
mod shared;
mod tasks;
#[cfg(test)]
mod tests;
mod token;
mod totals;
mod transparent;
mod tunnel;
mod upstream;
mod values;
mod websocket;
mod wire;

pub use broker::Broker;
pub use ca::CertificateAuthority;
pub use client::{BrokenOff, Client, Content, Message, Refusal, Reply};
pub use error::ProxyError;
pub use judge::{AddressRefusal, Kind as AddressKind, judge};
pub use notice::Notice;
pub use redact::{FormKind, Redactor, Stream as RedactionStream};
pub use settings::{BODY_MEMORY, Listeners, LoopbackSockets, Settings};
pub use token::{Presented, Token, is_run_proxy};
pub use totals::Totals;
pub use upstream::{ConnectTo, Fetcher, UpstreamError, UpstreamProxy};
