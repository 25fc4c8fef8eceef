//! The names in a directory in which the rules name many: to list it once is cheaper than to ask for each.

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What stands in one directory.
///
/// **Invariant.** A name counts as missing only where the kernel would say so: of a directory that cannot be listed, or that
/// holds names which a file system may take for others (beyond ASCII), nothing is known; case makes no difference.
pub(super) struct Names {
    /// The directory's path with a slash behind.
    prefix: Vec<u8>,
    /// In lower case; `None` where nothing is known.
    names: Option<HashSet<Vec<u8>>>,
}

impl Names {
    /// Lists `directory`.
    pub(super) fn of(directory: &Path) -> Self {
        let prefix = [directory.as_os_str().as_bytes(), b"/"].concat();
        Self { prefix, names: list(directory) }
    }

    /// Whether something may stand at `path`, as far as this directory tells. A `*` in it stands for any characters.
    pub(super) fn may_hold(&self, path: &Path) -> bool {
        let Some(names) = &self.names else { return true };
        // By bytes, for this is asked of hundreds of paths: a prefix in another spelling is no prefix, and may be there.
        let Some(below) = path.as_os_str().as_bytes().strip_prefix(self.prefix.as_slice()) else { return true };
        let name = below.split(|byte| *byte == b'/').next().unwrap_or_default();
        matches!(name, b"" | b"." | b"..") || name.contains(&b'*') || names.contains(&name.to_ascii_lowercase())
    }
}

fn list(directory: &Path) -> Option<HashSet<Vec<u8>>> {
    let names = fs::read_dir(directory).ok()?.map(|entry| {
        let name = entry.ok()?.file_name();
        name.is_ascii().then(|| name.as_bytes().to_ascii_lowercase())
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_missing_and_what_is_unknown_may_be_there() {
        let keep = tempfile::tempdir().unwrap();
        let path = |name: &str| keep.path().join(name);
        fs::create_dir(path(".Config")).unwrap();
        let names = Names::of(keep.path());
        for (asked, expected) in
            [(".config/a", true), (".CONFIG", true), (".confi", false), ("../x", true), ("", true), (".con*", true)]
        {
            assert_eq!(names.may_hold(&path(asked)), expected, "{asked}");
        }
        assert!(names.may_hold(Path::new("/elsewhere")));
        assert!(Names::of(&path("none")).may_hold(&path("none/a")));
        fs::write(path("\u{17f}sh"), "").unwrap();
        assert!(Names::of(keep.path()).may_hold(&path("ssh")));
    }
}
