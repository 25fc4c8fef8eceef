//! What becomes of each file that was found.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::claims::{Claims, Settled};
use super::rendered::{Outcome, Rendered};
use super::{MaskContent, MaskPlan, Merge, PlanError};
use crate::mask::{self, Content, Found, MaskError, Masked, Realm};
use crate::policy::{Merged, OwnAuthority};

/// A found file, judged.
pub(super) struct Judged<'a> {
    found: &'a Found,
    rendered: Option<Rendered<'a>>,
}

/// The decisions about all files.
#[derive(Default)]
pub(super) struct Files {
    pub(super) masks: Vec<MaskPlan>,
    pub(super) warnings: Vec<String>,
    /// Those that the child may change.
    pub(super) merges: Vec<Merge>,
    /// What the user named as writable and a mask closes.
    pub(super) closed: Vec<PathBuf>,
    /// What the broker alone trusts for some targets, each target once.
    pub(super) authorities: Vec<OwnAuthority>,
}

/// Judges every file that is rendered and gathers its secrets.
pub(super) fn judge<'a>(found: &'a [Found], policy: &Merged, claims: &mut Claims) -> Vec<Judged<'a>> {
    let judged: Vec<Judged<'a>> =
        found.iter().map(|found| Judged { found, rendered: Rendered::new(found, policy) }).collect();
    judged.iter().filter_map(|file| file.rendered.as_ref()).for_each(|rendered| rendered.claim(claims));
    judged
}

/// The value that a settings file of the user's gives a variable.
pub(super) fn variable(judged: &[Judged<'_>], name: &str) -> Option<OsString> {
    judged.iter().filter_map(|file| file.rendered.as_ref()).find_map(|rendered| rendered.variable(name))
}

/// Decides about each file, once all secrets are known; the child may change those that are `named`.
pub(super) fn plan(
    judged: &[Judged<'_>],
    settled: &Settled,
    now: Timestamp,
    named: &[PathBuf],
) -> Result<Files, PlanError> {
    let mut files = Files::default();
    for file in judged {
        for authority in file.rendered.iter().flat_map(|rendered| rendered.authorities(settled)) {
            files.trust(authority);
        }
        let Some(shown) = file.decide(settled, now, &mut files.warnings) else { continue };
        files.warnings.extend(check_links(file.found)?);
        if named.contains(&file.found.path) {
            match file.merge(&shown.content) {
                Some(merge) => files.merges.push(merge),
                None if matches!(shown.content, MaskContent::File { .. }) => files
                    .close(&file.found.path, "says itself where its secrets go, and whoever changes that chooses it"),
                None => files.close(&file.found.path, "hidden whole"),
            }
        }
        let paths = std::iter::once(&file.found.path).chain(&file.found.aliases);
        files.masks.extend(paths.map(|path| MaskPlan {
            path: path.clone(),
            content: shown.content.clone(),
            keys: shown.keys.clone(),
            owners: shown.owners.clone(),
            hidden_because: shown.hidden_because.clone(),
            reason: file.found.reason.clone(),
            origin: file.found.origin.clone(),
        }));
    }
    Ok(files)
}

impl Files {
    /// Closes those of the `named` places that a mask covers, once all masks are known: bound through, they would show what
    /// it hides.
    pub(super) fn close_masked(&mut self, named: &[PathBuf]) {
        for path in named {
            let is_decided = self.closed.contains(path) || self.merges.iter().any(|merge| merge.path == *path);
            let covers = |mask: &&MaskPlan| path.starts_with(&mask.path);
            let Some(mask) = self.masks.iter().find(covers).filter(|_| !is_decided) else { continue };
            let reason = if mask.path == *path {
                "holds a secret of another file".to_owned()
            } else {
                format!("lies in `{}`, which is hidden whole", mask.path.display())
            };
            self.close(path, &reason);
        }
    }

    fn close(&mut self, path: &Path, reason: &str) {
        self.warnings.push(format!("`{}`: {reason}, so --writable does not open it", path.display()));
        self.closed.push(path.to_owned());
    }

    /// A cluster that stands there twice is vouched for by what either entry names.
    fn trust(&mut self, authority: OwnAuthority) {
        match self.authorities.iter_mut().find(|known| known.target == authority.target) {
            Some(known) => known.certificates.extend(authority.certificates),
            None => self.authorities.push(authority),
        }
    }
}

/// What the child sees in the place of a file.
struct Shown {
    content: MaskContent,
    keys: Vec<String>,
    owners: Vec<String>,
    hidden_because: Option<String>,
}

impl Shown {
    fn hidden(content: MaskContent) -> Self {
        Self { content, keys: Vec::new(), owners: Vec::new(), hidden_because: None }
    }

    fn hidden_because(reason: String) -> Self {
        Self { hidden_because: Some(reason), ..Self::hidden(MaskContent::EmptyFile) }
    }
}

impl Judged<'_> {
    /// What it takes to merge it at the end; `None` for a file that shows nothing.
    fn merge(&self, content: &MaskContent) -> Option<Merge> {
        let (Content::Bytes(original), Some(rendered)) = (&self.found.content, &self.rendered) else { return None };
        let MaskContent::File { bytes } = content else { return None };
        // Whoever may change the host beside a value chooses where it goes in the next run.
        if rendered.names_hosts() {
            return None;
        }
        let file = Masked { notation: rendered.notation(), original: original.clone(), masked: bytes.clone() };
        Some(Merge { path: self.found.path.clone(), file })
    }

    /// What the child sees there; `None` where the file shows no secret as it is.
    fn decide(&self, settled: &Settled, now: Timestamp, warnings: &mut Vec<String>) -> Option<Shown> {
        let name = self.found.path.display();
        match (&self.found.content, &self.rendered) {
            (Content::Directory, _) => Some(Shown::hidden(MaskContent::EmptyDirectory)),
            (Content::Bytes(bytes), Some(rendered)) => match rendered.write(settled, now) {
                Ok(outcome) => {
                    if outcome.has_expired {
                        warnings.push(format!("`{name}`: the login in it has expired; log in once outside of a run"));
                    }
                    warnings.extend(outcome.notes.iter().map(|note| format!("`{name}`: {note}")));
                    let Outcome { bytes: shown, keys, owners, .. } = outcome;
                    let content = MaskContent::File { bytes: shown };
                    let is_changed = !matches!(&content, MaskContent::File { bytes: shown } if *shown == **bytes);
                    is_changed.then_some(Shown { content, keys, owners, hidden_because: None })
                }
                // What a key's name promised is what it is.
                Err(error @ MaskError::PrivateKey) => Some(Shown::hidden_because(error.to_string())),
                Err(error) => {
                    warnings.push(format!("`{name}`: {error}: hidden whole"));
                    Some(Shown::hidden_because(error.to_string()))
                }
            },
            (Content::Unreadable, _) => {
                let limit = mask::LARGEST >> 20;
                let reason = format!("is no regular file, or larger than {limit} MiB");
                warnings.push(format!("`{name}` {reason}: hidden whole"));
                Some(Shown::hidden_because(reason))
            }
            (Content::Bytes(_) | Content::Unread, _) => Some(Shown::hidden(MaskContent::EmptyFile)),
        }
    }
}

/// A name of a masked file that was not found would show what is masked. `Some` is a warning.
fn check_links(found: &Found) -> Result<Option<String>, PlanError> {
    if found.unseen_links == 0 {
        return Ok(None);
    }
    let seen = 1 + found.aliases.len() as u64;
    let error = MaskError::HardLink { path: found.path.clone(), links: seen + found.unseen_links, found: seen };
    // Package stores link the files of packages, and those among them that look like keys are examples.
    if found.realm == Realm::Project && found.render.is_none() {
        Ok(Some(error.to_string()))
    } else {
        Err(error.into())
    }
}
