//! The first bytes of a connection: TLS or not, and for whom (RFC 8446 §4.1.2, RFC 6066 §3).

use std::io;

use bytes::{Bytes, BytesMut};
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::policy::Host;

/// The first byte of a TLS record that holds a handshake message (RFC 8446 §5.1).
const HANDSHAKE: u8 = 0x16;
/// The longest `ClientHello` that is waited for; post-quantum key shares make two kilobytes.
const LONGEST: usize = 64 * 1024;

/// How a connection opens. The bytes are those that were read, to be put back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Tls { name: Name, ahead: Bytes },
    Plain { ahead: Bytes },
    Closed,
}

impl Opening {
    /// The bytes that were read.
    pub(super) fn into_ahead(self) -> Bytes {
        match self {
            Self::Tls { ahead, .. } | Self::Plain { ahead } => ahead,
            Self::Closed => Bytes::new(),
        }
    }
}

/// Whom a `ClientHello` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// It names nobody.
    Absent,
    /// One host.
    Host(Host),
    /// It names somebody, and another server may read another name in it than we do.
    Unreadable,
}

/// Reads as far as is needed to know how the connection opens; `ahead` was read already.
pub(super) async fn read<R: AsyncRead + Unpin>(ahead: Bytes, stream: &mut R) -> io::Result<Opening> {
    let mut bytes = BytesMut::from(ahead);
    let mut fed = 0;
    let mut acceptor = Acceptor::default();
    loop {
        if bytes.len() == fed {
            bytes.reserve(2048);
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(Opening::Closed);
            }
        }
        if bytes.first() != Some(&HANDSHAKE) {
            return Ok(Opening::Plain { ahead: bytes.freeze() });
        }
        while fed < bytes.len() {
            match acceptor.read_tls(&mut &bytes[fed..]) {
                Ok(read) => fed += read,
                // More than the library keeps of a message: it says so to the client, too.
                Err(_) => return Ok(Opening::Tls { name: Name::Unreadable, ahead: bytes.freeze() }),
            }
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                let name = match hello.server_name().map(Host::parse) {
                    Some(Ok(host)) => Name::Host(host),
                    None if !names_somebody(&bytes) => Name::Absent,
                    _ => Name::Unreadable,
                };
                return Ok(Opening::Tls { name, ahead: bytes.freeze() });
            }
            Ok(None) if bytes.len() < LONGEST => {}
            // Not TLS after all, or too much of it: let the TLS library say so to the client.
            Ok(None) | Err(_) => return Ok(Opening::Tls { name: Name::Unreadable, ahead: bytes.freeze() }),
        }
    }
}

/// As [`read`], on a port where anything may be spoken: of text, as much is read as [`is_request`] wants.
pub(super) async fn read_any<R: AsyncRead + Unpin>(ahead: Bytes, stream: &mut R) -> io::Result<Opening> {
    let opening = read(ahead, stream).await?;
    let Opening::Plain { ahead } = opening else { return Ok(opening) };
    let mut bytes = BytesMut::from(ahead);
    while is_request(&bytes).is_none() && stream.read_buf(&mut bytes).await? > 0 {}
    Ok(Opening::Plain { ahead: bytes.freeze() })
}

/// Whether a `ClientHello` that the TLS library could read has a `server_name` extension, however odd its content.
fn names_somebody(records: &[u8]) -> bool {
    extensions(&handshake(records)).is_none_or(|extensions| {
        let mut rest = extensions.as_slice();
        while let Some((kind, after)) = rest.split_first_chunk::<2>() {
            let Some((_, behind)) = vector(after, 2) else { return true };
            if *kind == [0, 0] {
                return true;
            }
            rest = behind;
        }
        false
    })
}

/// The handshake bytes of as many records as there are (RFC 8446 §5.1).
fn handshake(mut records: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let [HANDSHAKE, _, _, after @ ..] = records
        && let Some((fragment, behind)) = vector(after, 2)
    {
        bytes.extend_from_slice(fragment);
        records = behind;
    }
    bytes
}

/// The extensions of a `ClientHello` (RFC 8446 §4.1.2); empty where it has none, `None` where it is cut.
fn extensions(message: &[u8]) -> Option<Vec<u8>> {
    let (body, _) = vector(message.get(1..)?, 3)?;
    let (_, rest) = vector(body.get(34..)?, 1)?;
    let (_, rest) = vector(rest, 2)?;
    let (_, rest) = vector(rest, 1)?;
    if rest.is_empty() { Some(Vec::new()) } else { vector(rest, 2).map(|(extensions, _)| extensions.to_vec()) }
}

/// Splits off a vector with a length of `width` bytes before it.
fn vector(bytes: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(width)?;
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}

/// Whether bytes look like the start of an HTTP request: a method's letters (RFC 9110 §9.1) up to a space, if it is there.
pub(super) fn is_http(ahead: &[u8]) -> bool {
    let method = ahead.split(|byte| *byte == b' ').next().unwrap_or_default();
    !method.is_empty() && method.len() <= 32 && method.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-')
}

/// Whether text is an HTTP request and not one of the other protocols that begin with a word: its first line ends with
/// the name of the protocol (RFC 9112 §3). `None` while that line goes on.
pub(super) fn is_request(text: &[u8]) -> Option<bool> {
    // RFC 9112 §2.2: empty lines before a request are ignored.
    let begin = text.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(text.len());
    let line = text[begin..].split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_whole = begin + line.len() < text.len();
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let method = line.split(is_blank).next().unwrap_or_default();
    let is_odd = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r');
    if !method.iter().copied().all(is_token) || line.iter().any(is_odd) {
        return Some(false);
    }
    let last = line.trim_ascii_end().rsplit(is_blank).next().unwrap_or_default();
    if is_whole {
        return Some(last.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"HTTP/")));
    }
    // Too long for a line of anything else, and for the HTTP server that is to refuse it.
    (text.len() >= LONGEST).then_some(true)
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// What `read` makes of `chunks`, sent one after the other.
    async fn opening(ahead: &'static [u8], chunks: Vec<Vec<u8>>) -> Opening {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        std::thread::spawn(move || {
            for chunk in chunks {
                io::Write::write_all(&mut client, &chunk).unwrap();
            }
        });
        let opening = read(Bytes::from_static(ahead), &mut server).await.unwrap();
        server.shutdown().await.unwrap();
        opening
    }

    fn client_hello(name: &'static str) -> Vec<u8> {
        let config =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name.try_into().unwrap()).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        hello
    }

    #[tokio::test]
    async fn tells_tls_with_its_name_from_the_rest_however_it_is_cut() {
        let hello = client_hello("api.example.com");
        let name = Name::Host(Host::parse("api.example.com").unwrap());
        for size in [1, 7, 4096] {
            let chunks = hello.chunks(size).map(<[u8]>::to_vec).collect();
            let Opening::Tls { name: found, ahead } = opening(b"", chunks).await else { panic!("{size}") };
            assert_eq!(found, name);
            assert_eq!(ahead, hello);
        }
        let hello = client_hello("127.0.0.1");
        assert_eq!(opening(b"", vec![hello.clone()]).await, Opening::Tls { name: Name::Absent, ahead: hello.into() });
        let plain = Opening::Plain { ahead: Bytes::from_static(b"GET /") };
        assert_eq!(opening(b"", vec![b"GET /".to_vec()]).await, plain);
        assert_eq!(opening(b"GET /", vec![]).await, plain);
        assert_eq!(opening(b"", vec![]).await, Opening::Closed);
        assert_eq!(opening(b"\x16\x03", vec![]).await, Opening::Closed);
        assert!(matches!(
            opening(b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", vec![]).await,
            Opening::Tls { name: Name::Unreadable, .. }
        ));
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_read_is_not_an_absent_one() {
        let hello = client_hello("api.example.com");
        let at = hello.windows(3).position(|bytes| bytes == b"api").unwrap();
        // Another type of name, and a name that is none.
        for (offset, byte) in [(3, 1), (0, b'.')] {
            let mut odd = hello.clone();
            odd[at - offset] = byte;
            let Opening::Tls { name, .. } = opening(b"", vec![odd]).await else { panic!("{offset}") };
            assert_eq!(name, Name::Unreadable, "{offset}");
        }
    }

    #[test]
    fn tells_http_from_other_plaintext() {
        for (ahead, wanted) in
            [("GET / HTTP/1.1\r\n", true), ("G", true), ("PRI * HTTP/2.0", true), ("\x00\x00", false), (" GET", false)]
        {
            assert_eq!(is_http(ahead.as_bytes()), wanted, "{ahead}");
        }
    }

    #[test]
    fn tells_requests_from_the_words_of_other_protocols() {
        for (text, wanted) in [
            ("", None),
            ("GET", None),
            ("GET / HTT", None),
            ("GET / HTTP/1.1\r", None),
            ("GET / HTTP/1.1\r\nHost", Some(true)),
            ("\r\n\nGET\t/ http/1.0\n", Some(true)),
            ("G3T http://a.example/ HTTP/1.1 \r\n", Some(true)),
            ("PRI * HTTP/2.0\r\n\r\n", Some(true)),
            ("PING\r\n", Some(false)),
            ("EHLO client.example\r\n", Some(false)),
            ("SSH-2.0-OpenSSH_9.9\r", Some(false)),
            ("OPTIONS rtsp://a.example RTSP/1.0\r\n", Some(false)),
            ("get HTTP/key\r\n", Some(true)),
            ("<stream:stream", Some(false)),
            ("8=FIX.4.4", Some(false)),
            ("\0\0\0\x08\x04", Some(false)),
            ("A\0\0\0", Some(false)),
        ] {
            assert_eq!(is_request(text.as_bytes()), wanted, "{text:?}");
        }
        assert_eq!(is_request(&vec![b'a'; LONGEST]), Some(true));
    }

    proptest! {
        #[test]
        fn what_was_told_of_a_text_holds_for_all_that_follows(text: Vec<u8>, line in "[A-Z]{1,9} /[ -~]{0,20} HTTP/1[.]1\r\n") {
            for text in [&text[..], line.as_bytes()] {
                let told: Vec<_> = (0..=text.len()).filter_map(|length| is_request(&text[..length])).collect();
                prop_assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:?}");
            }
            prop_assert_eq!(is_request(line.as_bytes()), Some(true));
        }

        #[test]
        fn whatever_comes_is_kept_and_a_damaged_name_is_not_an_absent_one(
            noise in prop::collection::vec(any::<u8>(), 0..200), place in 0..20_usize, mask in 1..=u8::MAX,
        ) {
            let hello = client_hello("api.example.com");
            let at = hello.windows(3).position(|bytes| bytes == b"api").unwrap() - 5;
            let mut damaged = hello.clone();
            // The list's length, the name's kind and length, the name.
            damaged[at + place] ^= mask;
            for bytes in [noise.clone(), [&hello[..], &noise].concat(), damaged] {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let opening = runtime.block_on(read(Bytes::new(), &mut &bytes[..])).unwrap_or(Opening::Closed);
                let is_nameless = matches!(opening, Opening::Tls { name: Name::Absent, .. });
                prop_assert!(!is_nameless);
                prop_assert!(bytes.starts_with(&opening.into_ahead()));
            }
        }
    }
}
