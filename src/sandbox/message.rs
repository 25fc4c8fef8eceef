//! What the parent and its stage say to each other over the control socket.

use std::ffi::OsString;
use std::path::PathBuf;

use super::failure::Failure;
use super::guard::{GuardFacts, GuardProfile};
use super::left::LeftLayer;
use super::profile::{Mask, Place, Profile};
use super::wire::{wire_enum, wire_struct};

/// From the parent to the init.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Build the seal.
    Establish { profile: Box<Profile> },
    /// Guard instead.
    Guard { profile: Box<GuardProfile> },
    /// Lay these files, which takes the parent longer to know than all else.
    Lay { places: Vec<Place> },
    /// Execute the command, in front of its terminal or not.
    Execute { arguments: Vec<OsString>, environment: Vec<(OsString, OsString)>, foreground: bool },
    /// Send this signal to the command, or to the whole process group that it leads.
    Signal { number: i32, group: bool },
    /// Continue the command's group, in front of its terminal or not.
    Continue { foreground: bool },
}

/// From the stage and the init to the parent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The init exists; its pidfd comes along.
    Init { real_root: bool },
    /// The seal stands and is verified; the sockets of the doors come along, in the order of [`DoorList`].
    Established { facts: Facts, doors: DoorList },
    /// The guard stands and is verified; the master of the child's own terminal comes along if it has one.
    Guarded { facts: GuardFacts },
    /// A step failed: there is no seal.
    Failed { failure: Failure },
    /// The command runs.
    Started {},
    /// The command could not be executed; the error number says why.
    NotStarted { errno: i32 },
    /// The command was stopped by this signal.
    Stopped { signal: i32 },
    /// An order to continue was carried out: who is to be in front of the terminal is.
    Continued {},
    /// The command ended; every process inside is being killed. Where there are layers, the file system that they are in
    /// comes along.
    Ended { status: i32, left: Vec<LeftLayer>, merged: Vec<(PathBuf, PathBuf)> },
}

/// What the parent wants of the init over the loopback socket; the answer is an error number, or 0 and the descriptor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// An unconnected TCP socket of the child's network namespace.
    Stream { v6: bool },
    /// A socket that lists the sockets of that namespace (`sock_diag(7)`).
    PortTable {},
    /// This mask put where it does not show; without a descriptor. [`BEFORE`] and [`NOTHING`] say why it was not put.
    Mask { mask: Mask },
}

/// The answer of a mask that was not put, since it shows already.
pub(super) const BEFORE: i32 = -1;
/// The answer of a mask that was not put, since nothing is there that it is for.
pub(super) const NOTHING: i32 = -2;

/// Which socket is which among those that come with `Established`: explicit, transparent, UDP, TCP, refusals, listeners,
/// the master of the child's terminal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DoorList {
    /// The port of the explicit proxy.
    pub(super) explicit_port: u16,
    /// The ports of the transparent listeners.
    pub(super) transparent: Vec<u16>,
    /// How many sockets receive DNS over UDP.
    pub(super) udp: u8,
    /// How many sockets receive DNS over TCP.
    pub(super) tcp: u8,
    /// How many sockets see refusals.
    pub(super) refusals: u8,
    /// How many of the profile's Unix sockets there are: all.
    pub(super) listeners: u8,
    /// Whether the master of the child's own terminal is there.
    pub(super) terminal: bool,
}

/// What the seal turned out to be where that depends on the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Ids are mapped one to one and the command keeps CHOWN, `DAC_OVERRIDE`, FOWNER and FSETID.
    pub real_root: bool,
    /// Writes to the home directory go to a private layer; otherwise it is read-only.
    pub home_is_overlaid: bool,
    /// Directories over which no overlay could be mounted: read-only, their sockets masked.
    pub read_only: Vec<PathBuf>,
    /// How many masks were read back from inside.
    pub verified_masks: u32,
}

wire_struct!(DoorList { explicit_port, transparent, udp, tcp, refusals, listeners, terminal });
wire_struct!(Facts { real_root, home_is_overlaid, read_only, verified_masks });
wire_enum!(Wanted { 0 => Stream(v6), 1 => PortTable(), 2 => Mask(mask) });
wire_enum!(Order {
    0 => Establish(profile),
    1 => Execute(arguments, environment, foreground),
    2 => Signal(number, group),
    3 => Continue(foreground),
    4 => Guard(profile),
    5 => Lay(places),
});
wire_enum!(Answer {
    0 => Init(real_root),
    1 => Established(facts, doors),
    2 => Failed(failure),
    3 => Started(),
    4 => NotStarted(errno),
    5 => Ended(status, left, merged),
    6 => Guarded(facts),
    7 => Stopped(signal),
    8 => Continued(),
});
