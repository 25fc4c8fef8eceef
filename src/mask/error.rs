//! Why a file cannot be masked.

use std::path::PathBuf;

use nix::errno::Errno;

/// Why a file cannot be found, read or rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaskError {
    /// Quoting that readers of such files understand in different ways, around a value that had to be replaced.
    #[error("line {line} is quoted in a way that programs read differently")]
    Doubtful {
        /// The line, from 1.
        line: usize,
    },
    /// Bytes that are no text: NUL, or the byte order mark of UTF-16.
    #[error("the file is not text")]
    NotText,
    /// A line that its format does not allow, or that only few programs understand.
    #[error("line {line} cannot be parsed")]
    Unparsed {
        /// The line, from 1.
        line: usize,
    },
    /// A private key, which has no placeholder.
    #[error("a private key")]
    PrivateKey,
    /// JSON that does not parse.
    #[error("byte {offset} is not where JSON allows it")]
    Json {
        /// The offset, from 0.
        offset: usize,
    },
    /// A replacement that the quoting cannot hold, or a result that reads differently than the original.
    #[error("the masked file would not read as the original does")]
    Unfaithful,
    /// A file or directory that holds secrets, or may, and cannot be read.
    #[error("`{}`: cannot be read, so nothing can stand in for it", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A directory in which files may be replaced while the run goes on cannot be watched.
    #[error("`{}`: cannot be watched for files that are replaced", path.display())]
    Watch {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// More values than can be searched for.
    #[error("{count} values are more than can be searched for in files")]
    TooManyValues {
        /// How many.
        count: usize,
    },
    /// Configuration of git that is larger, or names more, than can be followed.
    #[error("`{}`: is or names more of git's configuration than can be followed", path.display())]
    GitSettings {
        /// The file with which it begins.
        path: PathBuf,
    },
    /// A secret file with a hard link that was not found.
    #[error("`{}`: has {links} hard links, and only {found} could be found", path.display())]
    HardLink {
        /// Its path.
        path: PathBuf,
        /// How many names the file has.
        links: u64,
        /// How many of them were found.
        found: u64,
    },
}

impl MaskError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            // The path is long, and the error says it already.
            Self::Unreadable { source, .. } if source.kind() == std::io::ErrorKind::InvalidFilename => {
                Some("its path is longer than the system takes: remove or move a directory on the way".into())
            }
            Self::Unreadable { path, .. } => Some(format!("make it readable for you: chmod u+r '{}'", path.display())),
            Self::HardLink { path, .. } => Some(format!(
                "the other names would show the secrets: find them with `find / -xdev -samefile '{0}'`, or break the link \
                 with `cp '{0}' '{0}.new' && mv '{0}.new' '{0}'`",
                path.display()
            )),
            Self::GitSettings { .. } => {
                Some("git obeys it: look at what it includes and names, and shorten that".into())
            }
            Self::Watch { source, .. } => match source.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ENOSPC) => Some(format!("{LIMITS} fs.inotify.max_user_watches=1048576")),
                Some(Errno::EMFILE) => Some(format!("{LIMITS} fs.inotify.max_user_instances=1024")),
                _ => None,
            },
            _ => None,
        }
    }
}

/// How a limit of the kernel's is raised (`inotify(7)`).
const LIMITS: &str = "end a program of yours that watches many files, or allow more: sudo sysctl";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_too_long_is_shown_once() {
        for (kind, is_named) in
            [(std::io::ErrorKind::InvalidFilename, false), (std::io::ErrorKind::PermissionDenied, true)]
        {
            let error = MaskError::Unreadable { path: "/p/deep".into(), source: kind.into() };
            assert!(error.to_string().contains("/p/deep"));
            assert_eq!(error.hint().unwrap().contains("/p/deep"), is_named, "{kind:?}");
        }
    }
}
