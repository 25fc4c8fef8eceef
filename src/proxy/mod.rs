//! The broker: swaps placeholders for values on the wire and scrubs values from what comes back.

mod broker;
mod ca;
pub mod dns;
mod error;
mod inject;
mod judge;
mod leaf;
mod notice;
mod redact;
mod refusal;
mod request_body;
mod route;
mod rulebook;
mod settings;
mod tasks;
mod token;
mod totals;
mod upstream;
mod wire;

pub use broker::Broker;
pub use ca::CertificateAuthority;
pub use error::ProxyError;
pub use judge::{AddressRefusal, Kind as AddressKind, judge};
pub use notice::Notice;
pub use redact::{Redactor, Stream as RedactionStream, is_searchable};
pub use settings::{Listeners, LoopbackSockets, Settings};
pub use token::{Presented, Token};
pub use totals::Totals;
pub use upstream::{ConnectTo, UpstreamProxy};
