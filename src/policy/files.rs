//! Which files the child sees otherwise, and which it must not change: `policies/files.toml` as types.
//!
//! **Invariants.** Pure: says where to look, never looks. A place is absolute, in its default position and wherever a
//! variable moves it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::glob::FileGlob;

/// The rules of `policies/files.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRules {
    /// Credential files and directories of the home.
    pub home: Vec<HomeEntry>,
    /// Variables that move whole configuration directories of the home (the XDG ones).
    pub moved: Vec<Moved>,
    /// Variables that name credential files; the variable is kept, the file is masked.
    pub variables: Vec<PathVariable>,
    /// Secret files in the project.
    pub project: Vec<ProjectEntry>,
    /// What the child must not change, because programs outside the seal act on it.
    pub guard: Guard,
    /// Places in the home that are bound through writable.
    pub writable: Vec<Writable>,
}

/// A credential file or directory in the home.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeEntry {
    /// Its path from the home on, without wildcards.
    pub path: String,
    /// What it belongs to, for people: `cloud`, `ssh`.
    pub group: String,
    /// A name for other rules to refer to.
    #[serde(default)]
    pub id: Option<String>,
    /// What the child sees; hidden whole where not said otherwise.
    #[serde(default)]
    pub action: Action,
    /// Variables that move it, each with the path below the variable's value; an empty path where the variable names
    /// the file itself.
    #[serde(default)]
    pub moved_by: Vec<MovedBy>,
}

/// A variable that moves one entry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovedBy {
    /// The variable.
    pub variable: String,
    /// The path below its value, empty where the value is the path.
    #[serde(default)]
    pub below: String,
    /// Whether the value is a list of paths separated by `:`.
    #[serde(default)]
    pub list: bool,
}

/// What the child sees in place of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing: an empty file or an empty directory.
    #[default]
    Hide,
    /// The same file with placeholders.
    Render(Render),
}

/// How a file is rendered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Render {
    /// How it is read.
    pub format: Format,
    /// Where its secrets are; in a `dotenv` file the names and values decide instead.
    #[serde(default)]
    pub fields: Vec<Field>,
}

/// The format of a rendered file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `NAME=value` lines, as shells and dotenv libraries read them.
    Dotenv,
    /// JSON, with comments tolerated.
    Json,
}

/// Secrets within a structured file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// A JSON pointer (RFC 6901) in which `*` stands for any key or index.
    pub at: String,
    /// What it is: a credential of the catalogue as `service/credential`, which is brokered; without one the value is
    /// replaced and never injected.
    #[serde(default)]
    pub credential: Option<String>,
    /// Whether every value there is secret, or only one whose key or form says so.
    #[serde(default)]
    pub judge: Judge,
    /// The form of its placeholder, where a client looks at it.
    #[serde(default)]
    pub form: Form,
}

/// Which values at a [`Field`] are secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judge {
    /// All.
    #[default]
    Always,
    /// Those whose key (its last segment) is a secret name by `scrub.toml`, or whose value has a known form.
    ByName,
    /// Those parts of the value that have a known form.
    ByValue,
}

/// The form of a placeholder in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// As the credential's catalogue entry says, or of unknown form.
    #[default]
    Plain,
    /// A JSON web token with the original's header and claims and a random signature: clients read the claims.
    Jwt,
}

/// A variable that moves a directory of the home.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// The variable.
    pub variable: String,
    /// The directory that it replaces, from the home on: `.config`.
    pub replaces: String,
}

/// A variable whose value is the path of a credential file outside the list of [`HomeEntry`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathVariable {
    /// The variable.
    pub variable: String,
    /// Whether its value is a list of paths separated by `:`.
    #[serde(default)]
    pub list: bool,
}

/// Secret files of a project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectEntry {
    /// Which files.
    pub pattern: FileGlob,
    /// Patterns that it leaves out.
    #[serde(default)]
    pub except: Vec<FileGlob>,
    /// Whether the parents of the project are searched too, up to the repository's root.
    #[serde(default)]
    pub parents: bool,
    /// What the child sees.
    #[serde(default)]
    pub action: Action,
}

/// What is read-only in the child although it stands in a writable tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// From the home on; a directory covers all below it.
    pub home: Vec<String>,
    /// From the project's root on (and of every repository in it); a directory covers all below it.
    pub project: Vec<String>,
}

/// A place in the home that the child may write and that outlives the run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writable {
    /// Its path from the home on.
    pub path: String,
    /// Why.
    pub reason: String,
    /// The commands (by file name) for which it holds; empty for every command.
    #[serde(default)]
    pub commands: Vec<String>,
    /// Variables that move it.
    #[serde(default)]
    pub moved_by: Vec<MovedBy>,
}

/// A home entry in one of the positions where it may lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<'a> {
    /// Absolute.
    pub path: PathBuf,
    /// What it is.
    pub entry: &'a HomeEntry,
}

/// What the rules need to know of a run.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The user's home.
    pub home: &'a Path,
    /// What relative paths in variables start from.
    pub current_directory: &'a Path,
    /// The parent's variables.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
}

impl FileRules {
    /// Every position of every home entry: the default one, and where a variable moves it.
    pub fn places(&self, around: Surroundings<'_>) -> Vec<Place<'_>> {
        let mut places: Vec<Place<'_>> = Vec::new();
        for entry in &self.home {
            for path in self.positions(&entry.path, &entry.moved_by, around) {
                if !places.iter().any(|place| place.path == path) {
                    places.push(Place { path, entry });
                }
            }
        }
        places
    }

    /// The writable places for a command called `command`, in the default position and where a variable moves them.
    pub fn writable_places(&self, command: &str, around: Surroundings<'_>) -> Vec<PathBuf> {
        let holds = |place: &&Writable| place.commands.is_empty() || place.commands.iter().any(|name| name == command);
        let places = self.writable.iter().filter(holds);
        places.flat_map(|place| self.positions(&place.path, &place.moved_by, around)).collect()
    }

    /// The files that kept variables name.
    pub fn named_files(&self, around: Surroundings<'_>) -> Vec<(PathBuf, &PathVariable)> {
        let named = |rule: &PathVariable| around.paths(&rule.variable, rule.list);
        self.variables.iter().flat_map(|rule| named(rule).into_iter().map(move |path| (path, rule))).collect()
    }

    fn positions(&self, path: &str, moved_by: &[MovedBy], around: Surroundings<'_>) -> Vec<PathBuf> {
        let mut positions = vec![around.home.join(path)];
        for moved in &self.moved {
            let below = path.strip_prefix(moved.replaces.as_str()).and_then(|rest| rest.strip_prefix('/'));
            if let Some(below) = below {
                positions.extend(around.paths(&moved.variable, false).into_iter().map(|base| base.join(below)));
            }
        }
        for moved in moved_by {
            let bases = around.paths(&moved.variable, moved.list).into_iter();
            positions.extend(bases.map(|base| if moved.below.is_empty() { base } else { base.join(&moved.below) }));
        }
        positions
    }
}

impl Surroundings<'_> {
    /// The paths that a variable holds, absolute; none where it is unset or empty.
    fn paths(self, variable: &str, list: bool) -> Vec<PathBuf> {
        let Some(value) = (self.variable)(variable) else { return Vec::new() };
        let paths: Vec<PathBuf> =
            if list { std::env::split_paths(&value).collect() } else { vec![PathBuf::from(value)] };
        let absolute = |path: PathBuf| match path.strip_prefix("~") {
            Ok(below) => self.home.join(below),
            Err(_) => self.current_directory.join(path),
        };
        paths.into_iter().filter(|path| !path.as_os_str().is_empty()).map(absolute).collect()
    }
}
