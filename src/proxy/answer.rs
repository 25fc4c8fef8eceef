//! The body of an answer on its way to the child: decoded, redacted, counted, ended in the log.
//!
//! **Invariants.** A body that upstream breaks off, or that cannot be decoded, ends here as an error, never as a clean end
//! (L3). Bytes go on as soon as they come; only a live partial match is held back. Whatever way a body ends, its end record
//! is written.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};

use super::RedactionStream;
use super::decode::{Decoder, Undecodable};
use super::record::Record;
use super::upstream::UpstreamBody;

/// What the child gets as body.
pub(super) enum Answer {
    Empty,
    Whole(Option<Bytes>),
    Streamed(Box<Streamed>),
}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    #[error(transparent)]
    Upstream(hyper::Error),
    #[error(transparent)]
    Coding(Undecodable),
}

/// How a body is read on its way.
pub(super) struct Reading {
    /// Takes the content coding off; none where there is none.
    pub(super) decoder: Option<Decoder>,
    pub(super) redaction: Option<RedactionStream>,
    /// Why the body passes as it is, where it does.
    pub(super) unsearched: Option<&'static str>,
    /// Whether either can change the length.
    pub(super) changes_length: bool,
}

/// A body that upstream streams.
pub(super) struct Streamed {
    upstream: UpstreamBody,
    decoder: Option<Decoder>,
    redaction: Option<RedactionStream>,
    is_searched: bool,
    changes_length: bool,
    /// Trailers that wait for held bytes to go first.
    trailers: Option<HeaderMap>,
    is_over: bool,
    record: Record,
}

impl Answer {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes))
    }

    pub(super) fn streamed(upstream: UpstreamBody, reading: Reading, mut record: Record) -> Self {
        let Reading { decoder, redaction, unsearched, changes_length } = reading;
        if upstream.is_end_stream() {
            record.finish(redaction.as_ref(), None);
            return Self::Empty;
        }
        Self::Streamed(Box::new(Streamed {
            upstream,
            decoder,
            redaction,
            is_searched: unsearched.is_none(),
            changes_length,
            trailers: None,
            is_over: false,
            record,
        }))
    }
}

impl Streamed {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        loop {
            if let Some(trailers) = self.trailers.take() {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            let passed = match self.decoded() {
                Ok(Some(data)) => self.redacted(data),
                Ok(None) => {
                    let frame = match Pin::new(&mut self.upstream).poll_frame(context) {
                        Poll::Pending => return self.release(),
                        Poll::Ready(Some(Err(error))) => return self.broken(AnswerError::Upstream(error)),
                        Poll::Ready(Some(Ok(frame))) => Some(frame),
                        Poll::Ready(None) => None,
                    };
                    match self.pass(frame) {
                        Ok(passed) => passed,
                        Err(error) => return self.broken(AnswerError::Coding(error)),
                    }
                }
                Err(error) => return self.broken(AnswerError::Coding(error)),
            };
            if !passed.is_empty() {
                self.record.add(passed.len());
                if self.decoder.is_none() && self.upstream.is_end_stream() && self.trailers.is_none() {
                    self.end();
                }
                return Poll::Ready(Some(Ok(Frame::data(passed))));
            }
        }
    }

    /// What is decoded already and has not gone on.
    fn decoded(&mut self) -> Result<Option<Bytes>, Undecodable> {
        self.decoder.as_mut().map_or(Ok(None), Decoder::next)
    }

    fn redacted(&mut self, data: Bytes) -> Bytes {
        match &mut self.redaction {
            Some(redaction) if self.is_searched => redaction.push(data),
            _ => data,
        }
    }

    fn broken(&mut self, error: AnswerError) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        self.is_over = true;
        let reason = match &error {
            AnswerError::Upstream(_) => "upstream broke off".to_owned(),
            AnswerError::Coding(error) => error.to_string(),
        };
        self.record.finish(self.redaction.as_ref(), Some(&reason));
        Poll::Ready(Some(Err(error)))
    }

    /// While upstream is silent, what of the held bytes tells no value goes on: they may be the end of a message.
    fn release(&mut self) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let released = self.redaction.as_mut().map(RedactionStream::release).unwrap_or_default();
        if released.is_empty() {
            return Poll::Pending;
        }
        self.record.add(released.len());
        Poll::Ready(Some(Ok(Frame::data(released))))
    }

    /// What may go on now of a frame; `None` is the end. A coded one goes to the decoder first.
    fn pass(&mut self, frame: Option<Frame<Bytes>>) -> Result<Bytes, Undecodable> {
        let trailers = match frame.map(Frame::into_data) {
            Some(Ok(data)) => {
                if let Some(decoder) = &mut self.decoder {
                    decoder.push(data);
                    return Ok(Bytes::new());
                }
                let is_last = self.upstream.is_end_stream();
                let passed = self.redacted(data);
                return Ok(if is_last { joined(passed, self.rest()) } else { passed });
            }
            Some(Err(frame)) => frame.into_trailers().ok(),
            None => None,
        };
        if let Some(decoder) = &self.decoder {
            decoder.finish()?;
        }
        self.trailers = trailers.map(|mut trailers| {
            if let Some(redaction) = &mut self.redaction {
                redact_headers(redaction, &mut trailers);
            }
            trailers
        });
        let rest = self.rest();
        self.end();
        Ok(rest)
    }

    fn rest(&mut self) -> Bytes {
        self.redaction.as_mut().map(RedactionStream::finish).unwrap_or_default()
    }

    fn end(&mut self) {
        if !self.is_over {
            self.is_over = true;
            self.record.finish(self.redaction.as_ref(), None);
        }
    }
}

fn joined(first: Bytes, second: Bytes) -> Bytes {
    match (first.is_empty(), second.is_empty()) {
        (_, true) => first,
        (true, false) => second,
        (false, false) => [first, second].concat().into(),
    }
}

/// Replaces values in the head or the trailers; a field that has one in its name is dropped.
pub(super) fn redact_headers(redaction: &mut RedactionStream, headers: &mut HeaderMap) {
    let dropped: Vec<_> =
        headers.keys().filter(|name| redaction.must_drop(name.as_str().as_bytes())).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
    for value in headers.values_mut() {
        if let Some(replaced) = redaction.headers(value.as_bytes()) {
            // A placeholder is ASCII, so what was a header value stays one; and if not, it is dropped.
            *value = HeaderValue::from_bytes(&replaced).unwrap_or(HeaderValue::from_static(""));
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Streamed(streamed) => streamed.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_none(),
            Self::Streamed(streamed) => streamed.is_over && streamed.trailers.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Streamed(streamed) if streamed.changes_length => SizeHint::default(),
            Self::Streamed(streamed) => streamed.upstream.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Redactor;
    use super::super::rulebook::tests::{VALUE, settings};
    use super::*;

    #[test]
    fn a_field_named_after_a_value_is_dropped_and_counted() {
        let mut headers = HeaderMap::new();
        for name in [VALUE.to_owned(), format!("x-{VALUE}-y"), "x-kept".into()] {
            headers.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("1"));
        }
        headers.insert(http::header::TRAILER, HeaderValue::from_str(&VALUE.to_ascii_lowercase()).unwrap());
        let mut redaction = Redactor::new(&settings().secrets).stream();
        redact_headers(&mut redaction, &mut headers);
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["x-kept"], "1");
        assert!(!headers["trailer"].to_str().unwrap().eq_ignore_ascii_case(VALUE));
        assert_eq!(redaction.counts().map(|(.., count)| count).sum::<u64>(), 3);
    }
}
