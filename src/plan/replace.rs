//! Puts placeholders where secrets stand, the same way in files and in variables.

use std::ops::Range;

use super::claims::Settled;
use super::coded::{Around, Coded};
use super::known::{self, Reach};
use super::wants::Want;
use crate::mask::Site;
use crate::secret::SecretId;

/// A stretch of a site that makes way for a placeholder.
pub(super) struct Part {
    pub(super) range: Range<usize>,
    pub(super) id: SecretId,
    around: Around,
}

impl Part {
    /// The value as it is.
    pub(super) fn plain(range: Range<usize>, id: SecretId) -> Self {
        Self { range, id, around: Around::Plain }
    }

    /// What takes its place.
    fn text(&self, settled: &Settled) -> Option<String> {
        Some(self.around.write(settled.table().get(self.id)?.placeholder.as_str()))
    }
}

/// The secrets of a site, in order and without overlap: those that were judged, and known values beside them.
///
/// `None` where a judged secret has no placeholder, which no caller may take for "nothing".
pub(super) fn replacements(site: &Site<'_>, wants: &[Want], settled: &Settled, reach: Reach<'_>) -> Option<Vec<Part>> {
    let mut found: Vec<Part> = Vec::with_capacity(wants.len());
    for want in wants {
        let around = want.coded.as_ref().map_or(Around::Plain, Coded::around);
        found.push(Part { range: want.range.clone(), id: settled.find(want.value(site))?, around });
    }
    for (range, id) in known::within(site.text, settled, reach) {
        match found.iter_mut().find(|part| range.start < part.range.end && part.range.start < range.end) {
            Some(part) => part.range = part.range.start.min(range.start)..part.range.end.max(range.end),
            None => found.push(Part::plain(range, id)),
        }
    }
    found.sort_by_key(|part| part.range.start);
    Some(found)
}

/// The ranges with what takes their places.
pub(super) fn texts(found: &[Part], settled: &Settled) -> Option<Vec<(Range<usize>, String)>> {
    found.iter().map(|part| Some((part.range.clone(), part.text(settled)?))).collect()
}

/// The bytes of `text` with placeholders.
pub(super) fn apply(text: &[u8], found: &[Part], settled: &Settled) -> Option<Vec<u8>> {
    let mut output = Vec::with_capacity(text.len());
    let mut copied = 0;
    for (range, placeholder) in texts(found, settled)? {
        output.extend_from_slice(text.get(copied..range.start)?);
        output.extend_from_slice(placeholder.as_bytes());
        copied = range.end;
    }
    output.extend_from_slice(text.get(copied..)?);
    Some(output)
}
