//! The program, built with the feature that lets `AGENTSECRETS_LEAVE_OUT` name mechanisms to leave out. It is an example
//! target so that it never takes the place of the real program in cargo's folder.

use std::process::ExitCode;

fn main() -> ExitCode {
    agentsecrets::command::main()
}
