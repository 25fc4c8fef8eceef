//! The little that the sink needs of a file, so that tests can put a failing disk in its place.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use super::directory::Directory;

/// A file that is appended to.
pub(super) trait Disk: Send + Sync {
    /// One write(2): may take fewer bytes than given.
    fn append(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the file back to `length` bytes.
    fn cut(&self, length: u64) -> io::Result<()>;
    /// Makes what was appended durable.
    fn sync(&self) -> io::Result<()>;
}

/// A log on a real disk. The directory's entry is made durable with the first records, off the way of the run's start.
pub(super) struct LogFile {
    file: File,
    directory: Directory,
    is_listed: AtomicBool,
}

impl LogFile {
    /// A file that was just created in `directory`.
    pub(super) fn new(file: File, directory: Directory) -> Self {
        Self { file, directory, is_listed: AtomicBool::new(false) }
    }
}

impl Disk for LogFile {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.file).write(bytes)
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        if !self.is_listed.swap(true, Ordering::Relaxed) {
            self.directory.sync()?;
        }
        Ok(())
    }
}

/// Appends all of `bytes` at the end of a file of `length` bytes. When that fails, the part that was taken is removed
/// again as far as the disk lets us, so that the log ends with a whole line.
pub(super) fn append_all(disk: &dyn Disk, bytes: &[u8], length: u64) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let failure = match disk.append(rest) {
            Ok(0) => io::Error::from(io::ErrorKind::WriteZero),
            Ok(taken) => {
                rest = rest.get(taken..).unwrap_or_default();
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => error,
        };
        if rest.len() < bytes.len() {
            let _ = disk.cut(length);
        }
        return Err(failure);
    }
    Ok(())
}
