//! The book: what is promised, what is not, and why.
//!
//! * [`threat_model`]: who is trusted, who is not, and what each promise rests on.
//! * [`promises`]: each promise beside the tests and attacks that hold it.
//! * [`peers`]: what went wrong in tools of this kind, and what answers it here.
//! * [`limits`]: what this version does not do, each with its reason.

pub mod limits;
pub mod peers;
pub mod promises;
pub mod threat_model;
