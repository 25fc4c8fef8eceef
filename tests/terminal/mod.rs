//! The child's own terminal: what a program at a terminal sees and does, bare and wrapped alike, and what is left of it.

mod bytes;
mod jobs;
mod life;
mod programs;
mod streams;
