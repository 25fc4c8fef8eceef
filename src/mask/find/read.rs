//! Opens what was found without being surprised by it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;
use zeroize::Zeroizing;

use super::Content;

/// Larger files are hidden whole: no `.env` file comes near.
pub const LARGEST: usize = 8 << 20;

/// Reads a regular file. The kind is asked of the opened file, so that nothing can change in between; a FIFO does not
/// block, since it is opened without waiting (open(2), `O_NONBLOCK`).
pub(super) fn read(path: &Path) -> io::Result<Content> {
    read_within(path, LARGEST)
}

/// The same for a file of `most` bytes.
pub(super) fn read_within(path: &Path, most: usize) -> io::Result<Content> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let metadata = file.metadata()?;
    let Ok(length) = usize::try_from(metadata.len()) else { return Ok(Content::Unreadable) };
    if !metadata.is_file() || length > most {
        return Ok(Content::Unreadable);
    }
    read_bounded(file, length, most)
}

/// Reads into one allocation that never moves, so that no copy of the bytes is left unwiped.
fn read_bounded(file: File, length: usize, most: usize) -> io::Result<Content> {
    // A file may grow while it is read, and those of some file systems say that they have no bytes.
    let mut bytes = Zeroizing::new(vec![0; length.max(4096) + 4096]);
    let mut filled = 0;
    let mut file = file.take(most as u64 + 1);
    loop {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled > most {
            return Ok(Content::Unreadable);
        }
        if filled == bytes.len() {
            let mut larger = Zeroizing::new(vec![0; filled * 2]);
            larger[..filled].copy_from_slice(&bytes);
            bytes = larger;
        }
    }
    bytes.truncate(filled);
    Ok(Content::Bytes(bytes))
}
