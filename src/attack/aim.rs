//! Where the attacks aim: the places and services that the host has planted for them.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// For how long what the host has changed may show, in milliseconds: 0 where nobody hides it.
    pub window: u64,
    /// A run that the user made before, where one was.
    pub earlier_run: Option<String>,
    /// The host's keychain, where one answers.
    pub keychain: Option<Keychain>,
}

/// An item in the keychain of the user's session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Keychain {
    /// The address of the session's bus.
    pub address: String,
    /// The item's attributes; each of them is looked for.
    pub attributes: Vec<(String, String)>,
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

    /// For how long what the host has changed may show.
    pub(super) fn window(&self) -> Duration {
        Duration::from_millis(self.window)
    }

    /// The run that the user made before.
    pub(super) fn earlier_run(&self) -> Result<&str, String> {
        self.earlier_run.as_deref().ok_or_else(|| "no run was made before".into())
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

    /// One for tests, whose secret is `secret`.
    #[cfg(test)]
    pub(super) fn sample(root: &Path) -> Self {
        use std::net::Ipv6Addr;
        Self {
            backwards: "terces".into(),
            root: root.into(),
            home: root.join("home"),
            state: root.join("state"),
            config: root.join("config"),
            sockets: root.into(),
            internet: Ipv4Addr::LOCALHOST,
            internet_v6: Ipv6Addr::LOCALHOST,
            link_local: SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0),
            lan: Ipv4Addr::LOCALHOST,
            metadata: Ipv4Addr::LOCALHOST,
            other_port: 0,
            host_port: 0,
            abstract_name: String::new(),
            canary: String::new(),
            segment: 0,
            key: String::new(),
            terminal: None,
            window: 0,
            earlier_run: None,
            keychain: None,
        }
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
