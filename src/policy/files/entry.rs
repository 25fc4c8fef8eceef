//! What a rule of `policies/files.toml` or of an agent says of a file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::nested::Nested;
use crate::policy::{FileGlob, FileGlobError, Origin};

/// A credential file or directory in the home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeEntry {
    /// Its path from the home on; a `*` in a segment stands for any characters.
    pub path: String,
    /// What it belongs to, for people: `cloud`, `ssh`.
    pub group: String,
    /// A name for other rules to refer to.
    pub id: Option<String>,
    /// What the child sees.
    pub action: Action,
    /// The embedded file that says so.
    pub origin: Origin,
}

/// What the child sees in place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing: an empty file or an empty directory.
    Hide,
    /// The same file with placeholders.
    Render(Render),
}

/// How a file is rendered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Render {
    /// How it is read.
    pub format: Format,
    /// Where its secrets are; the first that fits a place decides. Empty for `dotenv`, where names and values decide.
    pub fields: Vec<Field>,
    /// Where variables stand that win over the child's environment: a JSON pointer, empty for a whole `dotenv` file.
    /// Those that lead to proxy and certificates get another name, so that the run's own count.
    pub environment: Option<String>,
    /// Switches that read `false` to the child, as JSON pointers.
    pub off: Vec<String>,
    /// What the user should know of it.
    pub notes: Vec<Note>,
}

/// A sentence about a field, told where the field is set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// As in [`Field::at`].
    pub at: String,
    /// The rest of a sentence that begins with the field.
    pub say: String,
}

/// The format of a rendered file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    #[default]
    /// `NAME=value` lines, as shells and dotenv libraries read them.
    Dotenv,
    /// JSON, with comments tolerated.
    Json,
    /// Lines of a shell, as its start-up files are: `NAME=value` and code.
    Shell,
    /// Universal variables of fish.
    FishVariables,
    /// Git's configuration.
    GitConfig,
    /// URLs with user and password, one a line.
    GitCredentials,
    /// Sections of `key = value` lines.
    Ini,
    /// `machine` entries of names and passwords.
    Netrc,
    /// npm's settings.
    Npmrc,
    /// Variables of PAM: `NAME DEFAULT=value OVERRIDE=value`.
    PamEnvironment,
    /// What is named as a key: hidden whole if it holds a private one, left alone if it is something else.
    Pem,
    /// `PostgreSQL`'s passwords.
    Pgpass,
    /// Java's properties.
    Properties,
    /// One credential and nothing else.
    Token,
    /// TOML.
    Toml,
    /// XML.
    Xml,
    /// YAML.
    Yaml,
    /// Settings of yarn's first version.
    Yarnrc,
}

impl Format {
    /// Whether names and values alone tell what is secret, without fields.
    pub fn is_of_variables(self) -> bool {
        matches!(self, Self::Dotenv | Self::Shell)
    }
}

/// Secrets within a structured file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// A JSON pointer (RFC 6901) in which `*` stands for any key or index and `**` for any path.
    pub at: String,
    /// The credential of the catalogue that it is, as `service/credential`, which is brokered; without one the value is
    /// replaced and never injected.
    #[serde(default)]
    pub credential: Option<String>,
    /// Which texts there are secret.
    #[serde(default)]
    pub judge: Judge,
    /// The form of its placeholder, where a client looks at it.
    #[serde(default)]
    pub form: Form,
    /// Where the file says which host it is for. A file that a run could have written is not asked.
    #[serde(default)]
    pub host: Option<HostPlace>,
    /// How the secret is written there.
    #[serde(default)]
    pub coding: Coding,
}

/// Where a file says which host a [`Field`] is for: the name of a host, or a URL.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostPlace {
    /// What the first `*` of [`Field::at`] stands for.
    Key,
    /// The value with this key beside it.
    Beside(String),
    /// The server of each cluster that a context of `kubectl` joins with the user.
    Contexts,
}

/// How a secret is written at a [`Field`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coding {
    /// As it is.
    #[default]
    Plain,
    /// In base64.
    Base64,
    /// `user:password` in base64 (RFC 7617), of which the password is the secret.
    Basic,
    /// The line of a header: `Authorization: Bearer …`, or `Basic` with the coding of that name.
    Header,
}

/// Which texts at a [`Field`] are secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judge {
    /// All.
    #[default]
    Always,
    /// Those whose key is a secret name by `scrub.toml`; in every other one what has the form of a key.
    ByName,
    /// The same, and what looks random: in a file that is there for credentials alone.
    Random,
    /// Those that are the end of a secret which is known from elsewhere: the end of its placeholder takes the place.
    Ending,
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

/// Secret files of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectEntry {
    /// Which files.
    pub pattern: FileGlob,
    /// Patterns that it leaves out.
    pub except: Vec<FileGlob>,
    /// Whether the parents of the project are searched too, up to the repository's root.
    pub parents: bool,
    /// Paths that are looked for in every folder above the project, up to the root of the file system.
    pub above: Vec<String>,
    /// What the child sees.
    pub action: Action,
    /// The embedded file that says so.
    pub origin: Origin,
}

/// What root alone can read of others and of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootRules {
    /// The homes of all users.
    pub homes: Vec<RootPath>,
    /// Files and directories that are hidden whole.
    pub paths: Vec<RootPath>,
}

/// An absolute path whose last segment may be a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RootPath {
    /// The directory.
    pub directory: PathBuf,
    /// The names in it.
    pub name: FileGlob,
}

impl TryFrom<String> for RootPath {
    type Error = FileGlobError;

    fn try_from(text: String) -> Result<Self, FileGlobError> {
        let wrong = |why| FileGlobError { text: text.escape_debug().to_string(), why };
        let (directory, name) = text.rsplit_once('/').ok_or_else(|| wrong("is not absolute"))?;
        if !directory.starts_with('/') || directory.contains('*') {
            return Err(wrong("is not an absolute path with `*` in its last segment only"));
        }
        Ok(Self { directory: directory.into(), name: FileGlob::parse(name)? })
    }
}

/// What is read-only in the child although it stands in a writable tree. A directory covers all below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Guard {
    /// From the home on.
    pub home: Vec<String>,
    /// From the root of the project, and of every repository in it, on.
    pub project: Vec<String>,
    /// From any folder of the project on.
    #[serde(default)]
    pub nested: Nested,
    /// Names of folders below which `nested` does not hold.
    #[serde(default)]
    pub nested_except: Vec<String>,
}

impl Guard {
    /// What of `nested` would be reached through `path` below `tree`, if that were a symlink to a folder.
    pub fn reached_by(&self, tree: &Path, path: &Path) -> Vec<PathBuf> {
        let mut reached = self.nested.reached_by(path);
        if !reached.is_empty() && self.is_excepted(tree, path) {
            reached.clear();
        }
        reached
    }

    /// Whether `path` below `tree` is guarded in whatever folder it stands.
    pub fn covers_nested(&self, tree: &Path, path: &Path) -> bool {
        self.nested.covers(path) && !self.is_excepted(tree, path)
    }

    fn is_excepted(&self, tree: &Path, path: &Path) -> bool {
        let mut parts = path.strip_prefix(tree).unwrap_or(path).components();
        parts.any(|part| self.nested_except.iter().any(|except| part.as_os_str().eq_ignore_ascii_case(except)))
    }
}

/// Places in the home that the child may write and that outlive the run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writable {
    /// Their paths from the home on. What ends with `/` is a directory that is made where it is missing.
    pub paths: Vec<String>,
    /// Why.
    pub reason: String,
    /// The agent whose they are; every command's where there is none.
    #[serde(skip)]
    pub agent: Option<String>,
}
