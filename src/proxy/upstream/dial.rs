//! From a target to a connected socket: redirect, proxy, resolve, judge, dial.
//!
//! **Invariants.** An address is dialled only after it was judged; the exceptions are those that the user's own flags
//! and environment name. The dialled address is one of those that were judged, never looked up a second time.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::resolve::Resolver;
use super::{ConnectTo, UpstreamError, UpstreamProxy};
use crate::policy::{Authority, Host};
use crate::proxy::LoopbackSockets;
use crate::proxy::judge::judge;
use crate::proxy::rulebook::{Reach, Site};

/// The whole way to a connected socket.
const PATIENCE: Duration = Duration::from_secs(30);
/// RFC 8305 §5: the connection attempt delay.
const STAGGER: Duration = Duration::from_millis(250);
/// The longest answer head of the environment's proxy.
const LONGEST_ANSWER: usize = 16 * 1024;

/// Makes connections.
#[derive(Debug)]
pub(super) struct Dialler {
    pub(super) resolver: Resolver,
    pub(super) redirects: Vec<ConnectTo>,
    pub(super) proxy: Option<Arc<UpstreamProxy>>,
    pub(super) loopback: Option<Arc<dyn LoopbackSockets>>,
}

impl Dialler {
    /// A connected socket to `site`, without Nagle's delay.
    pub(super) async fn dial(&self, site: &Site) -> Result<TcpStream, UpstreamError> {
        let stream = timeout(PATIENCE, self.reach(site))
            .await
            .map_err(|_| UpstreamError::Slow { seconds: PATIENCE.as_secs() })??;
        stream.set_nodelay(true).map_err(UpstreamError::Connect)?;
        Ok(stream)
    }

    /// A connected socket to a server that the user's own configuration names, whatever its addresses are.
    pub(super) async fn dial_named(&self, authority: &Authority) -> Result<TcpStream, UpstreamError> {
        let reach = async {
            let redirected = self.redirects.iter().find_map(|line| line.redirect(authority));
            match self.proxy.as_ref().filter(|proxy| redirected.is_none() && proxy.serves(authority)) {
                Some(proxy) => self.dial_through(proxy, authority).await,
                None => race(&self.addresses(redirected.as_ref().unwrap_or(authority), |_| Ok(())).await?).await,
            }
        };
        let slow = |_| UpstreamError::Slow { seconds: PATIENCE.as_secs() };
        let stream = timeout(PATIENCE, reach).await.map_err(slow)??;
        stream.set_nodelay(true).map_err(UpstreamError::Connect)?;
        Ok(stream)
    }

    async fn reach(&self, site: &Site) -> Result<TcpStream, UpstreamError> {
        let authority = &site.authority;
        match site.reach {
            Reach::ChildLoopback => return self.dial_child(authority).await,
            Reach::HostLoopback => {
                return race(&[(Ipv4Addr::LOCALHOST, authority.port).into()]).await;
            }
            Reach::World => {}
        }
        if let Some(to) = self.redirects.iter().find_map(|line| line.redirect(authority)) {
            return race(&self.addresses(&to, |_| Ok(())).await?).await;
        }
        if let Some(proxy) = self.proxy.as_ref().filter(|proxy| proxy.serves(authority)) {
            if let Host::Address(address) = authority.host {
                judge(address, site.is_named(), false).map_err(UpstreamError::Address)?;
            }
            return self.dial_through(proxy, authority).await;
        }
        let judged = |address| judge(address, site.is_named(), false).map_err(UpstreamError::Address);
        race(&self.addresses(authority, judged).await?).await
    }

    /// The addresses of `authority` that `allowed` lets pass; the first refusal where it lets none.
    async fn addresses(
        &self,
        authority: &Authority,
        allowed: impl Fn(IpAddr) -> Result<(), UpstreamError>,
    ) -> Result<Vec<SocketAddr>, UpstreamError> {
        let found = match &authority.host {
            Host::Address(address) => Arc::new([*address]),
            Host::Name(name) => self.resolver.resolve(name).await?,
        };
        let mut refusal = None;
        let mut addresses = Vec::with_capacity(found.len());
        for address in found.iter() {
            match allowed(*address) {
                Ok(()) => addresses.push(SocketAddr::new(*address, authority.port)),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        match refusal {
            Some(error) if addresses.is_empty() => Err(error),
            _ => Ok(alternate(addresses)),
        }
    }

    /// Dials the child's own loopback with a socket of its network namespace.
    async fn dial_child(&self, authority: &Authority) -> Result<TcpStream, UpstreamError> {
        let sockets = self.loopback.as_ref().ok_or(UpstreamError::NoLoopback)?;
        let addresses: &[IpAddr] = match &authority.host {
            Host::Address(address) => &[*address],
            Host::Name(_) => &[IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
        };
        let mut failure = UpstreamError::NoLoopback;
        for address in addresses {
            let sockets = Arc::clone(sockets);
            let v6 = address.is_ipv6();
            let made = tokio::task::spawn_blocking(move || sockets.socket(v6)).await.map_err(io::Error::other);
            let connected = match made.and_then(|socket| socket) {
                Ok(socket) => connect_with(socket.into(), SocketAddr::new(*address, authority.port)).await,
                Err(error) => Err(error),
            };
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = UpstreamError::Connect(error),
            }
        }
        Err(failure)
    }

    /// Asks the environment's proxy for a tunnel. Its own address is the user's word.
    async fn dial_through(&self, proxy: &UpstreamProxy, target: &Authority) -> Result<TcpStream, UpstreamError> {
        let mut stream = race(&self.addresses(proxy.authority(), |_| Ok(())).await?).await?;
        stream.write_all(&proxy.head(target)).await.map_err(UpstreamError::Connect)?;
        let mut answer = Vec::with_capacity(256);
        // Byte by byte, because the first byte behind the head belongs to the tunnel.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= LONGEST_ANSWER {
                return Err(UpstreamError::ProxyAnswer);
            }
            answer.push(stream.read_u8().await.map_err(|_| UpstreamError::ProxyAnswer)?);
        }
        let status = answer.split(|byte| *byte == b' ').nth(1).and_then(|status| std::str::from_utf8(status).ok());
        match status.and_then(|status| status.parse::<u16>().ok()) {
            Some(200..=299) => Ok(stream),
            Some(status) => Err(UpstreamError::Proxy { status }),
            None => Err(UpstreamError::ProxyAnswer),
        }
    }
}

async fn connect_with(socket: std::net::TcpStream, address: SocketAddr) -> io::Result<TcpStream> {
    socket.set_nonblocking(true)?;
    TcpSocket::from_std_stream(socket).connect(address).await
}

/// Alternates the families, the resolver's first first (RFC 8305 §4).
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut ordered = Vec::with_capacity(first.len() + second.len());
    first.reverse();
    second.reverse();
    while let Some(address) = first.pop() {
        ordered.push(address);
        ordered.extend(second.pop());
    }
    second.reverse();
    ordered.extend(second);
    ordered
}

/// Dials each address a little after the one before; the first that answers wins (RFC 8305 §5).
async fn race(addresses: &[SocketAddr]) -> Result<TcpStream, UpstreamError> {
    let connect = |address: SocketAddr| async move {
        let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
        socket.connect(address).await
    };
    if let [address] = addresses {
        return connect(*address).await.map_err(UpstreamError::Connect);
    }
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut attempts = JoinSet::new();
    let mut waiting = addresses.iter();
    loop {
        let next = waiting.next();
        if let Some(address) = next {
            attempts.spawn(connect(*address));
        }
        tokio::select! {
            Some(ended) = attempts.join_next() => match ended.map_err(io::Error::other).and_then(|connected| connected) {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            },
            () = sleep(STAGGER), if waiting.len() > 0 => {}
            else => return Err(UpstreamError::Connect(failure)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate() {
        assert_eq!(
            alternate(addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"])),
            addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"])
        );
        assert_eq!(
            alternate(addresses(&["1.1.1.1:1", "[::1]:1", "[::2]:1", "[::3]:1"])),
            addresses(&["1.1.1.1:1", "[::1]:1", "[::2]:1", "[::3]:1"])
        );
    }

    #[tokio::test]
    async fn a_dead_address_does_not_hide_a_live_one() {
        let live = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let listener = tokio::net::TcpListener::bind(live).await.unwrap();
        let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let stream = race(&[dead, listener.local_addr().unwrap()]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), live);
        assert!(matches!(race(&[dead, dead]).await, Err(UpstreamError::Connect(_))));
        assert!(matches!(race(&[]).await, Err(UpstreamError::Connect(_))));
    }
}
