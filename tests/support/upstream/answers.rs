//! The answers that every host gives below `/test/`; the rest is handed to the service that the host stands for.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use base64::Engine as _;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, LOCATION, RANGE,
};
use hyper::{HeaderMap, Request, Response, StatusCode};
use tokio::sync::mpsc;

use super::body::{Fed, Piece, fed, whole};
use super::coded::coded;
use super::record::Event;
use super::{Site, git, services, websocket};

/// The piece size of a large body.
const PIECE: usize = 64 << 10;

/// Answers one request.
pub(crate) async fn answer(request: Request<Incoming>, site: &Site) -> Response<Fed> {
    let path = request.uri().path().to_owned();
    let mut steps = path.trim_start_matches('/').splitn(3, '/');
    if steps.next() != Some("test") {
        if websocket::is_asked(&request) {
            return services::upgrade(request, site);
        }
        let (parts, body) = request.into_parts();
        let body = receive(body, site).await;
        return match git::repository_of(&parts, site) {
            Some(repository) => git::answer(parts, body, site, repository).await,
            None => services::answer(&parts, &body, site),
        };
    }
    let (verb, argument) = (steps.next().unwrap_or_default(), steps.next().unwrap_or_default());
    match verb {
        "websocket" if websocket::is_asked(&request) => websocket::accept(request, &site.record),
        "hang" => std::future::pending().await,
        "reset" => {
            site.reset.notify_one();
            std::future::pending().await
        }
        "events" => events(site, argument),
        "download" => download(argument.parse().unwrap()),
        "download-gzip" => download_gzip(argument.parse().unwrap()),
        "cut" => cut(argument == "chunked"),
        "redirect" => {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let status = argument.parse().unwrap_or(StatusCode::FOUND);
            receive(request.into_body(), site).await;
            let mut response = text(status, "elsewhere");
            response.headers_mut().insert(LOCATION, query.trim_start_matches("to=").parse().unwrap());
            response
        }
        "discard" => discard(request.into_body()).await,
        "clock" => clock(argument.parse().unwrap()),
        "upload" => upload(request.into_body(), site).await,
        "compressed" => compressed(request.headers(), argument),
        "written" => text(StatusCode::OK, &written(request.headers())),
        "range" => range(request.headers(), argument),
        "trailers" => trailers(),
        "status" => {
            receive(request.into_body(), site).await;
            text(StatusCode::from_u16(argument.parse().unwrap()).unwrap(), "as asked")
        }
        "echo" => {
            let (parts, body) = request.into_parts();
            echo(&parts.headers, &receive(body, site).await)
        }
        "ok" => {
            receive(request.into_body(), site).await;
            text(StatusCode::OK, "ok")
        }
        _ => text(StatusCode::NOT_FOUND, "no such test path"),
    }
}

/// A short plain answer.
pub(crate) fn text(status: StatusCode, body: &str) -> Response<Fed> {
    let mut response = Response::new(whole(body.to_owned()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, body.len().into());
    response.headers_mut().insert(CONTENT_TYPE, "text/plain".parse().unwrap());
    response
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: &serde_json::Value) -> Response<Fed> {
    let mut response = text(status, &body.to_string());
    response.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
    response
}

/// Reads a request's body to its end, into the record; what came before an error is returned too.
async fn receive(mut body: Incoming, site: &Site) -> Bytes {
    let mut whole = Vec::new();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return whole.into() };
        match frame.into_data() {
            Ok(data) => {
                site.record.body_data(site.index, &data);
                whole.extend_from_slice(&data);
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    site.record.body_end(site.index, trailers);
    whole.into()
}

/// Every request header comes back as `x-echo-NAME`, and headers and body come back in the body.
fn echo(headers: &HeaderMap, body: &[u8]) -> Response<Fed> {
    let mut back = HeaderMap::new();
    let mut page = Vec::new();
    for (name, value) in headers {
        back.append(HeaderName::try_from(format!("x-echo-{name}")).unwrap(), value.clone());
        page.extend_from_slice(format!("{name}: ").as_bytes());
        page.extend_from_slice(value.as_bytes());
        page.push(b'\n');
    }
    page.push(b'\n');
    page.extend_from_slice(body);
    let mut response = Response::new(whole(page));
    response.headers_mut().extend(back);
    response
}

/// The headers come back in codings that nobody asked for; behind `cut/`, without their last bytes.
fn compressed(headers: &HeaderMap, names: &str) -> Response<Fed> {
    let mut page = Vec::new();
    for (name, value) in headers {
        page.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
    }
    let (names, cut) = names.strip_prefix("cut/").map_or((names, 0), |names| (names, 5));
    let mut bytes = coded(names, page);
    bytes.truncate(bytes.len() - cut);
    let mut response = Response::new(whole(bytes));
    response.headers_mut().insert(CONTENT_ENCODING, names.parse().unwrap());
    response.headers_mut().insert(ETAG, "\"strong\"".parse().unwrap());
    response
}

/// The credential as each writer has it, one a line, but for the one that breaks its own.
fn written(headers: &HeaderMap) -> String {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = header.trim_start_matches("Bearer ");
    let each = |write: &dyn Fn(u8) -> String| key.bytes().map(write).collect::<String>();
    let padded = |before: &str| base64::engine::general_purpose::STANDARD.encode(format!("{before}{key}"));
    let lines = |before: &str, line_end: &str| {
        let encoded = padded(before);
        let (first, rest) = encoded.split_at(20);
        let (second, third) = rest.split_at(20.min(rest.len()));
        [first, second, third].join(line_end)
    };
    [
        key.to_owned(),
        each(&|byte| format!("\\u{byte:04x}")),
        each(&|byte| if byte % 2 == 0 { format!("\\u{byte:04X}") } else { char::from(byte).into() }),
        each(&|byte| format!("%{byte:02X}")),
        each(&|byte| if byte % 3 == 0 { format!("%{byte:02x}") } else { char::from(byte).into() }),
        each(&|byte| format!("&#{byte};")),
        each(&|byte| format!("{byte:02x}")),
        each(&|byte| format!("{byte:02X}")),
        padded(""),
        padded("x"),
        padded("xy"),
        lines("", "\\r\\n"),
        lines("x", "\n"),
        each(&|byte| format!("{}\0", char::from(byte))),
        each(&|byte| format!("\0\0\0{}", char::from(byte))),
    ]
    .map(|line| line + "\n")
    .concat()
}

/// Ten digits, or the two in the middle of them where a part is asked for (RFC 9110 §14); in a coding that nobody knows
/// where one is named, and as one of several parts behind `parts/`; `parts/200` says that it is the whole.
fn range(headers: &HeaderMap, argument: &str) -> Response<Fed> {
    let is_asked = headers.contains_key(RANGE);
    let mut response = text(StatusCode::OK, if is_asked { "45" } else { "0123456789" });
    response.headers_mut().insert(ACCEPT_RANGES, "bytes".parse().unwrap());
    let coding = argument.strip_prefix("parts/").unwrap_or(argument);
    let coding = coding.strip_prefix("200").unwrap_or(coding);
    if is_asked || coding != argument && !argument.ends_with("200") {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        response.headers_mut().insert(CONTENT_RANGE, "bytes 4-5/10".parse().unwrap());
    }
    if coding != argument {
        response.headers_mut().insert(CONTENT_TYPE, "multipart/byteranges; boundary=x".parse().unwrap());
    }
    if !coding.is_empty() {
        response.headers_mut().insert(CONTENT_ENCODING, coding.parse().unwrap());
    }
    response
}

/// Server-sent events under the test's control, one write each.
fn events(site: &Site, name: &str) -> Response<Fed> {
    let Some(mut orders) = site.record.take_stream(name) else {
        return text(StatusCode::NOT_FOUND, "the test opened no such stream");
    };
    let (sender, body) = fed(None);
    tokio::spawn(async move {
        while let Some(order) = orders.recv().await {
            let piece = match order {
                Event::Data(data) => Piece::Data(format!("data: {data}\n\n").into()),
                Event::Break => Piece::Break,
            };
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, "text/event-stream".parse().unwrap());
    response
}

/// `length` bytes, each piece the same, with a `Content-Length`.
fn download(length: usize) -> Response<Fed> {
    let (sender, body) = fed(Some(length));
    let piece = Bytes::from(pattern());
    tokio::spawn(async move {
        let mut left = length;
        while left > 0 {
            let size = left.min(PIECE);
            if sender.send(Piece::Data(piece.slice(..size))).await.is_err() {
                return;
            }
            left -= size;
        }
    });
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

/// The same in gzip, whatever was asked for. It is coded once, so that the coding is no part of what a client waits for.
fn download_gzip(length: usize) -> Response<Fed> {
    static CODED: Mutex<BTreeMap<usize, Bytes>> = Mutex::new(BTreeMap::new());
    let code = || Bytes::from(coded("gzip", pattern().repeat(length / PIECE)));
    let mut response = Response::new(whole(CODED.lock().unwrap().entry(length).or_insert_with(code).clone()));
    response.headers_mut().insert(CONTENT_ENCODING, "gzip".parse().unwrap());
    response
}

/// One piece of a download: text that compresses badly and holds no secret.
fn pattern() -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b' ' + u8::try_from(state % 95).unwrap_or_default()
    };
    (0..PIECE).map(next).collect()
}

/// Half of what was announced, then the connection breaks.
fn cut(chunked: bool) -> Response<Fed> {
    let (sender, body) = fed(None);
    tokio::spawn(send_all(sender, vec![Piece::Data(Bytes::from_static(&[b'x'; 500])), Piece::Break]));
    let mut response = Response::new(body);
    if !chunked {
        response.headers_mut().insert(CONTENT_LENGTH, 1000.into());
    }
    response
}

async fn send_all(sender: mpsc::Sender<Piece>, pieces: Vec<Piece>) {
    for piece in pieces {
        if sender.send(piece).await.is_err() {
            return;
        }
    }
}

/// Two data frames and a trailer, as gRPC ends.
fn trailers() -> Response<Fed> {
    let (sender, body) = fed(None);
    let end = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), "0".parse().unwrap())]);
    let pieces =
        vec![Piece::Data(Bytes::from_static(b"one")), Piece::Data(Bytes::from_static(b"two")), Piece::Trailers(end)];
    tokio::spawn(send_all(sender, pieces));
    let mut response = Response::new(body);
    response.headers_mut().insert("trailer", "grpc-status".parse().unwrap());
    response
}

/// Counts and digests what arrives, without keeping it.
async fn upload(mut body: Incoming, site: &Site) -> Response<Fed> {
    let mut digest = digest::Context::new(&digest::SHA256);
    let mut length = 0_u64;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return text(StatusCode::BAD_REQUEST, "the body broke") };
        if let Some(data) = frame.data_ref() {
            digest.update(data);
            length += data.len() as u64;
            site.record.body_data(site.index, data);
        }
    }
    site.record.body_end(site.index, None);
    let digest = crate::support::hex(digest.finish().as_ref());
    json(StatusCode::OK, &serde_json::json!({"bytes": length, "sha256": digest}))
}

/// Takes a body as fast as it comes, for measurements.
async fn discard(mut body: Incoming) -> Response<Fed> {
    while let Some(Ok(_)) = body.frame().await {}
    text(StatusCode::OK, "gone")
}

/// `count` events two milliseconds apart, each with the time at which it was written, in nanoseconds.
fn clock(count: usize) -> Response<Fed> {
    let (sender, body) = fed(None);
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(2));
        for _ in 0..count {
            tick.tick().await;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
            if sender.send(Piece::Data(format!("data: {now}\n\n").into())).await.is_err() {
                return;
            }
        }
    });
    Response::new(body)
}
