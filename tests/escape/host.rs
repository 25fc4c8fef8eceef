//! A host of the suite's own: network, mount, IPC and host name namespaces in which listeners stand for the internet,
//! the local network, the metadata service and the host's own services. Whatever reaches one of them is kept.
//!
//! **Invariant.** Nothing here touches the machine, not even what a run as root writes when the mechanism that would keep
//! it in is left out: every directory of the machine has a layer of its own over it, and the namespaces end with the
//! process.

use std::ffi::{CStr, CString};
use std::fs;
use std::io::{Read, Write};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};
use std::thread;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use crate::support::deadline::{Watched, poll};
use crate::support::place;

/// An address of the internet.
pub(crate) const PUBLIC: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 34);
/// Another machine in the office.
pub(crate) const LAN: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 7);
/// Where a cloud machine reads its credentials.
pub(crate) const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// An IPv6 address of the internet.
pub(crate) const PUBLIC_V6: Ipv6Addr = Ipv6Addr::new(0x2606, 0x2800, 0x220, 1, 0, 0, 0, 7);
/// A neighbour on the link.
pub(crate) const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 7);
/// A port that no policy opens.
pub(crate) const OTHER_PORT: u16 = 7777;
/// A service on the host's own loopback.
pub(crate) const HOST_PORT: u16 = 5432;
/// The name of the host's abstract socket.
pub(crate) const ABSTRACT: &str = "a-service-of-the-host";
/// What the host's canaries in shared places are called.
pub(crate) const CANARY: &str = ".escape-host";
/// The description of the host's key.
pub(crate) const KEY: &CStr = c"escape";
/// The host's System V shared memory segment.
pub(crate) const SEGMENT: i32 = 0x6167_7374;

/// Everything that reached a listener.
static ARRIVED: LazyLock<Watched<Vec<u8>>> = LazyLock::new(Watched::default);
static SOCKETS: OnceLock<PathBuf> = OnceLock::new();

/// Whether these bytes reach the host within `patience`.
pub(crate) fn arrives(bytes: &[u8], patience: Duration) -> bool {
    ARRIVED.wait(patience, |all| memchr::memmem::find(all, bytes).map(drop)).is_some()
}

fn arrived(bytes: &[u8]) {
    ARRIVED.change(|all| all.extend_from_slice(bytes));
}

/// Where the host's Unix sockets are, outside home and project.
pub(crate) fn sockets() -> &'static Path {
    SOCKETS.get().unwrap()
}

/// The user's browser: it sends what it is to open to a service of the host.
pub(crate) fn browser() -> PathBuf {
    let path = sockets().join("browser");
    if !path.exists() {
        let text = format!("#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{HOST_PORT}\nprintf '%s\\n' \"$@\" >&3\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    path
}

/// Leaves the machine's namespaces for new ones and builds the host in them. Must come before any thread.
pub(crate) fn enter() -> tempfile::TempDir {
    let (user, group) = (geteuid(), getegid());
    let mut flags =
        CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    if !user.is_root() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(flags).unwrap();
    if !user.is_root() {
        fs::write("/proc/self/setgroups", "deny").unwrap();
        fs::write("/proc/self/uid_map", format!("{user} {user} 1")).unwrap();
        fs::write("/proc/self/gid_map", format!("{group} {group} 1")).unwrap();
    }
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
    network();
    let folder = place::folder("host");
    shared_places();
    if user.is_root() {
        protect();
        scheduled_jobs(folder.path());
    }
    SOCKETS.set(folder.path().to_owned()).unwrap();
    session_key();
    listen(folder.path());
    resolver(folder.path());
    shared_memory();
    folder
}

/// Puts a layer over each directory of the machine's own disk, apart from the one that the tests' place is in.
fn protect() {
    let layers = Path::new("/run/layers-of-the-host");
    let device = fs::metadata("/").unwrap().dev();
    for entry in fs::read_dir("/").unwrap().flatten() {
        let path = entry.path();
        let facts = fs::symlink_metadata(&path).unwrap();
        if !facts.is_dir() || facts.dev() != device || place::root().starts_with(&path) {
            continue;
        }
        let [upper, work] = ["upper", "work"].map(|kind| layers.join(kind).join(entry.file_name()));
        fs::create_dir_all(&upper).unwrap();
        fs::create_dir_all(&work).unwrap();
        fs::set_permissions(&upper, facts.permissions()).unwrap();
        let options = format!("lowerdir={},upperdir={},workdir={}", path.display(), upper.display(), work.display());
        mount(Some("overlay"), &path, Some("overlay"), MsFlags::empty(), Some(options.as_str())).unwrap();
    }
}

fn network() {
    for (number, address) in [Ipv4Addr::LOCALHOST, PUBLIC, LAN, METADATA].into_iter().enumerate() {
        let name = if number == 0 { "lo".to_owned() } else { format!("lo:{number}") };
        // SAFETY: an all-zero ifreq is valid.
        let mut request: libc::ifreq = unsafe { mem::zeroed() };
        name_interface(&mut request, &name);
        request.ifr_ifru.ifru_addr = ipv4(address);
        control(libc::AF_INET, libc::SIOCSIFADDR, &raw mut request);
        request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap();
        control(libc::AF_INET, libc::SIOCSIFFLAGS, &raw mut request);
    }
    for (address, prefix) in [(PUBLIC_V6, 128), (LINK_LOCAL, 64)] {
        let mut request = libc::in6_ifreq {
            ifr6_addr: libc::in6_addr { s6_addr: address.octets() },
            ifr6_prefixlen: prefix,
            ifr6_ifindex: 1,
        };
        control(libc::AF_INET6, libc::SIOCSIFADDR, &raw mut request);
    }
    // Every user may send an echo request, as most distributions have it; without root there is one group to name.
    let group = getegid();
    let groups = if geteuid().is_root() { "0 2147483647".to_owned() } else { format!("{group} {group}") };
    fs::write("/proc/sys/net/ipv4/ping_group_range", groups).unwrap();
}

fn name_interface(request: &mut libc::ifreq, name: &str) {
    for (slot, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = byte.cast_signed();
    }
}

fn ipv4(address: Ipv4Addr) -> libc::sockaddr {
    let address = libc::sockaddr_in {
        sin_family: u16::try_from(libc::AF_INET).unwrap(),
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) },
        sin_zero: [0; 8],
    };
    // SAFETY: both are 16 bytes of plain data; the kernel reads the one as the other by its family.
    unsafe { mem::transmute(address) }
}

fn control<T>(family: i32, number: libc::c_ulong, request: *mut T) {
    let socket = UdpSocket::bind(if family == libc::AF_INET { "0.0.0.0:0" } else { "[::]:0" }).unwrap();
    // SAFETY: `request` points to the structure that this ioctl reads (netdevice(7)).
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), number as _, request) };
    assert_eq!(result, 0, "ioctl {number:#x}: {}", std::io::Error::last_os_error());
}

fn listen(folder: &Path) {
    let internet = [80, 443, OTHER_PORT];
    let tcp = internet
        .iter()
        .flat_map(|port| [(IpAddr::V4(PUBLIC), *port), (IpAddr::V6(PUBLIC_V6), *port)])
        .chain([(LAN.into(), 80), (METADATA.into(), 80)])
        .chain([(Ipv4Addr::LOCALHOST.into(), HOST_PORT), (Ipv6Addr::LOCALHOST.into(), HOST_PORT)]);
    for (address, port) in tcp {
        serve_tcp(SocketAddr::new(address, port));
    }
    serve_tcp(std::net::SocketAddrV6::new(LINK_LOCAL, OTHER_PORT, 0, 1).into());
    for address in [IpAddr::V4(PUBLIC), IpAddr::V6(PUBLIC_V6)] {
        for port in [53, 443, OTHER_PORT] {
            serve_udp(SocketAddr::new(address, port));
        }
    }
    for path in
        [folder.join("outside.sock"), PathBuf::from("/tmp/.escape-host.sock"), PathBuf::from("/run/.escape-host.sock")]
    {
        serve_unix_at(&path);
    }
    serve_unix(UnixListener::bind_addr(&UnixAddress::from_abstract_name(ABSTRACT).unwrap()).unwrap());
    thread::spawn(sniff_echo_requests);
}

/// A fresh IPv6 address can be bound only when the kernel has settled it, hence the asking again.
fn serve_tcp(address: SocketAddr) {
    let listener = poll(&format!("the address {address}"), || TcpListener::bind(address).ok());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(|| keep(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhost\n"));
        }
    });
}

fn serve_udp(address: SocketAddr) {
    let socket = poll(&format!("the address {address}"), || UdpSocket::bind(address).ok());
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            arrived(&buffer[..length]);
            let _ = socket.send_to(b"heard", from);
        }
    });
}

/// A socket that every user may connect to; a path that cannot be made here is no service of this host.
pub(crate) fn serve_unix_at(path: &Path) {
    let _ = fs::remove_file(path);
    let Ok(listener) = UnixListener::bind(path) else { return };
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    serve_unix(listener);
}

fn serve_unix(listener: UnixListener) {
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(|| keep(stream, b"host\n"));
        }
    });
}

/// Reads until the peer pauses with a line or ends, answers, and keeps what came.
fn keep(mut stream: impl Read + Write, answer: &[u8]) {
    let mut buffer = [0; 2048];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        arrived(&buffer[..length]);
        if buffer[..length].ends_with(b"\n") && stream.write_all(answer).is_err() {
            return;
        }
    }
}

/// Echo requests that reach the host's addresses; the kernel answers them by itself.
fn sniff_echo_requests() {
    // SAFETY: socket(2) with constant arguments; the result is checked.
    let raw = unsafe { libc::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP) };
    assert!(raw >= 0, "raw socket: {}", std::io::Error::last_os_error());
    // SAFETY: the descriptor is fresh and owned by nobody else.
    let socket = UdpSocket::from(unsafe { OwnedFd::from_raw_fd(raw) });
    let mut buffer = [0; 2048];
    while let Ok(length) = socket.recv(&mut buffer) {
        arrived(&buffer[..length]);
    }
}

/// The host's resolver: answers every name with a public address, one name with a private one, and keeps the questions.
fn resolver(folder: &Path) {
    let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
    let configuration = folder.join("resolv.conf");
    fs::write(&configuration, "nameserver 127.0.0.1\n").unwrap();
    fs::set_permissions(&configuration, fs::Permissions::from_mode(0o644)).unwrap();
    let target = fs::canonicalize("/etc/resolv.conf").unwrap();
    mount(Some(&configuration), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if length < 12 {
                continue;
            }
            arrived(&buffer[..length]);
            let _ = socket.send_to(&answer(&buffer[..length]), from);
        }
    });
}

/// An answer with one A record; no record for any other type (RFC 1035, section 4).
fn answer(query: &[u8]) -> Vec<u8> {
    let name_end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap_or(0) + 1;
    let question = &query[12..(name_end + 4).min(query.len())];
    let is_address = question.ends_with(&[0, 1, 0, 1]);
    let address = if memchr::memmem::find(question, b"internal").is_some() { LAN } else { PUBLIC };
    let mut reply = [&query[..2], &[0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]].concat();
    reply.extend_from_slice(question);
    if is_address {
        reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4]);
        reply.extend_from_slice(&address.octets());
    }
    reply
}

/// The secret's line in each shared place of the host.
pub(crate) fn plant_canaries(line: &str) {
    for path in ["/tmp/.escape-host", "/run/.escape-host", "/dev/shm/.escape-host"] {
        // An ordinary user has no place in /run; the attack there is root's.
        if fs::write(path, line).is_ok() {
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
}

/// The host's own /tmp, /run and /dev/shm.
fn shared_places() {
    for place in ["/tmp", "/run", "/dev/shm"] {
        mount(None::<&str>, place, Some("tmpfs"), MsFlags::empty(), Some("mode=1777")).unwrap();
    }
}

/// The host's own scheduled jobs, where the suite can look.
fn scheduled_jobs(folder: &Path) {
    let jobs = folder.join("cron.d");
    fs::create_dir(&jobs).unwrap();
    fs::create_dir_all("/etc/cron.d").unwrap();
    mount(Some(&jobs), "/etc/cron.d", None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
}

/// Whether the mark was left among the host's scheduled jobs.
pub(crate) fn has_job(mark: &str) -> bool {
    let jobs = fs::read_dir(sockets().join("cron.d")).unwrap().flatten();
    jobs.into_iter()
        .any(|job| fs::read(job.path()).is_ok_and(|text| memchr::memmem::find(&text, mark.as_bytes()).is_some()))
}

/// A key in the session keyring that everything started from here inherits (keyrings(7)).
fn session_key() {
    const SESSION: libc::c_long = -3;
    let (kind, name, value) = (c"user", KEY, b"key of the host");
    // SAFETY: keyctl(KEYCTL_JOIN_SESSION_KEYRING) with no name takes no memory.
    let joined = unsafe { libc::syscall(libc::SYS_keyctl, 1, 0) };
    assert!(joined >= 0, "join: {}", std::io::Error::last_os_error());
    // SAFETY: the strings are terminated, the value has its length beside it; add_key(2).
    let key =
        unsafe { libc::syscall(libc::SYS_add_key, kind.as_ptr(), name.as_ptr(), value.as_ptr(), value.len(), SESSION) };
    assert!(key >= 0, "add_key: {}", std::io::Error::last_os_error());
    // SAFETY: KEYCTL_SETPERM by number: every user may view, read and search.
    let permitted = unsafe { libc::syscall(libc::SYS_keyctl, 5, key, 0x3f3f_3f3f_u32) };
    assert!(permitted >= 0, "setperm: {}", std::io::Error::last_os_error());
}

/// A segment that every user may read, with a text in it.
fn shared_memory() {
    // SAFETY: shmget(2) with constant arguments; the result is checked by the attack that reads it.
    let segment = unsafe { libc::shmget(SEGMENT, 4096, libc::IPC_CREAT | 0o666) };
    // SAFETY: the kernel chooses the address; -1 is checked.
    let memory = unsafe { libc::shmat(segment, std::ptr::null(), 0) };
    assert_ne!(memory.addr(), usize::MAX, "shmat: {}", std::io::Error::last_os_error());
    let text = CString::new("memory of the host").unwrap();
    // SAFETY: the segment has a page, the text fits.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), memory.cast(), text.as_bytes_with_nul().len()) };
}
