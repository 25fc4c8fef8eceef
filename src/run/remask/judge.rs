//! Whether a file that appeared is secret, and where its names can be.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::mask_of;
use crate::mask::{HeldContent, LARGEST, MaskError, ProjectNames, Search, Writable};
use crate::plan::{Live, Plan, PlanError};
use crate::policy;
use crate::run::RunError;
use crate::run::spot::Spot;
use crate::sandbox::Mask;
use crate::world::World;

/// What follows in the name of a template, as in `.env.example`.
const TEMPLATES: [&str; 5] = [".example", ".sample", ".template", ".dist", ".defaults"];

/// Where files appear.
pub(super) struct Place {
    pub(super) project: PathBuf,
    pub(super) home: PathBuf,
    /// What the child may write of the host's, each a mount of its own inside: no name leads from one to another, for
    /// link(2) and rename(2) do not cross mounts (`EXDEV`), whether or not they are of one file system.
    pub(super) trees: Vec<PathBuf>,
    uid: u32,
}

impl Place {
    pub(super) fn new(world: &World, plan: &Plan) -> Self {
        let project = plan.project_is_bound.then(|| plan.project.clone());
        let writable = plan.writable.iter().filter_map(|path| path.canonicalize().ok());
        let trees = project.into_iter().chain(writable).collect();
        Self { project: plan.project.clone(), home: world.home.clone(), trees, uid: world.user.uid }
    }

    /// The tree in which `path` lies, if the host's own files are seen there.
    pub(super) fn tree_of(&self, path: &Path) -> Option<&PathBuf> {
        self.trees.iter().find(|tree| path.starts_with(tree))
    }
}

/// Judges files.
pub(super) struct Judge<'a> {
    pub(super) names: ProjectNames<'a>,
    pub(super) place: &'a Place,
    live: &'a Live,
}

/// Calls `then` with a judge.
pub(super) fn with<T>(place: &Place, live: &Live, then: impl FnOnce(&Judge<'_>) -> T) -> T {
    let nothing = |_: &str| None;
    let search = Search {
        rules: policy::file_rules(),
        mask: live.masked(),
        project: &place.project,
        home: &place.home,
        current_directory: &place.project,
        variable: &nothing,
        writable: Writable::default(),
        trees: &[],
        repository: None,
        needed: &[],
        uid: place.uid,
        mounts: b"",
    };
    then(&Judge { names: ProjectNames::new(&search), place, live })
}

impl Judge<'_> {
    /// What is to be seen of the file at `path` by the rule for `like`, and the keys that are replaced in it; `None` if it
    /// is not secret. `masks` are those that stand.
    pub(super) fn judge(
        &self,
        path: &Path,
        like: &Path,
        masks: &BTreeMap<PathBuf, Mask>,
    ) -> Result<Option<(Mask, Vec<String>)>, RunError> {
        let found = match self.names.look(path, like) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            // Closed to the user: whoever opens it up writes it first.
            Err(MaskError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
                return Ok(None);
            }
            // A child that uses up our descriptors must not see more for it.
            Err(MaskError::Unreadable { .. }) => return Ok(Some((Mask::file(path, Vec::new()), Vec::new()))),
            Err(error) => return Err(PlanError::from(error).into()),
        };
        let judged = self.live.judge(&found, &self.templates_of(like, masks), Timestamp::now());
        Ok(judged.map(|(content, keys)| (mask_of(&found.path, &content), keys)))
    }

    /// The texts of the templates that the file at `path` may be a copy of: they stand beside it and the child sees them as
    /// they are. One that is a link may be that very file.
    fn templates_of(&self, path: &Path, masks: &BTreeMap<PathBuf, Mask>) -> Vec<Vec<u8>> {
        let read = |path: PathBuf| {
            let spot = Spot::find(&self.place.project, path.strip_prefix(&self.place.project).ok()?, false).ok()??;
            let (state, text) = spot.read(LARGEST as u64).ok()??;
            if masks.contains_key(&path) || !matches!(self.names.look(&path, &path), Ok(None)) {
                return None;
            }
            (state.st_nlink == 1).then_some(text)
        };
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Vec::new() };
        // `.env.local` is copied from `.env.example`, too.
        let first = name.strip_prefix('.').and_then(|rest| Some(&name[..=rest.find('.')?]));
        let named = [Some(name), first].into_iter().flatten();
        named
            .flat_map(|name| TEMPLATES.map(|end| path.with_file_name(format!("{name}{end}"))))
            .filter_map(read)
            .collect()
    }

    /// What is to be seen of the file at `path` in which a known value was found, and the names of those values.
    pub(super) fn judge_held(&self, path: &Path, content: &HeldContent) -> Option<(Mask, Vec<String>)> {
        let (content, keys) = self.live.judge_held(content)?;
        Some((mask_of(path, &content), keys))
    }
}
