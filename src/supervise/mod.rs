//! The child's life: start, terminal, signals, end, and what crosses its seal by the user's wish.

mod bare;
mod folder;
mod job;
mod news;
pub mod ports;
mod signals;
pub mod spawn;
mod streams;
mod terminal;

pub use bare::Bare;
pub use folder::{FOLDER_VERB, Folder, keep_folder};
pub use job::Job;
pub use news::News;
pub use signals::{Received, Signals, die};
pub use spawn::SpawnError;
pub use streams::{Shown, Streams};
pub use terminal::{Attached, Keeper, UserTerminal, keep_terminal};
