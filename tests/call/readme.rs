//! The five-minute setup, as README has it: each line is run as it stands there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::{fs, io, thread};

use crate::support::place::{self, User};
use crate::support::{Run, Upstream};

/// The lines of the first shell block below the heading `title`.
fn block(title: &str) -> Vec<String> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let below = readme.split_once(&format!("\n## {title}\n")).unwrap().1;
    let block = below.split_once("```sh\n").unwrap().1.split_once("```").unwrap().0;
    block.lines().map(str::to_owned).filter(|line| !line.trim().is_empty()).collect()
}

/// An HTTP proxy that leads every tunnel to `to`, whatever it was asked for.
fn proxy(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && matches!(client.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            let Ok(server) = TcpStream::connect(to) else { return };
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let (mut from_client, mut to_client) = (client.try_clone().unwrap(), client);
            let (mut from_server, mut to_server) = (server.try_clone().unwrap(), server);
            thread::spawn(move || io::copy(&mut from_client, &mut to_server));
            thread::spawn(move || io::copy(&mut from_server, &mut to_client));
        }
    });
    address
}

#[test]
fn the_five_minute_setup_works_to_the_letter() {
    let lines = block("Five minutes");
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(lines[4].starts_with("agentsecrets call --url https://api.stripe.com/v1/balance"), "{lines:?}");
    let upstream = Upstream::start(["api.stripe.com"]).accepting("api.stripe.com", "sk_live_51H...");
    let script = format!("set -e\n{}\n", lines.join("\n"));
    let run = Run::new();
    let bin = run.world().root().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(place::agentsecrets(), bin.join("agentsecrets")).unwrap();
    let finished = run
        .program("/bin/sh")
        .verb(["-c", script.as_str()])
        .user(User::Ordinary)
        .declare("STRIPE_KEY", "sk_live_51H...")
        .variable("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .variable("HTTPS_PROXY", format!("http://{}", proxy(upstream.address())))
        .variable("SSL_CERT_FILE", upstream.authority())
        .run()
        .succeeded();
    assert!(finished.stdout().contains("\"balance\"") && finished.stdout().contains("4242"), "{}", finished.stdout());
    let seen = upstream.only("/v1/balance");
    assert_eq!(seen.header("authorization"), Some("Bearer sk_live_51H..."));
}
