//! The host that attacks try to reach: listeners on this machine's own addresses and sockets, and what arrived there.
//!
//! **Invariant.** Only this machine is heard: a connection whose two ends are not the same address is closed unread.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

/// How often free ports are looked for.
const ATTEMPTS: usize = 20;
/// The most bytes that are kept of what arrives.
const MOST: usize = 1 << 20;

/// What arrived, and whoever waits for it.
#[derive(Debug, Default)]
struct Arrived {
    bytes: Mutex<Vec<u8>>,
    news: Condvar,
}

/// The listeners; they end with the process.
#[derive(Debug)]
pub(super) struct Host {
    arrived: Arc<Arrived>,
    /// An address of this machine that is not loopback's, if it has one; else one of loopback's.
    pub(super) internet: Ipv4Addr,
    /// Listens on loopback.
    pub(super) loopback_port: u16,
    /// Listens on [`Self::internet`] and on `::1`.
    pub(super) other_port: u16,
    /// Whether `::1` can be listened on.
    pub(super) has_v6: bool,
}

impl Host {
    /// Starts to listen.
    pub(super) fn listen() -> io::Result<Self> {
        let arrived = Arc::new(Arrived::default());
        let internet = own_address().unwrap_or(Ipv4Addr::new(127, 0, 0, 2));
        let has_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
        let loopback_port = everywhere(&arrived, Ipv4Addr::LOCALHOST, has_v6)?;
        let other_port = everywhere(&arrived, internet, has_v6)?;
        Ok(Self { arrived, internet, loopback_port, other_port, has_v6 })
    }

    /// A service behind a socket that every user may connect to.
    ///
    /// It is made from its own folder: an address holds 108 bytes (unix(7)), and a state directory may lie deep. This
    /// process is left in that folder.
    pub(super) fn serve(&self, path: &Path) -> io::Result<()> {
        std::env::set_current_dir(path.parent().unwrap_or(Path::new("/")))?;
        let listener = UnixListener::bind(path.file_name().unwrap_or_default())?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o777))?;
        self.serve_unix(listener)
    }

    /// The same without a file.
    pub(super) fn serve_abstract(&self, name: &str) -> io::Result<()> {
        self.serve_unix(UnixListener::bind_addr(&UnixAddress::from_abstract_name(name)?)?)
    }

    fn serve_unix(&self, listener: UnixListener) -> io::Result<()> {
        let arrived = Arc::clone(&self.arrived);
        start(move || {
            for stream in listener.incoming().flatten() {
                let arrived = Arc::clone(&arrived);
                let _ = start(move || keep(stream, &arrived));
            }
        })
    }

    /// Whether these bytes arrive within `patience`.
    pub(super) fn heard(&self, text: &str, patience: Duration) -> bool {
        let is_missing = |bytes: &mut Vec<u8>| memchr::memmem::find(bytes, text.as_bytes()).is_none();
        let bytes = self.arrived.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.arrived.news.wait_timeout_while(bytes, patience, is_missing);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Arrived {
    fn add(&self, bytes: &[u8]) {
        let mut all = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MOST {
            all.extend_from_slice(bytes);
        }
        self.news.notify_all();
    }
}

/// The first address of an interface that is up and not loopback's.
fn own_address() -> Option<Ipv4Addr> {
    let is_up =
        |flags: InterfaceFlags| flags.contains(InterfaceFlags::IFF_UP) && !flags.contains(InterfaceFlags::IFF_LOOPBACK);
    let interfaces = getifaddrs().ok()?.filter(|interface| is_up(interface.flags));
    let addresses = interfaces.filter_map(|interface| Some(interface.address?.as_sockaddr_in()?.ip()));
    addresses.into_iter().find(|address| TcpListener::bind((*address, 0)).is_ok())
}

/// Listens on one port for TCP and UDP, at `address` and, where there is IPv6, at `::1`.
fn everywhere(arrived: &Arc<Arrived>, address: Ipv4Addr, has_v6: bool) -> io::Result<u16> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let first = TcpListener::bind((address, 0))?;
        let port = first.local_addr()?.port();
        let sixth = has_v6.then(|| bind((Ipv6Addr::LOCALHOST, port).into())).transpose();
        match (UdpSocket::bind((address, port)), sixth) {
            (Ok(datagrams), Ok(sixth)) => {
                serve_udp(arrived, datagrams)?;
                serve_tcp(arrived, first)?;
                if let Some((stream, datagrams)) = sixth {
                    serve_tcp(arrived, stream)?;
                    serve_udp(arrived, datagrams)?;
                }
                return Ok(port);
            }
            (Err(error), _) | (_, Err(error)) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, UdpSocket)> {
    Ok((TcpListener::bind(address)?, UdpSocket::bind(address)?))
}

fn is_own(peer: IpAddr, local: IpAddr) -> bool {
    peer == local || (peer.is_loopback() && local.is_loopback())
}

fn serve_tcp(arrived: &Arc<Arrived>, listener: TcpListener) -> io::Result<()> {
    let arrived = Arc::clone(arrived);
    start(move || {
        for stream in listener.incoming().flatten() {
            let ends = (stream.peer_addr(), stream.local_addr());
            if matches!(ends, (Ok(peer), Ok(local)) if is_own(peer.ip(), local.ip())) {
                let arrived = Arc::clone(&arrived);
                let _ = start(move || keep(stream, &arrived));
            }
        }
    })
}

fn serve_udp(arrived: &Arc<Arrived>, socket: UdpSocket) -> io::Result<()> {
    let (arrived, local) = (Arc::clone(arrived), socket.local_addr()?);
    start(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if is_own(from.ip(), local.ip()) {
                arrived.add(&buffer[..length]);
                // Whoever does not wait for the answer has what it wanted.
                let _ = socket.send_to(b"heard", from);
            }
        }
    })
}

/// Reads until the peer pauses with a line or ends, answers, and keeps what came.
fn keep(mut stream: impl Read + Write, arrived: &Arrived) {
    let mut buffer = [0; 2048];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        arrived.add(&buffer[..length]);
        if buffer[..length].ends_with(b"\n") && stream.write_all(b"host\n").is_err() {
            return;
        }
    }
}

fn start(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("host".into()).spawn(work).map(drop)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn hears_what_comes_from_this_machine() {
        let host = Host::listen().unwrap();
        let mut stream = TcpStream::connect((host.internet, host.other_port)).unwrap();
        stream.write_all(b"a mark\n").unwrap();
        assert!(host.heard("a mark", Duration::from_secs(20)));
        assert!(!host.heard("another", Duration::ZERO));
        assert!(!is_own(Ipv4Addr::new(10, 0, 0, 1).into(), host.internet.into()));
    }
}
