//! Which program of the child holds a connection, from outside: `proc(5)`.
//!
//! **Trade-off.** What is found holds for the moment only, and a program that ends at once is missed. It names programs in
//! hints for people and decides nothing.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// The processes in the network namespace of a seal.
#[derive(Debug, Clone)]
pub struct Processes {
    /// `/proc/PID` of the init.
    init: PathBuf,
    /// Whether its network namespace is our own, as in a test.
    is_own: bool,
}

impl Processes {
    /// Those around the init behind `pidfd`; where its number cannot be told, no program is ever found.
    pub(super) fn around(pidfd: BorrowedFd<'_>) -> Self {
        let facts = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).unwrap_or_default();
        let number = facts.lines().find_map(|line| line.strip_prefix("Pid:")).unwrap_or("-1");
        Self { init: Path::new("/proc").join(number.trim()), is_own: false }
    }

    /// The file name of the program that holds the socket at `address`, an end of the child's own.
    pub fn program(&self, address: SocketAddr) -> Option<String> {
        let inode = ["net/tcp", "net/tcp6"].iter().find_map(|table| {
            let table = fs::read_to_string(self.init.join(table)).ok()?;
            inode_of(&table, address.port())
        })?;
        let socket = PathBuf::from(format!("socket:[{inode}]"));
        // The init's own namespace cannot be read, but the child's processes are in none of ours, and inodes of sockets
        // are of no namespace.
        let own = fs::read_link("/proc/self/ns/net").ok()?;
        let processes = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
        let inside = processes
            .filter(|process| fs::read_link(process.join("ns/net")).is_ok_and(|other| self.is_own || other != own));
        let holds = |process: &PathBuf| {
            let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
            descriptors
                .map(|entry| fs::read_link(entry.path()))
                .any(|target| target.is_ok_and(|target| target == socket))
        };
        let program = fs::read_link(inside.into_iter().find(holds)?.join("exe")).ok()?;
        Some(program.file_name()?.to_string_lossy().into_owned())
    }
}

/// The inode of the socket whose own end has this port: fields 2 and 10 of a line of `/proc/net/tcp`.
fn inode_of(table: &str, port: u16) -> Option<u64> {
    let end = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let inode = fields.get(9)?.parse().ok()?;
        (fields.get(1)?.ends_with(&end) && inode != 0).then_some(inode)
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_leads_to_its_program() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let own = std::env::current_exe().unwrap();
        let processes = Processes { init: "/proc/self".into(), is_own: true };
        let found = processes.program(client.local_addr().unwrap());
        assert_eq!(found.as_deref(), own.file_name().unwrap().to_str());
        assert_eq!(processes.program("127.0.0.1:1".parse().unwrap()), None);
    }

    #[test]
    fn the_own_end_counts() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:01BB 0100007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 11 1\n\
            1: 0100007F:C350 0100007F:01BB 06 00000000:00000000 00:00000000 00000000 0 0 0 1\n\
            2: 0100007F:C350 0100007F:01BB 01 00000000:00000000 00:00000000 00000000 0 0 12 1\n";
        assert_eq!((inode_of(table, 50_000), inode_of(table, 443), inode_of(table, 80)), (Some(12), Some(11), None));
    }
}
