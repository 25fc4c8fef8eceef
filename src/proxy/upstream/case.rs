//! How the names of fields are written: nobody may depend on it (RFC 9110 §5.1), and some servers do.
//!
//! **Trade-off.** hyper keeps the spelling of names that it has read, and has no way to be told one: so it is given a
//! head to read.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

use http::{Extensions, Request, Response};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;

/// The spelling of names, as hyper keeps it.
#[derive(Debug, Clone)]
pub(in crate::proxy) struct Case(Extensions);

impl Case {
    /// That of `names`, which are names of fields.
    pub(in crate::proxy) async fn of(names: impl Iterator<Item = &str>) -> Option<Self> {
        let mut head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".to_vec();
        names.for_each(|name| head.extend_from_slice(format!("{name}: x\r\n").as_bytes()));
        head.extend_from_slice(b"\r\n");
        let (mut ours, theirs) = tokio::io::duplex(head.len() + 1024);
        ours.write_all(&head).await.ok()?;
        let read = Mutex::new(None);
        let service = service_fn(|request: Request<Incoming>| {
            *read.lock().unwrap_or_else(PoisonError::into_inner) = Some(request.into_parts().0.extensions);
            async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
        });
        http1::Builder::new().preserve_header_case(true).serve_connection(TokioIo::new(theirs), service).await.ok()?;
        read.into_inner().unwrap_or_else(PoisonError::into_inner).map(Self)
    }

    /// Has a request carry it.
    pub(super) fn write(self, extensions: &mut Extensions) {
        extensions.extend(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_spelling_is_read_whatever_the_names_are() {
        assert!(Case::of(["X-API-Key", "x-other"].into_iter()).await.is_some());
        assert!(Case::of(std::iter::empty()).await.is_some());
    }
}
