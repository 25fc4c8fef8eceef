//! Which rights each version of Landlock knows, and what a promise comes to on an older one: pure.

use super::super::left_out::LeftOut;
use super::super::mechanism::Mechanism;
use crate::sys::landlock::Handled;

/// `LANDLOCK_ACCESS_FS_*` of `linux/landlock.h`.
const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIRECTORY: u64 = 1 << 3;
/// From `REMOVE_DIR` to `MAKE_SYM`.
const CHANGE_DIRECTORY: u64 = 0x1ff0;
const MAKE_DEVICES: u64 = 1 << 6 | 1 << 11;
/// Version 2; version 1 refuses to move files between directories whatever the rules.
const MOVE: u64 = 1 << 13;
/// Version 3.
const TRUNCATE: u64 = 1 << 14;
/// Version 5.
const CONTROL_DEVICE: u64 = 1 << 15;
/// `LANDLOCK_ACCESS_NET_CONNECT_TCP`, version 4.
pub(super) const CONNECT: u64 = 1 << 1;
/// `LANDLOCK_SCOPE_*`, version 6.
const ABSTRACT_SOCKETS: u64 = 1;
const SIGNALS: u64 = 1 << 1;

/// Rights that a rule on a file can hold.
const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | CONTROL_DEVICE;

const READING: u64 = EXECUTE | READ_FILE | READ_DIRECTORY;
const WRITING: u64 = WRITE_FILE | CHANGE_DIRECTORY | MOVE;

/// What a rule grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Reading and executing.
    Read,
    /// All but making device nodes.
    Write,
    /// Reading, writing and controlling devices.
    Device,
}

impl Access {
    /// The rights, of those in `handled`, that fit a directory or a file.
    pub(super) fn rights(self, handled: Handled, is_directory: bool) -> u64 {
        let rights = match self {
            Self::Read => READING,
            Self::Write => READING | WRITING & !MAKE_DEVICES | TRUNCATE,
            Self::Device => READ_FILE | READ_DIRECTORY | WRITE_FILE | TRUNCATE | CONTROL_DEVICE,
        };
        let fitting = if is_directory { u64::MAX } else { OF_FILES };
        rights & fitting & handled.files
    }
}

/// What the child's domain forbids where no rule allows it, on a kernel with that version of Landlock.
pub(super) fn handled(version: u32, left_out: &LeftOut) -> Handled {
    let files = [
        (READING, 1, Mechanism::LandlockReading),
        (WRITE_FILE | CHANGE_DIRECTORY, 1, Mechanism::LandlockWriting),
        (MOVE, 2, Mechanism::LandlockWriting),
        (TRUNCATE, 3, Mechanism::LandlockTruncation),
        (CONTROL_DEVICE, 5, Mechanism::LandlockDevices),
    ];
    let network = [(CONNECT, 4, Mechanism::LandlockConnections)];
    let scopes = [(ABSTRACT_SOCKETS, 6, Mechanism::LandlockAbstractSockets), (SIGNALS, 6, Mechanism::LandlockSignals)];
    let known = |rights: &[(u64, u32, Mechanism)]| {
        let there = rights.iter().filter(|(_, since, mechanism)| version >= *since && !left_out.has(*mechanism));
        there.fold(0, |all, (rights, ..)| all | rights)
    };
    Handled { files: known(&files), network: known(&network), scopes: known(&scopes) }
}

/// What the monitor's own domain forbids: signals out of it, so that its signal to everybody reaches its tree alone.
pub(super) fn monitors(version: u32, left_out: &LeftOut) -> Option<Handled> {
    let scopes = handled(version, left_out).scopes & SIGNALS;
    (scopes != 0).then_some(Handled { scopes, ..Handled::default() })
}

/// What an older version of Landlock does not hold, each as a sentence about the child.
pub(super) fn gaps(version: u32) -> Vec<&'static str> {
    let gaps = [
        (4, "it can connect to every host on its own, past the broker"),
        (3, "it can cut files short that it cannot write"),
        (2, "it cannot move files between directories"),
        (5, "it can send control calls to devices that it has open"),
        (6, "it can send signals to your other processes"),
    ];
    gaps.into_iter().filter(|(since, _)| version < *since).map(|(_, gap)| gap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_forbids_what_it_knows() {
        for (version, files, network, scopes) in [
            (1, 0x1fff, 0, 0),
            (2, 0x3fff, 0, 0),
            (3, 0x7fff, 0, 0),
            (4, 0x7fff, 2, 0),
            (5, 0xffff, 2, 0),
            (6, 0xffff, 2, 3),
            (9, 0xffff, 2, 3),
        ] {
            assert_eq!(handled(version, &LeftOut::default()), Handled { files, network, scopes }, "{version}");
            assert_eq!(monitors(version, &LeftOut::default()).is_some(), version >= 6, "{version}");
        }
    }

    #[test]
    fn rules_hold_what_fits_and_what_the_kernel_knows() {
        let (old, new) = (handled(1, &LeftOut::default()), handled(6, &LeftOut::default()));
        for (access, handled, is_directory, expected) in [
            (Access::Read, new, true, 0b1101),
            (Access::Read, new, false, 0b0101),
            (Access::Write, new, true, 0x77bf),
            (Access::Write, old, true, 0x17bf),
            (Access::Write, new, false, 0x4007),
            (Access::Device, new, false, 0xc006),
            (Access::Device, old, false, 0x0006),
        ] {
            assert_eq!(access.rights(handled, is_directory), expected, "{access:?} {is_directory}");
        }
    }

    #[test]
    fn what_an_older_version_lacks_is_said() {
        assert_eq!([1, 2, 3, 4, 5, 6, 7].map(|version| gaps(version).len()), [5, 4, 3, 2, 1, 0, 0]);
        assert!(gaps(3)[0].contains("every host"), "the weightiest comes first");
    }
}
