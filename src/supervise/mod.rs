//! The child's life: start, signals, end, and what crosses its seal by the user's wish.

mod bare;
mod news;
pub mod ports;
mod signals;
pub mod spawn;

pub use bare::Bare;
pub use news::News;
pub use signals::{Received, Signals};
pub use spawn::SpawnError;
