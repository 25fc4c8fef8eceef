//! What a run did, without values: events, the file they go to, the hash chain that holds them.
//!
//! One JSON Lines file a run. A request has two records: the decision, written before the first byte goes upstream
//! (L4), and the end. An event has no field for a value: paths come through [`recorded_path`], which drops query values
//! and shows a placeholder as `{NAME}` (S2).
//!
//! **Invariants.** A [`Ticket`] exists only for a decision that the kernel has taken in whole. A log that failed once
//! takes nothing more: each later decision is an error, so that no request goes out unrecorded.
//!
//! **Trade-off.** The chain has no key: it shows damage and careless edits, and the hash that [`Sink::close`] returns
//! shows any edit to who noted it; who can write the file and knows the format can write another whole chain.

mod chain;
mod digest;
mod directory;
mod disk;
mod error;
mod event;
#[cfg(test)]
mod fuzz;
mod journal;
mod kept;
mod overview;
mod path;
mod read;
mod run_id;
mod sink;
mod verify;

pub use digest::{Digest, digest};
pub use error::AuditError;
pub use event::{Decision, Event, Fetch, Kind, Masked, Outcome, Process, Redactions, Start, Verdict};
pub use kept::{Keeping, Kept, KeptError, KeptFile, KeptFound, KeptIndex, KeptKind, KeptPath, age_out, find_kept};
pub use overview::{Overview, overview};
pub use path::recorded_path;
pub use read::{Reader, Record, State, state};
pub use run_id::RunId;
pub use sink::{Closed, Sink, Ticket};
pub use verify::{Break, Verified, Why, verify};
