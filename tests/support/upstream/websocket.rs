//! A WebSocket that echoes, over HTTP/1.1 (RFC 6455) and HTTP/2 (RFC 8441), and one that answers JSON with JSON.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::body::{Fed, whole};
use super::record::Record;

/// Whether the request asks for a WebSocket.
pub(crate) fn is_asked(request: &Request<Incoming>) -> bool {
    request.headers().contains_key(SEC_WEBSOCKET_KEY)
        || (request.method() == Method::CONNECT && request.extensions().get::<hyper::ext::Protocol>().is_some())
}

/// Accepts, echoes every text frame, and notes it.
pub(crate) fn accept(request: Request<Incoming>, record: &Arc<Record>) -> Response<Fed> {
    let response = accepted(&request);
    tokio::spawn(echo(request, Arc::clone(record)));
    response
}

/// Accepts, notes every text frame, and sends what `answer` makes of it, a frame each.
pub(crate) fn converse(
    request: Request<Incoming>,
    record: &Arc<Record>,
    answer: impl Fn(&Value) -> Vec<Value> + Send + 'static,
) -> Response<Fed> {
    let response = accepted(&request);
    let record = Arc::clone(record);
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = &message else { continue };
            record.frame(text.as_str());
            for event in answer(&serde_json::from_str(text.as_str()).unwrap_or(Value::Null)) {
                if socket.send(Message::text(event.to_string())).await.is_err() {
                    return;
                }
            }
        }
    });
    response
}

fn accepted(request: &Request<Incoming>) -> Response<Fed> {
    let mut response = Response::new(whole(""));
    if let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let accepted = derive_accept_key(key.as_bytes()).parse().unwrap();
        response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accepted);
        response.headers_mut().insert(CONNECTION, "upgrade".parse().unwrap());
        response.headers_mut().insert(UPGRADE, "websocket".parse().unwrap());
    }
    response
}

async fn echo(request: Request<Incoming>, record: Arc<Record>) {
    let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = &message {
            record.frame(text.as_str());
        }
        if message.is_text() || message.is_binary() {
            let echoed = socket.send(message).await;
            if echoed.is_err() {
                return;
            }
        }
    }
}
