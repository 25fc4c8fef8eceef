//! The first bytes of a connection: TLS or not, and for whom (RFC 8446 §4.1.2, RFC 6066 §3).

use std::io;

use bytes::{Bytes, BytesMut};
use rustls::server::Acceptor;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::policy::Host;

/// The first byte of a TLS record that holds a handshake message (RFC 8446 §5.1).
const HANDSHAKE: u8 = 0x16;
/// The longest `ClientHello` that is waited for; post-quantum key shares make two kilobytes.
const LONGEST: usize = 64 * 1024;

/// How a connection opens. The bytes are those that were read, to be put back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Tls { name: Option<Host>, ahead: Bytes },
    Plain { ahead: Bytes },
    Closed,
}

/// Reads as far as is needed to know how the connection opens; `ahead` was read already.
pub(super) async fn read(ahead: Bytes, stream: &mut TcpStream) -> io::Result<Opening> {
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
            fed += acceptor.read_tls(&mut &bytes[fed..])?;
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let name = accepted.client_hello().server_name().and_then(|name| Host::parse(name).ok());
                return Ok(Opening::Tls { name, ahead: bytes.freeze() });
            }
            Ok(None) if bytes.len() < LONGEST => {}
            // Not TLS after all, or too much of it: let the TLS library say so to the client.
            Ok(None) | Err(_) => return Ok(Opening::Tls { name: None, ahead: bytes.freeze() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
        let name = Some(Host::parse("api.example.com").unwrap());
        for size in [1, 7, 4096] {
            let chunks = hello.chunks(size).map(<[u8]>::to_vec).collect();
            let Opening::Tls { name: found, ahead } = opening(b"", chunks).await else { panic!("{size}") };
            assert_eq!(found, name);
            assert_eq!(ahead, hello);
        }
        let hello = client_hello("127.0.0.1");
        assert_eq!(opening(b"", vec![hello.clone()]).await, Opening::Tls { name: None, ahead: hello.into() });
        let plain = Opening::Plain { ahead: Bytes::from_static(b"GET /") };
        assert_eq!(opening(b"", vec![b"GET /".to_vec()]).await, plain);
        assert_eq!(opening(b"GET /", vec![]).await, plain);
        assert_eq!(opening(b"", vec![]).await, Opening::Closed);
        assert_eq!(opening(b"\x16\x03", vec![]).await, Opening::Closed);
        assert!(matches!(
            opening(b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", vec![]).await,
            Opening::Tls { name: None, .. }
        ));
    }
}
