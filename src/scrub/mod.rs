//! The child's environment: the only maker of a scrubbed one.
//!
//! Judging is pure: a name, a value and the policy go in, what is secret about them comes out. The same judgement serves
//! variables, the keys of `.env` files and the fields of configuration files.
//!
//! **Invariants.** A [`ScrubbedEnv`] has no duplicate names and no entry without `=`; bytes that are no text are kept.
//! It is made of decided pieces alone, never of a process's own environment.

mod beside;
mod command;
mod comment;
mod environment;
mod judge;
mod text;
mod url;
#[cfg(test)]
mod usual;
mod weak;

pub use comment::in_comment;
pub use environment::{ScrubbedEnv, Wiring, distinct, environment};
pub use judge::{Cause, Judgement, judge};
pub use text::{Stretch, in_free_text, in_value, merge};
pub use weak::is_random;
