//! Ports and sockets across the seal: what was asked for is reached, byte for byte, and nothing else is.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::deadline::{PATIENCE, poll};
use crate::support::place::users;
use crate::support::{Run, Running};

/// A number that is free on the host now.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A server inside: answers each connection with what it got until the end, backwards; ends at the word `stop`.
const SERVER: &str = r"
import socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
print('listening', server.getsockname()[1], flush=True)
while True:
    client, _ = server.accept()
    got = b''
    while piece := client.recv(65536):
        got += piece
    client.sendall(got[::-1])
    client.close()
    if got == b'stop':
        break
    if got == b'close':
        server.close()
        print('closed', flush=True)
        sys.stdin.read()
        break
";

fn server(run: Run, address: &str, port: u16) -> Running {
    let running = run.args(["python3", "-c", SERVER, address, &port.to_string()]).input("").start();
    running.wait_for("listening");
    running
}

/// Sends, ends, and reads to the end.
fn ask(port: u16, text: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn a_published_port_reaches_the_child_and_ends_with_it() {
    for user in users() {
        for address in ["127.0.0.1", "::1", "0.0.0.0"] {
            let port = free_port();
            let run = Run::new().user(*user).flags(["--publish", &format!("{port}:8123")]);
            let running = server(run, address, 8123);
            // More than any buffer on the way, with the end passed on before the answer comes.
            let long = vec![b'x'; 3 << 20];
            assert_eq!(ask(port, &long), long, "{address}");
            assert_eq!(ask(port, b"stop"), b"pots");
            running.finish().succeeded();
            assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        }
    }
}

#[test]
fn a_port_where_nobody_listens_inside_is_reset() {
    let port = free_port();
    let run = Run::new().flags(["--publish", &port.to_string()]).shell("echo ready; read line").input("");
    let running = run.start();
    running.wait_for("ready");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    assert!(stream.read(&mut [0]).is_err(), "the child's own port is closed");
    running.finish();
}

#[test]
fn a_reset_is_passed_on_in_both_directions() {
    let port = free_port();
    let script = "
import socket, struct
server = socket.create_server(('127.0.0.1', 8123)); print('listening', flush=True)
client, _ = server.accept(); client.recv(1)
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); client.close()
client, _ = server.accept(); client.recv(1)
try: print('got', client.recv(1))
except ConnectionResetError: print('reset')";
    let running = Run::new().flags(["--publish", &format!("{port}:8123")]).args(["python3", "-c", script]).start();
    running.wait_for("listening");
    let connect = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(b"x").unwrap();
        stream
    };
    let error = connect().read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let stream = connect();
    nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })
        .unwrap();
    drop(stream);
    assert!(running.finish().succeeded().stdout().contains("reset"));
}

#[test]
fn a_taken_port_is_refused_before_anything_starts() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let finished = Run::new().flags(["--publish", &port]).shell("touch started").run().ended_with(125);
    assert!(finished.stderr().contains("takes another number"), "{}", finished.stderr());
    assert!(!finished.world().project().join("started").exists());
    assert!(finished.audit().is_empty());
    for text in ["0", "1:2:3:4", "53/udp"] {
        Run::new().flags(["--publish", text]).shell("true").run().ended_with(125);
    }
    let finished = Run::new().flags(["--isolation", "none", "--publish", "1234"]).shell("true").run().ended_with(125);
    assert!(finished.stderr().contains("needs the seal"), "{}", finished.stderr());
}

#[test]
fn an_address_that_is_not_loopback_is_said_loudly() {
    let port = free_port();
    let finished = Run::new().flags(["--publish", &format!("0.0.0.0:{port}")]).shell("true").run().succeeded();
    assert!(finished.stderr().contains("warning: 0.0.0.0:"), "{}", finished.stderr());
}

/// Waits until the host's port answers, and says how long it took.
fn appears(port: u16) -> Duration {
    let since = Instant::now();
    poll("the port on the host", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
    since.elapsed()
}

/// The addresses of the host on which a port listens, as `/proc/net/tcp` and `tcp6` write them.
fn listening_on(port: u16) -> Vec<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    let fields = rows.map(|row| row.split_whitespace().collect::<Vec<_>>()).filter(|fields| fields[3] == "0A");
    let local = fields.filter_map(|fields| fields[1].split_once(':'));
    local.filter(|(_, number)| *number == format!("{port:04X}")).map(|(address, _)| address.to_owned()).collect()
}

#[test]
fn auto_publishes_what_the_child_opens_until_it_closes_it() {
    for user in users() {
        let port = free_port();
        let run = Run::new().user(*user).flags(["--publish", "auto"]);
        let running = server(run, "127.0.0.1", port);
        appears(port);
        // The connection that looked for it was the server's first.
        assert_eq!(ask(port, b"auto"), b"otua");
        running.wait_for_error(&format!("port {port} of the child is at http://127.0.0.1:{port}"));
        let addresses = listening_on(port);
        let loopback = ["0100007F", "00000000000000000000000001000000"];
        assert!(!addresses.is_empty() && addresses.iter().all(|one| loopback.contains(&one.as_str())), "{addresses:?}");
        assert_eq!(ask(port, b"close"), b"esolc");
        running.wait_for("closed");
        poll("the end of the port", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).err());
        running.wait_for_error(&format!("port {port} of the child is closed"));
        running.finish().succeeded();
    }
}

#[test]
fn auto_takes_less_than_a_fifth_of_a_second() {
    // The best of some: what others do to this machine is no matter of ours.
    let waits = (0..3).map(|_| {
        let port = free_port();
        let _running = server(Run::new().flags(["--publish", "auto"]), "0.0.0.0", port);
        appears(port)
    });
    let best = waits.min().unwrap();
    assert!(best < Duration::from_millis(200), "{best:?}");
}

/// A server inside that closes its port and opens it anew at another address, on demand.
const MOVING: &str = "
import socket, sys
for family, address in [(socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')]:
    server = socket.create_server((address, int(sys.argv[1])), family=family)
    print('at', address, flush=True)
    for _ in range(2):
        client, _ = server.accept(); client.recv(1); client.sendall(address.encode()); client.close()
    server.close()";

#[test]
fn a_port_that_moves_inside_is_followed() {
    let port = free_port();
    let running = Run::new().flags(["--publish", "auto"]).args(["python3", "-c", MOVING, &port.to_string()]).start();
    for address in ["127.0.0.1", "::1"] {
        running.wait_for(&format!("at {address}"));
        for _ in 0..2 {
            let answer = poll("the server inside", || {
                let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
                stream.write_all(b"x").ok()?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer).ok().filter(|length| *length > 0).map(|_| answer)
            });
            assert_eq!(answer, address);
        }
    }
    running.finish().succeeded();
}

#[test]
fn explain_names_what_crosses_the_seal() {
    let run = Run::new();
    let socket = run.world().root().join("ssh-agent.sock");
    host_service(&socket);
    let flags = ["--publish", "8080:3000", "--publish", "auto", "--loopback", &format!("{}:/run/s", socket.display())];
    let finished = run.verb(["explain"]).flags(flags).args(["true"]).run().succeeded();
    let said = finished.stdout();
    for line in [
        "127.0.0.1:8080 -> 3000",
        "every port from 1024 that the child opens",
        "ssh-agent.sock at /run/s: whoever talks",
        "--no-browser",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
}

#[test]
fn auto_takes_another_number_where_the_host_has_a_service() {
    for address in ["127.0.0.1", "::1", "0.0.0.0"] {
        let Ok(service) = TcpListener::bind((address, 0)) else { continue };
        let port = service.local_addr().unwrap().port();
        let running = server(Run::new().flags(["--publish", "auto"]), "0.0.0.0", port);
        running.wait_for_error(&format!("for {port} is taken here"));
        let said = running.stderr();
        let other = said.split(&format!("port {port} of the child is at http://127.0.0.1:")).nth(1).unwrap();
        let other: u16 = other.split(',').next().unwrap().parse().unwrap();
        assert_eq!(ask(other, b"stop"), b"pots", "{said}");
        running.finish().succeeded();
    }
}

#[test]
fn without_a_flag_nothing_inside_is_reached() {
    let port = free_port();
    let running = server(Run::new(), "0.0.0.0", port);
    // Longer than `auto` would take.
    thread::park_timeout(Duration::from_millis(300));
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    drop(running);
}

/// A service of the host at a Unix socket, which answers each connection with its own name.
fn host_service(path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut question = Vec::new();
            let _ = stream.read_to_end(&mut question);
            let _ = stream.write_all(&[b"the host heard ", &question[..]].concat());
        }
    });
}

const CLIENT: &str = "
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1]); client.sendall(b'me'); client.shutdown(socket.SHUT_WR)
print(client.makefile().read())";

#[test]
fn a_socket_of_the_host_appears_where_it_was_asked_for() {
    for user in users() {
        let run = Run::new().user(*user);
        let root = run.world().root().to_owned();
        std::fs::create_dir(root.join("service")).unwrap();
        let places = [root.join("service/s"), root.join("home/s"), root.join("project/s")];
        for path in &places {
            host_service(path);
        }
        let [outside, home, project] = places.map(|path| path.to_str().unwrap().to_owned());
        let run = run.flags(["--loopback", &format!("{outside}:/run/database/.s.PGSQL.5432")]);
        let run = run.flags(["--loopback", &home, "--loopback", &project, "--loopback", &format!("{outside}:/tmp/s")]);
        let script = format!(
            "for path in /run/database/.s.PGSQL.5432 /tmp/s {home} {project}; do python3 -c \"$CLIENT\" $path; done
            python3 -c \"$CLIENT\" {outside} || echo none there"
        );
        let finished = run.variable("CLIENT", CLIENT).shell(&script).run().succeeded();
        let heard = "the host heard me\n".repeat(4);
        assert_eq!(finished.stdout(), format!("{heard}none there\n"), "{}", finished.stderr());
    }
}

#[test]
fn a_socket_that_hands_out_power_is_named_and_a_project_leads_nowhere() {
    let run = Run::new();
    let root = run.world().root().to_owned();
    let agent = root.join("ssh-agent.sock");
    host_service(&agent);
    std::os::unix::fs::symlink(&root, root.join("project/link")).unwrap();
    let through_project = root.join("project/link/ssh-agent.sock").display().to_string();
    let finished = run.flags(["--loopback", &format!("{through_project}:/run/s")]).shell("true").run().ended_with(125);
    assert!(finished.stderr().contains("which the child can write"), "{}", finished.stderr());

    let run = Run::new();
    let agent = run.world().root().join("ssh-agent.sock");
    host_service(&agent);
    let flag = format!("{}:/run/s", agent.display());
    let finished = run.flags(["--loopback", &flag]).shell("true").run().succeeded();
    assert!(finished.stderr().contains("can sign and log in with your keys"), "{}", finished.stderr());
    for flag in ["./s", "/no/such/socket", "/etc/passwd:/run/s"] {
        Run::new().flags(["--loopback", flag]).shell("true").run().ended_with(125);
    }
}
