//! The escape suite: attacks with raw system calls from inside a run, each with its control, which must succeed
//! outside; and the table of mechanisms, each left out once so that a named attack wins.
//!
//! `escape` runs all; a word picks what has it in its name. The attacker is the program itself, by its hidden verb: the
//! attacks that ship are the ones that are tried here, and those that `prove` tries.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite that meets what it did not expect fails")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its report goes to the terminal")]
#![allow(clippy::disallowed_methods, clippy::exit, reason = "it starts programs")]
#![allow(unsafe_code, reason = "its host has addresses and keys that no wrapper makes")]

mod guarded;
mod host;
mod mechanisms;
mod prove;
mod suite;
#[path = "../support/mod.rs"]
mod support;
mod trials;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Flags are libtest's, for the test binaries that cargo starts beside this one.
    let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    suite::run(&words)
}
