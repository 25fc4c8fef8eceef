//! The one table of exit statuses.
//!
//! The child's own status is passed on; ours are those of `env`, `docker run` and `timeout` (L2).

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Success,
    /// A check found something: `log verify` a broken chain, `doctor` no seal, `explain` nothing to run.
    Finding,
    /// The command line was wrong (clap's own status).
    Usage,
    /// The child's own status, 0 to 255.
    Child(u8),
    /// A signal ended the child: 128 + its number.
    Signal(u8),
    /// `call --fail`: the server answered 400 or above.
    Http,
    /// agentsecrets itself failed or refused.
    Failure,
    /// The command was found and could not be executed.
    NotExecutable,
    /// The command was not found.
    NotFound,
}

impl Exit {
    /// The status for the operating system.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Finding => 1,
            Self::Usage => 2,
            Self::Child(code) => code,
            Self::Signal(number) => 128_u8.saturating_add(number),
            Self::Http => 22,
            Self::Failure => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
        }
    }
}
