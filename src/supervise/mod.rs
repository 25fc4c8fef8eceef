//! The child's life: start, signals, end.

mod direct;
pub mod spawn;

pub use direct::Direct;
