//! Request bodies through the broker.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::rulebook::tests::VALUE;
use super::harness::{World, exchange, read_head};
use crate::policy::{DefaultEgress, Slot};
use crate::proxy::BODY_MEMORY;

#[tokio::test]
async fn a_child_that_expects_a_word_gets_upstreams() {
    let world = World::start(false, |_| {}).await;
    let mut tls = world.tls("api.stripe.com:443", "api.stripe.com", &[]).await;
    let head = "POST /echo HTTP/1.1\r\nHost: api.stripe.com\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    tls.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read_head(&mut tls).await, "HTTP/1.1 100 Continue\r\n\r\n");
    tls.write_all(b"body").await.unwrap();
    assert!(read_head(&mut tls).await.starts_with("HTTP/1.1 200"));
    let seen = world.last_seen();
    assert!(seen.contains("expect: 100-continue") && seen.ends_with("body"), "{seen}");
    world.stop().await;
}

#[tokio::test]
async fn a_child_that_expects_a_word_and_is_refused_sends_nothing() {
    let world = World::start(false, |settings| settings.egress.default = DefaultEgress::Allowlist).await;
    let mut tls = world.tls("evil.example:443", "evil.example", &[]).await;
    let head = "POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    assert!(exchange(&mut tls, head).await.unwrap().starts_with("HTTP/1.1 403"));
    world.stop().await;
}

#[tokio::test]
async fn a_refused_upload_still_gets_its_answer() {
    let world = World::start(false, |settings| settings.egress.default = DefaultEgress::Allowlist).await;
    let mut tls = world.tls("evil.example:443", "evil.example", &[]).await;
    let body = vec![b'x'; 8 << 20];
    let head = format!("POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: {}\r\n\r\n", body.len());
    tls.write_all(head.as_bytes()).await.unwrap();
    tls.write_all(&body).await.unwrap();
    assert!(read_head(&mut tls).await.starts_with("HTTP/1.1 403"));
    world.stop().await;
}

#[tokio::test]
async fn an_upload_goes_on_behind_an_early_answer() {
    let world = World::start(false, |_| {}).await;
    let mut tls = world.tls("api.stripe.com:443", "api.stripe.com", &[]).await;
    let head = "POST /early HTTP/1.1\r\nHost: api.stripe.com\r\nContent-Length: 8\r\n\r\nhalf";
    tls.write_all(head.as_bytes()).await.unwrap();
    assert!(read_head(&mut tls).await.starts_with("HTTP/1.1 200"));
    let mut early = [0; 5];
    tls.read_exact(&mut early).await.unwrap();
    tls.write_all(b"half").await.unwrap();
    world.saw("halfhalf").await;
    world.stop().await;
}

#[tokio::test]
async fn both_framings_arrive_as_they_were_sent() {
    let world = World::start(false, |_| {}).await;
    let lines = "POST /echo HTTP/1.1\r\nHost: api.stripe.com\r\nConnection: close\r\n";
    for (framing, wanted) in [
        ("Content-Length: 4\r\n\r\nbody", "body"),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "body"),
        ("Content-Length: 0\r\n\r\n", ""),
    ] {
        let mut tls = world.tls("api.stripe.com:443", "api.stripe.com", &[]).await;
        let answer = exchange(&mut tls, &format!("{lines}{framing}")).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains(VALUE), "{answer}");
        assert!(world.last_seen().ends_with(&format!("\n{wanted}")), "{}", world.last_seen());
    }
    let mut tls = world.tls("api.stripe.com:443", "api.stripe.com", &[]).await;
    let both = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = exchange(&mut tls, &format!("{lines}{both}")).await.unwrap();
    // hyper drops the length where both are given, so that one framing is left to send.
    assert!(answer.starts_with("HTTP/1.1 200") && !world.last_seen().contains("content-length"), "{answer}");
    world.stop().await;
}

#[tokio::test]
async fn a_run_whose_memory_is_spent_refuses_what_needs_more() {
    for (memory, wanted) in [(BODY_MEMORY, "200"), (0, "503")] {
        let world = World::start(true, |settings| settings.body_memory = memory).await;
        let answer = world.ask(true, "/gzip", "Bearer x").await.unwrap();
        assert!(answer.starts_with(wanted) && answer.contains("memory_spent") == (wanted == "503"), "{answer}");
        assert!(world.ask(true, "/echo", "Bearer x").await.unwrap().starts_with("200"), "no memory is needed");
        world.stop().await;
    }
    // A body that a value may be put into is gathered.
    let world = World::start(false, |settings| {
        settings.body_memory = 0;
        settings.bindings[0].slots.push(Slot::FormField("key".into()));
    })
    .await;
    let mut tls = world.tls("api.stripe.com:443", "api.stripe.com", &[]).await;
    let head = "POST /echo HTTP/1.1\r\nHost: api.stripe.com\r\nConnection: close\r\nContent-Length: 5\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\nkey=x";
    let answer = exchange(&mut tls, head).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("memory_spent"), "{answer}");
    world.stop().await;
}
