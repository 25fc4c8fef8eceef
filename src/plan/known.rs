//! Known values within other text.

use std::ops::Range;

use super::claims::Settled;
use crate::secret::{SecretId, is_distinctive, is_plain_word};

/// The least length of a value that is looked for in the file that it was found in.
const LEAST_AT_HOME: usize = 8;

/// Which values are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach<'a> {
    /// Those that may be looked for in any text.
    Anywhere,
    /// Those, and shorter ones that were found in this very file.
    File(&'a [SecretId]),
}

/// Every place in `text` where a known value stands, in order; of two that overlap the longer stays.
pub(super) fn within(text: &[u8], settled: &Settled, reach: Reach<'_>) -> Vec<(Range<usize>, SecretId)> {
    let mut found = Vec::new();
    for (id, held) in settled.table().iter() {
        let Some(value) = held.value().map(|value| value.expose()) else { continue };
        if is_sought(value, id, reach) && value.len() <= text.len() {
            found.extend(memchr::memmem::find_iter(text, value).map(|start| (start..start + value.len(), id)));
        }
    }
    found.sort_by_key(|(range, _)| usize::MAX - range.len());
    let mut kept: Vec<(Range<usize>, SecretId)> = Vec::new();
    for (range, id) in found {
        if kept.iter().all(|(other, _)| range.end <= other.start || other.end <= range.start) {
            kept.push((range, id));
        }
    }
    kept.sort_by_key(|(range, _)| range.start);
    kept
}

fn is_sought(value: &[u8], id: SecretId, reach: Reach<'_>) -> bool {
    let is_at_home = match reach {
        Reach::Anywhere => false,
        Reach::File(ids) => ids.contains(&id) && value.len() >= LEAST_AT_HOME && !is_plain_word(value),
    };
    is_at_home || is_distinctive(value)
}
