//! A file by itself, whatever its names are.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

/// Device and inode.
pub(super) type Identity = (u64, u64);

/// What stands at `path`; nothing where there is none.
pub(super) fn identity(path: &Path) -> Option<Identity> {
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// A file that is held, so that its inode becomes no other file's.
#[derive(Debug)]
pub(super) struct Held {
    /// None where we may open no more files: the number of its names is not known then.
    file: Option<File>,
    pub(super) identity: Identity,
}

impl Held {
    /// The file that `path` leads to, through symlinks; `None` where none is there, and for a directory, which has one name.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let flags = (OFlag::O_PATH | OFlag::O_CLOEXEC).bits();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok();
        let metadata = file.as_ref().map_or_else(|| fs::metadata(path), File::metadata).ok()?;
        (!metadata.is_dir()).then(|| Self { file, identity: (metadata.dev(), metadata.ino()) })
    }

    /// Whether it stands at `path` itself.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        identity(path) == Some(self.identity)
    }

    /// How many names it has.
    pub(super) fn links(&self) -> usize {
        let links = self.file.as_ref().and_then(|file| file.metadata().ok()).map_or(1, |metadata| metadata.nlink());
        usize::try_from(links).unwrap_or(usize::MAX)
    }

    /// Under how many different names it stands at these paths. Two mounts show one name at two paths.
    pub(super) fn names<'a>(&self, paths: impl Iterator<Item = &'a PathBuf>) -> usize {
        let name = |path: &PathBuf| {
            let name = path.file_name().filter(|_| self.is_at(path))?;
            Some((identity(path.parent()?)?, name.to_owned()))
        };
        paths.filter_map(name).collect::<HashSet<(Identity, OsString)>>().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_from_its_names() {
        let place = tempfile::tempdir().unwrap();
        let [first, second, third] = ["first", "second", "third"].map(|name| place.path().join(name));
        fs::write(&first, "x").unwrap();
        let held = Held::at(&first).unwrap();
        assert!(held.is_at(&first) && held.links() == 1 && Held::at(&second).is_none());
        fs::hard_link(&first, &second).unwrap();
        let all = [first.clone(), second.clone(), third.clone(), first.clone()];
        assert_eq!((held.links(), held.names(all.iter()), held.names(all[..1].iter())), (2, 2, 1));
        fs::rename(&first, &third).unwrap();
        fs::write(&first, "y").unwrap();
        assert!(held.is_at(&third) && !held.is_at(&first));
        assert_eq!(held.names(all.iter()), 2);
        for path in [&second, &third] {
            fs::remove_file(path).unwrap();
        }
        assert_eq!((held.links(), held.names(all.iter())), (0, 0));
    }
}
