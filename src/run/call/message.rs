//! From what the user asked for to a request with placeholders: a function of values.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Request, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncRead, ReadBuf};
use zeroize::Zeroizing;

use super::error::CallError;
use super::hops::Hop;
use super::{CallBody, CallOrder, How, Placement};
use crate::policy::{Slot, quoted};
use crate::proxy::{Content, Message};
use crate::secret::SecretName;

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// What stands for a value: its name, in a form that the log has too.
pub(super) fn placeholder(name: &SecretName) -> String {
    format!("{{{name}}}")
}

impl How {
    /// Where in a request the value is put.
    pub(super) fn slot(&self) -> Slot {
        match self {
            Self::Bearer => Slot::Header("authorization".into()),
            Self::Basic { .. } => Slot::Basic,
            Self::Header(name) => Slot::Header(name.to_ascii_lowercase()),
            Self::Query(name) => Slot::Query(name.clone()),
            Self::Cookie(name) => Slot::Cookie(name.clone()),
            Self::Json(pointer) => Slot::JsonField(pointer.clone()),
            Self::Form(name) => Slot::FormField(name.clone()),
        }
    }

    /// Whether the value stands in the body.
    pub(super) fn is_in_body(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Form(_))
    }
}

/// The request of `hop`, which is a part of `order`.
pub(super) fn build(order: &CallOrder, hop: &Hop) -> Result<Message, CallError> {
    let mut head = Head { headers: HeaderMap::new(), names: Vec::new() };
    for (name, value) in &hop.headers {
        head.append(name, HeaderValue::from_str(value).map_err(|_| CallError::Header { name: name.clone() })?)?;
    }
    let mut url = hop.url.clone();
    let mut cookies: Vec<String> = Vec::new();
    for Placement { secret, how } in &hop.placements {
        let placeholder = placeholder(secret);
        match how {
            How::Bearer => head.place("Authorization", &format!("Bearer {placeholder}"))?,
            How::Basic { user } => {
                let pair = user.as_ref().map_or(placeholder.clone(), |user| format!("{user}:{placeholder}"));
                head.place("Authorization", &format!("Basic {}", STANDARD.encode(pair)))?;
            }
            How::Header(name) => head.place(name, &placeholder)?,
            How::Query(name) => url.target = url.with_parameter(name, &placeholder)?,
            How::Cookie(name) => cookies.push(format!("{name}={placeholder}")),
            How::Json(_) | How::Form(_) => {}
        }
    }
    if !cookies.is_empty() {
        let own = head.headers.remove(COOKIE);
        let own = own.as_ref().and_then(|own| own.to_str().ok()).map(str::to_owned);
        head.place("Cookie", &own.into_iter().chain(cookies).collect::<Vec<_>>().join("; "))?;
    }
    let content = content(hop)?;
    let defaults = [
        ("Accept", ACCEPT, Some("*/*")),
        ("User-Agent", USER_AGENT, Some(concat!("agentsecrets/", env!("CARGO_PKG_VERSION")))),
        ("Content-Type", CONTENT_TYPE, order.content_type.filter(|_| !matches!(content, Content::Empty))),
    ];
    for (written, name, value) in defaults {
        if let Some(value) = value.filter(|_| !head.headers.contains_key(&name)) {
            head.place(written, value)?;
        }
    }
    let mut request = Request::new(());
    *request.method_mut() = hop.method.clone();
    *request.uri_mut() = Uri::from(url.target);
    *request.headers_mut() = head.headers;
    Ok(Message { is_secure: url.is_secure, authority: url.authority, head: request, names: head.names, content })
}

struct Head {
    headers: HeaderMap,
    /// As they were written.
    names: Vec<String>,
}

impl Head {
    fn append(&mut self, name: &str, value: HeaderValue) -> Result<(), CallError> {
        let parsed = HeaderName::from_bytes(name.as_bytes());
        self.headers.append(parsed.map_err(|_| CallError::Header { name: name.to_owned() })?, value);
        self.names.push(name.to_owned());
        Ok(())
    }

    /// Adds a field of ours, in the place of one that the user wrote beside it.
    fn place(&mut self, name: &str, value: &str) -> Result<(), CallError> {
        let value = HeaderValue::from_str(value).map_err(|_| CallError::Header { name: name.to_owned() })?;
        self.headers.remove(name);
        self.names.retain(|known| !known.eq_ignore_ascii_case(name));
        self.append(name, value)
    }
}

/// The body with placeholders in the fields that are to hold values.
fn content(hop: &Hop) -> Result<Content, CallError> {
    let mut text = match &hop.body {
        CallBody::Empty => None,
        CallBody::Whole(text) => Some(text.clone()),
        CallBody::File(path) => {
            let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
            let (metadata, file) = opened.map_err(|source| CallError::Read { path: path.clone(), source })?;
            if metadata.is_dir() {
                return Err(CallError::Read { path: path.clone(), source: io::ErrorKind::IsADirectory.into() });
            }
            let left = metadata.is_file().then_some(metadata.len());
            return Ok(stream(tokio::fs::File::from_std(file), left));
        }
        CallBody::Input => {
            let input = io::stdin().as_fd().try_clone_to_owned().map_err(CallError::Input)?;
            return Ok(stream(tokio::fs::File::from_std(input.into()), None));
        }
    };
    for Placement { secret, how } in &hop.placements {
        let placeholder = placeholder(secret);
        match how {
            How::Json(pointer) => {
                let document = text.take().unwrap_or_else(|| b"{}".to_vec());
                let document = String::from_utf8(document).map_err(|_| CallError::NotText)?;
                let mut new = pointer.set(&document, &quoted(&placeholder)).map_err(CallError::Pointer)?;
                text = Some(std::mem::take(&mut *new));
            }
            How::Form(name) => {
                let form = text.get_or_insert_default();
                if !form.is_empty() {
                    form.push(b'&');
                }
                let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
                form.extend_from_slice(format!("{name}={placeholder}").as_bytes());
            }
            _ => {}
        }
    }
    Ok(text.map_or(Content::Empty, |text| Content::Whole(Zeroizing::new(text))))
}

fn stream(reader: impl AsyncRead + Send + Unpin + 'static, left: Option<u64>) -> Content {
    Content::Stream(Streamed { reader, left }.boxed_unsync())
}

/// What is read from a file or from standard input.
struct Streamed<R> {
    reader: R,
    /// How much is to come, where that is known.
    left: Option<u64>,
}

impl<R: AsyncRead + Unpin> Body for Streamed<R> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let body = self.get_mut();
        if body.left == Some(0) {
            return Poll::Ready(None);
        }
        let room = body.left.and_then(|left| usize::try_from(left).ok()).map_or(PIECE, |left| left.min(PIECE));
        let mut piece = BytesMut::zeroed(room);
        let mut buffer = ReadBuf::new(&mut piece);
        match Pin::new(&mut body.reader).poll_read(context, &mut buffer) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
            Poll::Ready(Ok(())) => {}
        }
        let read = buffer.filled().len();
        piece.truncate(read);
        match (&mut body.left, read) {
            (Some(_), 0) => {
                Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"))))
            }
            (None, 0) => Poll::Ready(None),
            (left, _) => {
                if let Some(left) = left {
                    *left -= read as u64;
                }
                Poll::Ready(Some(Ok(Frame::data(piece.freeze()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
