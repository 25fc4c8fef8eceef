//! What a machine may lack. A test that cannot run says so in the list that closes the whole run, and fails where
//! `AGENTSECRETS_TEST_REQUIRE` names what it needs (`all`, or names with commas between; `-name` excuses one): nothing is
//! skipped in silence.

use std::fs::OpenOptions;
use std::io::Write;

/// Whether a test may go on. `reason` says what is missing, `None` that all is there.
pub(crate) fn met(name: &str, reason: Option<&str>) -> bool {
    let Some(reason) = reason else { return true };
    let required = std::env::var("AGENTSECRETS_TEST_REQUIRE").unwrap_or_default();
    let names = |wanted: &str| required.split(',').any(|one| one == wanted);
    let is_required = names(name) || names("all") && !names(&format!("-{name}"));
    assert!(!is_required, "`{name}` is required and missing: {reason}");
    let thread = std::thread::current();
    let line = format!("skipped {}: {name}: {reason}\n", thread.name().unwrap_or("a test"));
    if let Some(list) = std::env::var_os("AGENTSECRETS_TEST_SKIPS") {
        // Not made anew: a list at this path that nobody reads would hide a skip.
        OpenOptions::new().append(true).open(list).unwrap().write_all(line.as_bytes()).unwrap();
    }
    eprint!("{line}");
    false
}
