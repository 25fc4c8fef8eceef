//! What a child or an upstream can send, fed with mutations: nothing panics or takes long, and no value comes out.

#[path = "../../../tests/fuzz/harness.rs"]
mod harness;
mod streams;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use harness::fuzz;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

use super::super::decode::tests::encoded;
use super::super::decode::{Coding, Decoder};
use super::super::frames::Frames;
use super::super::inject::inject;
use super::super::request_body::RequestBody;
use super::super::route::{Security, decide, named};
use super::super::rulebook::tests::{OTHER_PLACEHOLDER, PLACEHOLDER, VALUE, book, settings, site};
use super::super::rulebook::{Rulebook, Site};
use super::super::{Redactor, head, hello};
use crate::audit::recorded_path;

fn holds(text: &[u8], value: &str) -> bool {
    memchr::memmem::find(text, value.as_bytes()).is_some()
}

/// `text` in chunks whose sizes its own bytes give.
fn chunks(text: &[u8]) -> Vec<Bytes> {
    let (mut chunks, mut rest) = (Vec::new(), text);
    while let [first, ..] = rest {
        let (chunk, behind) = rest.split_at(rest.len().min(1 + usize::from(first % 61)));
        chunks.push(Bytes::copy_from_slice(chunk));
        rest = behind;
    }
    chunks
}

#[test]
fn redactor() {
    let redactor = Redactor::new(&settings().secrets);
    let each = |write: &dyn Fn(u8) -> String| VALUE.bytes().map(write).collect::<String>();
    let spellings = [
        format!("data: {VALUE} {VALUE}{VALUE}\n\n"),
        each(&|byte| format!("\\u{byte:04x}")),
        each(&|byte| format!("%{byte:02X}")),
        each(&|byte| format!("&#{byte};")),
        each(&|byte| format!("{byte:02x}")),
        "c2tfbGl2ZV90aGVfcmVhbF92YWx1ZQ== eHNrX2xpdmVfdGhlX3JlYWxfdmFsdWU".to_owned(),
        "c2tfbGl2ZV90aGVf\ncmVhbF92YWx1ZQ==\neHNr\\r\\nX2xp\\r\\ndmVfdGhlX3JlYWxfdmFsdWU\r\n".to_owned(),
        each(&|byte| format!("{}\0", char::from(byte))),
        each(&|byte| format!("\0\0\0{}", char::from(byte))),
    ];
    let seeds: Vec<&[u8]> = spellings.iter().map(String::as_bytes).collect();
    fuzz("redactor", &seeds, |bytes| {
        let (mut whole, mut cut) = (redactor.stream(), redactor.stream());
        let mut out = whole.push(Bytes::copy_from_slice(bytes)).to_vec();
        out.extend_from_slice(&whole.finish());
        let mut pieces = Vec::new();
        for chunk in chunks(bytes) {
            pieces.extend_from_slice(&cut.push(chunk));
        }
        pieces.extend_from_slice(&cut.finish());
        assert_eq!(out.escape_ascii().to_string(), pieces.escape_ascii().to_string(), "a cut changes what comes out");
        assert!(whole.counts().eq(cut.counts()));
        assert!(!holds(&out, VALUE));
        for zeros in ["\0", "\0\0\0"] {
            let wide = each(&|byte| format!("{zeros}{}", char::from(byte)));
            assert!(!holds(&out, wide.trim_matches('\0')));
        }
        assert!(!redactor.headers(bytes).is_some_and(|out| holds(&out, VALUE)));
    });
}

#[test]
fn decoder() {
    let text = format!("{VALUE} {}", "abc".repeat(300));
    let codings = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];
    let coded = codings.map(|coding| encoded(coding, false, text.as_bytes()));
    let seeds: Vec<&[u8]> = coded.iter().map(Vec::as_slice).collect();
    fuzz("decoder", &seeds, |bytes| {
        for codings in [&codings[..1], &codings[1..2], &codings[2..3], &codings[3..], &[Coding::Gzip, Coding::Brotli]] {
            let mut decoder = Decoder::new(codings).unwrap();
            let mut out = 0;
            'chunks: for chunk in chunks(bytes) {
                decoder.push(chunk);
                loop {
                    match decoder.next() {
                        Ok(Some(piece)) => out += piece.len(),
                        Ok(None) => break,
                        Err(_) => break 'chunks,
                    }
                }
            }
            assert!(out <= (16 << 20) + 2048 * bytes.len() + (64 << 10), "{out} bytes of {}", bytes.len());
            let _ = decoder.finish();
        }
    });
}

/// The head of a request, as far as it is one.
fn parsed(text: &[u8]) -> Option<(Method, Uri, HeaderMap)> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut words = lines.next()?.splitn(2, |byte| *byte == b' ');
    let method = Method::from_bytes(words.next()?).ok()?;
    let uri = Uri::try_from(words.next()?).ok()?;
    let mut headers = HeaderMap::new();
    for line in lines.take(64) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(line[colon + 1..].trim_ascii()))
        else {
            continue;
        };
        headers.append(name, value);
    }
    Some((method, uri, headers))
}

#[test]
fn heads() {
    let texts = [
        format!(
            "GET /v1/x?a={PLACEHOLDER}&b=%20\nHost: api.stripe.com\nAuthorization: Bearer {PLACEHOLDER}\nRange: bytes=0-1"
        ),
        format!(
            "CONNECT github.com:443\nHost: github.com:443\nProxy-Authorization: Basic eDp5\nX-A: {OTHER_PLACEHOLDER}"
        ),
        "POST https://login.example/oauth/%74oken;x=1/..//%2e?q\nHost: login.example\nX-HTTP-Method-Override: PUT\n\
         Connection: close, x-hop\nX-Hop: 1\nTransfer-Encoding: chunked\nContent-Length: 3\nExpect: 100-continue"
            .to_owned(),
        format!(
            "GET /x\nHost: github.com\nAuthorization: Basic eDpnaHBfcGxhY2Vob2xkZXI=\nUpgrade: websocket\nTE: trailers\nCookie: a={VALUE}"
        ),
        format!("GET /{}oauth/token\nHost: login.example", "%25".repeat(40)),
    ];
    let seeds: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
    let judge = Judge::new();
    fuzz("heads", &seeds, |bytes| {
        if let Some((method, uri, headers)) = parsed(bytes) {
            judge.judge(&method, &uri, Version::HTTP_11, &headers);
        }
    });
}

/// What is decided of a request by its head alone.
struct Judge {
    book: Rulebook,
    sites: [Arc<Site>; 3],
    redactor: Redactor,
}

impl Judge {
    fn new() -> Self {
        let book = book();
        let sites = ["api.stripe.com:443", "github.com:443", "login.example:443"].map(|name| site(&book, name));
        Self { book, sites, redactor: Redactor::new(&settings().secrets) }
    }

    /// No value goes to another host than its own, and none into the log.
    fn judge(&self, method: &Method, uri: &Uri, version: Version, headers: &HeaderMap) {
        let _ = (named(uri, headers, 443), head::check(version, headers));
        let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let path = recorded_path(target, |text| self.redactor.secret_in(text));
        assert!(path.len() <= 16 << 10 && !holds(path.as_bytes(), VALUE), "{path}");
        for site in &self.sites {
            let mut headers = headers.clone();
            let Ok(allowed) = decide(site, Security::Tls, method, uri, &headers) else { continue };
            head::strip_request(&mut headers);
            assert!(!headers.contains_key("proxy-authorization") && !headers.contains_key("connection"));
            let brought = headers.values().any(|value| holds(value.as_bytes(), VALUE));
            let _ = inject(&allowed, uri, &mut headers, &mut RequestBody::Empty, &self.book);
            let has_value = headers.values().any(|value| holds(value.as_bytes(), VALUE));
            assert!(!has_value || brought || Arc::ptr_eq(site, &self.sites[0]), "a value for another host");
        }
    }
}

/// What a client says first.
fn client_hello(name: &'static str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut client = rustls::ClientConnection::new(Arc::new(config), name.try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn hellos() {
    let (named, bare) = (client_hello("api.stripe.com"), client_hello("127.0.0.1"));
    let seeds: [&[u8]; 4] = [&named, &bare, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"SSH-2.0-x\r\n"];
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    fuzz("hellos", &seeds, |bytes| {
        let ahead = Bytes::copy_from_slice(&bytes[..bytes.len().min(3)]);
        let mut rest = &bytes[ahead.len()..];
        let opening = runtime.block_on(hello::read_any(ahead, &mut rest)).unwrap();
        let read = opening.into_ahead();
        assert!(bytes.starts_with(&read), "what was read is put back as it was");
        let _ = (hello::is_http(bytes), hello::is_request(bytes));
    });
}

#[test]
fn frames() {
    let redactor = Redactor::new(&settings().secrets);
    let message = [&[0x81, u8::try_from(VALUE.len()).unwrap()], VALUE.as_bytes(), b"\x89\x02hi\x82\x7e\0\x80"].concat();
    let fragments: &[u8] = b"\x01\x0ask_live_th\x80\x0ce_real_value\x88\x02\x03\xe8\x82\x7f\0\0\0\0\0\x01\0\0";
    fuzz("frames", &[&message, fragments], |bytes| {
        let (mut frames, mut out) = (Frames::new(redactor.stream()), BytesMut::new());
        for chunk in chunks(bytes) {
            if frames.push(chunk, &mut out).is_err() {
                break;
            }
        }
        assert!(!holds(&out, VALUE));
    });
}
