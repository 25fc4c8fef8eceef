//! Whole connections of bytes, through the HTTP that is spoken with the child and with upstream, in memory: however they are
//! cut into pieces, the same messages come out.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::runtime::Runtime;

use super::super::super::answer::redact_headers;
use super::super::super::serve::http1_builder;
use super::super::super::upstream;
use super::*;

/// What both sides of the memory hold at once; less than the longest message, so that writers wait.
const ROOM: usize = 4096;
/// So often everybody has a turn before the end; a message takes a few.
const TURNS: usize = 200;
/// Beyond it the bound on a head may meet it in one piece and not in another.
const COMPARED: usize = 32 << 10;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// `text` in pieces of one byte.
fn bytewise(text: &[u8]) -> Vec<Bytes> {
    text.chunks(1).map(Bytes::copy_from_slice).collect()
}

/// Sends the pieces, one at a time, and ends.
async fn send(mut stream: tokio::io::WriteHalf<DuplexStream>, pieces: Vec<Bytes>) {
    for piece in pieces {
        if stream.write_all(&piece).await.is_err() {
            return;
        }
        // Whoever reads sees this piece alone.
        tokio::task::yield_now().await;
    }
    // An end that is seen early ends a connection before what waits in it is read, which is no matter of pieces.
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
    // The other side may be gone.
    let _ = stream.shutdown().await;
}

/// A message that was read: its first line and fields, and its body, or that this broke off.
type Message = (String, Result<Bytes, ()>);

fn shown(line: &str, headers: &HeaderMap) -> String {
    headers.iter().fold(line.to_owned(), |text, (name, value)| text + &format!("\n{name}: {value:?}"))
}

/// What comes of bytes that a child sends, read as both listeners read them; and what it is answered.
fn requests(runtime: &Runtime, judge: &Judge, pieces: Vec<Bytes>) -> (Vec<Message>, Vec<u8>) {
    let (child, parent) = tokio::io::duplex(ROOM);
    let read = Mutex::new(Vec::new());
    let service = service_fn(|request: Request<Incoming>| async {
        let (parts, body) = request.into_parts();
        // One of them is gone, or the request is refused before anything is decided.
        let fields = &parts.headers;
        let has_both = fields.contains_key("content-length") && fields.contains_key("transfer-encoding");
        assert!(!has_both || head::check(parts.version, fields).is_err());
        judge.judge(&parts.method, &parts.uri, parts.version, fields);
        let line = format!("{} {} {:?}", parts.method, parts.uri, parts.version);
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).map_err(drop);
        read.lock().unwrap_or_else(PoisonError::into_inner).push((shown(&line, fields), body));
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))))
    });
    let answered = runtime.block_on(async {
        let (mut reading, writing) = tokio::io::split(child);
        let serving = http1_builder().serve_connection(TokioIo::new(parent), service).with_upgrades();
        let mut answered = Vec::new();
        let (_, (), _) = tokio::join!(serving, send(writing, pieces), reading.read_to_end(&mut answered));
        answered
    });
    (read.into_inner().unwrap_or_else(PoisonError::into_inner), answered)
}

#[test]
fn requests_of_a_connection() {
    let texts = [
        format!(
            "GET /v1/x?a={PLACEHOLDER} HTTP/1.1\r\nHost: api.stripe.com\r\nAuthorization: Bearer {PLACEHOLDER}\r\n\r\n\
             POST /v1/y HTTP/1.1\r\nHost: api.stripe.com\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody\
             GET http://github.com/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        ),
        format!(
            "POST /a HTTP/1.1\r\nHost: github.com\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
             5;x=\"y\"\r\nhello\r\n0\r\nX-Sum: {VALUE}\r\n\r\nGET /b HTTP/1.1\r\nHost: github.com\r\n\r\n"
        ),
        format!(
            "CONNECT github.com:443 HTTP/1.1\r\nHost: github.com:443\r\nProxy-Authorization: Basic eDp5\r\n\
             X-A: {OTHER_PLACEHOLDER}\r\n\r\n\x16\x03\x01"
        ),
        "GET /ws HTTP/1.1\r\nHost: github.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x01\x01a"
            .to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\nTransfer-Encoding: identity, chunked\r\n\
         \r\n0\r\n\r\nGET / HTTP/1.1\nHost: b\n\n"
            .to_owned(),
    ];
    let seeds: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
    let (runtime, judge) = (runtime(), Judge::new());
    fuzz("requests", &seeds, |bytes| {
        let whole = requests(&runtime, &judge, vec![Bytes::copy_from_slice(bytes)]);
        for pieces in [chunks(bytes), bytewise(&bytes[..bytes.len().min(2048)])] {
            let is_all = pieces.iter().map(Bytes::len).sum::<usize>() == bytes.len();
            let cut = requests(&runtime, &judge, pieces);
            if is_all && bytes.len() <= COMPARED {
                assert_eq!(whole.0, cut.0, "a cut changes what is read");
            }
        }
    });
}

/// What comes of bytes that upstream sends as the answer to a request, as the child gets it.
fn answer(runtime: &Runtime, redactor: &Redactor, pieces: Vec<Bytes>) -> Option<Message> {
    let (parent, upstream) = tokio::io::duplex(ROOM);
    runtime.block_on(async {
        let (mut reading, writing) = tokio::io::split(upstream);
        let built = upstream::http1_builder(false).handshake(TokioIo::new(parent)).await;
        let (mut sender, connection) = built.unwrap();
        // With the one who asks goes the connection.
        let asking = async move {
            let request = Request::get("/").header("host", "a").body(Empty::<Bytes>::new()).unwrap();
            let (mut parts, body) = sender.send_request(request).await.ok()?.into_parts();
            let before = parts.headers.clone();
            head::strip_response(&mut parts.headers);
            assert!(!parts.headers.contains_key("connection") && !parts.headers.contains_key("transfer-encoding"));
            let mut redaction = redactor.stream();
            redact_headers(&mut redaction, &mut parts.headers);
            let fields = shown(&format!("{} {:?}", parts.status, parts.version), &parts.headers);
            assert!(!holds(fields.as_bytes(), VALUE), "{fields}");
            let _ = head::transfer_coding(&before);
            let body = body.collect().await.map_err(drop).map(|body| {
                if let Some(mut trailers) = body.trailers().cloned() {
                    head::strip_response(&mut trailers);
                    redact_headers(&mut redaction, &mut trailers);
                    assert!(!holds(shown("", &trailers).as_bytes(), VALUE));
                }
                let mut out = redaction.push(body.to_bytes()).to_vec();
                out.extend_from_slice(&redaction.finish());
                Bytes::from(out)
            });
            assert!(!body.as_ref().is_ok_and(|body| holds(body, VALUE)));
            Some((fields, body))
        };
        // hyper takes no bytes for an answer that come before its question.
        let mut question = [0; 16];
        let sending = async {
            if reading.read(&mut question).await.is_ok() {
                send(writing, pieces).await;
            }
        };
        let (answer, _, ()) = tokio::join!(asking, connection, sending);
        answer
    })
}

#[test]
fn answers_of_a_connection() {
    let texts = [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 30\r\nX-Echo: {VALUE}\r\nConnection: close, x-hop\r\nX-Hop: 1\r\n\r\n<{VALUE}>     "),
        format!(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             9\r\n<sk_live_\r\n10;x=y\r\nthe_real_value>!\r\n0\r\nX-Sum: {VALUE}\r\n\r\n"
        ),
        format!("HTTP/1.0 302 Found\r\nLocation: https://b.example/?{VALUE}\r\nSet-Cookie: a={VALUE}; Secure\r\n\r\n{VALUE}"),
        "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n\x01\x01a".to_owned(),
        "HTTP/1.1 200\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n1\r\nx\r\n0\r\n\r\n"
            .to_owned(),
    ];
    let seeds: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
    let (runtime, redactor) = (runtime(), Redactor::new(&settings().secrets));
    fuzz("answers", &seeds, |bytes| {
        let whole = answer(&runtime, &redactor, vec![Bytes::copy_from_slice(bytes)]);
        let cut = answer(&runtime, &redactor, chunks(bytes));
        if bytes.len() <= COMPARED {
            assert_eq!(whole, cut, "a cut changes what is read");
        }
    });
}

#[test]
fn what_is_well_formed_is_read() {
    let (runtime, judge) = (runtime(), Judge::new());
    let text = b"POST /a HTTP/1.1\r\nHost: github.com\r\nContent-Length: 4\r\n\r\nbodyGET /b HTTP/1.1\r\nHost: github.com\r\n\r\n";
    let (read, answered) = requests(&runtime, &judge, bytewise(text));
    assert_eq!(read.iter().map(|(_, body)| body.clone().unwrap()).collect::<Vec<_>>(), ["body", ""]);
    assert!(read[1].0.starts_with("GET /b HTTP/1.1"), "{read:?}");
    assert_eq!(memchr::memmem::find_iter(&answered, b"HTTP/1.1 200 OK").count(), 2);
    let redactor = Redactor::new(&settings().secrets);
    let text = format!("HTTP/1.1 200 OK\r\nX-Echo: {VALUE}\r\nContent-Length: {}\r\n\r\n{VALUE}", VALUE.len());
    let (fields, body) = answer(&runtime, &redactor, bytewise(text.as_bytes())).unwrap();
    assert!(fields.contains("x-echo") && body.unwrap().len() >= PLACEHOLDER.len(), "{fields}");
}
