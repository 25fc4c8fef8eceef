//! The directory of the logs: ours, private, not a symlink.
//!
//! **Invariants.** The checks and the creation of the file hold one descriptor of the directory, so that nothing can be
//! exchanged between them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::unistd::geteuid;

use super::AuditError;

/// A checked directory of logs.
pub(super) struct Directory(OwnedFd);

impl Directory {
    /// Makes `path` where it is missing, and opens it; mode 0700 in the end, whatever it was.
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        let failed = |source: io::Error| AuditError::Directory { path: path.to_owned(), source };
        if let Some(parent) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed)?;
        }
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
        let directory = nix::fcntl::open(path, flags, Mode::empty()).map_err(|error| failed(io::Error::from(error)))?;
        let facts = fstat(directory.as_fd()).map_err(|error| failed(io::Error::from(error)))?;
        let user = geteuid().as_raw();
        if facts.st_uid != user {
            return Err(AuditError::ForeignDirectory { path: path.to_owned(), owner: facts.st_uid, user });
        }
        if facts.st_mode & 0o777 != 0o700 {
            fchmod(directory.as_fd(), Mode::S_IRWXU).map_err(|error| failed(io::Error::from(error)))?;
        }
        Ok(Self(directory))
    }

    /// Creates `name`, which must not exist, for appending; mode 0600.
    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_APPEND | OFlag::O_WRONLY;
        let file = openat(self.0.as_fd(), name, flags | OFlag::O_CLOEXEC, Mode::S_IRUSR | Mode::S_IWUSR)?;
        Ok(File::from(file))
    }

    /// Makes the directory's entries durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(nix::unistd::fsync(self.0.as_fd())?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn makes_the_directory_private_and_the_file_too() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("state/runs");
        let file = Directory::open(&path).unwrap().create("x.jsonl").unwrap();
        let mode = |metadata: std::fs::Metadata| metadata.permissions().mode() & 0o777;
        assert_eq!(mode(path.metadata().unwrap()), 0o700);
        assert_eq!(mode(file.metadata().unwrap()), 0o600);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Directory::open(&path).unwrap();
        assert_eq!(mode(path.metadata().unwrap()), 0o700);
    }

    #[test]
    fn refuses_a_symlink_a_file_and_a_log_that_exists() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().join("real");
        Directory::open(&real).unwrap().create("x.jsonl").unwrap();
        let link = place.path().join("link");
        symlink(&real, &link).unwrap();
        assert!(matches!(Directory::open(&link), Err(AuditError::Directory { .. })));
        assert!(matches!(Directory::open(&real.join("x.jsonl")), Err(AuditError::Directory { .. })));
        assert_eq!(Directory::open(&real).unwrap().create("x.jsonl").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        symlink("x.jsonl", real.join("y.jsonl")).unwrap();
        assert!(Directory::open(&real).unwrap().create("y.jsonl").is_err());
    }

    #[test]
    fn refuses_a_directory_of_somebody_else() {
        if geteuid().is_root() {
            let place = tempfile::tempdir().unwrap();
            std::os::unix::fs::chown(place.path(), Some(65_534), None).unwrap();
            assert!(matches!(Directory::open(place.path()), Err(AuditError::ForeignDirectory { owner: 65_534, .. })));
        } else {
            assert!(matches!(Directory::open(Path::new("/")), Err(AuditError::ForeignDirectory { owner: 0, .. })));
        }
    }
}
