//! What becomes of a command: stopped, or ended with a status.

use super::left::Left;

/// What became of the command.
#[derive(Debug)]
pub enum Change {
    /// This signal stopped it; [`Stage::resume`](super::Stage::resume) continues it.
    Stopped(i32),
    /// It ended.
    Ended(Ended),
}

/// How the command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its status.
    pub status: Status,
    /// What it wrote outside the writable trees, where a seal has layers for that.
    pub left: Option<Left>,
}

/// The status of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It ended by itself with this code.
    Exited(u8),
    /// This signal ended it.
    Signaled(u8),
}

impl Status {
    /// From the status of `wait(2)`.
    pub(super) fn of(status: i32) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let status = std::process::ExitStatus::from_raw(status);
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
            (None, signal) => Self::Signaled(u8::try_from(signal.unwrap_or(libc::SIGKILL)).unwrap_or(u8::MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_code_or_a_signal() {
        for (raw, expected) in [
            (0, Status::Exited(0)),
            (255 << 8, Status::Exited(255)),
            (9, Status::Signaled(9)),
            (64, Status::Signaled(64)),
            (0x80 + 11, Status::Signaled(11)),
        ] {
            assert_eq!(Status::of(raw), expected, "{raw:#x}");
        }
    }
}
