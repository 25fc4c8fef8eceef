//! Tunnels to other ports than the web's: either side may speak first, and what the child begins with is judged.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::Settings;
use super::harness::{World, exchange};
use crate::policy::{Authority, Target};

/// A world in which `db.example:5432` is open and leads to the listener.
async fn start() -> (World, TcpListener) {
    let database = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = database.local_addr().unwrap();
    let open = |settings: &mut Settings| {
        settings.egress.allow.push(Target::parse("db.example:5432").unwrap());
        settings.connect_to.push(format!("db.example:5432:{address}").parse().unwrap());
    };
    (World::start(false, open).await, database)
}

/// The `ClientHello` for `name`.
fn hello(name: &'static str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let mut client = rustls::ClientConnection::new(Arc::new(config), ServerName::try_from(name).unwrap()).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

fn dial(address: std::net::SocketAddr) -> std::net::TcpStream {
    let stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

async fn expect(stream: &mut TcpStream, wanted: &[u8]) {
    let mut got = vec![0; wanted.len()];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(wanted));
}

#[tokio::test]
async fn the_target_may_speak_first_and_so_may_the_child() {
    let (world, database) = start().await;
    let mut child = world.connect("db.example:5432").await;
    let (mut target, _) = database.accept().await.unwrap();
    for greeting in [&b"220 "[..], b"ready\r\n"] {
        target.write_all(greeting).await.unwrap();
        expect(&mut child, greeting).await;
    }
    // What looks like a request is none where the target has spoken.
    child.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    expect(&mut target, b"GET / HTTP/1.1\r\n").await;
    for opening in [&b"\0\0\0\x08\x04\xd2\x16\x2f"[..], b"PING\r\n", b"<stream:stream", &hello("db.example")] {
        let mut child = world.connect("db.example:5432").await;
        let (mut target, _) = database.accept().await.unwrap();
        for (opening, answer) in [(opening, b"S"), (b"GET / HTTP/1.1\r\n", b"T")] {
            child.write_all(opening).await.unwrap();
            expect(&mut target, opening).await;
            target.write_all(answer).await.unwrap();
            expect(&mut child, answer).await;
        }
        drop(child);
        assert_eq!(target.read(&mut [0]).await.unwrap(), 0);
    }
    world.stop().await;
}

#[tokio::test]
async fn a_line_in_pieces_is_passed_on_whole() {
    let (world, database) = start().await;
    let mut child = world.connect("db.example:5432").await;
    let (mut target, _) = database.accept().await.unwrap();
    for piece in [&b"get "[..], b"HTTP"] {
        child.write_all(piece).await.unwrap();
    }
    child.shutdown().await.unwrap();
    let mut got = Vec::new();
    target.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"get HTTP");
    target.write_all(b"VALUE").await.unwrap();
    drop(target);
    let mut got = Vec::new();
    child.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"VALUE");
    world.stop().await;
}

#[tokio::test]
async fn what_comes_right_behind_a_long_head_is_kept() {
    let (world, database) = start().await;
    let mut child = TcpStream::from_std(dial(world.proxy)).unwrap();
    let head = format!("CONNECT db.example:5432 HTTP/1.1\r\nX-Long: {}\r\n\r\n", "x".repeat(20_000));
    let data: Vec<u8> = (0..150_000_u32).map(|place| (place % 251).to_le_bytes()[0]).collect();
    let sent = [head.as_bytes(), &data].concat();
    let (mut target, mut got) = (None, Vec::new());
    let receive = async {
        let target = target.insert(database.accept().await.unwrap().0);
        got.resize(data.len(), 0);
        target.read_exact(&mut got).await.unwrap();
    };
    let (sent, ()) = tokio::join!(child.write_all(&sent), receive);
    sent.unwrap();
    assert!(got == data);
    world.stop().await;
}

#[tokio::test]
async fn tls_for_another_name_is_misdirected() {
    let (world, database) = start().await;
    let mut tls = world.tls("db.example:5432", "evil.example", &[]).await;
    let (mut target, _) = database.accept().await.unwrap();
    let answer = exchange(&mut tls, "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    assert_eq!(target.read(&mut [0]).await.unwrap(), 0, "nothing of it is passed on");

    let mut child = world.connect("db.example:5432").await;
    let (mut target, _) = database.accept().await.unwrap();
    target.write_all(b"ready").await.unwrap();
    expect(&mut child, b"ready").await;
    child.write_all(&hello("evil.example")).await.unwrap();
    assert_eq!(target.read(&mut [0]).await.unwrap(), 0, "nor where the target has spoken");
    assert_eq!(world.stop().await.refused, 2);
}

#[tokio::test]
async fn a_plaintext_request_is_read() {
    let world = World::start(false, |settings| {
        let plain = settings.connect_to[1].redirect(&Authority::parse("a.example:80", None).unwrap()).unwrap();
        settings.egress.allow.push(Target::parse("db.example:5432").unwrap());
        settings.connect_to.push(format!("db.example:5432:{plain}").parse().unwrap());
    })
    .await;
    let head = "GET /echo HTTP/1.1\r\nConnection: close\r\nProxy-Authorization: Basic x\r\n";
    for (host, status) in [("db.example:5432", "200"), ("evil.example", "421")] {
        let mut stream = world.connect("db.example:5432").await;
        let answer = exchange(&mut stream, &format!("{head}Host: {host}\r\n\r\n")).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(!world.last_seen().contains("proxy-authorization"), "{}", world.last_seen());
    }
    world.stop().await;
}
