//! What becomes of files that no rule names and that hold a known value.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::claims::Settled;
use super::known::{self, Reach};
use super::replace::{self, Part};
use super::{MaskContent, MaskPlan, PlanError};
use crate::mask::{Found, HeldContent, Holder, MaskError, Swept};
use crate::policy::Origin;
use crate::secret::{SecretId, is_distinctive};

/// Searches files for values; the first argument are the values, the second what is judged already.
pub type SweepWith<'a> = &'a dyn Fn(&[&[u8]], &HashSet<PathBuf>) -> Result<SweepAnswer, MaskError>;

/// What came of a search.
pub enum SweepAnswer {
    /// It was made.
    Swept(Swept),
    /// It was not. The rest of a sentence that begins with `the project's files were not searched for known values`.
    LeftOut {
        /// Why.
        reason: &'static str,
    },
}

/// What a plan says of the search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "sweep", rename_all = "kebab-case")]
pub enum SweepPlan {
    /// It was made.
    Done {
        /// How many files were searched.
        files: u64,
        /// How many bytes.
        bytes: u64,
        /// How long it took.
        #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
        time: Duration,
    },
    /// It was not, which the user must know.
    LeftOut {
        /// Why, as the rest of a sentence.
        reason: &'static str,
    },
    /// There is no value that may be searched for.
    NothingToFind,
}

/// What the search adds.
pub(super) struct Outcome {
    pub(super) masks: Vec<MaskPlan>,
    pub(super) warnings: Vec<String>,
    pub(super) plan: SweepPlan,
}

/// Searches, and decides about each file that was found. `found` are the files that rules decide about.
pub(super) fn plan(sweep: SweepWith<'_>, found: &[Found], settled: &Settled) -> Result<Outcome, PlanError> {
    let mut result = Outcome { masks: Vec::new(), warnings: Vec::new(), plan: SweepPlan::NothingToFind };
    let held: Vec<_> = settled.table().iter().filter_map(|(_, held)| held.value()).collect();
    let values: Vec<&[u8]> = held.iter().map(|value| value.expose()).filter(|value| is_distinctive(value)).collect();
    if values.is_empty() {
        return Ok(result);
    }
    let judged: HashSet<PathBuf> =
        found.iter().flat_map(|file| std::iter::once(&file.path).chain(&file.aliases)).cloned().collect();
    let swept = match sweep(&values, &judged)? {
        SweepAnswer::Swept(swept) => swept,
        SweepAnswer::LeftOut { reason } => {
            result.plan = SweepPlan::LeftOut { reason };
            return Ok(result);
        }
    };
    result.plan = SweepPlan::Done { files: swept.files, bytes: swept.bytes, time: swept.time };
    for holder in swept.found {
        if holder.unseen_links > 0 {
            let seen = 1 + holder.aliases.len() as u64;
            return Err(
                MaskError::HardLink { links: seen + holder.unseen_links, found: seen, path: holder.path }.into()
            );
        }
        result.add(&holder, settled);
    }
    Ok(result)
}

/// What the child sees of a file that holds a value, or may.
pub(super) struct Shown {
    pub(super) content: MaskContent,
    /// The secrets in it.
    pub(super) keys: Vec<String>,
    /// Why, as the rest of a sentence.
    reason: String,
    /// What comes of it, as the rest of a sentence behind the reason.
    so: &'static str,
}

/// Decides it; `None` where it holds none after all.
pub(super) fn shown(content: &HeldContent, settled: &Settled) -> Option<Shown> {
    let hidden = |reason: String, so| Shown { content: MaskContent::EmptyFile, keys: Vec::new(), reason, so };
    match content {
        HeldContent::Bytes(bytes) => {
            let found = known::within(bytes, settled, Reach::Anywhere);
            if found.is_empty() {
                // No more than the beginning of a long value.
                return None;
            }
            let keys = names(&found.iter().map(|(_, id)| *id).collect(), settled);
            let names = keys.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let content = rendered(bytes, &found, settled);
            let so = match &content {
                MaskContent::File { .. } => ": a placeholder stands there, and the child cannot change the file",
                _ => ": it is no text, and hidden whole",
            };
            Some(Shown { content, keys, reason: format!("holds the value of {names}"), so })
        }
        HeldContent::PrivateKey => Some(hidden("is a private key".into(), ": hidden whole")),
        HeldContent::Large => Some(hidden("holds a known value".into(), " and is large: hidden whole")),
        HeldContent::Unsearched(reason) => Some(hidden(reason.clone(), ": hidden whole (--no-sweep shows it)")),
    }
}

impl Outcome {
    fn add(&mut self, holder: &Holder, settled: &Settled) {
        let Some(Shown { content, keys, reason, so }) = shown(&holder.content, settled) else { return };
        self.warnings.push(format!("`{}` {reason}{so}", holder.path.display()));
        self.masks.extend(std::iter::once(&holder.path).chain(&holder.aliases).map(|path| MaskPlan {
            path: path.clone(),
            content: content.clone(),
            keys: keys.clone(),
            owners: Vec::new(),
            hidden_because: None,
            reason: reason.clone(),
            origin: Origin::Builtin { file: "sweep".into() },
        }));
    }
}

/// The text with placeholders; nothing of what is no text, or would still hold a value.
fn rendered(bytes: &[u8], found: &[(std::ops::Range<usize>, SecretId)], settled: &Settled) -> MaskContent {
    let is_text = std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0);
    let parts: Vec<Part> = found.iter().map(|(range, id)| Part::plain(range.clone(), *id)).collect();
    let text = if is_text { replace::apply(bytes, &parts, settled) } else { None };
    match text {
        Some(bytes) if known::within(&bytes, settled, Reach::Anywhere).is_empty() => MaskContent::File { bytes },
        _ => MaskContent::EmptyFile,
    }
}

fn names(ids: &BTreeSet<SecretId>, settled: &Settled) -> Vec<String> {
    ids.iter().filter_map(|id| settled.table().get(*id)).map(|held| held.name.to_string()).collect()
}

fn milliseconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
