//! The one table of exit statuses.
//!
//! The child's own status is passed on; ours are those of `env`, `docker run` and `timeout` (L2). A child that died by a
//! signal with which people end programs is told by the same death of ours, which a shell shows as 128 + its number as
//! well: by that alone a shell knows that its loop is to end, and a supervisor that it was obeyed.

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
    /// The same, by a key of the terminal, which means the whole job: whoever else is in it dies of it, too.
    Key(u8),
    /// `call --fail`: the server answered 400 or above.
    Http,
    /// agentsecrets itself failed or refused.
    Failure,
    /// The command was found and could not be executed.
    NotExecutable,
    /// The command was not found.
    NotFound,
}

/// SIGHUP, SIGINT, SIGQUIT and SIGTERM.
const ENDING: [u8; 4] = [1, 2, 3, 15];

impl Exit {
    /// The signal by which this process is to end, and whether its whole group is.
    pub fn death(self) -> Option<(u8, bool)> {
        match self {
            Self::Key(number) => Some((number, true)),
            Self::Signal(number) if ENDING.contains(&number) => Some((number, false)),
            _ => None,
        }
    }

    /// The same, as `run` says it: its command has every small number for its own use, so that a command line that was
    /// wrong is one of our failures there (L2).
    #[must_use]
    pub fn of_run(self) -> Self {
        if self == Self::Usage { Self::Failure } else { self }
    }

    /// The status for the operating system.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Finding => 1,
            Self::Usage => 2,
            Self::Child(code) => code,
            Self::Signal(number) | Self::Key(number) => 128_u8.saturating_add(number),
            Self::Http => 22,
            Self::Failure => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_that_people_cause_is_passed_on_as_one() {
        for (exit, code, death) in [
            (Exit::Child(130), 130, None),
            (Exit::Signal(2), 130, Some((2, false))),
            (Exit::Key(3), 131, Some((3, true))),
            (Exit::Signal(15), 143, Some((15, false))),
            (Exit::Signal(9), 137, None),
            (Exit::Signal(64), 192, None),
        ] {
            assert_eq!((exit.code(), exit.death()), (code, death), "{exit:?}");
        }
    }
}
