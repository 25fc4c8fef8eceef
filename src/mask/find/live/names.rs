//! Tells secret files of the project by their names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::super::project::{Patterns, new_file};
use super::super::{Found, Search};
use crate::mask::MaskError;

/// The names that the rules render.
pub struct ProjectNames<'a> {
    search: &'a Search<'a>,
    patterns: Patterns<'a>,
}

impl<'a> ProjectNames<'a> {
    /// Those of these rules.
    pub fn new(search: &'a Search<'a>) -> Self {
        Self { search, patterns: Patterns::new(search) }
    }

    /// The file at `path`, if the rules name `like` and have it rendered.
    pub fn look(&self, path: &Path, like: &Path) -> Result<Option<Found>, MaskError> {
        new_file(self.search, &self.patterns, path, like)
    }

    /// Whether the rules have a file of that name rendered. Asked for each event.
    pub(super) fn press(&self, directory: &Path, name: &OsStr) -> bool {
        self.patterns.may_render(name.as_bytes()) && self.patterns.renders(self.search.project, &directory.join(name))
    }
}
