//! The way of the kernel to a path: which symlinks are on it, and where it ends, also where nothing stands yet.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// So many symlinks does the kernel follow (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// A way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// The symlinks on it, each by a path without symlinks.
    pub(super) links: Vec<PathBuf>,
    /// Where it ends, without symlinks.
    pub(super) end: PathBuf,
    /// Whether something stands there.
    pub(super) is_there: bool,
}

impl Way {
    /// Goes to an absolute path; `None` for a loop.
    pub(super) fn to(path: &Path) -> Option<Self> {
        let mut way = Self { links: Vec::new(), end: PathBuf::from("/"), is_there: true };
        let mut rest = VecDeque::new();
        put_before(&mut rest, path);
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                way.end.pop();
                continue;
            }
            way.end.push(&part);
            let metadata = fs::symlink_metadata(&way.end);
            if !metadata.is_ok_and(|metadata| metadata.is_symlink()) {
                continue;
            }
            way.links.push(way.end.clone());
            let target = fs::read_link(&way.end).ok().filter(|_| way.links.len() <= MOST_LINKS)?;
            way.end.pop();
            if target.is_absolute() {
                way.end = PathBuf::from("/");
            }
            put_before(&mut rest, &target);
        }
        way.is_there = fs::symlink_metadata(&way.end).is_ok();
        Some(way)
    }
}

fn put_before(rest: &mut VecDeque<OsString>, path: &Path) {
    for part in path.components().rev() {
        match part {
            Component::Normal(name) => rest.push_front(name.to_owned()),
            Component::ParentDir => rest.push_front("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn symlinks_are_followed_to_where_nothing_stands_yet() {
        let keep = tempfile::tempdir().unwrap();
        let root = keep.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        symlink("a", root.join("one")).unwrap();
        symlink(root.join("one"), root.join("two")).unwrap();
        symlink("../none", root.join("a/dangling")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        for (path, links, end, is_there) in [
            ("a/b", &[][..], "a/b", true),
            ("two/b", &["two", "one"], "a/b", true),
            ("two/dangling/x", &["two", "one", "a/dangling"], "none/x", false),
            ("two/../new/./x", &["two", "one"], "new/x", false),
            ("new/../a", &[], "a", true),
        ] {
            let way = Way::to(&root.join(path)).unwrap();
            let links: Vec<_> = links.iter().map(|link| root.join(link)).collect();
            assert_eq!(way, Way { links, end: root.join(end), is_there }, "{path}");
        }
        assert_eq!(Way::to(&root.join("loop/x")), None);
    }
}
