//! WebSockets: the upgrade over HTTP/1.1 (RFC 6455 §4) or HTTP/2 (RFC 8441), then bytes both ways.
//!
//! **Invariants.** To upstream it is always an HTTP/1.1 upgrade of a connection of its own. Where answers are scanned no
//! extension is negotiated, so that frames can be read, and frames to the child are scanned.

use std::io;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::RedactionStream;
use super::answer::{Answer, redact_headers};
use super::frames::Frames;
use super::head;
use super::record::Record;
use super::refusal::Refused;
use super::rulebook::Site;
use super::shared::Shared;
use super::upstream::{Switched, UpstreamBody};

/// What one direction reads at once.
const CHUNK: usize = 8 * 1024;
/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request for a WebSocket.
pub(super) struct Socket {
    upgrade: OnUpgrade,
    /// The child's key, or ours for a child that speaks HTTP/2 and sends none.
    key: HeaderValue,
    is_http2: bool,
}

/// Whether `request` asks for a WebSocket; over HTTP/2 it becomes the GET that it stands for.
pub(super) fn wanted(request: &mut Request<Incoming>) -> Option<Socket> {
    let protocol = request.extensions().get::<hyper::ext::Protocol>();
    if *request.method() == Method::CONNECT && protocol.is_some_and(|protocol| protocol.as_str() == "websocket") {
        let mut bytes = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        let upgrade = hyper::upgrade::on(&mut *request);
        *request.method_mut() = Method::GET;
        let key = HeaderValue::from_str(&STANDARD.encode(bytes)).ok()?;
        return Some(Socket { upgrade, key, is_http2: true });
    }
    if *request.method() != Method::GET || !head::asks_for_websocket(request.version(), request.headers()) {
        return None;
    }
    let key = request.headers().get(SEC_WEBSOCKET_KEY)?.clone();
    Some(Socket { upgrade: hyper::upgrade::on(request), key, is_http2: false })
}

impl Socket {
    /// Makes the head as it goes upstream.
    pub(super) fn prepare(&self, site: &Site, headers: &mut HeaderMap) {
        if site.redact {
            headers.remove(SEC_WEBSOCKET_EXTENSIONS);
        }
        headers.remove(CONTENT_LENGTH);
        if self.is_http2 {
            headers.insert(SEC_WEBSOCKET_KEY, self.key.clone());
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
    }

    /// Answers the child after upstream said 101, and lets the bytes flow.
    pub(super) fn switch(
        self,
        shared: &Arc<Shared>,
        site: &Site,
        response: Response<UpstreamBody>,
        switched: Switched,
        mut record: Record,
    ) -> Result<Response<Answer>, Refused> {
        let mut headers = response.into_parts().0.headers;
        if !head::lists(&headers, UPGRADE, "websocket") || !is_accepted(self.key.as_bytes(), &headers) {
            record.finish(None, Some("handshake"));
            return Err(Refused::handshake(&site.authority));
        }
        head::strip_response(&mut headers);
        if site.redact && headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
            record.finish(None, Some("extension"));
            return Err(Refused::unscanned(None, &site.authority, "with a WebSocket extension that was not asked for"));
        }
        let mut redaction = site.redact.then(|| shared.redactor.stream());
        if let Some(redaction) = &mut redaction {
            redact_headers(redaction, &mut headers);
        }
        let mut answer = Response::new(Answer::Empty);
        if self.is_http2 {
            // RFC 8441 §5: a 2xx stands for the 101, and the accept field is not sent.
            headers.remove(SEC_WEBSOCKET_ACCEPT);
        } else {
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
        headers.remove(HeaderName::from_static("transfer-encoding"));
        *answer.headers_mut() = headers;
        shared.tasks.spawn(flow(self.upgrade, switched, redaction, record));
        Ok(answer)
    }
}

/// RFC 6455 §4.1: the proof that upstream read the key.
fn is_accepted(key: &[u8], headers: &HeaderMap) -> bool {
    let proof = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat()));
    headers.get(SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| accept.as_bytes() == proof.as_bytes())
}

/// Passes bytes both ways until one side ends or breaks off; a WebSocket has no half-open state (§7.1).
async fn flow(upgrade: OnUpgrade, switched: Switched, redaction: Option<RedactionStream>, mut record: Record) {
    let Ok(child) = upgrade.await else { return };
    let (mut child_read, mut child_write) = tokio::io::split(TokioIo::new(child));
    let (mut upstream_read, mut upstream_write) = tokio::io::split(switched.wire);
    let mut frames = redaction.map(Frames::new);
    let mut received = 0;
    let sent = Arc::clone(record.sent());
    let up = async {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        while child_read.read_buf(&mut buffer).await? > 0 {
            sent.fetch_add(buffer.len() as u64, std::sync::atomic::Ordering::Relaxed);
            send(&mut upstream_write, &buffer).await?;
            buffer.clear();
        }
        upstream_write.shutdown().await
    };
    let down = down(switched.ahead, &mut upstream_read, &mut child_write, frames.as_mut(), &mut received);
    let ended = tokio::select! {
        ended = up => ended,
        ended = down => ended,
    };
    record.add(received);
    record.finish(frames.as_ref().map(Frames::redaction), ended.is_err().then_some("broken off"));
}

async fn down<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    ahead: Bytes,
    from: &mut R,
    to: &mut W,
    mut frames: Option<&mut Frames>,
    count: &mut usize,
) -> io::Result<()> {
    let mut buffer = BytesMut::from(ahead);
    let mut out = BytesMut::new();
    loop {
        if !buffer.is_empty() {
            let bytes = buffer.split().freeze();
            let passed = match &mut frames {
                None => bytes,
                Some(frames) => {
                    frames.push(bytes, &mut out).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
                    out.split().freeze()
                }
            };
            *count += passed.len();
            send(to, &passed).await?;
        }
        buffer.reserve(CHUNK);
        if from.read_buf(&mut buffer).await? == 0 {
            return to.shutdown().await;
        }
    }
}

async fn send<W: AsyncWrite + Unpin>(to: &mut W, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_the_proof_of_the_standard_s_example() {
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(is_accepted(b"dGhlIHNhbXBsZSBub25jZQ==", &headers));
        assert!(!is_accepted(b"dGhlIHNhbXBsZSBub25jZR==", &headers));
        assert!(!is_accepted(b"dGhlIHNhbXBsZSBub25jZQ==", &HeaderMap::new()));
    }
}
