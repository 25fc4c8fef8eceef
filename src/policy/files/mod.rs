//! Which files the child sees otherwise, and which it must not change: `policies/files.toml`, and what agents add to it, as
//! decisions.
//!
//! **Invariants.** Pure: says where to look, never looks. A place is absolute, in its default position and wherever a
//! variable moves it.

mod entry;
mod file;
mod nested;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::FileGlob;

pub use entry::{
    Action, Coding, Field, Form, Format, Guard, HomeEntry, HostPlace, Judge, Note, ProjectEntry, Render, RootPath,
    RootRules, Writable,
};
pub(super) use file::{MoveLine, ProjectRendered, Rendered, entries};
pub use nested::Nested;

/// The rules of `policies/files.toml` and of all agents.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "file::FilesFile")]
pub struct FileRules {
    /// Credential files and directories of the home.
    pub home: Vec<HomeEntry>,
    /// Variables that name credential files anywhere; the variable is kept, the file is masked.
    pub named: Vec<String>,
    /// Variables that name a start-up file of a shell, where they hold a path.
    pub started: Vec<String>,
    /// What root alone can read of others and of the machine.
    pub root: RootRules,
    /// Secret files in the project.
    pub project: Vec<ProjectEntry>,
    /// Where private keys lie that everybody has.
    known_keys: Vec<FileGlob>,
    /// What the child must not change, because programs outside the seal act on it.
    pub guard: Guard,
    /// Places in the home that are bound through writable.
    pub writable: Vec<Writable>,
    moves: Vec<Move>,
}

/// What an agent's file adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Additions {
    pub(super) home: Vec<HomeEntry>,
    pub(super) project: Vec<ProjectEntry>,
    pub(super) guarded: Vec<String>,
    pub(super) writable: Option<Writable>,
    pub(super) moves: Vec<Move>,
}

/// A variable that puts files or directories of the home elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Move {
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
    /// The same with what agents add. Their rules come first: they know their files best.
    pub(super) fn with<'a>(mut self, additions: impl Iterator<Item = &'a Additions> + Clone) -> Self {
        let general = (std::mem::take(&mut self.home), std::mem::take(&mut self.project));
        self.home = additions.clone().flat_map(|added| added.home.clone()).chain(general.0).collect();
        self.project = additions.clone().flat_map(|added| added.project.clone()).chain(general.1).collect();
        for added in additions {
            self.guard.home.extend(added.guarded.iter().cloned());
            self.writable.extend(added.writable.clone());
            self.moves.extend(added.moves.iter().cloned());
        }
        self
    }

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
        // By bytes, for there are hundreds: a path in two spellings is looked at twice.
        let mut seen = std::collections::HashSet::with_capacity(places.len());
        let first: Vec<bool> = places.iter().map(|place| seen.insert(place.path.as_os_str())).collect();
        let mut first = first.into_iter();
        places.retain(|_| first.next() == Some(true));
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

    /// The start-up files that the `started` variables name, with the variable. Shells expand the value, and it may be
    /// something else by that name (`ENV=production`): only what is absolute then counts.
    pub fn started_files(&self, around: Surroundings<'_>) -> Vec<(PathBuf, &str)> {
        let file = |variable: &String| {
            let value = (around.variable)(variable)?;
            let text = value.to_str()?;
            let below = ["~/", "$HOME/", "${HOME}/"].iter().find_map(|start| text.strip_prefix(start));
            let path = below.map_or_else(|| PathBuf::from(text), |below| around.home.join(below));
            path.is_absolute().then_some(path)
        };
        self.started.iter().filter_map(|variable| Some((file(variable)?, &**variable))).collect()
    }

    /// The guarded places of the home, in every position.
    pub fn guarded_places(&self, around: Surroundings<'_>) -> Vec<PathBuf> {
        self.everywhere(self.guard.home.iter(), around)
    }

    /// The writable places for the agent called `agent`, or for a command that is none, in every position.
    pub fn writable_places(&self, agent: Option<&str>, around: Surroundings<'_>) -> Vec<PathBuf> {
        self.everywhere(self.writable_paths(agent), around)
    }

    /// Those of them that are directories and are made where they are missing, as the agent itself would.
    pub fn made_places(&self, agent: Option<&str>, around: Surroundings<'_>) -> Vec<PathBuf> {
        self.everywhere(self.writable_paths(agent).filter(|path| path.ends_with('/')), around)
    }

    /// Whether private keys at `path`, from the project on, are such as everybody has: those of dependencies and of tests.
    pub fn has_known_keys(&self, path: &Path) -> bool {
        self.known_keys.iter().any(|pattern| pattern.matches(path.as_os_str().as_bytes()))
    }

    fn writable_paths(&self, agent: Option<&str>) -> impl Iterator<Item = &String> {
        let holds = move |place: &&Writable| place.agent.is_none() || place.agent.as_deref() == agent;
        self.writable.iter().filter(holds).flat_map(|place| &place.paths)
    }

    fn everywhere<'a>(&self, paths: impl Iterator<Item = &'a String>, around: Surroundings<'_>) -> Vec<PathBuf> {
        let moved = self.moved(around);
        let positions = |path: &'a String| {
            let path = path.trim_end_matches('/');
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
            (&[("CURL_HOME", "/c")], ".curlrc", &["/home/u/.curlrc", "/c/.curlrc"]),
            (&[("PYTHONSTARTUP", "/c/start")], ".pythonrc.py", &["/home/u/.pythonrc.py", "/c/start"]),
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
        let writable = |command| with(&[], |around| file_rules().writable_places(Some(command), around));
        let sessions = PathBuf::from("/home/u/.claude/projects");
        assert!(writable("claude").contains(&sessions));
        assert!(!writable("codex").contains(&sessions) && writable("codex").contains(&"/home/u/.cache".into()));
        assert!(writable("claude").iter().all(|path| !path.ends_with("bin")));
    }

    #[test]
    fn no_writable_place_holds_a_guarded_one_but_the_caches() {
        with(&[], |around| {
            for writable in file_rules().writable_places(Some("claude"), around) {
                let mut guarded = file_rules().guarded_places(around);
                guarded.retain(|guarded| !guarded.starts_with("/home/u/.cache"));
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
    fn only_the_last_segment_of_a_path_for_root_is_a_pattern() {
        for (text, expected) in [
            ("/home/*", Some("/home")),
            ("/etc/ssh/ssh_host_*_key", Some("/etc/ssh")),
            ("/etc/*/shadow", None),
            ("etc/shadow", None),
            ("shadow", None),
            ("/etc/", None),
        ] {
            let parsed = RootPath::try_from(text.to_owned()).ok();
            assert_eq!(parsed.map(|path| path.directory), expected.map(PathBuf::from), "{text}");
        }
        let keys = &file_rules().root.paths;
        let names = |name: &[u8]| keys.iter().any(|path| path.name.matches(name));
        assert!(names(b"ssh_host_ed25519_key") && !names(b"ssh_host_ed25519_key.pub") && !names(b"certs"));
    }

    #[test]
    fn the_family_of_dotenv_files_leaves_out_examples() {
        let rendered = |name: &str| {
            let covers = |entry: &&ProjectEntry| {
                let covers = |glob: &FileGlob| glob.matches(name.as_bytes());
                covers(&entry.pattern) && !entry.except.iter().any(covers)
            };
            file_rules().project.iter().find(covers).is_some_and(|entry| entry.action != Action::Hide)
        };
        for name in [".env", ".env.local", "prod.env", "a/prod.env", ".env~", ".env.local~", ".env.bak", ".envrc"] {
            assert!(rendered(name), "{name}");
        }
        for name in [".env.example", ".env.prod.sample", "prod.env.example", "prod.env.template", "env", "a.envy"] {
            assert!(!rendered(name), "{name}");
        }
    }

    #[test]
    fn names_of_any_folder_are_guarded_by_whole_segments() {
        let guard = &file_rules().guard;
        let covers = |path: &str| guard.covers_nested(Path::new("/vendor/p"), &Path::new("/vendor/p").join(path));
        for path in [
            ".mcp.json",
            "a/b/.vscode/tasks.json",
            "a/.idea",
            "a/.VSCode/Settings.JSON",
            "b/MISE.toml",
            "a/.mise.dev.toml",
            "a/.codex/config.toml",
            "a/.opencode/plugin",
            "a/.kiro/settings/mcp.json",
            "a/.hg/hgrc",
            "a/.nvim.lua",
        ] {
            assert!(covers(path), "{path}");
        }
        for path in [
            "a/x.mcp.json",
            "tasks.json",
            "a/xvscode/tasks.json",
            ".idea/x",
            "node_modules/a/.idea",
            "a/config.toml",
            "",
        ] {
            assert!(!covers(path), "{path}");
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
