//! Something that a child made: reached without following a symlink, and given a name that no tool of the user's obeys.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, open, openat, renameat, renameat2};
use nix::sys::stat::{Mode, fstat, fstatat};
use nix::unistd::geteuid;

/// How the names of what is set aside begin.
const ASIDE: &str = "agentsecrets-aside";

const WAY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// The folder that holds it, its name, and its path from the tree on.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) folder: OwnedFd,
    pub(super) name: OsString,
    pub(super) relative: PathBuf,
}

impl Made {
    /// What stands at `relative` in `tree`; `None` where nothing does, or where something else than a directory is on the way.
    pub(super) fn at(tree: &Path, relative: &Path) -> io::Result<Option<Self>> {
        let mut folder = open(tree, WAY, Mode::empty())?;
        let Some(name) = relative.file_name() else { return Ok(None) };
        for part in relative.parent().into_iter().flat_map(Path::components) {
            let Component::Normal(part) = part else { return Err(io::ErrorKind::InvalidInput.into()) };
            folder = match openat(&folder, part, WAY, Mode::empty()) {
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
                opened => opened?,
            };
        }
        match fstatat(&folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => Ok(None),
            state => Ok(Some(state.map(|_| Self { folder, name: name.to_owned(), relative: relative.to_owned() })?)),
        }
    }

    /// Gives it its new name; the path from the tree on.
    pub(super) fn set_aside(&self, run: &str) -> io::Result<PathBuf> {
        let mut name = OsString::from(format!("{ASIDE}.{run}."));
        name.push(&self.name);
        match self.rename(&name) {
            Err(Errno::EACCES) => {
                self.open_up()?;
                self.rename(&name)?;
            }
            renamed => renamed?,
        }
        Ok(self.relative.with_file_name(name))
    }

    fn rename(&self, name: &OsStr) -> Result<(), Errno> {
        let old = self.name.as_os_str();
        match renameat2(&self.folder, old, &self.folder, name, RenameFlags::RENAME_NOREPLACE) {
            // A file system that cannot refuse to replace; nobody makes the name meanwhile.
            Err(Errno::EINVAL) => match fstatat(&self.folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Err(Errno::ENOENT) => renameat(&self.folder, old, &self.folder, name),
                Err(other) => Err(other),
                Ok(_) => Err(Errno::EEXIST),
            },
            renamed => renamed,
        }
    }

    /// Lets us change names in a folder of ours that the child has closed.
    fn open_up(&self) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let state = fstat(&self.folder)?;
        if state.st_uid != geteuid().as_raw() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mode = Mode::from_bits_truncate(state.st_mode) | Mode::S_IRWXU;
        // A descriptor of a path takes no fchmod(2).
        let folder = format!("/proc/self/fd/{}", self.folder.as_raw_fd());
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode.bits()))
    }
}
