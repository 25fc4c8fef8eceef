//! Test support: shows that work grows in step with its input.

use std::time::Instant;

/// Asserts that thirty times the input takes about thirty times the work, where a quadratic algorithm takes nine
/// hundred times as much. The least of several runs counts, and the bar lies ten times above what is due, so that only
/// the algorithm decides and never what else the machine does.
pub(super) fn assert_linear(what: &str, work: impl Fn(usize)) {
    let least = |size: usize| {
        let run = || {
            let start = Instant::now();
            work(size);
            start.elapsed().as_nanos()
        };
        (0..9).map(|_| run()).min().unwrap().max(1_000)
    };
    let (short, long) = (least(100), least(3_000));
    assert!(long < short * 300, "{what}: {short} ns for one part, {long} ns for thirty");
}
