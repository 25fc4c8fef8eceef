//! What becomes of files at each level: only the seal shows one thing in place of another.

use std::path::{Path, PathBuf};

use super::{MaskContent, MaskPlan, PlanError};

/// What a seal does to files.
#[derive(Default)]
pub(super) struct Confined {
    pub(super) masks: Vec<MaskPlan>,
    pub(super) guarded: Vec<PathBuf>,
    pub(super) watched: Vec<PathBuf>,
    pub(super) sockets: Vec<PathBuf>,
}

/// Trees that the child may write.
pub(super) struct Trees<'a> {
    /// The project, where it is one.
    pub(super) project: Option<&'a Path>,
    /// The others.
    pub(super) writable: &'a [PathBuf],
}

impl Confined {
    /// Without a seal nothing is masked: says which files stay readable.
    pub(super) fn give_up(&mut self) -> Option<String> {
        let given_up = std::mem::take(self);
        let first = given_up.masks.first()?;
        let count = given_up.masks.len();
        let path = first.path.display();
        Some(format!("`{path}` and whatever else holds secrets stays readable without the seal ({count} in all)"))
    }

    /// A guard makes a file unreadable or leaves it as it is. In the project it must leave it: a directory of which parts
    /// are closed takes no new files. What a host program would obey later is watched there, and out of reach elsewhere.
    pub(super) fn guard(&mut self, trees: &Trees<'_>, allow_readable: bool) -> Result<Option<String>, PlanError> {
        let in_project = |path: &Path| trees.project.is_some_and(|project| path.starts_with(project));
        let is_writable = |path: &PathBuf| in_project(path) || trees.writable.iter().any(|tree| path.starts_with(tree));
        self.watched = self.guarded.drain(..).filter(is_writable).collect();
        self.sockets.clear();
        let (shown, closed): (Vec<_>, Vec<_>) = self.masks.drain(..).partition(|mask| in_project(&mask.path));
        self.masks = closed.into_iter().map(|mask| MaskPlan { content: MaskContent::Unreadable, ..mask }).collect();
        let paths: Vec<PathBuf> = shown.into_iter().map(|mask| mask.path).collect();
        match paths.as_slice() {
            [] => Ok(None),
            [first, ..] if allow_readable => {
                let (path, count) = (first.display(), paths.len());
                Ok(Some(format!("the child can read the secrets in {count} of the project's files, `{path}` first")))
            }
            _ => Err(PlanError::Readable { paths }),
        }
    }
}
