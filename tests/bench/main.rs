//! The budgets, measured as ratios: the same client does the same work against the same upstream, directly and as the
//! command of a run, in turns. The upstream counts connections, so that neither side cheats by not connecting.
//!
//! `budgets` measures all that takes seconds, a word picks what has it in its name; `soak` takes ten minutes, `--soak=60`
//! makes a shorter one part of all. `--check` fails when a figure is beyond its limit (see [`figure`]).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement that meets what it did not expect fails")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its report goes to the terminal")]
#![allow(clippy::disallowed_methods, reason = "it starts programs and tasks of its own")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "figures")]

mod client;
mod figure;
mod figures;
mod log;
mod projects;
mod redactor;
mod sides;
mod soak;
#[path = "../support/mod.rs"]
mod support;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|word| word == "client") {
        client::act(&arguments[1..]);
        return ExitCode::SUCCESS;
    }
    let check = arguments.iter().any(|word| word == "--check");
    let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let asked = arguments.iter().find_map(|word| word.strip_prefix("--soak="));
    let soak = asked.map(|seconds| seconds.parse().unwrap()).or(words.contains(&"soak").then_some(600));
    let count = figures::measure(&words, soak, check);
    if check && count.failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
