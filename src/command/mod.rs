//! One thin file a verb.

pub mod log;
