//! The book: what is promised, what is not, and why.
//!
//! * [`threat_model`]: who is trusted, who is not, and what each promise rests on.
//! * [`limits`]: what this version does not do, each with its reason.

pub mod limits;
pub mod threat_model;
