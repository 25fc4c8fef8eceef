//! The process: parses nothing, decides nothing, ends as it is told.
fn main() -> std::process::ExitCode {
    if std::env::args_os().nth(1).is_some_and(|verb| verb == "__stage") {
        return agentsecrets::sandbox::stage_main();
    }
    std::process::ExitCode::SUCCESS
}
