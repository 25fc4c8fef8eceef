//! Test support: shows that work grows in step with its input.

use nix::time::{ClockId, clock_gettime};

/// Asserts that thirty times the input takes about thirty times the work, where a quadratic algorithm takes nine
/// hundred times as much. The least of several runs counts, and the bar lies ten times above what is due, so that only
/// the algorithm decides and never what else the machine does.
pub(super) fn assert_linear(what: &str, work: impl Fn(usize)) {
    let least = |size: usize| {
        let run = || {
            // What this thread has worked, not what went by while others did.
            let now = || clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
            let start = now();
            work(size);
            std::time::Duration::from(now() - start).as_nanos()
        };
        (0..9).map(|_| run()).min().unwrap().max(1_000)
    };
    let (short, long) = (least(100), least(3_000));
    assert!(long < short * 300, "{what}: {short} ns for one part, {long} ns for thirty");
}
