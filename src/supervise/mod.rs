//! The child's life: start, signals, end.

pub mod spawn;
