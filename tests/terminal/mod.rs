//! The child's own terminal: what a program at a terminal sees and does, bare and wrapped alike, and what is left of it.

/// The levels that give the child a terminal of its own.
const LEVELS: [&str; 2] = ["sealed", "guarded"];

mod bytes;
mod jobs;
mod life;
mod programs;
mod streams;
