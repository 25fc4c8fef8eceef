//! Puts placeholders where secrets stand, the same way in files and in variables.

use std::ops::Range;

use super::claims::Settled;
use super::known::{self, Reach};
use super::wants::Want;
use crate::mask::Site;
use crate::secret::SecretId;

/// The secrets of a site, in order and without overlap: those that were judged, and known values beside them.
///
/// `None` where a judged secret has no placeholder, which no caller may take for "nothing".
pub(super) fn replacements(
    site: &Site<'_>,
    wants: &[Want],
    settled: &Settled,
    reach: Reach<'_>,
) -> Option<Vec<(Range<usize>, SecretId)>> {
    let mut found: Vec<(Range<usize>, SecretId)> = Vec::with_capacity(wants.len());
    for want in wants {
        found.push((want.range.clone(), settled.find(want.value(site))?));
    }
    for (range, id) in known::within(site.text, settled, reach) {
        match found.iter_mut().find(|(other, _)| range.start < other.end && other.start < range.end) {
            Some((other, _)) => *other = other.start.min(range.start)..other.end.max(range.end),
            None => found.push((range, id)),
        }
    }
    found.sort_by_key(|(range, _)| range.start);
    Some(found)
}

/// The bytes of `text` with placeholders.
pub(super) fn apply(text: &[u8], found: &[(Range<usize>, SecretId)], settled: &Settled) -> Option<Vec<u8>> {
    let mut output = Vec::with_capacity(text.len());
    let mut copied = 0;
    for (range, id) in found {
        output.extend_from_slice(text.get(copied..range.start)?);
        output.extend_from_slice(settled.table().get(*id)?.placeholder.as_str().as_bytes());
        copied = range.end;
    }
    output.extend_from_slice(text.get(copied..)?);
    Some(output)
}
