//! Reads `/proc/self/mountinfo` (see proc(5)): pure.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// `major:minor` of the file system.
    pub(super) device: String,
    /// Which directory (or file) of the file system is mounted.
    pub(super) root: PathBuf,
    /// Where.
    pub(super) point: PathBuf,
    /// `ext4`, `tmpfs`, …
    pub(super) kind: String,
    /// The file system itself is read-only, for everybody.
    pub(super) read_only: bool,
}

/// All mounts, in the kernel's order. A line that cannot be read is `None` for the whole: nothing is guessed.
pub(super) fn parse(text: &[u8]) -> Option<Vec<Mount>> {
    text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let device = String::from_utf8(fields.nth(2)?.to_vec()).ok()?;
    let root = path(fields.next()?);
    let point = path(fields.next()?);
    // Options, then optional fields up to a single hyphen.
    let mut after = fields.skip_while(|field| *field != b"-").skip(1);
    let kind = String::from_utf8(after.next()?.to_vec()).ok()?;
    let options = after.nth(1)?;
    let read_only = options.split(|&byte| byte == b',').any(|option| option == b"ro");
    Some(Mount { device, root, point, kind, read_only })
}

/// Undoes the kernel's octal escapes of space, tab, newline, backslash and hash.
fn path(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(escaped) if byte == b'\\' => {
                bytes.push(escaped);
                rest = &after[3..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

/// Whether a mount lies strictly below `directory`.
pub(super) fn any_below(mounts: &[Mount], directory: &Path) -> bool {
    mounts.iter().any(|mount| mount.point != directory && mount.point.starts_with(directory))
}

/// The mount on which `path` lies: of the longest mount points the last, which covers the others.
pub(super) fn of<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let containing = mounts.iter().filter(|mount| path.starts_with(&mount.point));
    containing.max_by_key(|mount| mount.point.components().count())
}

/// Other paths at which the file at `path` may be seen, because its file system is mounted more than once.
pub(super) fn aliases(mounts: &[Mount], path: &Path) -> Vec<PathBuf> {
    let Some(here) = of(mounts, path) else { return Vec::new() };
    let Ok(below) = path.strip_prefix(&here.point) else { return Vec::new() };
    let within = join(&here.root, below);
    let same = mounts.iter().filter(|mount| mount.device == here.device);
    let elsewhere = same.filter_map(|mount| Some(join(&mount.point, within.strip_prefix(&mount.root).ok()?)));
    elsewhere.filter(|alias| alias != path).collect()
}

/// `join` leaves a trailing slash when there is nothing to join.
fn join(base: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { base.to_owned() } else { base.join(below) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
23 22 0:20 / /proc rw - proc proc rw
24 22 254:0 /home/u/my\\040work /srv/b\\134a rw,relatime shared:1 master:2 - ext4 /dev/vda rw
25 22 7:1 / /snap/core/1 ro,nodev - squashfs /dev/loop1 ro
26 22 254:1 / /home rw - btrfs /dev/vdb rw
27 26 254:1 /u /mnt rw - btrfs /dev/vdb rw
";

    #[test]
    fn reads_what_the_kernel_writes() {
        let mounts = parse(TEXT).unwrap();
        assert_eq!(mounts.len(), 6);
        assert_eq!(mounts[2].point, Path::new("/srv/b\\a"));
        assert_eq!(mounts[2].root, Path::new("/home/u/my work"));
        assert_eq!((mounts[3].kind.as_str(), mounts[3].read_only), ("squashfs", true));
        assert!(!mounts[0].read_only);
        assert!(parse(b"what is this\n").is_none());
    }

    #[test]
    fn knows_what_lies_below() {
        let mounts = parse(TEXT).unwrap();
        for (path, expected) in [("/snap", true), ("/snap/core/1", false), ("/etc", false), ("/ho", false)] {
            assert_eq!(any_below(&mounts, Path::new(path)), expected, "{path}");
        }
        assert_eq!(of(&mounts, Path::new("/home/u/x")).unwrap().kind, "btrfs");
        assert_eq!(of(&mounts, Path::new("/homer")).unwrap().kind, "ext4");
    }

    #[test]
    fn finds_second_mounts() {
        let mounts = parse(TEXT).unwrap();
        assert_eq!(aliases(&mounts, Path::new("/home/u/.env")), [Path::new("/mnt/.env")]);
        assert_eq!(aliases(&mounts, Path::new("/mnt/.env")), [Path::new("/home/u/.env")]);
        assert_eq!(aliases(&mounts, Path::new("/home/v/.env")), Vec::<PathBuf>::new());
        assert_eq!(aliases(&mounts, Path::new("/srv/b\\a")), [Path::new("/home/u/my work")]);
    }

    proptest::proptest! {
        #[test]
        fn noise_is_no_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
