//! Ports of the child on the host's loopback, and Unix sockets of the host inside: relays in the parent, over sockets of
//! the child's own network namespace.
//!
//! **Invariants.** Nothing is reachable that was not asked for: a port by `--publish`, every listening one by
//! `--publish auto`, the one that a login in the browser calls back to, and sockets by their paths. What this program
//! publishes by itself is on the loopback addresses, at 1024 and above, and never takes a number that a service of the
//! host listens on. Relays end with the run.

mod publish;
mod relay;
mod socket;
mod watch;

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use super::News;
use crate::sandbox::Loopback;
use relay::Inside;

pub use publish::{HostPort, Publish, PublishError};
pub use socket::{HostSocket, SocketError};

/// Connections relayed at once, both ways together.
const MOST_CONNECTIONS: usize = 256;

/// What the user wants reached across the seal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// Ports of the child on the host.
    pub published: Vec<Publish>,
    /// Unix sockets of the host inside.
    pub sockets: Vec<HostSocket>,
    /// Whether the child may have links opened in the user's browser.
    pub browser: bool,
}

/// What was opened on the host before anything started.
#[derive(Debug, Default)]
pub struct Bound {
    /// Ports of the child.
    ports: Vec<HostPort>,
    /// Whether every port that the child opens is published.
    auto: bool,
}

impl Bound {
    /// Takes every port on the host that `wanted` names.
    pub fn bind(wanted: &Wanted) -> Result<Self, PublishError> {
        let mut bound = Self::default();
        for publish in &wanted.published {
            match publish {
                Publish::Auto => bound.auto = true,
                Publish::Port { host, host_port, port } => bound.ports.push(HostPort::bind(*host, *host_port, *port)?),
            }
        }
        Ok(bound)
    }
}

/// What lies inside of a seal.
#[derive(Debug)]
pub struct Seal {
    /// Makes sockets there.
    pub loopback: Arc<Loopback>,
    /// The inodes of our own listeners there.
    pub own: HashSet<u64>,
    /// Listeners inside, each with the socket of the host that it leads to.
    pub sockets: Vec<(HostSocket, OwnedFd)>,
}

/// The relays of a run. Dropped, they end with everything that they relay.
#[derive(Debug)]
pub struct Ports {
    tasks: Tasks,
    requests: mpsc::Sender<(u16, oneshot::Sender<bool>)>,
}

impl Ports {
    /// Starts relaying.
    pub fn start(bound: Bound, seal: Seal, news: mpsc::Sender<News>) -> io::Result<Self> {
        let tasks = Tasks::default();
        let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let relays = relay::Relays { tasks: tasks.clone(), permits };
        let published: BTreeSet<u16> = bound.ports.iter().map(|port| port.port).collect();
        for HostPort { listener, port } in bound.ports {
            let inside = Inside::new(&seal.loopback, &[Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()], port);
            let listener = tokio_listener(listener)?;
            tasks.spawn(relays.clone().publish(listener, inside));
        }
        for (socket, listener) in seal.sockets {
            let listener = UnixListener::from(listener);
            listener.set_nonblocking(true)?;
            let listener = tokio::net::UnixListener::from_std(listener)?;
            tasks.spawn(relays.clone().reach(listener, socket, news.clone()));
        }
        let (requests, asked) = mpsc::channel(16);
        let watch = watch::Watch::new(seal.loopback, seal.own, published, bound.auto, relays, news);
        tasks.spawn(watch.run(asked));
        Ok(Self { tasks, requests })
    }

    /// What asks for ports of the child by number.
    pub fn callbacks(&self) -> Callbacks {
        Callbacks(self.requests.clone())
    }

    /// Ends every relay.
    pub async fn close(self) {
        self.tasks.close().await;
    }
}

/// Asks for a port of the child under the same number on the host, for as long as the child listens there.
#[derive(Debug, Clone)]
pub struct Callbacks(mpsc::Sender<(u16, oneshot::Sender<bool>)>);

impl Callbacks {
    /// Whether the host's loopback leads to the child's `port` now. Where the child does not listen yet, it will when it
    /// does, within some minutes.
    pub async fn publish(&self, port: u16) -> bool {
        let (answer, answered) = oneshot::channel();
        self.0.send((port, answer)).await.is_ok() && answered.await.unwrap_or(false)
    }
}

/// The tasks of all relays.
#[derive(Debug, Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while set.try_join_next().is_some() {}
        set.spawn(future)
    }

    async fn close(&self) {
        let mut set = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        set.shutdown().await;
    }
}

fn tokio_listener(listener: TcpListener) -> io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

/// The addresses inside that lead to a socket that listens on `address`.
fn ways_to(address: IpAddr) -> Vec<IpAddr> {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => vec![Ipv4Addr::LOCALHOST.into()],
        // Of both families, unless the socket is for IPv6 alone.
        IpAddr::V6(address) if address.is_unspecified() => {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        }
        address => vec![address.to_canonical()],
    }
}
