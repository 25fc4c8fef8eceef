//! Whether the parent stays as large as it is while the same work goes on and on.

use std::fs;

use crate::figure::Figure;
use crate::sides::{HOST, Side, middle, status, work_with};
use crate::support::Running;

/// The shortest soak that tells anything.
const SHORTEST: usize = 8;

/// What the parent holds at one moment.
struct Held {
    memory: f64,
    descriptors: usize,
}

impl Held {
    fn by(running: &Running) -> Self {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap().count();
        Self { memory: status(running, "VmRSS:") / 1024.0, descriptors }
    }
}

/// Each second brings as much work as the one before, some 300 requests. The second quarter is beside the last: the first
/// one fills pools and the allocator's arenas.
pub(crate) fn soak(seconds: usize) -> Vec<Figure> {
    assert!(seconds >= SHORTEST, "a soak takes {SHORTEST} seconds at least");
    let (_, held, _) = work_with(Side::Brokered, HOST, "soak", seconds, Held::by);
    let quarter = seconds / 4;
    let [early, late] = [&held[quarter..2 * quarter], &held[seconds - quarter..]];
    let memory = |held: &[Held]| middle(&mut held.iter().map(|held| held.memory).collect::<Vec<_>>());
    let descriptors = |held: &[Held]| held.iter().map(|held| held.descriptors).max().unwrap_or_default() as f64;
    let note = format!("{seconds} s; {:.1} and {:.1} MiB", memory(early), memory(late));
    let open = format!("at most {} and {}", descriptors(early), descriptors(late));
    vec![
        Figure::at_most("growth over a soak", memory(late) - memory(early), "MiB", 1.0).strictly().note(note),
        Figure::at_most("descriptors over a soak", descriptors(late) - descriptors(early), "", 8.0)
            .strictly()
            .note(open),
    ]
}
