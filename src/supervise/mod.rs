//! The child's life: start, signals, end.

mod bare;
mod signals;
pub mod spawn;

pub use bare::Bare;
pub use signals::{Received, Signals};
pub use spawn::SpawnError;
