//! Values that must never be seen, and the stand-ins that may.
//!
//! **Invariants.** A [`Secret`] cannot be cloned, printed or serialized, is compared in constant time and is wiped on
//! drop (S2). A [`Placeholder`] is worthless: it is random, of this run only, and tells nothing of the value (S1).

mod distinctive;
mod name;
mod pages;
mod placeholder;
mod reference;
mod table;
mod value;
mod workspace;

pub use distinctive::{is_distinctive, is_plain_word};
pub use name::{NameError, SecretName};
pub use placeholder::{Alphabet, Placeholder, Shape};
pub use reference::{reference_to, referred};
pub use table::{Held, SecretId, Table};
pub use value::Secret;
pub use workspace::{WorkspaceName, WorkspaceNameError};
