//! Tries the guard from inside, with the child's own rights: for each class of what it refuses, one canary (C1).

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::Pid;

use super::super::command::verify_terminals;
use super::super::failure::Failure;
use super::super::left_out::LeftOut;
use super::super::mechanism::Mechanism;
use super::profile::GuardProfile;
use super::rights;

/// What the verifying process knows.
pub(super) struct Canaries<'a> {
    pub(super) profile: &'a GuardProfile,
    pub(super) left_out: &'a LeftOut,
    pub(super) version: u32,
    /// Everything denied, second mounts included.
    pub(super) denied: Vec<PathBuf>,
    /// The monitor, which is outside, of the same user, and readable until all is verified.
    pub(super) monitor: Pid,
}

impl Canaries<'_> {
    /// Tries everything; says how many denied paths there are.
    pub(super) fn verify(&self) -> Result<u32, Failure> {
        self.rights()?;
        self.processes()?;
        self.sockets()?;
        self.terminals()?;
        self.writing()?;
        let reading = !self.left_out.has(Mechanism::LandlockReading) && !self.left_out.has(Mechanism::Landlock);
        for path in self.denied.iter().filter(|_| reading) {
            if can_read(path) {
                return Err(Failure::found(Mechanism::LandlockReading, "it can be read all the same", Some(path)));
            }
        }
        Ok(u32::try_from(self.denied.len()).unwrap_or(u32::MAX))
    }

    fn has(&self, mechanism: Mechanism) -> bool {
        !self.left_out.has(mechanism) && !self.left_out.has(Mechanism::Landlock)
    }

    fn rights(&self) -> Result<(), Failure> {
        let field = |name: &str| super::waiting::status_field(name).ok();
        if field("NoNewPrivs") != Some(1) {
            return Err(Failure::found(Mechanism::NoNewPrivileges, "new privileges can be had", None));
        }
        if !self.left_out.has(Mechanism::Filter) && field("Seccomp") != Some(2) {
            return Err(Failure::found(Mechanism::Filter, "no system call filter is loaded", None));
        }
        let beyond = |set: &str| field(set).is_none_or(|set| set & !super::waiting::kept_mask() != 0);
        if !self.left_out.has(Mechanism::Capabilities)
            && ["CapPrm", "CapEff", "CapInh", "CapAmb"].into_iter().any(beyond)
        {
            return Err(Failure::found(Mechanism::Capabilities, "capabilities are left", None));
        }
        Ok(())
    }

    fn processes(&self) -> Result<(), Failure> {
        let environment = Path::new("/proc").join(self.monitor.to_string()).join("environ");
        if self.has(Mechanism::Landlock) && fs::read(&environment).is_ok() {
            let step = "another process can be read";
            return Err(Failure::found(Mechanism::Landlock, step, Some(&environment)));
        }
        let scoped = rights::handled(self.version, self.left_out).scopes != 0;
        if scoped && self.has(Mechanism::LandlockSignals) && kill(self.monitor, None) != Err(Errno::EPERM) {
            return Err(Failure::found(Mechanism::LandlockSignals, "another process can be signalled", None));
        }
        Ok(())
    }

    fn sockets(&self) -> Result<(), Failure> {
        let makes = |family, kind| socket(family, kind, SockFlag::SOCK_CLOEXEC, None).is_ok();
        let filters =
            |mechanism| ![Mechanism::Filter, Mechanism::FilterSockets, mechanism].iter().any(|m| self.left_out.has(*m));
        if filters(Mechanism::FilterDatagrams) && makes(AddressFamily::Inet, SockType::Datagram) {
            return Err(Failure::found(Mechanism::FilterDatagrams, "datagrams can be sent", None));
        }
        if filters(Mechanism::FilterUnixSockets)
            && !self.profile.unix_sockets
            && makes(AddressFamily::Unix, SockType::Stream)
        {
            return Err(Failure::found(Mechanism::FilterUnixSockets, "Unix sockets can be made", None));
        }
        if rights::handled(self.version, self.left_out).network == 0 || !self.has(Mechanism::LandlockConnections) {
            return Ok(());
        }
        // The kernel asks Landlock before it looks whether anybody listens.
        let other = (1..=u16::MAX).find(|port| !self.profile.ports.contains(port)).unwrap_or(1);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, other));
        match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
            _ => Err(Failure::found(Mechanism::LandlockConnections, "connections can be made past the broker", None)),
        }
    }

    fn terminals(&self) -> Result<(), Failure> {
        if self.left_out.has(Mechanism::OwnTerminal) {
            return Ok(());
        }
        verify_terminals(self.profile.own_terminal, &self.profile.kept_descriptors)
    }

    /// Our own directory belongs to this user and is granted for reading.
    fn writing(&self) -> Result<(), Failure> {
        if !self.has(Mechanism::LandlockWriting) {
            return Ok(());
        }
        let place = &self.profile.own;
        match fs::create_dir(place.join("canary")) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
            _ => Err(Failure::found(Mechanism::LandlockWriting, "it can be written", Some(place))),
        }
    }
}

fn can_read(path: &Path) -> bool {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => fs::read_dir(path).is_ok(),
        _ => fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).is_ok(),
    }
}
