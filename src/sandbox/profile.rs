//! What a run asks of the seal: plain data, without any real value.

use std::os::fd::RawFd;
use std::path::PathBuf;

use super::wire::{Bytes, wire_enum, wire_struct};

/// Everything the stage needs to know to build a seal. Paths are absolute and without symlinks except where noted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// The project directory.
    pub project: PathBuf,
    /// Whether the project is bound through, writable. Refused when it is the home directory or lies above it.
    pub project_is_bound: bool,
    /// Where the command starts. If it does not exist inside, the run is refused.
    pub working_directory: PathBuf,
    /// The user's home directory.
    pub home: PathBuf,
    /// `XDG_RUNTIME_DIR`, made anew with mode 0700.
    pub runtime_directory: Option<PathBuf>,
    /// Directories (or files) that stay writable; those that do not exist are passed over.
    pub writable: Vec<PathBuf>,
    /// Paths under /tmp, /var/tmp, /run or /dev/shm that the command line names: bound through. Sockets are not.
    pub argument_paths: Vec<PathBuf>,
    /// Existing paths that the host would run or obey later: read-only inside. A symlink is guarded as such.
    pub guarded: Vec<PathBuf>,
    /// PATH directories and our own executable: never writable.
    pub protected: Vec<PathBuf>,
    /// Our own configuration and state directories: empty inside. One that does not exist must not lie in a writable
    /// tree, or the child could make it.
    pub hidden: Vec<PathBuf>,
    /// Secret files and directories, and what the child sees in their place.
    pub masks: Vec<Mask>,
    /// Those of the masked files that the child may change, in its own copy; [`Left`](super::Left) gives it at the end.
    pub merged: Vec<PathBuf>,
    /// Sockets in trees that are bound through, found by the parent's walk.
    pub sockets: Vec<PathBuf>,
    /// Device nodes to add to the seal's /dev.
    pub devices: Vec<PathBuf>,
    /// Descriptors besides 0, 1 and 2 that the command keeps (`/dev/fd/N` on its command line).
    pub kept_descriptors: Vec<RawFd>,
    /// The command gets a terminal of its own in the place of every terminal among its standard streams.
    pub own_terminal: bool,
    /// Ports besides 80 and 443 on which connections to any address are received.
    pub transparent_ports: Vec<u16>,
    /// Unix sockets on which the parent hears the child, by their paths inside: mounted over what is there; where nothing
    /// is, the path must lie where the seal has a directory of its own.
    pub listeners: Vec<PathBuf>,
    /// A program of ours for the child.
    pub program: Option<Program>,
}

/// Our own executable at a path inside, whatever the seal hides of the place where it is on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Where it is on the host.
    pub executable: PathBuf,
    /// Where it appears: in a directory of its own below /run.
    pub path: PathBuf,
    /// Names of symlinks to it, beside it.
    pub names: Vec<String>,
}

/// A path whose content the child must not see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// The file or directory itself, symlinks resolved.
    pub path: PathBuf,
    /// What is seen instead.
    pub kind: MaskKind,
}

/// What the child sees in place of a masked path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaskKind {
    /// A file with these bytes, which hold placeholders only, and the mode and owner of the original.
    File {
        /// Its content.
        bytes: Bytes,
    },
    /// An empty directory with the mode and owner of the original.
    EmptyDirectory {},
}

/// What became of a mask that was asked for while the command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was put now.
    Now,
    /// It shows since before.
    Before,
    /// Nothing is there that it is for.
    Nothing,
}

/// A file of ours at one or several paths (certificate bundles): symlinks are followed. A path whose directory does not exist
/// inside is passed over, except below /run, /tmp and their like, where directories are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where it appears.
    pub paths: Vec<PathBuf>,
    /// Its content.
    pub bytes: Bytes,
}

impl Mask {
    /// A file with `bytes` in place of `path`.
    pub fn file(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), kind: MaskKind::File { bytes: Bytes(bytes.into()) } }
    }

    /// Whether nothing of a file is shown.
    pub fn is_empty_file(&self) -> bool {
        matches!(&self.kind, MaskKind::File { bytes } if bytes.0.is_empty())
    }

    /// An empty directory in place of `path`.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), kind: MaskKind::EmptyDirectory {} }
    }
}

wire_struct!(Mask { path, kind });
wire_struct!(Place { paths, bytes });
wire_struct!(Program { executable, path, names });
wire_enum!(MaskKind { 0 => File(bytes), 1 => EmptyDirectory() });
wire_struct!(Profile {
    project,
    project_is_bound,
    working_directory,
    home,
    runtime_directory,
    writable,
    argument_paths,
    guarded,
    protected,
    hidden,
    masks,
    merged,
    sockets,
    devices,
    kept_descriptors,
    own_terminal,
    transparent_ports,
    listeners,
    program,
});
