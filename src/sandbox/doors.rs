//! The sockets on which the broker hears the child.

use std::os::fd::OwnedFd;

use super::message::DoorList;

/// Sockets of the child's network namespace, all non-blocking.
#[derive(Debug)]
pub struct Doors {
    /// The explicit proxy, listening on 127.0.0.1.
    pub explicit: OwnedFd,
    /// Its port.
    pub explicit_port: u16,
    /// Listeners for connections to any address on these ports; `getsockname` of an accepted socket is the address that
    /// the child meant (IPv4 addresses come mapped into IPv6).
    pub transparent: Vec<(u16, OwnedFd)>,
    /// UDP port 53 of any address: one socket for IPv4 with `IP_PKTINFO`, one for IPv6 with `IPV6_RECVPKTINFO`.
    pub dns_udp: Vec<OwnedFd>,
    /// TCP port 53 of any address, listening.
    pub dns_tcp: Vec<OwnedFd>,
    /// Raw sockets, one for IPv4 and one for IPv6, of the segments that refused a connection to a port on which nobody
    /// listens. Source address and port are those that the child wanted.
    pub refusals: Vec<OwnedFd>,
    /// The Unix sockets that the profile asked for, in its order, listening.
    pub listeners: Vec<OwnedFd>,
}

impl DoorList {
    /// Puts the sockets where they belong; `None` if their number is not the one announced.
    pub(super) fn open(self, sockets: Vec<OwnedFd>) -> Option<Doors> {
        let mut sockets = sockets.into_iter();
        let explicit = sockets.next()?;
        let transparent =
            self.transparent.into_iter().map(|port| Some((port, sockets.next()?))).collect::<Option<_>>()?;
        let dns_udp = (0..self.udp).map(|_| sockets.next()).collect::<Option<_>>()?;
        let dns_tcp = (0..self.tcp).map(|_| sockets.next()).collect::<Option<_>>()?;
        let refusals = (0..self.refusals).map(|_| sockets.next()).collect::<Option<_>>()?;
        let listeners = (0..self.listeners).map(|_| sockets.next()).collect::<Option<_>>()?;
        let explicit_port = self.explicit_port;
        let doors = Doors { explicit, explicit_port, transparent, dns_udp, dns_tcp, refusals, listeners };
        sockets.next().is_none().then_some(doors)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn doors_take_exactly_their_sockets() {
        let list = || DoorList {
            explicit_port: 7,
            transparent: vec![80, 443],
            udp: 2,
            tcp: 1,
            refusals: 2,
            listeners: 1,
            terminal: false,
        };
        let sockets = |count| (0..count).map(|_| OwnedFd::from(io::pipe().unwrap().0)).collect::<Vec<_>>();
        let doors = list().open(sockets(9)).unwrap();
        assert_eq!(doors.transparent.iter().map(|(port, _)| *port).collect::<Vec<_>>(), [80, 443]);
        assert_eq!((doors.dns_udp.len(), doors.dns_tcp.len(), doors.refusals.len()), (2, 1, 2));
        assert_eq!(doors.listeners.len(), 1);
        assert!(list().open(sockets(8)).is_none());
        assert!(list().open(sockets(10)).is_none());
    }
}
