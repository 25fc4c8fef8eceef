//! Which files the child sees otherwise, and which it must not change: `policies/files.toml` as decisions.
//!
//! **Invariants.** Pure: says where to look, never looks. A place is absolute, in its default position and wherever a
//! variable moves it.

mod file;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::glob::FileGlob;

/// The rules of `policies/files.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "file::FilesFile")]
pub struct FileRules {
    /// Credential files and directories of the home.
    pub home: Vec<HomeEntry>,
    /// Variables that name credential files anywhere; the variable is kept, the file is masked.
    pub named: Vec<String>,
    /// Secret files in the project.
    pub project: Vec<ProjectEntry>,
    /// What the child must not change, because programs outside the seal act on it.
    pub guard: Guard,
    /// Places in the home that are bound through writable.
    pub writable: Vec<Writable>,
    moves: Vec<Move>,
}

/// A credential file or directory in the home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeEntry {
    /// Its path from the home on, without wildcards.
    pub path: String,
    /// What it belongs to, for people: `cloud`, `ssh`.
    pub group: String,
    /// A name for other rules to refer to.
    pub id: Option<String>,
    /// What the child sees.
    pub action: Action,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Render {
    /// How it is read.
    pub format: Format,
    /// Where its secrets are; the first that fits a place decides. Empty for `dotenv`, where names and values decide.
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
    /// What the child sees.
    pub action: Action,
}

/// What is read-only in the child although it stands in a writable tree. A directory covers all below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// From the home on.
    pub home: Vec<String>,
    /// From the root of the project, and of every repository in it, on.
    pub project: Vec<String>,
}

/// Places in the home that the child may write and that outlive the run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writable {
    /// Their paths from the home on.
    pub paths: Vec<String>,
    /// Why.
    pub reason: String,
    /// The commands (by file name) for which they are; empty for every command.
    #[serde(default)]
    pub commands: Vec<String>,
}

/// A variable that puts files or directories of the home elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Move {
    variable: String,
    /// The path that the value stands for, from the home on.
    replaces: Option<String>,
    /// Paths from the home on that lie below the value instead.
    holds: Vec<String>,
    /// Whether the value is a list of paths separated by `:`.
    list: bool,
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
    /// Every position of every home entry: the default one, and where variables move it. Each path once, the first
    /// entry that names it winning.
    pub fn places(&self, around: Surroundings<'_>) -> Vec<Place<'_>> {
        let moved = self.moved(around);
        let mut places: Vec<Place<'_>> = Vec::with_capacity(self.home.len());
        for entry in &self.home {
            places.push(Place { path: around.home.join(&entry.path), entry });
            places
                .extend(moved.iter().flat_map(|moved| moved.positions(&entry.path)).map(|path| Place { path, entry }));
        }
        let mut seen = std::collections::HashSet::new();
        places.retain(|place| seen.insert(place.path.clone()));
        places
    }

    /// The files that the `named` variables name, with the variable.
    pub fn named_files(&self, around: Surroundings<'_>) -> Vec<(PathBuf, &str)> {
        let files = |variable: &String| around.paths(variable, false);
        self.named
            .iter()
            .flat_map(|variable| files(variable).into_iter().map(move |path| (path, &**variable)))
            .collect()
    }

    /// The guarded places of the home, in every position.
    pub fn guarded_places(&self, around: Surroundings<'_>) -> Vec<PathBuf> {
        self.everywhere(self.guard.home.iter(), around)
    }

    /// The writable places for a command called `command`, in every position.
    pub fn writable_places(&self, command: &str, around: Surroundings<'_>) -> Vec<PathBuf> {
        let holds = |place: &&Writable| place.commands.is_empty() || place.commands.iter().any(|name| name == command);
        self.everywhere(self.writable.iter().filter(holds).flat_map(|place| &place.paths), around)
    }

    fn everywhere<'a>(&self, paths: impl Iterator<Item = &'a String>, around: Surroundings<'_>) -> Vec<PathBuf> {
        let moved = self.moved(around);
        let positions = |path: &'a String| {
            let elsewhere = moved.iter().flat_map(|moved| moved.positions(path)).collect::<Vec<_>>();
            std::iter::once(around.home.join(path)).chain(elsewhere)
        };
        paths.flat_map(positions).collect()
    }

    /// The variables that are set, with the paths in them.
    fn moved(&self, around: Surroundings<'_>) -> Vec<Moved<'_>> {
        let set = self.moves.iter().map(|rule| Moved { rule, bases: around.paths(&rule.variable, rule.list) });
        set.filter(|moved| !moved.bases.is_empty()).collect()
    }
}

struct Moved<'a> {
    rule: &'a Move,
    bases: Vec<PathBuf>,
}

impl Moved<'_> {
    /// Where `path`, from the home on, lies by this variable.
    fn positions(&self, path: &str) -> Vec<PathBuf> {
        let replaced = self.rule.replaces.as_deref().and_then(|replaces| path.strip_prefix(replaces));
        let below = match replaced {
            Some("") => return self.bases.clone(),
            Some(rest) => rest.strip_prefix('/'),
            None => None,
        };
        let held = self.rule.holds.iter().any(|held| held == path).then_some(path);
        let below = below.or(held).into_iter();
        below.flat_map(|below| self.bases.iter().map(move |base| base.join(below))).collect()
    }
}

impl Surroundings<'_> {
    /// The paths that a variable holds, absolute; none where it is unset or empty.
    fn paths(self, variable: &str, list: bool) -> Vec<PathBuf> {
        let Some(value) = (self.variable)(variable) else { return Vec::new() };
        let paths: Vec<PathBuf> = if list { std::env::split_paths(&value).collect() } else { vec![value.into()] };
        let absolute = |path: PathBuf| match path.strip_prefix("~") {
            Ok(below) => self.home.join(below),
            Err(_) => self.current_directory.join(path),
        };
        paths.into_iter().filter(|path| !path.as_os_str().is_empty()).map(absolute).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{NameVerdict, catalogue, file_rules, scrub_rules};

    fn with<T>(variables: &[(&str, &str)], ask: impl FnOnce(Surroundings<'_>) -> T) -> T {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        ask(Surroundings { home: Path::new("/home/u"), current_directory: Path::new("/work"), variable: &variable })
    }

    fn places(variables: &[(&str, &str)], of: &str) -> Vec<String> {
        with(variables, |around| {
            let places = file_rules().places(around).into_iter().filter(|place| place.entry.path == of);
            places.map(|place| place.path.display().to_string()).collect()
        })
    }

    #[test]
    fn variables_move_what_they_replace_and_what_they_hold() {
        for (variables, entry, expected) in [
            (&[][..], ".netrc", &["/home/u/.netrc"][..]),
            (&[("NETRC", "")], ".netrc", &["/home/u/.netrc"]),
            (&[("NETRC", "secrets/netrc")], ".netrc", &["/home/u/.netrc", "/work/secrets/netrc"]),
            (&[("KUBECONFIG", "/a:~/b")], ".kube/config", &["/home/u/.kube/config", "/a", "/home/u/b"]),
            (&[("CODEX_HOME", "/c")], ".codex/auth.json", &["/home/u/.codex/auth.json", "/c/auth.json"]),
            (&[("CLAUDE_CONFIG_DIR", "/c")], ".claude.json", &["/home/u/.claude.json", "/c/.claude.json"]),
            (
                &[("XDG_CONFIG_HOME", "/x"), ("GH_CONFIG_DIR", "/g")],
                ".config/gh/hosts.yml",
                &["/home/u/.config/gh/hosts.yml", "/x/gh/hosts.yml", "/g/hosts.yml"],
            ),
            (
                &[("CARGO_HOME", "/c")],
                ".cargo/credentials.toml",
                &["/home/u/.cargo/credentials.toml", "/c/credentials.toml"],
            ),
        ] {
            let mut found = places(variables, entry);
            let mut expected = expected.to_vec();
            found.sort();
            expected.sort_unstable();
            assert_eq!(found, expected, "{variables:?}");
        }
    }

    #[test]
    fn agents_write_their_own_sessions_only() {
        let writable = |command| with(&[], |around| file_rules().writable_places(command, around));
        let sessions = PathBuf::from("/home/u/.claude/projects");
        assert!(writable("claude").contains(&sessions));
        assert!(!writable("codex").contains(&sessions) && writable("codex").contains(&"/home/u/.cache".into()));
        assert!(writable("claude").iter().all(|path| !path.ends_with("bin")));
    }

    #[test]
    fn no_writable_place_holds_a_guarded_or_hidden_directory_of_programs() {
        with(&[], |around| {
            for writable in file_rules().writable_places("claude", around) {
                let guarded = file_rules().guarded_places(around);
                assert!(guarded.iter().all(|guarded| !guarded.starts_with(&writable)), "{}", writable.display());
            }
        });
    }

    #[test]
    fn every_rule_refers_to_what_exists() {
        for entry in &file_rules().home {
            assert!(!entry.path.starts_with('/') && !entry.path.ends_with('/'), "{}", entry.path);
            let Action::Render(render) = &entry.action else { continue };
            for credential in render.fields.iter().filter_map(|field| field.credential.as_deref()) {
                let (service, id) = credential.split_once('/').unwrap();
                assert!(catalogue().entry(service, id).is_some(), "{credential}");
            }
        }
        for alias in catalogue().entries().flat_map(|entry| &entry.credential.aliases) {
            let exists = |id: &String| file_rules().home.iter().any(|entry| entry.id.as_ref() == Some(id));
            assert!(alias.unless_file.as_ref().is_none_or(exists), "{}", alias.variable);
        }
    }

    #[test]
    fn variables_that_name_files_are_kept() {
        let moves = file_rules().moves.iter().map(|rule| &rule.variable);
        for variable in file_rules().named.iter().chain(moves) {
            let verdict = scrub_rules().classify_name(variable).verdict;
            assert!(matches!(verdict, NameVerdict::Keep | NameVerdict::Neutral), "{variable}: {verdict:?}");
        }
    }
}
