//! Searches one file, piece by piece.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{Whence, lseek};
use zeroize::Zeroize;

use super::why;
use crate::mask::MaskError;

/// Of a longer value its beginning is searched for; whoever has the file looks for the rest.
const LONGEST: usize = 256;
/// The bytes that are read at once.
const PIECE: usize = 256 << 10;
/// A symlink, a socket, a device without driver, nothing.
const NO_FILE: [Errno; 5] = [Errno::ELOOP, Errno::ENXIO, Errno::ENODEV, Errno::ENOENT, Errno::ENOTDIR];
/// The most bytes that are read of one file. What is larger is a disk, a model or a dump.
const MOST: u64 = 1 << 30;

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// None of the values.
    Nothing,
    /// One of them at least.
    Value,
    /// It is a private key, by how it begins.
    PrivateKey,
    /// It was not read to its end; the rest of a sentence says why.
    Unsearched(String),
}

/// What pieces of files are read into. It is wiped when dropped, as far as anything ever stood in it: most files are small,
/// and to wipe all of it takes a part of the start-up.
pub(super) struct Piece {
    bytes: Vec<u8>,
    used: usize,
}

impl Piece {
    /// Reads behind the first `kept` bytes.
    fn read(&mut self, mut file: &File, kept: usize) -> io::Result<usize> {
        let read = file.read(&mut self.bytes[kept..]);
        // After a failure nobody knows.
        let filled = read.as_ref().map_or(self.bytes.len(), |read| kept + read);
        self.used = self.used.max(filled);
        read
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.bytes[..self.used].zeroize();
    }
}

/// Searches for all values at once.
pub(super) struct Searcher {
    automaton: AhoCorasick,
    longest: usize,
}

impl Searcher {
    pub(super) fn new(values: &[&[u8]]) -> Result<Self, MaskError> {
        let count = values.len();
        let values = values.iter().map(|value| &value[..value.len().min(LONGEST)]);
        // The other kind is faster and takes a kilobyte for each byte of a value.
        let kind = Some(AhoCorasickKind::ContiguousNFA);
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).kind(kind).build(values.clone());
        let automaton = automaton.map_err(|_| MaskError::TooManyValues { count })?;
        let longest = values.map(<[u8]>::len).max().unwrap_or(0);
        Ok(Self { automaton, longest })
    }

    /// What pieces are read into.
    pub(super) fn piece() -> Piece {
        Piece { bytes: vec![0; PIECE], used: 0 }
    }

    /// What the file at `path` holds, if it is one of at most `most` bytes that we may read.
    pub(super) fn look_at_small(&self, path: &Path, most: u64, piece: &mut Piece) -> Seen {
        let file = match open(path) {
            Ok(file) => file,
            // Closed to the user, and so to the child.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied || is_no_file(&error) => {
                return Seen::Nothing;
            }
            Err(error) => return Seen::Unsearched(why(&error)),
        };
        let is_searched = |metadata: Metadata| metadata.is_file() && metadata.len() <= most;
        match file.metadata().map(is_searched).and_then(|is_searched| {
            if is_searched { self.search(&file, false, piece, &mut 0) } else { Ok(Seen::Nothing) }
        }) {
            Ok(seen) => seen,
            Err(error) => Seen::Unsearched(why(&error)),
        }
    }

    /// What the file at `path` holds, and how many bytes of it were read. `uid` is the user's, `is_known_key` says whether
    /// a private key there is one that everybody has.
    pub(super) fn look(
        &self,
        path: &Path,
        uid: u32,
        is_known_key: &dyn Fn() -> bool,
        piece: &mut Piece,
    ) -> (Seen, u64) {
        let file = match open(path) {
            Ok(file) => file,
            Err(error) => return (unopened(path, uid, &error), 0),
        };
        let mut count = 0;
        let mut seen = self.search(&file, true, piece, &mut count);
        if matches!(seen, Ok(Seen::PrivateKey)) && is_known_key() {
            count = 0;
            let again = lseek(&file, 0, Whence::SeekSet).map_err(io::Error::from);
            seen = again.and_then(|_| self.search(&file, false, piece, &mut count));
        }
        match seen {
            Ok(seen) => (seen, count),
            Err(error) => (Seen::Unsearched(why(&error)), count),
        }
    }

    /// `for_keys`: private keys are of interest besides the values.
    pub(super) fn search(&self, file: &File, for_keys: bool, piece: &mut Piece, count: &mut u64) -> io::Result<Seen> {
        // What of the last piece may be the beginning of a value.
        let mut kept = 0;
        let mut holes = None;
        loop {
            let read = match piece.read(file, kept) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if read == 0 {
                return Ok(Seen::Nothing);
            }
            let filled = kept + read;
            if for_keys && *count == 0 && is_private_key(&piece.bytes[..filled]) {
                return Ok(Seen::PrivateKey);
            }
            *count += read as u64;
            if self.automaton.is_match(&piece.bytes[..filled]) {
                return Ok(Seen::Value);
            }
            if filled == piece.bytes.len() {
                // A file of one piece mostly is no more than that, and most files are.
                let has_holes = match holes {
                    Some(has_holes) => has_holes,
                    None => *holes.insert(has_holes(&file.metadata()?)),
                };
                if *count > MOST {
                    let reason = format!("is larger than {} MiB, so it was not searched to its end", MOST >> 20);
                    return Ok(Seen::Unsearched(reason));
                }
                if has_holes && skip_hole(file)? {
                    kept = 0;
                    continue;
                }
            }
            kept = filled.min(self.longest.saturating_sub(1));
            piece.bytes.copy_within(filled - kept..filled, 0);
        }
    }
}

/// Whether a file that begins so is a private key, alone or with its certificates, or the login of a service with one.
fn is_private_key(piece: &[u8]) -> bool {
    const FIRST: [&[u8]; 4] = [b"-----BEGIN ", b"Bag Attributes", b"PuTTY-User-Key-File", b"AGE-SECRET-KEY-1"];
    let text = piece.strip_prefix(b"\xef\xbb\xbf").unwrap_or(piece).trim_ascii_start();
    let holds = |part: &[u8]| memchr::memmem::find(text, part).is_some();
    match text.first() {
        Some(b'{') => holds(b"\"private_key\"") && holds(b"PRIVATE KEY-----"),
        // `age-keygen` says first when it made the key.
        Some(b'#') => text.starts_with(b"# created: ") && holds(b"\nAGE-SECRET-KEY-1"),
        _ => {
            let first = FIRST.iter().position(|first| text.starts_with(first));
            first.is_some_and(|first| first > 1 || holds(b" PRIVATE KEY-----") || holds(b" PRIVATE KEY BLOCK-----"))
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

fn is_no_file(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(code) if NO_FILE.contains(&Errno::from_raw(code)))
}

/// Whether fewer bytes are stored than the file has.
fn has_holes(metadata: &Metadata) -> bool {
    metadata.blocks().saturating_mul(512) < metadata.len()
}

/// Goes on to the next bytes that are stored; whether some were passed over. No value has the zeros of a hole in it.
fn skip_hole(file: &File) -> io::Result<bool> {
    let at = lseek(file, 0, Whence::SeekCur)?;
    match lseek(file, at, Whence::SeekData) {
        Ok(next) => Ok(next != at),
        // Nothing is stored behind.
        Err(Errno::ENXIO) => {
            lseek(file, 0, Whence::SeekEnd)?;
            Ok(true)
        }
        // A file system that does not know its holes.
        Err(Errno::EINVAL | Errno::EOPNOTSUPP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What cannot be opened: gone, or no file any more, or closed to the child as well.
fn unopened(path: &Path, uid: u32, error: &io::Error) -> Seen {
    let is_owned = || std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.uid() == uid);
    match error.kind() {
        _ if is_no_file(error) => Seen::Nothing,
        io::ErrorKind::PermissionDenied if !is_owned() => Seen::Nothing,
        _ => Seen::Unsearched(why(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_by_how_its_file_begins() {
        for (text, expected) in [
            ("-----BEGIN OPENSSH PRIVATE KEY-----\n", true),
            ("\u{feff}\n-----BEGIN PRIVATE KEY-----", true),
            ("-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----\n", true),
            ("-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n", false),
            ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n", true),
            ("Bag Attributes\n  friendlyName: a\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n", true),
            ("PuTTY-User-Key-File-3: ssh-ed25519\n", true),
            ("# created: 2026-11-30T00:00:00Z\n# public key: age1x\nAGE-SECRET-KEY-1ABC\n", true),
            (r#"{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\nAA"}"#, true),
            (r#"{"private_key": "the path of it"}"#, false),
            ("KEY = '''\n-----BEGIN PRIVATE KEY-----\n'''", false),
            ("# Keys\nThey begin with -----BEGIN PRIVATE KEY-----", false),
            ("", false),
        ] {
            assert_eq!(is_private_key(text.as_bytes()), expected, "{text}");
        }
    }
}
