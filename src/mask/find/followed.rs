//! Files that the user's own files name: what git's configuration includes, where its helper stores passwords, which keys
//! and cookies it and a kubeconfig name, what shells' start-up files read.
//!
//! **Invariants.** Only files of the user's own are asked, never the project's (S6). They are read as data, each once, and
//! no deeper than [`DEEPEST`]. What lies in the system's own folders is nobody's secret and is left alone.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::place::{Wanted, look};
use super::{Content, Findings, Found, Realm, Search, git, home, kube, shell, started};
use crate::mask::MaskError;
use crate::policy::{self, Action, Field, Format, HomeEntry, NameVerdict, Origin, Render};

/// How many files one after another are followed.
const DEEPEST: usize = 4;
/// How many files are followed in all.
const MOST: usize = 64;

/// Whose rule a followed file takes: the first in the home with this name.
const GIT: &str = "git";
const GIT_STORE: &str = "git-credentials";
const SHELL: &str = "shell";
const KUBE: &str = "kube";

/// Adds what is named to what was found.
pub(super) fn find(search: &Search<'_>, git: &[git::UserFile], findings: &mut Findings) -> Result<(), MaskError> {
    for (path, reason) in git::included(search, git) {
        add(search, findings, GIT, &path, reason)?;
    }
    for (path, reason) in git::stores(search, git) {
        add(search, findings, GIT_STORE, &path, reason)?;
    }
    for (path, reason) in git::handed_on(search, git) {
        take(search, findings, &path, reason, &Action::Hide)?;
    }
    for file in 0..findings.found.len() {
        of_kube(search, findings, file)?;
    }
    for (path, variable) in search.rules.started_files(search.surroundings()) {
        add(search, findings, SHELL, &path, format!("`{variable}` names it"))?;
    }
    of_shells(search, findings)
}

/// What the found file names, if it is a kubeconfig; relative paths are seen from its folder.
fn of_kube(search: &Search<'_>, findings: &mut Findings, file: usize) -> Result<(), MaskError> {
    let Some(file) = findings.found.get(file).filter(|file| file.id.as_deref() == Some(KUBE)) else { return Ok(()) };
    let (Content::Bytes(bytes), Some(folder)) = (&file.content, file.path.parent()) else { return Ok(()) };
    let reason = format!("`{}` names it", file.path.display());
    let named: Vec<_> = kube::named(bytes).into_iter().map(|(path, holds)| (folder.join(path), holds)).collect();
    for (path, holds) in named.into_iter().take(MOST) {
        let action = match holds {
            kube::Holds::Token => Action::Render(of_token(None)),
            kube::Holds::PrivateKey => Action::Hide,
        };
        take(search, findings, &path, reason.clone(), &action)?;
    }
    Ok(())
}

/// What shells' start-up files read, and what that reads.
fn of_shells(search: &Search<'_>, findings: &mut Findings) -> Result<(), MaskError> {
    let mut next: Vec<usize> = (0..findings.found.len()).collect();
    let mut left = MOST;
    for _ in 0..DEEPEST {
        let before = findings.found.len();
        for index in next {
            let Some(file) = findings.found.get(index).filter(|file| is_shell(file)) else { continue };
            let Content::Bytes(bytes) = &file.content else { continue };
            let reason = format!("`{}` reads it", file.path.display());
            let filled = shell::printed(bytes)
                .into_iter()
                .filter_map(|(name, word)| Some((absolute(search, &word)?, secret(&name)?)))
                .collect::<Vec<_>>();
            let words = shell::sourced(bytes, &[]).into_iter().chain(shell::fed(bytes));
            let paths = words.filter_map(|word| absolute(search, &word)).collect::<Vec<_>>();
            let evaluated = shell::evaluated(bytes).into_iter().filter_map(|word| absolute(search, &word));
            let started = evaluated.chain(paths.iter().cloned()).collect::<Vec<_>>();
            for path in &started {
                started::guard(search, findings, path);
            }
            for (path, render) in filled {
                if left > 0 && !is_of_the_system(search, &path) {
                    left -= 1;
                    take(search, findings, &path, reason.clone(), &Action::Render(render))?;
                }
            }
            for path in paths {
                if left > 0 && !is_of_the_system(search, &path) {
                    left -= 1;
                    add(search, findings, SHELL, &path, reason.clone())?;
                }
            }
        }
        next = (before..findings.found.len()).collect();
    }
    Ok(())
}

fn is_shell(file: &Found) -> bool {
    file.realm == Realm::Home && file.render.as_ref().is_some_and(|render| render.format == Format::Shell)
}

/// Takes a file in by the rule of this name.
fn add(search: &Search<'_>, findings: &mut Findings, rule: &str, path: &Path, reason: String) -> Result<(), MaskError> {
    let entry = search.rules.home.iter().find(|entry| entry.id.as_deref() == Some(rule));
    let Some(HomeEntry { id, action, origin, .. }) = entry else { return Ok(()) };
    let origin = origin.clone();
    let wanted = Wanted { realm: Realm::Home, id: id.as_deref(), action, reason, origin, directories: false };
    if let Some(found) = look(search, path, wanted)? {
        home::keep(search, findings, found);
    }
    Ok(())
}

/// Takes a file in that has no rule of its own.
fn take(
    search: &Search<'_>,
    findings: &mut Findings,
    path: &Path,
    reason: String,
    action: &Action,
) -> Result<(), MaskError> {
    let rules = if *action == Action::Hide { "files.toml" } else { "scrub.toml" };
    let origin = Origin::Builtin { file: rules.into() };
    let wanted = Wanted { realm: Realm::Home, id: None, action, reason, origin, directories: false };
    if let Some(found) = look(search, path, wanted)? {
        home::keep(search, findings, found);
    }
    Ok(())
}

/// How a file is rendered whose text is the value of a variable; `None` where the variable holds no secret.
fn secret(variable: &str) -> Option<Render> {
    let entry = policy::catalogue().variable(variable);
    let verdict = policy::scrub_rules().classify_name(variable).verdict;
    if entry.is_none() && verdict != NameVerdict::Secret {
        return None;
    }
    Some(of_token(entry.map(|entry| format!("{}/{}", entry.service.id.0, entry.credential.id))))
}

/// How a file is rendered that holds one credential and nothing else.
fn of_token(credential: Option<String>) -> Render {
    let fields = vec![Field { at: String::new(), credential, ..Field::default() }];
    Render { format: Format::Token, fields, ..Render::default() }
}

/// The path that a word of a start-up file stands for; `None` where that depends on more than the home.
pub(super) fn absolute(search: &Search<'_>, word: &[u8]) -> Option<PathBuf> {
    let from_home = ["~/", "$HOME/", "${HOME}/"].iter().find_map(|start| word.strip_prefix(start.as_bytes()));
    // With what is said or taken where it is not set: `${HOME:?}/`.
    let from_home = from_home.or_else(|| {
        let rest = word.strip_prefix(b"${HOME:").or_else(|| word.strip_prefix(b"${HOME?"))?;
        Some(&rest[memchr::memchr(b'}', rest)? + 1..]).and_then(|rest| rest.strip_prefix(b"/"))
    });
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    match from_home {
        Some(below) if is_literal(below) => Some(search.home.join(path(below))),
        None if word.starts_with(b"/") && is_literal(word) => Some(path(word)),
        _ => None,
    }
}

fn is_literal(word: &[u8]) -> bool {
    !word.iter().any(|byte| matches!(byte, b'$' | b'`' | b'*' | b'?' | b'[' | b'{' | b'<'))
}

/// Whether a path lies where packages of the machine are.
fn is_of_the_system(search: &Search<'_>, path: &Path) -> bool {
    const FOLDERS: [&str; 9] = ["/usr", "/etc", "/opt", "/nix", "/snap", "/lib", "/bin", "/sbin", "/gnu"];
    !path.starts_with(search.home) && FOLDERS.iter().any(|folder| path.starts_with(folder))
}
