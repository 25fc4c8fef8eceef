//! A small program that tests run in place of, or in front of, a command. It is an example target so that cargo builds
//! it where every test binary finds it.
//!
//! `probe environment FILE -- COMMAND…` writes down its own environment as the kernel holds it and becomes COMMAND.
#![expect(clippy::print_stderr, clippy::disallowed_methods, reason = "a program of the tests, not of the product")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|verb| verb == "environment") {
        return environment(&arguments[1..]);
    }
    eprintln!("probe: what shall it do?");
    ExitCode::from(2)
}

/// Copies bytes rather than variables, so that duplicates and entries without a name are kept.
fn environment(arguments: &[OsString]) -> ExitCode {
    let [file, _, command, rest @ ..] = arguments else { return ExitCode::from(2) };
    let written = fs::read("/proc/self/environ").and_then(|bytes| fs::write(file, bytes));
    if let Err(error) = written {
        eprintln!("probe: {}: {error}", file.display());
        return ExitCode::from(2);
    }
    eprintln!("probe: {}: {}", command.display(), Command::new(command).args(rest).exec());
    ExitCode::from(127)
}
