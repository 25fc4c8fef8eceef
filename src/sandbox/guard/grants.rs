//! What is granted so that everything but some paths is: pure.
//!
//! Landlock has no rule that takes away. What lies beside a denied path is granted, entry by entry, and the directories
//! on the way to it are not: they can be walked through, and not listed, and what is made in them later is not granted.
//! Nothing is granted below a denied path.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use super::rights::Access;

/// More than this is a fault of the machine's layout, not of a run: each grant costs some microseconds.
const MOST: usize = 65_536;

/// Directories of which only what is named is granted: devices, and what runs on the host.
const CLOSED: [&str; 3] = ["/dev", "/run", "/var/run"];

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    /// Absolute, without symlinks.
    pub(super) path: PathBuf,
    /// What for.
    pub(super) access: Access,
}

/// What the rules shall come to. All paths are absolute and without symlinks.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Neither readable nor writable.
    pub(super) denied: BTreeSet<PathBuf>,
    /// Writable, apart from what is denied in them.
    pub(super) writable: Vec<PathBuf>,
    /// Readable although they lie in a closed or denied directory.
    pub(super) readable: Vec<PathBuf>,
    /// Devices, and terminals.
    pub(super) devices: Vec<PathBuf>,
}

/// There would be more rules than is sensible.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// The rules, in no order that matters. `entries` gives the names in a directory that are no symlinks: what a symlink
/// leads to is granted where it lies, or not.
pub(super) fn grants(wanted: &Wanted, entries: &dyn Fn(&Path) -> Vec<OsString>) -> Result<Vec<Grant>, TooMany> {
    let mut closed = wanted.denied.clone();
    closed.extend(CLOSED.map(PathBuf::from));
    let mut grants = Vec::new();
    split(Path::new("/"), Access::Read, &closed, entries, &mut grants)?;
    for tree in &wanted.writable {
        split(tree, Access::Write, &wanted.denied, entries, &mut grants)?;
    }
    let named = wanted.readable.iter().map(|path| (path, Access::Read));
    let devices = wanted.devices.iter().map(|path| (path, Access::Device));
    grants.extend(named.chain(devices).map(|(path, access)| Grant { path: path.clone(), access }));
    Ok(grants)
}

fn split(
    path: &Path,
    access: Access,
    denied: &BTreeSet<PathBuf>,
    entries: &dyn Fn(&Path) -> Vec<OsString>,
    grants: &mut Vec<Grant>,
) -> Result<(), TooMany> {
    if path.ancestors().any(|above| denied.contains(above)) {
        return Ok(());
    }
    // In the order of a set of paths, what a directory holds comes right after it.
    let next = denied.range::<Path, _>((Bound::Excluded(path), Bound::Unbounded)).next();
    if next.is_some_and(|next| next.starts_with(path)) {
        return entries(path).iter().try_for_each(|name| split(&path.join(name), access, denied, entries, grants));
    }
    if grants.len() >= MOST {
        return Err(TooMany);
    }
    grants.push(Grant { path: path.to_owned(), access });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands in a tree of the tests.
    const TREE: &[&str] = &[
        "/bin",
        "/dev/null",
        "/home/u/.aws/config",
        "/home/u/.aws/credentials",
        "/home/u/.cache/hf/models",
        "/home/u/.cache/hf/token",
        "/home/u/.cache/pip",
        "/home/u/.ssh/id",
        "/home/u/.state/own/run",
        "/home/u/p/src",
        "/home/v",
        "/run/x",
    ];

    fn entries(directory: &Path) -> Vec<OsString> {
        let below = TREE.iter().filter_map(|path| Path::new(path).strip_prefix(directory).ok());
        let names: BTreeSet<OsString> = below.filter_map(|path| Some(path.iter().next()?.to_owned())).collect();
        names.into_iter().collect()
    }

    fn table(denied: &[&str], writable: &[&str], readable: &[&str]) -> Vec<String> {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        let wanted = Wanted {
            denied: paths(denied).into_iter().collect(),
            writable: paths(writable),
            readable: paths(readable),
            devices: paths(&["/dev/null"]),
        };
        let grants = grants(&wanted, &entries).unwrap();
        grants
            .iter()
            .map(|grant| {
                let letter = match grant.access {
                    Access::Read => 'r',
                    Access::Write => 'w',
                    Access::Device => 'd',
                };
                format!("{letter} {}", grant.path.display())
            })
            .collect()
    }

    #[test]
    fn what_is_not_denied_is_granted_as_high_as_can_be() {
        assert_eq!(table(&[], &["/home/u/p"], &[]), ["r /bin", "r /home", "w /home/u/p", "d /dev/null"]);
        assert_eq!(
            table(&["/home/u/.ssh", "/home/u/.aws/credentials"], &["/home/u/p"], &["/run/x"]),
            [
                "r /bin",
                "r /home/u/.aws/config",
                "r /home/u/.cache",
                "r /home/u/.state",
                "r /home/u/p",
                "r /home/v",
                "w /home/u/p",
                "r /run/x",
                "d /dev/null"
            ]
        );
    }

    #[test]
    fn a_denied_path_in_a_writable_tree_splits_that_too() {
        let table = table(&["/home/u/.cache/hf/token"], &["/home/u/.cache"], &[]);
        for grant in ["w /home/u/.cache/hf/models", "w /home/u/.cache/pip", "r /home/u/.ssh"] {
            assert!(table.contains(&grant.to_owned()), "{grant}: {table:?}");
        }
        assert!(!table.iter().any(|grant| grant.ends_with("/.cache") || grant.ends_with("/hf")), "{table:?}");
    }

    #[test]
    fn names_alike_and_denied_ancestors() {
        // What a set of paths sorts between a directory and its entries does not hide them.
        let grants =
            table(&["/home/u/.state", "/home/u/.state-not", "/home/u"], &["/home/u/p"], &["/home/u/.state/own/run"]);
        assert_eq!(grants, ["r /bin", "r /home/v", "r /home/u/.state/own/run", "d /dev/null"]);
    }

    #[test]
    fn the_number_is_bounded() {
        let wide = |directory: &Path| match directory.components().count() {
            1 => (0..=MOST).map(|number| number.to_string().into()).collect(),
            _ => Vec::new(),
        };
        assert_eq!(grants(&Wanted::default(), &wide), Err(TooMany));
    }

    proptest::proptest! {
        #[test]
        fn nothing_denied_is_granted_and_all_else_is(picked in proptest::collection::vec(0..TREE.len(), 0..5), up in 0_usize..3) {
            let denied: BTreeSet<PathBuf> =
                picked.iter().filter_map(|at| Path::new(TREE[*at]).ancestors().nth(up)).map(PathBuf::from).collect();
            let wanted = Wanted { denied: denied.clone(), ..Wanted::default() };
            let grants = grants(&wanted, &entries).unwrap();
            for path in TREE.iter().map(Path::new) {
                let granted = grants.iter().any(|grant| path.starts_with(&grant.path));
                let is_closed = CLOSED.iter().any(|closed| path.starts_with(closed));
                let is_denied = path.ancestors().any(|above| denied.contains(above));
                proptest::prop_assert_eq!(granted, !is_closed && !is_denied, "{}", path.display());
            }
        }
    }
}
