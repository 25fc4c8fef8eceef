//! Where the attacks aim: the places and services that the host has planted for them.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What was planted, and where. It holds the secret backwards, so that no file, variable or argument shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Aim {
    /// The last byte of the secret first.
    pub backwards: String,
    /// The folder that holds home, project, state and configuration.
    pub root: PathBuf,
    /// The home.
    pub home: PathBuf,
    /// `XDG_STATE_HOME`.
    pub state: PathBuf,
    /// `XDG_CONFIG_HOME`.
    pub config: PathBuf,
    /// Where sockets are, outside home and project.
    pub sockets: PathBuf,
    /// An address that stands for the internet.
    pub internet: Ipv4Addr,
    /// Another, of IPv6.
    pub internet_v6: Ipv6Addr,
    /// A neighbour on the link.
    pub link_local: SocketAddrV6,
    /// Another machine in the office.
    pub lan: Ipv4Addr,
    /// Where a cloud machine reads its credentials.
    pub metadata: Ipv4Addr,
    /// A port that no policy opens.
    pub other_port: u16,
    /// A service on the host's own loopback.
    pub host_port: u16,
    /// The name of the host's abstract socket.
    pub abstract_name: String,
    /// What the host's canaries in shared places are called.
    pub canary: String,
    /// The host's System V shared memory segment.
    pub segment: i32,
    /// The description of a key in the session's keyring.
    pub key: String,
    /// The host's terminal, its device and inode.
    pub terminal: Option<(PathBuf, u64, u64)>,
}

impl Aim {
    /// Reads it.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }

    /// Writes it.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, serde_json::to_vec(self)?)
    }

    /// The file in the project that holds this.
    pub(super) fn file(&self) -> PathBuf {
        self.root.join("project/aim.json")
    }

    /// Whether bytes hold the secret.
    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        let value: Vec<u8> = self.backwards.bytes().rev().collect();
        !value.is_empty() && memchr::memmem::find(bytes, &value).is_some()
    }

    /// Says whether bytes that were read hold the secret.
    pub(super) fn verdict(&self, bytes: &[u8]) -> super::Outcome {
        if self.is_in(bytes) {
            Ok("the real value".into())
        } else {
            Err(format!("{} bytes without the value", bytes.len()))
        }
    }
}
