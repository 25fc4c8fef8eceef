//! Ports that appear on the host by themselves: each that the child opens (`--publish auto`), and those that a login in
//! the browser calls back to.
//!
//! **Invariants.** The kernel is asked only while there is something to wait for. What is published here is on the
//! loopback addresses alone, never below 1024, and never on a number of which the host uses either of them.
//!
//! **Trade-off.** A port that the kernel chose for the child looks like one that the child asked for, so both appear.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::relay::{Inside, Relays};
use super::{tokio_listener, ways_to};
use crate::sandbox::{Listening, Loopback, PortTable};
use crate::supervise::News;

/// How often the kernel is asked: a new port is to be there within 200 ms.
const INTERVAL: Duration = Duration::from_millis(40);
/// How long a login may take until the child listens for it.
const PATIENCE: Duration = Duration::from_mins(10);
/// The most ports published at once.
const MOST: usize = 64;
/// Below are the ports of the administrator.
const FIRST: u16 = 1024;

/// What looks after them.
#[derive(Debug)]
pub(super) struct Watch {
    loopback: Arc<Loopback>,
    table: Option<PortTable>,
    own: HashSet<u64>,
    /// Ports of the child that have a place on the host already.
    published: BTreeSet<u16>,
    auto: bool,
    relays: Relays,
    news: mpsc::Sender<News>,
    /// Ports that were asked for, and until when they are waited for.
    asked: BTreeMap<u16, Instant>,
    open: BTreeMap<u16, Open>,
    /// Ports of which the user heard that they cannot be had.
    lamented: BTreeSet<u16>,
}

/// A port that is published.
#[derive(Debug)]
struct Open {
    at: SocketAddr,
    inside: Inside,
    listeners: Vec<AbortHandle>,
}

impl Drop for Open {
    fn drop(&mut self) {
        // Only the listeners: connections end when one of their sides ends them.
        self.listeners.iter().for_each(AbortHandle::abort);
    }
}

impl Watch {
    pub(super) fn new(
        loopback: Arc<Loopback>,
        own: HashSet<u64>,
        published: BTreeSet<u16>,
        auto: bool,
        relays: Relays,
        news: mpsc::Sender<News>,
    ) -> Self {
        let (asked, open, lamented) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { loopback, table: None, own, published, auto, relays, news, asked, open, lamented }
    }

    /// Runs until everybody who could ask is gone and nothing is published by itself.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<(u16, oneshot::Sender<bool>)>) {
        let mut has_askers = true;
        loop {
            let is_idle = !self.auto && self.asked.is_empty() && self.open.is_empty();
            if is_idle && !has_askers {
                return;
            }
            let request = tokio::select! {
                request = requests.recv(), if has_askers => {
                    has_askers = request.is_some();
                    request
                }
                () = sleep(INTERVAL), if !is_idle => None,
            };
            if let Some((port, _)) = &request
                && *port >= FIRST
            {
                self.asked.insert(*port, Instant::now() + PATIENCE);
                self.lamented.remove(port);
            }
            self.look();
            if let Some((port, answer)) = request {
                let is_same = |open: &Open| open.at.port() == port;
                let is_there = self.published.contains(&port) || self.open.get(&port).is_some_and(is_same);
                // Who asked may be gone by now.
                let _ = answer.send(is_there);
            }
        }
    }

    /// Brings what is published in line with what listens.
    fn look(&mut self) {
        let Some(listening) = self.listening() else { return };
        let gone: Vec<u16> = self.open.keys().copied().filter(|port| !listening.contains_key(port)).collect();
        for port in gone {
            if let Some(open) = self.open.remove(&port) {
                self.asked.remove(&port);
                self.tell(News::Unpublished { port, at: open.at });
            }
        }
        let now = Instant::now();
        self.asked.retain(|port, until| self.open.contains_key(port) || *until > now);
        for (port, addresses) in listening {
            let is_asked = self.asked.contains_key(&port);
            let is_wanted = self.auto || is_asked;
            if let Some(open) = self.open.get(&port) {
                // A server may have closed it and opened it anew on another address.
                open.inside.lead_to(&addresses);
                continue;
            }
            if !is_wanted || self.published.contains(&port) {
                continue;
            }
            if self.open.len() >= MOST {
                self.lament(port, "64 ports are published already");
                continue;
            }
            match self.publish(port, &addresses, is_asked) {
                Ok(at) => self.tell(News::Published { port, at }),
                Err(error) if is_asked => self.lament(port, &error.to_string()),
                Err(error) => self.lament(port, &format!("no port of the host could be had: {error}")),
            }
        }
    }

    /// The child's listening ports that may be published, each with the addresses that lead there.
    fn listening(&mut self) -> Option<BTreeMap<u16, Vec<IpAddr>>> {
        if self.table.is_none() {
            self.table = self.loopback.port_table().ok();
        }
        // An error means that the seal is about to end.
        let listening = self.table.as_ref()?.listening().ok()?;
        Some(publishable(&listening, &self.own))
    }

    /// Listens on the host, on the same number if nobody does; one that was asked for by number needs that number.
    fn publish(&mut self, port: u16, addresses: &[IpAddr], is_asked: bool) -> io::Result<SocketAddr> {
        let listeners = match bind_both(port) {
            Err(_) if !is_asked => bind_any()?,
            bound => bound?,
        };
        let at = listeners.first().ok_or(io::ErrorKind::AddrNotAvailable)?.local_addr()?;
        let inside = Inside::new(&self.loopback, addresses, port);
        let mut open = Open { at, inside, listeners: Vec::new() };
        for listener in listeners {
            let task = self.relays.clone().publish(tokio_listener(listener)?, open.inside.clone());
            open.listeners.push(self.relays.tasks.spawn(task));
        }
        self.open.insert(port, open);
        Ok(at)
    }

    fn lament(&mut self, port: u16, reason: &str) {
        if self.lamented.insert(port) {
            self.tell(News::NotPublished { port, reason: reason.to_owned() });
        }
    }

    fn tell(&self, news: News) {
        // A full channel means that nobody reads them as fast as they come.
        let _ = self.news.try_send(news);
    }
}

/// What of `listening` is the child's own and on loopback or every address, by port.
fn publishable(listening: &[Listening], own: &HashSet<u64>) -> BTreeMap<u16, Vec<IpAddr>> {
    let mut ports: BTreeMap<u16, Vec<IpAddr>> = BTreeMap::new();
    for socket in listening {
        let address = socket.address.to_canonical();
        let is_near = address.is_loopback() || address.is_unspecified();
        if socket.port >= FIRST && is_near && !own.contains(&socket.inode) {
            let ways = ports.entry(socket.port).or_default();
            for way in ways_to(socket.address) {
                if !ways.contains(&way) {
                    ways.push(way);
                }
            }
        }
    }
    ports
}

/// Listeners on `port` of both loopback addresses; an error where a service of the host has either of them.
fn bind_both(port: u16) -> io::Result<Vec<TcpListener>> {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let port = first.local_addr()?.port();
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
        Ok(second) => Ok(vec![first, second]),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        // A host without IPv6.
        Err(_) => Ok(vec![first]),
    }
}

/// Listeners on a port that is free on both.
fn bind_any() -> io::Result<Vec<TcpListener>> {
    let mut bound = bind_both(0);
    for _ in 0..8 {
        if bound.is_ok() {
            break;
        }
        bound = bind_both(0);
    }
    bound
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(address: &str, port: u16, inode: u64) -> Listening {
        Listening { address: address.parse().unwrap(), port, inode }
    }

    #[test]
    fn only_the_child_s_own_near_ports_are_published() {
        let listening = [
            socket("127.0.0.1", 4000, 1),
            socket("::", 443, 2),
            socket("::", 8443, 3),
            socket("127.0.0.1", 5173, 4),
            socket("::1", 5173, 5),
            socket("0.0.0.0", 8000, 6),
            socket("10.0.0.1", 9000, 7),
            socket("127.0.0.5", 9001, 8),
            socket("::ffff:127.0.0.1", 9002, 9),
        ];
        let found = publishable(&listening, &HashSet::from([1, 2, 3]));
        let shown: Vec<String> = found.iter().map(|(port, ways)| format!("{port} {ways:?}")).collect();
        assert_eq!(shown, ["5173 [127.0.0.1, ::1]", "8000 [127.0.0.1]", "9001 [127.0.0.5]", "9002 [127.0.0.1]"]);
    }

    #[test]
    fn a_number_that_the_host_uses_is_not_taken() {
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
            let Ok(taken) = TcpListener::bind(address) else { continue };
            let port = taken.local_addr().unwrap().port();
            assert!(bind_both(port).is_err(), "{address}");
        }
        let bound = bind_any().unwrap();
        assert!(bound.iter().all(|listener| listener.local_addr().unwrap().ip().is_loopback()));
    }
}
