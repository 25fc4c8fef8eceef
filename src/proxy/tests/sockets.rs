//! WebSockets through the broker, by both of HTTP's ways to them.

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::super::rulebook::tests::{PLACEHOLDER, VALUE};
use super::super::tasks::Tasks;
use super::harness::{World, read_head};

/// The frame with the value comes as one with the placeholder; bytes go up as they are.
async fn talk(socket: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let mut frame = vec![0; 2 + PLACEHOLDER.len()];
    socket.read_exact(&mut frame).await.unwrap();
    let length = u8::try_from(PLACEHOLDER.len()).unwrap();
    assert_eq!(frame, [&[0x81, length], PLACEHOLDER.as_bytes()].concat());
    socket.write_all(b"\x88\x80up").await.unwrap();
    let mut echo = [0; 6];
    socket.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"\x82\x04\x88\x80up");
}

#[tokio::test]
async fn an_upgrade_over_http1_is_scanned() {
    let world = World::start(false, |_| {}).await;
    let mut tls = world.tls("api.stripe.com:443", "api.stripe.com", &[]).await;
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: api.stripe.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\nAuthorization: Bearer {PLACEHOLDER}\r\n\r\n"
    );
    tls.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut tls).await;
    assert!(head.starts_with("HTTP/1.1 101") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    talk(&mut tls).await;
    let seen = world.last_seen();
    assert!(seen.contains(&format!("authorization: Bearer {VALUE}")) && !seen.contains("permessage"), "{seen}");
    world.stop().await;
}

#[tokio::test]
async fn an_extended_connect_over_http2_becomes_an_upgrade() {
    let world = World::start(false, |_| {}).await;
    let tls = world.tls("api.stripe.com:443", "api.stripe.com", &["h2"]).await;
    let tasks = Tasks::default();
    let builder = hyper::client::conn::http2::Builder::new(tasks.clone());
    let (mut sender, connection) = builder.handshake(TokioIo::new(tls)).await.unwrap();
    tasks.spawn(async move {
        let _ = connection.await;
    });
    // The first answer comes behind the server's settings, which say that it knows RFC 8441.
    let first = Request::get("https://api.stripe.com/echo").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(sender.send_request(first).await.unwrap().status(), 200);
    let request = Request::connect("https://api.stripe.com/ws")
        .extension(hyper::ext::Protocol::from_static("websocket"))
        .header("authorization", format!("Bearer {PLACEHOLDER}"))
        .header("sec-websocket-version", "13")
        .body(Empty::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut socket = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    talk(&mut socket).await;
    assert!(world.last_seen().starts_with("GET /ws\n") && world.last_seen().contains(VALUE), "{}", world.last_seen());
    tasks.close().await;
    world.stop().await;
}
