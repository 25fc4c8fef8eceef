//! Other paths of a found file: second mounts of what it lies on.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::links::is_same;
use super::{Found, Search};

/// A line of mountinfo, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    device: Vec<u8>,
    /// What of the file system is mounted.
    root: PathBuf,
    /// Where.
    point: PathBuf,
}

/// Adds the paths under which other mounts show a found file. A path that is covered by a later mount shows another
/// file, which its inode tells.
pub(super) fn resolve(search: &Search<'_>, found: &mut [Found]) {
    let mounts = parse(search.mounts);
    for file in found {
        let others = others(&mounts, &file.path);
        let others = others.into_iter().filter(|path| is_same(path, &file.path) && !file.aliases.contains(path));
        let others: Vec<PathBuf> = others.collect();
        file.aliases.extend(others);
    }
}

/// The other paths at which the mounts of `table` show the file at `path`.
pub fn second_mounts(table: &[u8], path: &Path) -> Vec<PathBuf> {
    others(&parse(table), path).into_iter().filter(|other| is_same(other, path)).collect()
}

/// Where else `path` would be seen.
fn others(mounts: &[Mount], path: &Path) -> Vec<PathBuf> {
    // The last of equally deep mounts lies on top.
    let holds = |mount: &&Mount| path.starts_with(&mount.point);
    let Some(own) = mounts.iter().filter(holds).max_by_key(|mount| mount.point.as_os_str().len()) else {
        return Vec::new();
    };
    let Ok(below) = path.strip_prefix(&own.point) else { return Vec::new() };
    let within = own.root.join(below);
    let seen_at = |mount: &Mount| within.strip_prefix(&mount.root).ok().map(|below| mount.point.join(below));
    let mut paths: Vec<PathBuf> = mounts
        .iter()
        .filter(|mount| mount.device == own.device)
        .filter_map(seen_at)
        .filter(|other| other != path)
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Parses `proc_pid_mountinfo(5)`: id, parent, device, root, mount point, …
fn parse(table: &[u8]) -> Vec<Mount> {
    table.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ').skip(2);
    let device = fields.next()?.to_vec();
    let root = unescape(fields.next()?);
    let point = unescape(fields.next()?);
    point.has_root().then_some(Mount { device, root, point })
}

/// Blanks, tabs, line ends and backslashes are written as three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    const TABLE: &[u8] = b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
        30 22 8:2 / /home rw - ext4 /dev/sda2 rw\n\
        31 22 8:2 /ann/project /mnt/second\\040place rw - ext4 /dev/sda2 rw\n\
        32 22 8:2 /bob /mnt/bob rw - ext4 /dev/sda2 rw\n\
        33 22 0:5 net:[1] /run/netns/x rw - nsfs nsfs rw\n";

    #[test]
    fn a_second_mount_shows_the_file_again() {
        let mounts = parse(TABLE);
        let seen = |path: &str| others(&mounts, Path::new(path));
        assert_eq!(seen("/home/ann/project/.env"), [PathBuf::from("/mnt/second place/.env")]);
        assert_eq!(seen("/mnt/second place/.env"), [PathBuf::from("/home/ann/project/.env")]);
        assert_eq!(seen("/home/bob/x"), [PathBuf::from("/mnt/bob/x")]);
        assert!(seen("/home/carl/.env").is_empty() && seen("/etc/x").is_empty());
        assert!(others(&[], Path::new("/x")).is_empty());
    }

    #[test]
    fn octal_escapes_are_bytes() {
        assert_eq!(unescape(b"/a\\040b\\134\\x\\011").as_os_str().as_bytes(), b"/a b\\\\x\t");
    }
}
