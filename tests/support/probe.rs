//! A small program that tests run in place of, or in front of, a command. It is an example target so that cargo builds
//! it where every test binary finds it.
//!
//! - `probe environment FILE -- COMMAND…` writes down its own environment as the kernel holds it and becomes COMMAND.
//! - `probe apart HOSTS DOOR -- COMMAND…` becomes COMMAND where there is no network: names are those of the file HOSTS,
//!   and what connects to 127.0.0.1:443 is accepted by the test, which gets the listener over the socket DOOR.
#![expect(clippy::print_stderr, clippy::disallowed_methods, reason = "a program of the tests, not of the product")]

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
use nix::unistd::{getegid, geteuid};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let verb = arguments.first().and_then(|verb| verb.to_str());
    let done = match (verb, arguments.get(1..).unwrap_or_default()) {
        (Some("environment"), [file, _, command @ ..]) => environment(file).map(|()| command),
        (Some("apart"), [hosts, door, _, command @ ..]) => apart(hosts, door).map(|()| command),
        _ => Err("what shall it do?".into()),
    };
    match done {
        Ok([command, rest @ ..]) => {
            eprintln!("probe: {}: {}", command.display(), Command::new(command).args(rest).exec());
            ExitCode::from(127)
        }
        Ok([]) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("probe: {error}");
            ExitCode::from(2)
        }
    }
}

/// Copies bytes rather than variables, so that duplicates and entries without a name are kept.
fn environment(file: &OsStr) -> Result<(), Box<dyn Error>> {
    let written = fs::read("/proc/self/environ").and_then(|bytes| fs::write(file, bytes));
    written.map_err(|error| format!("{}: {error}", file.display()).into())
}

/// Leaves the network, and every right with the next program.
fn apart(hosts: &OsStr, door: &OsStr) -> Result<(), Box<dyn Error>> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    mount(Some(hosts), "/etc/hosts", None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    raise_loopback()?;
    let listener = TcpListener::bind("127.0.0.1:443")?;
    agentsecrets::sys::socket::send(UnixStream::connect(door)?, b"443", &[listener])?;
    Ok(())
}

/// `ip link set lo up`: a netlink header and `struct ifinfomsg` (rtnetlink(7)).
fn raise_loopback() -> Result<(), Box<dyn Error>> {
    let mut request = Vec::new();
    request.extend(32_u32.to_ne_bytes());
    request.extend(libc::RTM_NEWLINK.to_ne_bytes());
    request.extend(u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_ACK)?.to_ne_bytes());
    // Sequence, port and address family; then the interface's number, its flags and which of them change.
    request.extend([0; 12]);
    request.extend([1, libc::IFF_UP, libc::IFF_UP].map(i32::to_ne_bytes).concat());
    let kernel = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    send(kernel.as_raw_fd(), &request, MsgFlags::empty())?;
    let mut answer = [0; 64];
    recv(kernel.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // An error number follows the header of 16 bytes; 0 is the acknowledgement.
    if answer[16..20] == [0; 4] { Ok(()) } else { Err(format!("lo does not come up: {answer:?}").into()) }
}
