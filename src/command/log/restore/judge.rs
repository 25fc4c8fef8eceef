//! Whether a file that a command left may go back into the home, and if not, why.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::sys::stat::FileStat;

use crate::audit::{Kept, KeptFile, KeptKind};
use crate::policy::{self, Action, Guard, Place, Surroundings};
use crate::run::{Spot, is_file};
use crate::world::World;

/// What agents keep in hidden places of the home, and only show. All else there are settings and programs of the user's
/// tools, far too many to list: in a run the home is a copy, so nothing guards them there.
const SHOWN: [&str; 8] = [
    ".claude/plans",
    ".claude/projects",
    ".claude/todos",
    ".codex/history.jsonl",
    ".codex/sessions",
    ".gemini/tmp",
    ".local/share/goose/sessions",
    ".local/share/opencode/storage",
];

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is put back; with `aside` the host's own stays beside it.
    Put {
        /// Whether there is something to stay.
        aside: bool,
    },
    /// The host has the same.
    Same,
    /// It is not put back.
    Refuse {
        /// Why, as the rest of a sentence.
        why: String,
        /// Whether force helps.
        is_forcible: bool,
    },
}

impl Judgement {
    pub(super) fn never(why: String) -> Self {
        Self::Refuse { why, is_forcible: false }
    }
}

/// Places that nothing is put in unasked.
pub(super) struct Guards {
    home: PathBuf,
    /// Our own directories.
    own: Vec<PathBuf>,
    /// What the user's tools run or obey, and what of it stands in any project.
    obeyed: Vec<PathBuf>,
    in_projects: &'static Guard,
    /// Where credentials lie.
    credentials: Vec<PathBuf>,
    /// Where some may lie among other things.
    rendered: Vec<PathBuf>,
}

impl Guards {
    pub(super) fn new(world: &World) -> Self {
        let rules = policy::file_rules();
        let variable = |name: &str| world.variable(name).map(OsString::from);
        let around =
            Surroundings { home: &world.home, current_directory: &world.current_directory, variable: &variable };
        let path = world.variable("PATH").unwrap_or_default();
        let mut obeyed = rules.guarded_places(around);
        obeyed.extend(std::env::split_paths(path).filter(|path| path.is_absolute()));
        obeyed.push(world.executable.clone());
        let places = rules.places(around).into_iter();
        let (hidden, rendered): (Vec<_>, Vec<_>) = places.partition(|place| place.entry.action == Action::Hide);
        let paths = |places: Vec<Place<'_>>| places.into_iter().map(|place| place.path).collect();
        Self {
            home: world.home.clone(),
            own: vec![world.config_directory.clone(), world.state_directory.clone()],
            obeyed,
            in_projects: &rules.guard,
            credentials: paths(hidden),
            rendered: paths(rendered),
        }
    }

    /// What speaks against `path` by its name. What force would put aside stands in the sight of the next command, so nothing
    /// is that may hold a credential.
    fn judge(&self, path: &Path, has_changed: bool) -> Option<Judgement> {
        let lies_in = |places: &[PathBuf]| places.iter().any(|place| covers(place, path));
        if lies_in(&self.own) {
            return Some(Judgement::never("it is agentsecrets' own".into()));
        }
        if lies_in(&self.credentials) {
            return Some(Judgement::never("credentials stand there".into()));
        }
        if lies_in(&self.rendered) && has_changed {
            return Some(Judgement::never("you have changed it since, and credentials may stand in it".into()));
        }
        let Guard { project, nested, .. } = self.in_projects;
        let is_of_project = |above: &Path| nested.covers(above) || project.iter().any(|name| above.ends_with(name));
        let why = if lies_in(&self.obeyed) || self.is_hidden(path) || path.ancestors().any(is_of_project) {
            "your own tools run or obey what stands there"
        } else if lies_in(&self.rendered) {
            "credentials may stand in it"
        } else {
            return None;
        };
        Some(Judgement::Refuse { why: why.into(), is_forcible: true })
    }

    /// Whether a path begins with a hidden name in the home, and is none that is only shown.
    fn is_hidden(&self, path: &Path) -> bool {
        let Ok(below) = path.strip_prefix(&self.home) else { return false };
        let first = below.components().next();
        first.is_some_and(|first| first.as_os_str().as_bytes().starts_with(b"."))
            && !SHOWN.iter().any(|shown| below.starts_with(shown))
    }
}

/// Whether `path` is `place` or lies in it; a `*` at the end of a place stands for the rest of a name.
fn covers(place: &Path, path: &Path) -> bool {
    let begin = place.file_name().map(OsStr::as_bytes).and_then(|name| name.strip_suffix(b"*"));
    let Some(begin) = begin else { return path.starts_with(place) };
    let fits = |name: Option<&OsStr>| name.is_some_and(|name| name.as_bytes().starts_with(begin));
    path.ancestors().any(|above| above.parent() == place.parent() && fits(above.file_name()))
}

/// Judges one file; `force` overrules what can be overruled.
pub(super) fn judge(kept: &Kept, file: &KeptFile, path: &Path, guards: &Guards, force: bool) -> Judgement {
    let home = kept.index.home.path();
    let host = match host(&home, path) {
        Ok(host) => host,
        Err(judgement) => return judgement,
    };
    let is_changed = host.as_ref().is_some_and(|host| has_changed(host, kept.index.started));
    let unseen =
        || file.masked.then(|| Judgement::never("it is masked in runs: take what you need from what is kept".into()));
    let against = by_kind(kept, file, path).or_else(unseen).or_else(|| guards.judge(path, is_changed)).or_else(|| {
        let why = if is_changed {
            "you have changed it since the run began"
        } else if file.existed && host.is_none() {
            "you have removed it since"
        } else if matches!(file.kind, KeptKind::Link { .. }) {
            "it is a symlink, and the command chose where it leads"
        } else {
            return None;
        };
        Some(Judgement::Refuse { why: why.into(), is_forcible: true })
    });
    match against {
        Some(Judgement::Refuse { is_forcible: true, .. }) if force => Judgement::Put { aside: host.is_some() },
        Some(Judgement::Refuse { why, is_forcible: true }) => {
            Judgement::Refuse { why: format!("{why} (--force puts it back all the same)"), is_forcible: true }
        }
        Some(other) => other,
        None => Judgement::Put { aside: false },
    }
}

/// What speaks against a file by what it is.
fn by_kind(kept: &Kept, file: &KeptFile, path: &Path) -> Option<Judgement> {
    match &file.kind {
        KeptKind::Removed => Some(Judgement::never("the command deleted it; delete it yourself if you agree".into())),
        KeptKind::File { placeholders: true, stored, .. } => Some(Judgement::never(format!(
            "placeholders stand in it, which nothing turns back after the run; take what you need from `{}`",
            kept.path_of(*stored).display()
        ))),
        KeptKind::File { stored, size, sha256, .. } => {
            let there = std::fs::symlink_metadata(path).is_ok_and(|there| there.is_file() && there.len() == *size);
            let same = there && kept.content(*stored, sha256).ok().is_some_and(|kept| is_same(path, &kept));
            same.then_some(Judgement::Same)
        }
        KeptKind::Link { target } => {
            std::fs::read_link(path).is_ok_and(|there| there == target.path()).then_some(Judgement::Same)
        }
    }
}

fn is_same(path: &Path, kept: &[u8]) -> bool {
    std::fs::read(path).is_ok_and(|there| there == kept)
}

/// What the host has there; refuses where it could not be replaced.
fn host(home: &Path, path: &Path) -> Result<Option<FileStat>, Judgement> {
    let never = |why: &str| Judgement::never(why.to_owned());
    let below = path.strip_prefix(home).map_err(|_| never("it lies outside of the home"))?;
    let spot = Spot::find(home, below, false).map_err(|_| never("a symlink or a file stands on the way to it"))?;
    let Some(spot) = spot else { return Ok(None) };
    let state = spot.state().map_err(|error| Judgement::never(format!("it cannot be looked at ({error})")))?;
    match state {
        Some(state) if !is_file(&state) => Err(never("you have something there that is no regular file")),
        state => Ok(state),
    }
}

/// Whether a file's state changed after `started`; that time cannot be set (inode(7)).
fn has_changed(host: &FileStat, started: Timestamp) -> bool {
    let nanosecond = i32::try_from(host.st_ctime_nsec).unwrap_or(0);
    Timestamp::new(host.st_ctime, nanosecond).is_ok_and(|changed| changed > started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_covers_what_lies_in_it() {
        for (place, path, expected) in [
            ("/h/.ssh", "/h/.ssh/config", true),
            ("/h/.ssh", "/h/.ssh", true),
            ("/h/.ssh", "/h/.sshx", false),
            ("/h/.cache/p10k-*", "/h/.cache/p10k-dump-u.zsh", true),
            ("/h/.cache/p10k-*", "/h/.cache/p10k-d/x", true),
            ("/h/.cache/p10k-*", "/h/.cache/other/p10k-x", false),
        ] {
            assert_eq!(covers(Path::new(place), Path::new(path)), expected, "{place} {path}");
        }
    }

    #[test]
    fn names_that_are_obeyed_are_so_in_every_project() {
        let guards = Guards {
            home: "/h".into(),
            own: vec!["/h/.config/agentsecrets".into()],
            obeyed: vec!["/h/.bashrc".into(), "/h/.local/bin".into()],
            in_projects: &policy::file_rules().guard,
            credentials: vec!["/h/.netrc".into()],
            rendered: vec!["/h/.bashrc".into(), "/h/.claude.json".into()],
        };
        for (path, expected) in [
            ("/h/.config/agentsecrets/config.toml", Some(false)),
            ("/h/.bashrc", Some(true)),
            ("/h/.local/bin/ls", Some(true)),
            ("/h/work/other/.git/hooks/pre-commit", Some(true)),
            ("/h/work/.vscode/tasks.json", Some(true)),
            ("/h/.netrc", Some(false)),
            ("/h/.claude.json", Some(true)),
            ("/h/.local/share/direnv/allow/0f", Some(true)),
            ("/h/.config/gdb/gdbinit", Some(true)),
            ("/h/.claude/projects/p/s.jsonl", None),
            ("/h/work/.tool/config", None),
            ("/h/notes", None),
        ] {
            let forcible = |has_changed| match guards.judge(Path::new(path), has_changed) {
                Some(Judgement::Refuse { is_forcible, .. }) => Some(is_forcible),
                other => other.map(|other| panic!("{other:?}")),
            };
            assert_eq!(forcible(false), expected, "{path}");
            let may_hold = path == "/h/.bashrc" || path == "/h/.claude.json";
            assert_eq!(forcible(true), if may_hold { Some(false) } else { expected }, "{path}");
        }
    }
}
