//! What git's configuration has git obey or run besides its own places: included files, other directories of hooks,
//! templates of repositories, the program that watches files. The child must not change those that it could write; and
//! where the user's own configuration keeps secrets besides.
//!
//! **Invariants.** Configuration is read as data: nothing is started, and a file is read only where it is a regular one.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::git_config::{Setting, settings};
use super::place::guarded;
use super::read::read as read_file;
use super::{Content, Search};

/// What git obeys in its own directory: settings, the files that say where the rest of a submodule or worktree is, and
/// programs.
pub(super) const OBEYED: [&str; 5] = ["config", "config.worktree", "commondir", "gitdir", "hooks"];

/// How deep git follows includes (`MAX_INCLUDE_DEPTH`).
const DEEPEST: usize = 10;

/// A setting that names a path, and the directory of the file that it stands in.
struct Named {
    setting: Setting,
    directory: PathBuf,
}

/// A file of the user's or the machine's configuration.
pub(super) struct UserFile {
    path: PathBuf,
    /// What it says, with what it includes.
    settings: Vec<Named>,
}

/// Reads the user's configuration and the machine's, each file once.
pub(super) fn read(search: &Search<'_>) -> Vec<UserFile> {
    user_files(search).into_iter().map(|path| UserFile { settings: follow(search, &path), path }).collect()
}

/// What is guarded because the user's configuration or that of a repository names it. `users` is the former, `roots` are
/// the repositories, `directories` what has the shape of git's own: those of submodules, worktrees and bare repositories
/// too.
pub(super) fn named(search: &Search<'_>, users: &[UserFile], roots: &[&Path], directories: &[PathBuf]) -> Vec<PathBuf> {
    let users: Vec<&Named> = users.iter().flat_map(|file| &file.settings).collect();
    // Those of `roots` are read below.
    let others = directories.iter().filter(|directory| directory.file_name().is_none_or(|name| name != ".git"));
    let modules = others.flat_map(|directory| follow(search, &directory.join("config")));
    let modules = modules.collect::<Vec<_>>();
    let mut paths = Vec::new();
    for root in roots {
        let own = repository_files(root).iter().flat_map(|file| follow(search, file)).collect::<Vec<_>>();
        paths.extend(
            own.iter().chain(users.iter().copied()).chain(&modules).filter_map(|named| path_of(search, named, root)),
        );
    }
    paths.sort();
    paths.dedup();
    // A repository, or what it lies in, cannot be closed to the child as a whole.
    let holds_one = |path: &PathBuf| roots.iter().chain([&search.project]).any(|root| root.starts_with(path));
    paths.iter().flat_map(|path| guarded(search, path)).filter(|path| !holds_one(path)).collect()
}

/// The user's and the machine's (git-config(1), "FILES" and "ENVIRONMENT").
fn user_files(search: &Search<'_>) -> Vec<PathBuf> {
    let variable = |name: &str| (search.variable)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let configuration = variable("XDG_CONFIG_HOME").unwrap_or_else(|| search.home.join(".config"));
    let own = [search.home.join(".gitconfig"), configuration.join("git/config"), "/etc/gitconfig".into()];
    own.into_iter().chain(["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"].into_iter().filter_map(variable)).collect()
}

/// A file of the user's that holds secrets, and why it is looked at, as the rest of a sentence.
pub(super) type Because = (PathBuf, String);

/// The machine's own configuration, and what the user's includes.
pub(super) fn included(search: &Search<'_>, users: &[UserFile]) -> Vec<Because> {
    let system = (search.variable)("GIT_CONFIG_SYSTEM").map_or_else(|| "/etc/gitconfig".into(), PathBuf::from);
    let machine = (system, "git reads it".to_owned());
    let of_file = |file: &UserFile| {
        let reason = format!("`{}` includes it", file.path.display());
        let includes = file.settings.iter().filter(|named| named.is_include());
        let paths = includes.filter_map(|named| path_of(search, named, &named.directory));
        paths.map(|path| (path, reason.clone())).collect::<Vec<_>>()
    };
    std::iter::once(machine).chain(users.iter().flat_map(of_file)).collect()
}

/// The files in which `git credential-store` keeps passwords by the user's configuration.
pub(super) fn stores(search: &Search<'_>, users: &[UserFile]) -> Vec<Because> {
    let of_file = |file: &UserFile| {
        let reason = format!("`{}` has passwords stored there", file.path.display());
        let paths = file.settings.iter().filter_map(|named| store_of(&named.setting));
        paths.map(|path| (expanded(search, search.home, &path), reason.clone())).collect::<Vec<_>>()
    };
    users.iter().flat_map(of_file).collect()
}

/// The files with a secret that git hands to libcurl by the user's configuration: cookies and private keys.
pub(super) fn handed_on(search: &Search<'_>, users: &[UserFile]) -> Vec<Because> {
    const SETTINGS: [&str; 3] = ["http.cookiefile", "http.sslkey", "http.proxysslkey"];
    let of_file = |file: &UserFile| {
        let named = file.settings.iter().filter(|named| SETTINGS.contains(&named.setting.name.as_str()));
        let with_value = named.filter(|named| !named.setting.value.is_empty());
        let because = |named: &Named| {
            let reason = format!("`{}` names it as `{}`", file.path.display(), named.setting.name);
            (expanded(search, search.current_directory, path(&named.setting.value)), reason)
        };
        with_value.map(because).collect::<Vec<_>>()
    };
    users.iter().flat_map(of_file).collect()
}

/// The file that a setting has the store keep its passwords in: `helper = store --file PATH`, or a path to that program.
fn store_of(setting: &Setting) -> Option<PathBuf> {
    let value = Some(setting.value.as_slice()).filter(|_| setting.name == "credential.helper")?;
    let unquoted = |word: &[u8]| {
        let quoted = matches!(word, [b'"', .., b'"'] | [b'\'', .., b'\'']);
        if quoted { word[1..word.len() - 1].to_vec() } else { word.to_vec() }
    };
    let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.find(|word| word.ends_with(b"store"))?;
    let option = words.find(|word| word.starts_with(b"--file"))?;
    let path = option.strip_prefix(b"--file=").or_else(|| words.next())?;
    Some(PathBuf::from(OsStr::from_bytes(&unquoted(path))))
}

/// Those of the repository at `root`, which may keep them elsewhere (gitrepository-layout(5)): a worktree's `.git` is a
/// file that says where.
fn repository_files(root: &Path) -> Vec<PathBuf> {
    let own = root.join(".git");
    let led = line_of(&own).and_then(|line| Some(root.join(path(line.strip_prefix(b"gitdir: ")?))));
    let directory = led.unwrap_or(own);
    let common = line_of(&directory.join("commondir")).map(|line| directory.join(path(&line)));
    let files = [directory.join("config"), directory.join("config.worktree")];
    files.into_iter().chain(common.map(|common| common.join("config"))).collect()
}

/// The one line of a small file.
fn line_of(file: &Path) -> Option<Vec<u8>> {
    let Ok(Content::Bytes(bytes)) = read_file(file) else { return None };
    Some(bytes.trim_ascii_end().to_vec())
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// Every setting of `file` and of the files that it includes, that names a path. Conditions of includes are taken as met.
fn follow(search: &Search<'_>, file: &Path) -> Vec<Named> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    let mut files = vec![(file.to_owned(), 0)];
    while let Some((file, depth)) = files.pop() {
        let is_new = fs::canonicalize(&file).is_ok_and(|real| seen.insert(real));
        let Some(directory) = file.parent().filter(|_| is_new && depth <= DEEPEST) else { continue };
        let Ok(Content::Bytes(text)) = read_file(&file) else { continue };
        for setting in settings(&text) {
            let named = Named { setting, directory: directory.to_owned() };
            if named.is_include() {
                files.extend(path_of(search, &named, directory).map(|included| (included, depth + 1)));
            }
            found.push(named);
        }
    }
    found
}

impl Named {
    fn is_include(&self) -> bool {
        matches!(self.setting.name.as_str(), "include.path" | "includeif.path")
    }
}

/// The path that a setting names, seen from the repository at `root`; `None` for one that names none.
fn path_of(search: &Search<'_>, named: &Named, root: &Path) -> Option<PathBuf> {
    let value = named.setting.value.as_slice();
    let (base, value) = match named.setting.name.as_str() {
        "include.path" | "includeif.path" => (named.directory.as_path(), value),
        "core.hookspath" | "init.templatedir" => (root, value),
        // A command line, unless it is a switch.
        "core.fsmonitor" => (root, value.split(|byte| *byte == b' ').next().filter(|program| program.contains(&b'/'))?),
        _ => return None,
    };
    let value = path(value);
    (!value.as_os_str().is_empty()).then(|| expanded(search, base, value))
}

/// A path as git reads it: `~` is the home, and what is relative is seen from `base`.
fn expanded(search: &Search<'_>, base: &Path, value: &Path) -> PathBuf {
    value.strip_prefix("~").map_or_else(|_| base.join(value), |below| search.home.join(below))
}
