//! Requests through the broker.

use tokio::io::AsyncWriteExt as _;

use super::super::rulebook::tests::{PLACEHOLDER, VALUE};
use super::harness::{World, exchange};
use crate::policy::DefaultEgress;

const STRIPE: &str = "api.stripe.com:443";

fn get(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: api.stripe.com\r\nConnection: close\r\n{lines}\r\n")
}

fn bearer() -> String {
    format!("Authorization: Bearer {PLACEHOLDER}\r\n")
}

#[tokio::test]
async fn the_upstream_sees_the_value_and_the_child_never_does() {
    for http2 in [false, true] {
        let world = World::start(http2, |_| {}).await;
        let answer = world.ask(http2, "/echo?a=1", &format!("Bearer {PLACEHOLDER}")).await.unwrap();
        assert!(answer.contains("200"), "{answer}");
        assert!(answer.contains(&format!("authorization: Bearer {PLACEHOLDER}")), "{answer}");
        assert!(!answer.contains(VALUE), "{answer}");
        let seen = world.last_seen();
        assert!(seen.contains(&format!("authorization: Bearer {VALUE}")), "{seen}");
        assert!(seen.contains("accept-encoding: identity") && !seen.contains("connection: close"), "{seen}");
        let totals = world.stop().await;
        assert_eq!((totals.requests, totals.hosts, totals.refused, totals.secrets.len()), (1, 1, 0, 1));
    }
}

#[tokio::test]
async fn a_target_that_speaks_http2_alone_answers_a_child_that_does_not() {
    let world = World::start(true, |_| {}).await;
    for _ in 0..2 {
        let answer = world.ask(false, "/echo?a=1", &format!("Bearer {PLACEHOLDER}")).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains(VALUE), "{answer}");
        let seen = world.last_seen();
        assert!(seen.starts_with("GET https://api.stripe.com/echo?a=1\n") && seen.contains(VALUE), "{seen}");
    }
    world.stop().await;
}

#[tokio::test]
async fn values_are_redacted_in_heads_and_across_frames() {
    let world = World::start(false, |_| {}).await;
    for path in ["/header", "/stream"] {
        let mut tls = world.tls(STRIPE, "api.stripe.com", &[]).await;
        let answer = exchange(&mut tls, &get(path, &bearer())).await.unwrap();
        assert!(answer.contains(PLACEHOLDER) && !answer.contains(VALUE), "{answer}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_at_the_child() {
    for http2 in [false, true] {
        let world = World::start(http2, |_| {}).await;
        let answer = world.ask(http2, "/cut", "none").await;
        // Chunked without its last chunk, and TLS without its end; over HTTP/2 a reset.
        assert!(answer.is_err(), "{answer:?}");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_child_that_goes_away_is_heard_behind_its_next_request() {
    let world = World::start(false, |_| {}).await;
    for next in ["", "GET /echo HTTP/1.1\r\nHost: api.stripe.com\r\n\r\n"] {
        let mut tls = world.tls(STRIPE, "api.stripe.com", &[]).await;
        tls.write_all(format!("GET /hang HTTP/1.1\r\nHost: api.stripe.com\r\n\r\n{next}").as_bytes()).await.unwrap();
        world.saw("hanging").await;
        drop(tls);
        world.saw("given up").await;
    }
    world.stop().await;
}

#[tokio::test]
async fn an_answer_in_a_coding_that_cannot_be_taken_off_is_refused() {
    let world = World::start(false, |_| {}).await;
    let mut tls = world.tls(STRIPE, "api.stripe.com", &[]).await;
    let answer = exchange(&mut tls, &get("/coded", "Accept-Encoding: gzip\r\n")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("encoded_response"), "{answer}");
    world.stop().await;
}

#[tokio::test]
async fn a_part_is_neither_asked_for_nor_offered_where_answers_are_scanned() {
    let world = World::start(false, |_| {}).await;
    let mut tls = world.tls(STRIPE, "api.stripe.com", &[]).await;
    let answer = exchange(&mut tls, &get("/ranges", "Range: bytes=9-\r\nIf-Range: \"x\"\r\n")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("accept-ranges: none"), "{answer}");
    assert!(!world.last_seen().contains("range:"), "{}", world.last_seen());
    world.stop().await;
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_a_refusal_too() {
    let world = World::start(false, |_| {}).await;
    let many = "X-A: b\r\n".repeat(200);
    for (lines, status) in [("Host : api.stripe.com\r\n", "400"), (&many, "431")] {
        let mut tls = world.tls(STRIPE, "api.stripe.com", &[]).await;
        let answer = exchange(&mut tls, &format!("GET / HTTP/1.1\r\n{lines}\r\n")).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    assert!(world.raw("GET http://a.example/ HTTP/9.9\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
    let totals = world.stop().await;
    assert_eq!((totals.requests, totals.refused), (3, 3));
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_not_the_targets_fault() {
    let mut world = World::start(false, |_| {}).await;
    let mut tls = world.tls(STRIPE, "api.stripe.com", &[]).await;
    let head = "POST /echo HTTP/1.1\r\nHost: api.stripe.com\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n";
    let answer = exchange(&mut tls, head).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("request_broke_off"), "{answer}");
    assert!(world.notices.try_recv().is_err());
    world.stop().await;
}

#[tokio::test]
async fn an_upgrade_that_nobody_asked_for_is_the_targets_fault() {
    let world = World::start(false, |_| {}).await;
    let mut tls = world.tls(STRIPE, "api.stripe.com", &[]).await;
    let answer = exchange(&mut tls, &get("/unasked", "")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("unasked_upgrade"), "{answer}");
    world.stop().await;
}

#[tokio::test]
async fn names_that_differ_are_misdirected() {
    let world = World::start(false, |_| {}).await;
    let mut tls = world.tls(STRIPE, "api.stripe.com", &[]).await;
    let answer = exchange(&mut tls, "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    for authority in [STRIPE, "other.example:443"] {
        let mut tls = world.tls(authority, "evil.example", &[]).await;
        let answer = exchange(&mut tls, "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").await;
        assert!(answer.unwrap().starts_with("HTTP/1.1 421"), "{authority}");
    }
    assert_eq!(world.last_seen(), "");
    world.stop().await;
}

#[tokio::test]
async fn a_denied_host_shows_its_refusal_inside_tls() {
    let mut world = World::start(false, |settings| settings.egress.default = DefaultEgress::Allowlist).await;
    let mut tls = world.tls("evil.example:443", "evil.example", &[]).await;
    let answer = exchange(&mut tls, "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("--allow evil.example"), "{answer}");
    let notice = world.notices.recv().await.unwrap();
    assert!(matches!(notice, super::super::Notice::HostRefused { .. }), "{notice:?}");
    assert_eq!(world.stop().await.refused, 1);
}

#[tokio::test]
async fn plaintext_goes_through_without_a_value() {
    let world = World::start(false, |_| {}).await;
    let request = format!(
        "GET http://api.stripe.com/echo HTTP/1.1\r\nHost: api.stripe.com\r\nConnection: close\r\n{}\r\n",
        bearer()
    );
    let answer = world.raw(&request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(world.last_seen().contains(&format!("authorization: Bearer {PLACEHOLDER}")));
    assert_eq!(world.stop().await.inert, 1);
}

#[tokio::test]
async fn plaintext_in_a_tunnel_to_an_unbound_host_is_read() {
    let world = World::start(false, |_| {}).await;
    let head = "GET /echo HTTP/1.1\r\nConnection: close\r\nProxy-Authorization: Basic x\r\n";
    let mut stream = world.connect("other.example:80").await;
    let answer = exchange(&mut stream, &format!("{head}Host: other.example\r\n\r\n")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("proxy-authorization"), "{answer}");
    let mut stream = world.connect("other.example:80").await;
    let answer = exchange(&mut stream, &format!("{head}Host: evil.example\r\n\r\n")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    world.stop().await;
}

#[tokio::test]
async fn tokens_are_asked_for_and_stripped() {
    use base64::Engine as _;
    let world = World::start(false, |settings| settings.token_required = true).await;
    let request = "GET http://a.example/echo HTTP/1.1\r\nHost: a.example\r\n";
    let answer = world.raw(&format!("{request}Connection: close\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 407") && answer.contains("proxy-authenticate: Basic"), "{answer}");
    let token = base64::engine::general_purpose::STANDARD.encode(&world.userinfo);
    // The connection stays open after a 407.
    let again = format!("{request}\r\n{request}Proxy-Authorization: Basic {token}\r\nConnection: close\r\n\r\n");
    let answer = world.raw(&again).await;
    assert!(answer.starts_with("HTTP/1.1 407") && answer.contains("HTTP/1.1 200"), "{answer}");
    assert!(!world.last_seen().contains("proxy-authorization"), "{}", world.last_seen());
    world.stop().await;
}

#[tokio::test]
async fn a_tunnel_to_ourselves_comes_back() {
    let world = World::start(false, |_| {}).await;
    let mut stream = world.connect(&world.proxy.to_string()).await;
    let answer = exchange(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("not_a_site"), "{answer}");
    world.stop().await;
}
