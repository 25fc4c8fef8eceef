//! The broker: swaps placeholders for values on the wire and scrubs values from what comes back.

mod broker;
mod ca;
pub mod dns;
mod error;
mod leaf;
mod notice;
mod settings;
mod tasks;
mod token;
mod totals;
mod upstream;

pub use broker::Broker;
pub use ca::CertificateAuthority;
pub use error::ProxyError;
pub use notice::Notice;
pub use settings::{Listeners, LoopbackSockets, Settings};
pub use token::{Presented, Token};
pub use totals::Totals;
pub use upstream::{ConnectTo, UpstreamProxy};
mod judge;
mod redact;
pub mod refusals;

pub use judge::{AddressRefusal, Kind as AddressKind, judge};
pub use redact::{Redactor, Stream as RedactionStream, is_searchable};
