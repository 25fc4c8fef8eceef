//! Root certificates that Python packages bring along and read before any variable: the run's bundle stands in for them.
//!
//! **Trade-off.** Looked for where packages of the command's own Python can be, not everywhere: beside the programs that
//! the command line names, beside every program directory of PATH, in the active and the project's virtual environments,
//! and in the user's own packages.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::policy::TrustRules;
use crate::world::World;

/// Directories of a project in which virtual environments are made.
const ENVIRONMENTS: [&str; 3] = [".venv", "venv", "env"];

/// The bundles that exist, each real path once.
pub(super) fn bundles(world: &World, command: &[OsString], project: &Path, rules: &TrustRules) -> Vec<PathBuf> {
    let mut bundles = Vec::new();
    for packages in once_each(package_directories(world, command, project)) {
        for bundle in rules.package_bundles.iter().map(|bundle| packages.join(bundle)) {
            if let Some(path) = real(&bundle).filter(|path| !bundles.contains(path)) {
                bundles.push(path);
            }
        }
    }
    bundles
}

/// Where the symlinks of `path` lead. Most of what is asked for does not exist, which one look tells.
fn real(path: &Path) -> Option<PathBuf> {
    path.symlink_metadata().ok()?;
    path.canonicalize().ok()
}

/// Those of the directories that exist, each once: `/bin` and `/usr/bin` are the same on most machines.
fn once_each(directories: impl IntoIterator<Item = PathBuf>) -> impl Iterator<Item = PathBuf> {
    let mut seen = HashSet::new();
    directories.into_iter().filter(move |directory| {
        let found = fs::metadata(directory).ok().filter(fs::Metadata::is_dir);
        found.is_some_and(|found| seen.insert((found.dev(), found.ino())))
    })
}

/// `site-packages` and its kin.
fn package_directories(world: &World, command: &[OsString], project: &Path) -> Vec<PathBuf> {
    let list = |variable: &str| std::env::split_paths(world.variable(variable).unwrap_or_default()).collect::<Vec<_>>();
    let mut prefixes: Vec<PathBuf> = Vec::new();
    let is_program = |path: &PathBuf| path.parent().and_then(Path::file_name).is_some_and(|name| name == "bin");
    for program in command.iter().map(|argument| world.current_directory.join(argument)).filter(is_program) {
        let real = real(&program);
        let both = [Some(program), real].into_iter().flatten();
        prefixes.extend(both.filter_map(|program| Some(program.parent()?.parent()?.to_path_buf())));
    }
    for directory in list("PATH").into_iter().filter(|directory| directory.is_absolute()) {
        let python = real(&directory.join("python3"));
        let real = python.as_deref().and_then(Path::parent).and_then(Path::parent).map(Path::to_path_buf);
        prefixes.extend(real.into_iter().chain(directory.parent().map(Path::to_path_buf)));
    }
    prefixes.extend(world.variable("VIRTUAL_ENV").map(PathBuf::from));
    prefixes.extend(ENVIRONMENTS.iter().map(|name| project.join(name)));
    prefixes.push(world.home.join(".local"));
    prefixes.sort();
    prefixes.dedup();
    let mut directories = list("PYTHONPATH");
    directories.extend(once_each(prefixes.iter().map(|prefix| prefix.join("lib"))).flat_map(|library| below(&library)));
    directories
}

/// `python3*/site-packages` and `dist-packages` below the `lib` of a prefix.
fn below(library: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(library) else { return Vec::new() };
    let versions = entries.flatten().map(|entry| entry.path());
    let versions = versions
        .filter(|path| path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("python3")));
    versions.flat_map(|version| [version.join("site-packages"), version.join("dist-packages")]).collect()
}
