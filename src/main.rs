//! The process: parses nothing, decides nothing, ends as it is told.

use std::process::ExitCode;

fn main() -> ExitCode {
    agentsecrets::command::main()
}
