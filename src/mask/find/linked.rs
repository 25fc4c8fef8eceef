//! The repository of a linked worktree (git-worktree(1)): the project's `.git` is a file, and what is committed lands in a
//! repository outside of the project.
//!
//! **Invariants.** The project's file proves nothing, for a child of an earlier run may have written it. The repository's own
//! link back to the project does, where no child can write: there `git worktree add` alone has put it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Content, read};

/// Where the project's repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repository {
    /// In the project, in a place that is writable anyway, or nowhere.
    Here,
    /// The directory of the repository whose worktree the project is.
    Linked(PathBuf),
    /// The project's file names this directory, and that does not name the project.
    Unproven(PathBuf),
}

impl Repository {
    /// Looks where the repository of `project` is. `writable` are the places that a child may write besides.
    pub fn of(project: &Path, home: &Path, writable: &[PathBuf]) -> Self {
        let own = project.join(".git");
        let is_file = fs::symlink_metadata(&own).is_ok_and(|metadata| metadata.is_file());
        let line = is_file.then(|| line_of(&own)).flatten();
        let led = line.as_deref().and_then(|line| line.strip_prefix(b"gitdir: ")).map(|path| project.join(text(path)));
        let Some(directory) = led.and_then(|led| fs::canonicalize(led).ok()) else { return Self::Here };
        let is_childs = |path: &Path| {
            let lies_in =
                |tree: &Path| path.starts_with(tree) || fs::canonicalize(tree).is_ok_and(|real| path.starts_with(real));
            lies_in(project) || writable.iter().any(|tree| lies_in(tree))
        };
        if is_childs(&directory) {
            return Self::Here;
        }
        match common(&directory, &own) {
            Some(common) if !is_childs(&common) && !project.starts_with(&common) && !home.starts_with(&common) => {
                Self::Linked(common)
            }
            _ => Self::Unproven(directory),
        }
    }
}

/// The repository that keeps `directory` for the worktree whose `.git` is `file`.
fn common(directory: &Path, file: &Path) -> Option<PathBuf> {
    let above = directory.parent().filter(|above| above.file_name().is_some_and(|name| name == "worktrees"))?;
    let common = above.parent()?;
    let holds = |name: &str, is_directory: bool| {
        fs::symlink_metadata(common.join(name)).is_ok_and(|metadata| metadata.is_dir() == is_directory)
    };
    let leads_back =
        resolved(directory, "gitdir").is_some_and(|back| fs::canonicalize(file).is_ok_and(|own| own == back));
    let is_shared = resolved(directory, "commondir").is_some_and(|shared| shared == common);
    let is_repository = holds("HEAD", false) && holds("objects", true) && holds("refs", true);
    (leads_back && is_shared && is_repository).then(|| common.to_owned())
}

/// Where the path leads that stands in a file of `directory`.
fn resolved(directory: &Path, name: &str) -> Option<PathBuf> {
    fs::canonicalize(directory.join(text(&line_of(&directory.join(name))?))).ok()
}

/// The one line of a small file.
fn line_of(file: &Path) -> Option<Vec<u8>> {
    let Ok(Content::Bytes(bytes)) = read::read(file) else { return None };
    let length = bytes.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'))?;
    Some(bytes[..=length].to_vec())
}

fn text(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        /// A main checkout and a worktree, each naming the other.
        fn new() -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            for folder in ["main/.git/objects", "main/.git/refs", "main/.git/worktrees/w", "w", "cache"] {
                fs::create_dir_all(place.path(folder)).unwrap();
            }
            place.file("main/.git/HEAD", "ref: refs/heads/main\n");
            place.file("main/.git/worktrees/w/commondir", "../..\n");
            place.file("main/.git/worktrees/w/gitdir", "../../../../w/.git\n");
            place.file("w/.git", "gitdir: ../main/.git/worktrees/w\n");
            place
        }

        fn path(&self, below: &str) -> PathBuf {
            self.0.path().canonicalize().unwrap().join(below)
        }

        fn file(&self, below: &str, text: &str) {
            fs::create_dir_all(self.path(below).parent().unwrap()).unwrap();
            fs::write(self.path(below), text).unwrap();
        }

        fn repository(&self) -> Repository {
            Repository::of(&self.path("w"), &self.path("home"), &[self.path("cache")])
        }
    }

    #[test]
    fn a_link_back_proves_the_repository() {
        let place = Place::new();
        assert_eq!(place.repository(), Repository::Linked(place.path("main/.git")));
        place.file("main/.git/worktrees/w/gitdir", place.path("w/.git").to_str().unwrap());
        assert_eq!(place.repository(), Repository::Linked(place.path("main/.git")));
        fs::remove_file(place.path("w/.git")).unwrap();
        assert_eq!(place.repository(), Repository::Here);
    }

    #[test]
    fn without_one_nothing_is_proven() {
        let cases: [(&str, &str); 5] = [
            ("main/.git/worktrees/w/gitdir", "../../../../other/.git\n"),
            ("main/.git/worktrees/w/gitdir", ""),
            ("main/.git/worktrees/w/commondir", "..\n"),
            ("main/.git/worktrees/w/commondir", ""),
            ("w/.git", "gitdir: ../main/.git\n"),
        ];
        for (file, text) in cases {
            let place = Place::new();
            place.file("other/.git", "");
            place.file(file, text);
            assert!(matches!(place.repository(), Repository::Unproven(_)), "{file}: {text}");
        }
        let place = Place::new();
        fs::remove_dir(place.path("main/.git/refs")).unwrap();
        assert!(matches!(place.repository(), Repository::Unproven(_)));
    }

    #[test]
    fn what_a_child_can_write_proves_nothing_and_needs_no_proof() {
        let place = Place::new();
        for base in ["w", "cache"] {
            for (file, text) in [("HEAD", ""), ("objects/x", ""), ("refs/x", ""), ("worktrees/x/commondir", "../..")] {
                place.file(&format!("{base}/{file}"), text);
            }
            place.file(&format!("{base}/worktrees/x/gitdir"), place.path("w/.git").to_str().unwrap());
            place.file("w/.git", &format!("gitdir: ../{base}/worktrees/x\n"));
            assert_eq!(place.repository(), Repository::Here, "{base}");
        }
        // A project in `worktrees` that takes itself for the directory of its own worktree.
        for (file, text) in [("commondir", "../.."), ("gitdir", ".git"), (".git", "gitdir: .\n")] {
            place.file(&format!("worktrees/p/{file}"), text);
        }
        for folder in ["objects", "refs"] {
            fs::create_dir_all(place.path(folder)).unwrap();
        }
        place.file("HEAD", "");
        let project = place.path("worktrees/p");
        assert_eq!(Repository::of(&project, &place.path("home"), &[]), Repository::Here);
    }
}
