//! Git's configuration: where it is, what it includes, and where the user's own keeps secrets besides.
//!
//! **Invariants.** Configuration is read as data: nothing is started, and a file is read only where it is a regular one.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::git_config::{MOST, Setting, settings};
use super::read::{read as read_file, read_within};
use super::{Content, Search};

/// What git obeys in its own directory: settings, the files that say where the rest of a submodule or worktree is, and
/// programs.
pub(super) const OBEYED: [&str; 5] = ["config", "config.worktree", "commondir", "gitdir", "hooks"];

/// How deep git follows includes (`MAX_INCLUDE_DEPTH`).
const DEEPEST: usize = 10;
/// How many settings in variables are read.
const MOST_VARIABLES: usize = 1000;

/// A setting, and the directory of the file that it stands in.
pub(super) struct Named {
    pub(super) setting: Setting,
    pub(super) directory: Arc<Path>,
}

/// A file of the user's or the machine's configuration.
pub(super) struct UserFile {
    pub(super) path: PathBuf,
    /// What it says, with what it includes.
    pub(super) settings: Vec<Named>,
    /// Whether that is more than was read.
    pub(super) is_cut: bool,
}

/// Reads the user's configuration and the machine's, each file once.
pub(super) fn read(search: &Search<'_>) -> Vec<UserFile> {
    let file = |path: PathBuf| {
        let mut budget = Budget::default();
        UserFile { settings: follow_within(search, &path, &mut budget), path, is_cut: budget.is_spent }
    };
    user_files(search).into_iter().map(file).collect()
}

/// How much is read in all: hostile files take neither time nor memory without end.
pub(super) struct Budget {
    files: usize,
    bytes: usize,
    settings: usize,
    /// Whether something was left out.
    pub(super) is_spent: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self { files: 1 << 16, bytes: 64 << 20, settings: 1 << 18, is_spent: false }
    }
}

impl Budget {
    /// The settings of a file; none where it is no regular file.
    fn settings(&mut self, file: &Path) -> Vec<Setting> {
        let text = match read_within(file, self.bytes) {
            Ok(Content::Bytes(text)) => text,
            Ok(_) => {
                self.is_spent |= fs::metadata(file).is_ok_and(|metadata| metadata.is_file());
                return Vec::new();
            }
            Err(_) => return Vec::new(),
        };
        if self.files == 0 {
            self.is_spent = true;
            return Vec::new();
        }
        let mut settings = settings(&text);
        self.is_spent |= settings.len() == MOST || settings.len() > self.settings;
        settings.truncate(self.settings);
        self.files -= 1;
        self.bytes = self.bytes.saturating_sub(text.len());
        self.settings -= settings.len();
        settings
    }
}

/// The user's and the machine's (git-config(1), "FILES" and "ENVIRONMENT").
fn user_files(search: &Search<'_>) -> Vec<PathBuf> {
    let variable = |name: &str| (search.variable)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let configuration = variable("XDG_CONFIG_HOME").unwrap_or_else(|| search.home.join(".config"));
    let own = [search.home.join(".gitconfig"), configuration.join("git/config"), "/etc/gitconfig".into()];
    own.into_iter().chain(["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"].into_iter().filter_map(variable)).collect()
}

/// The settings that variables give (git-config(1), `GIT_CONFIG_COUNT`).
pub(super) fn variables(search: &Search<'_>) -> Vec<Setting> {
    let text = |name: &str| (search.variable)(name).and_then(|value| value.into_string().ok());
    let count = text("GIT_CONFIG_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0).min(MOST_VARIABLES);
    let setting = |number: usize| {
        let key = text(&format!("GIT_CONFIG_KEY_{number}"))?;
        let value = (search.variable)(&format!("GIT_CONFIG_VALUE_{number}"))?;
        let ((section, rest), (_, last)) = (key.split_once('.')?, key.rsplit_once('.')?);
        let subsection = rest.strip_suffix(last).and_then(|rest| rest.strip_suffix('.'));
        let name = format!("{section}.{last}").to_ascii_lowercase();
        let subsection = subsection.map(|subsection| Arc::from(subsection.as_bytes()));
        Some(Setting { name, subsection, value: value.as_bytes().to_vec() })
    };
    (0..count).filter_map(setting).collect()
}

/// A file of the user's that holds secrets, and why it is looked at, as the rest of a sentence.
pub(super) type Because = (PathBuf, String);

/// The machine's own configuration, and what the user's includes.
pub(super) fn included(search: &Search<'_>, users: &[UserFile]) -> Vec<Because> {
    let system = (search.variable)("GIT_CONFIG_SYSTEM").map_or_else(|| "/etc/gitconfig".into(), PathBuf::from);
    let machine = (system, "git reads it".to_owned());
    let of_file = |file: &UserFile| {
        let reason = format!("`{}` includes it", file.path.display());
        let paths = file.settings.iter().filter_map(|named| named.included(search));
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
pub(super) fn repository_files(root: &Path) -> Vec<PathBuf> {
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

/// Every setting of `file` and of the files that it includes, as far as `budget` goes. Conditions of includes are taken as met.
pub(super) fn follow_within(search: &Search<'_>, file: &Path, budget: &mut Budget) -> Vec<Named> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    let mut files = vec![(file.to_owned(), 0)];
    while let Some((file, depth)) = files.pop() {
        let is_new = fs::canonicalize(&file).is_ok_and(|real| seen.insert(real));
        let Some(directory) = file.parent().filter(|_| is_new && depth <= DEEPEST) else { continue };
        let directory: Arc<Path> = Arc::from(directory);
        for setting in budget.settings(&file) {
            let named = Named { setting, directory: Arc::clone(&directory) };
            files.extend(named.included(search).map(|included| (included, depth + 1)));
            found.push(named);
        }
    }
    found
}

impl Named {
    /// The file that it includes, if it does so.
    pub(super) fn included(&self, search: &Search<'_>) -> Option<PathBuf> {
        let Setting { name, value, .. } = &self.setting;
        let value = value.strip_prefix(b":(optional)").unwrap_or(value);
        let is_include = matches!(name.as_str(), "include.path" | "includeif.path") && !value.is_empty();
        is_include.then(|| expanded(search, &self.directory, path(value)))
    }
}

/// A path as git reads it: `~` is the home, and what is relative is seen from `base`.
pub(super) fn expanded(search: &Search<'_>, base: &Path, value: &Path) -> PathBuf {
    let mut parts = value.components();
    match parts.next() {
        // Of whomever: another user's home is closed to the child.
        Some(Component::Normal(first)) if first.as_bytes().starts_with(b"~") => search.home.join(parts.as_path()),
        _ => base.join(value),
    }
}
