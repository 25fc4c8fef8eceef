//! Connections across the seal, byte for byte.
//!
//! **Invariants.** One side's end is passed on as an end and its reset as a reset; a side that does not read stops the
//! other from sending. Past the limit, connections wait in the kernel's queue.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;

use super::{HostSocket, Tasks};
use crate::sandbox::Loopback;
use crate::supervise::News;

/// What is read at once.
const CHUNK: usize = 32 * 1024;
/// The pause after an error of accept(2), such as EMFILE.
const PAUSE: Duration = Duration::from_millis(20);

/// Where a connection goes inside.
#[derive(Debug, Clone)]
pub(super) struct Inside {
    loopback: Arc<Loopback>,
    port: u16,
    addresses: Arc<Mutex<Vec<IpAddr>>>,
}

impl Inside {
    pub(super) fn new(loopback: &Arc<Loopback>, addresses: &[IpAddr], port: u16) -> Self {
        let addresses = Arc::new(Mutex::new(addresses.to_vec()));
        Self { loopback: Arc::clone(loopback), port, addresses }
    }

    /// Leads later connections to these addresses.
    pub(super) fn lead_to(&self, addresses: &[IpAddr]) {
        let mut known = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != addresses {
            addresses.clone_into(&mut known);
        }
    }

    /// The first address that answers.
    async fn dial(&self) -> io::Result<TcpStream> {
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for address in addresses {
            match self.dial_one(SocketAddr::new(address, self.port)).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn dial_one(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let loopback = Arc::clone(&self.loopback);
        let made = tokio::task::spawn_blocking(move || loopback.socket(address.is_ipv6())).await;
        let socket = std::net::TcpStream::from(made.map_err(io::Error::other)??);
        TcpSocket::from_std_stream(socket).connect(address).await
    }
}

/// What all relays share.
#[derive(Debug, Clone)]
pub(super) struct Relays {
    pub(super) tasks: Tasks,
    pub(super) permits: Arc<Semaphore>,
}

impl Relays {
    /// Takes the host's connections to a port of the child.
    pub(super) async fn publish(self, listener: TcpListener, inside: Inside) {
        loop {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
            let Ok((outer, _)) = listener.accept().await else {
                sleep(PAUSE).await;
                continue;
            };
            let inside = inside.clone();
            self.tasks.spawn(async move {
                match inside.dial().await {
                    Ok(inner) => join(outer, inner).await,
                    // Nobody listens inside: the host hears what it would hear of a closed port.
                    Err(_) => reset(&outer),
                }
                drop(permit);
            });
        }
    }

    /// Takes the child's connections to a Unix socket of the host.
    pub(super) async fn reach(self, listener: UnixListener, socket: HostSocket, news: mpsc::Sender<News>) {
        loop {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
            let Ok((mut inner, _)) = listener.accept().await else {
                sleep(PAUSE).await;
                continue;
            };
            let (socket, news) = (socket.clone(), news.clone());
            self.tasks.spawn(async move {
                match dial(&socket).await {
                    // Whatever went wrong, both ends close now, and hear it.
                    Ok(mut outer) => drop(copy_bidirectional_with_sizes(&mut inner, &mut outer, CHUNK, CHUNK).await),
                    // A full channel means that nobody reads them; the child sees a closed connection all the same.
                    Err(error) => {
                        let path = socket.host.clone();
                        drop(news.try_send(News::NoSocket { path, reason: error.to_string() }));
                    }
                }
                drop(permit);
            });
        }
    }
}

async fn dial(socket: &HostSocket) -> io::Result<UnixStream> {
    let pinned = socket.pin()?;
    UnixStream::connect(pinned.path()).await
}

async fn join(mut outer: TcpStream, mut inner: TcpStream) {
    // A socket that is gone already fails at its first read.
    let _ = (outer.set_nodelay(true), inner.set_nodelay(true));
    if copy_bidirectional_with_sizes(&mut outer, &mut inner, CHUNK, CHUNK).await.is_err() {
        reset(&outer);
        reset(&inner);
    }
}

/// The close that follows sends a reset (socket(7), `SO_LINGER` of 0).
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
