//! Finds the program that a command names, where nobody else can have put it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access, geteuid};

use super::{SourceError, Surroundings};

/// The absolute path of the program `argv[0]`, links resolved.
pub(super) fn find(argv: &[String], surroundings: &Surroundings) -> Result<PathBuf, SourceError> {
    let name = argv.first().map_or("", String::as_str);
    let refused = |why| SourceError::Program { program: name.escape_debug().to_string(), why };
    if name.is_empty() || argv.iter().any(|argument| argument.contains('\0')) {
        return Err(refused("is not the name of a program"));
    }
    if name.contains('/') {
        if !name.starts_with('/') {
            return Err(refused("is a relative path: write it from `/`, or the name alone"));
        }
        return judge(Path::new(name), surroundings).map_err(refused);
    }
    let mut why = "was not found in `PATH`";
    for directory in surroundings.path.iter().filter(|directory| directory.is_absolute()) {
        let path = directory.join(name);
        if !path.is_file() || access(&path, AccessFlags::X_OK).is_err() {
            continue;
        }
        match judge(&path, surroundings) {
            Ok(program) => return Ok(program),
            // One that is not to be trusted hides none that is; where none is, this is the reason.
            Err(reason) => why = reason,
        }
    }
    Err(refused(why))
}

/// Whether only root and the user decide what stands at `path`.
fn judge(path: &Path, surroundings: &Surroundings) -> Result<PathBuf, &'static str> {
    let program = path.canonicalize().map_err(|_| "was not found")?;
    let is_within = |tree: &PathBuf| program.starts_with(tree) || path.starts_with(tree);
    if surroundings.distrusted.iter().any(is_within) {
        return Err("lies in the project, where an agent could have put it");
    }
    if !program.is_file() || access(&program, AccessFlags::X_OK).is_err() {
        return Err("cannot be executed");
    }
    // The name that was found and the file that it leads to: each directory on either way decides.
    for step in path.ancestors().chain(program.ancestors()) {
        let metadata = fs::metadata(step).map_err(|_| "cannot be looked at")?;
        if metadata.uid() != 0 && metadata.uid() != geteuid().as_raw() {
            return Err("can be replaced by another user: it or a directory above it belongs to one");
        }
        // In a sticky directory nobody renames what is another's.
        let is_sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
        if metadata.mode() & 0o022 != 0 && !is_sticky {
            return Err("can be replaced by others: it or a directory above it is writable by them");
        }
    }
    Ok(program)
}
