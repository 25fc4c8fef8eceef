//! The process: parses nothing, decides nothing, ends as it is told.
fn main() {}
