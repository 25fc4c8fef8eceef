//! What a guarded run asks for: plain data, without any real value.

use std::os::fd::RawFd;
use std::path::PathBuf;

use super::super::profile::Place;
use super::super::wire::wire_struct;

/// Everything the monitor needs to know. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GuardProfile {
    /// Where the command starts.
    pub working_directory: PathBuf,
    /// The user's home directory. What is shared with every program is not written where the home lies in it.
    pub home: PathBuf,
    /// Credential files and directories, and our own: neither readable nor writable. Those that do not exist are passed
    /// over.
    pub denied: Vec<PathBuf>,
    /// Directories (or files) that may be written; those that do not exist are passed over.
    pub writable: Vec<PathBuf>,
    /// Devices besides the harmless ones.
    pub devices: Vec<PathBuf>,
    /// Ports to which TCP connections may be made, the broker's first; of whatever host, for Landlock knows no more.
    pub ports: Vec<u16>,
    /// Descriptors besides 0, 1 and 2 that the command keeps.
    pub kept_descriptors: Vec<RawFd>,
    /// The command gets a terminal of its own in the place of every terminal among its standard streams.
    pub own_terminal: bool,
    /// A child of the parent's beside the monitor, which is not the command's to signal and outlives it: who puts the
    /// settings of the user's terminal back.
    pub keeper: Option<u32>,
    /// Whether Unix sockets may be made.
    pub unix_sockets: bool,
    /// The run's own directory: made for it, readable although it lies in a denied one, and removed when the run ends,
    /// whatever ends it.
    pub own: PathBuf,
    /// Files of that directory.
    pub files: Vec<Place>,
}

/// What the guard turned out to be on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GuardFacts {
    /// The version of Landlock.
    pub version: u32,
    /// How many rules there are.
    pub rules: u32,
    /// How many denied paths were tried from inside.
    pub verified: u32,
}

wire_struct!(GuardProfile {
    working_directory,
    home,
    denied,
    writable,
    devices,
    ports,
    kept_descriptors,
    own_terminal,
    keeper,
    unix_sockets,
    own,
    files,
});
wire_struct!(GuardFacts { version, rules, verified });
