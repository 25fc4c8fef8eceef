//! What the child sees of a file that appears while it runs.
//!
//! **Invariant.** A value that was known at the start has the placeholder that it had then; one that was not gets one that
//! is never swapped, since nobody was asked where it may go.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::MaskContent;
use super::claims::{Claims, Settled};
use super::known::{self, Reach};
use super::rendered::Rendered;
use super::swept;
use crate::mask::{Content, Found, HeldContent};
use crate::policy::{FileGlob, Merged, Sourced};
use crate::secret::{Table, is_distinctive, is_plain_word};

/// The least length of a new value that makes a new file secret.
const LEAST: usize = 8;

/// The judgement of a plan, kept for later.
pub struct Live {
    policy: Merged,
    known: Table,
    /// The project's directories as they were found; none where it is not bound through.
    pub directories: Vec<PathBuf>,
    /// When the search for them began.
    pub began: SystemTime,
}

impl Default for Live {
    /// Knows nothing.
    fn default() -> Self {
        Self::new(&Merged::default(), &Table::default(), Vec::new(), Timestamp::UNIX_EPOCH)
    }
}

impl Live {
    pub(super) fn new(policy: &Merged, known: &Table, directories: Vec<PathBuf>, now: Timestamp) -> Self {
        // A time before the epoch is as good as the epoch: all directories have changed since.
        let since = Duration::from_micros(u64::try_from(now.as_microsecond()).unwrap_or(0));
        let began = SystemTime::UNIX_EPOCH + since;
        Self { policy: policy.clone(), known: known.share(), directories, began }
    }

    /// Project files that the user wants masked besides those of the rules.
    pub fn masked(&self) -> &[Sourced<FileGlob>] {
        &self.policy.mask
    }

    /// What the child is to see, and the keys that were replaced; `None` where the file shows no secret. The placeholders
    /// that the child was given are none, nor are short and plain words, with which the child sets up projects itself, nor
    /// what nobody knew at the start and stands in one of the `templates`, which the child sees.
    pub fn judge(&self, found: &Found, templates: &[Vec<u8>], now: Timestamp) -> Option<(MaskContent, Vec<String>)> {
        let hidden = Some((MaskContent::EmptyFile, Vec::new()));
        let Content::Bytes(bytes) = &found.content else { return hidden };
        let mut rendered = Rendered::new(found, &self.policy)?;
        let is_placeholder =
            |value: &[u8]| self.known.iter().any(|(_, held)| contains(value, held.placeholder.as_str()));
        let is_known =
            |value: &[u8]| self.known.iter().any(|(_, held)| held.value().is_some_and(|own| own.expose() == value));
        let is_of_template = |value: &[u8]| !is_known(value) && templates.iter().any(|text| stands_in(text, value));
        rendered.forget(|value| {
            is_placeholder(value) || value.len() < LEAST || is_plain_word(value) || is_of_template(value)
        });
        let mut claims = Claims::default();
        rendered.claim(&mut claims);
        let Ok(settled) = Settled::around(self.known.share(), claims) else { return hidden };
        match rendered.write(&settled, now) {
            Ok(outcome) if outcome.bytes == **bytes => None,
            Ok(outcome) => Some((MaskContent::File { bytes: outcome.bytes }, outcome.keys)),
            Err(_) if !rendered.has_secrets() && known::within(bytes, &settled, Reach::Anywhere).is_empty() => None,
            Err(_) => hidden,
        }
    }

    /// The values that are searched for in any file.
    pub fn sought(&self) -> Vec<&[u8]> {
        let values = self.known.iter().filter_map(|(_, held)| held.value());
        values.map(|value| value.expose()).filter(|value| is_distinctive(value)).collect()
    }

    /// What the child is to see of a file that holds one of them, or may, and the names of those in it; `None` where it
    /// holds none.
    pub fn judge_held(&self, content: &HeldContent) -> Option<(MaskContent, Vec<String>)> {
        let Ok(settled) = Settled::around(self.known.share(), Claims::default()) else {
            return Some((MaskContent::EmptyFile, Vec::new()));
        };
        swept::shown(content, &settled).map(|shown| (shown.content, shown.keys))
    }
}

/// Whether `value` is all that a line of `text` assigns, quotes and a comment apart.
fn stands_in(text: &[u8], value: &[u8]) -> bool {
    memchr::memmem::find_iter(text, value).any(|start| {
        let (before, behind) = (text[..start].last(), text.get(start + value.len()));
        before.is_some_and(|byte| matches!(byte, b'=' | b'"' | b'\'' | b' ' | b'\t'))
            && behind.is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\''))
    })
}

fn contains(text: &[u8], placeholder: &str) -> bool {
    memchr::memmem::find(text, placeholder.as_bytes()).is_some()
}
