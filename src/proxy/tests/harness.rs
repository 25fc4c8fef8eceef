//! A broker, an upstream that says what it got, and a client that speaks bytes.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

use super::super::decode::{Coding, tests::encoded};
use super::super::leaf::ChildTls;
use super::super::rulebook::tests::{VALUE, settings};
use super::super::tasks::Tasks;
use super::super::{Broker, CertificateAuthority, Listeners, Notice, Settings};

/// What the upstream received: request line, headers, body.
pub(super) type Seen = Arc<Mutex<Vec<String>>>;

pub(super) struct World {
    pub(super) broker: Broker,
    pub(super) proxy: SocketAddr,
    pub(super) userinfo: String,
    pub(super) seen: Seen,
    pub(super) notices: mpsc::Receiver<Notice>,
    authority: CertificateDer<'static>,
    upstream: Tasks,
}

fn certificate(authority: &CertificateAuthority) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap()
}

impl World {
    /// Starts all of it. Every host goes to the one upstream, which speaks TLS on 443 and plaintext on 80, and HTTP/2 if
    /// `http2`.
    pub(super) async fn start(http2: bool, change: impl FnOnce(&mut Settings)) -> Self {
        let upstream = Tasks::default();
        let seen = Seen::default();
        let upstream_authority = CertificateAuthority::new().unwrap();
        let root = certificate(&upstream_authority);
        let secure = serve(&upstream, &seen, Some(upstream_authority), http2).await;
        let plain = serve(&upstream, &seen, None, false).await;
        let (sender, notices) = mpsc::channel(32);
        let mut settings = settings();
        settings.notices = sender;
        settings.upstream_certificates = vec![root];
        settings.connect_to = vec![format!(":443:{secure}").parse().unwrap(), format!(":80:{plain}").parse().unwrap()];
        let authority = certificate(&settings.authority);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = listener.local_addr().unwrap();
        let url = settings.token.proxy_url(proxy.port());
        let userinfo = url["http://".len()..].split('@').next().unwrap().to_owned();
        change(&mut settings);
        let listeners = Listeners { explicit: vec![listener], ..Listeners::default() };
        let broker = Broker::start(settings, listeners).unwrap();
        Self { broker, proxy, userinfo, seen, notices, authority, upstream }
    }

    pub(super) async fn stop(self) -> super::super::Totals {
        self.upstream.close().await;
        self.broker.close().await
    }

    /// Opens a tunnel and speaks TLS in it, offering `protocols`.
    pub(super) async fn tls(&self, authority: &str, name: &'static str, protocols: &[&str]) -> TlsStream<TcpStream> {
        let stream = self.connect(authority).await;
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name).unwrap(), stream).await.unwrap()
    }

    /// Asks `api.stripe.com` for `path` over the protocol that the upstream speaks; the answer, or what broke it off.
    pub(super) async fn ask(&self, http2: bool, path: &str, authorization: &str) -> Result<String, String> {
        let protocol = if http2 { "h2" } else { "http/1.1" };
        let mut tls = self.tls("api.stripe.com:443", "api.stripe.com", &[protocol]).await;
        if !http2 {
            let lines = format!("Host: api.stripe.com\r\nConnection: close\r\nAuthorization: {authorization}\r\n");
            let request = format!("GET {path} HTTP/1.1\r\n{lines}\r\n");
            return exchange(&mut tls, &request).await.map_err(|error| error.to_string());
        }
        let tasks = Tasks::default();
        let builder = hyper::client::conn::http2::Builder::new(tasks.clone());
        let (mut sender, connection) = builder.handshake(TokioIo::new(tls)).await.unwrap();
        tasks.spawn(async move {
            let _ = connection.await;
        });
        let request = Request::get(format!("https://api.stripe.com{path}")).header("authorization", authorization);
        let sent = sender.send_request(request.body(Full::<Bytes>::default()).unwrap()).await;
        let response = sent.map_err(|error| error.to_string())?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        tasks.close().await;
        Ok(format!("{} {:?}\n{}", parts.status.as_u16(), parts.headers, String::from_utf8_lossy(&body)))
    }

    /// Opens a tunnel.
    pub(super) async fn connect(&self, authority: &str) -> TcpStream {
        let mut stream = TcpStream::from_std({
            let stream = std::net::TcpStream::connect(self.proxy).unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .unwrap();
        stream.write_all(format!("CONNECT {authority} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        stream
    }

    /// Sends bytes to the proxy itself; the answer up to its end.
    pub(super) async fn raw(&self, request: &str) -> String {
        let mut stream = std::net::TcpStream::connect(self.proxy).map(|stream| {
            stream.set_nonblocking(true).unwrap();
            TcpStream::from_std(stream).unwrap()
        });
        exchange(stream.as_mut().unwrap(), request).await.unwrap()
    }

    /// Waits until the upstream saw exactly `text`.
    pub(super) async fn saw(&self, text: &str) {
        let waiting = async {
            while self.last_seen() != text {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await.unwrap();
    }

    pub(super) fn last_seen(&self) -> String {
        self.seen.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

/// Writes `request` and reads until the other side ends; an unclean end is an error.
pub(super) async fn exchange<S>(stream: &mut S, request: &str) -> std::io::Result<String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

pub(super) async fn read_head<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn serve(tasks: &Tasks, seen: &Seen, authority: Option<CertificateAuthority>, http2: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = authority.map(|authority| ChildTls::new(authority, provider).unwrap());
    let acceptor = tls.map(|tls| {
        let mut config = (*tls.by_name()).clone();
        config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        TlsAcceptor::from(Arc::new(config))
    });
    let (inner, seen) = (tasks.clone(), Arc::clone(seen));
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (seen, acceptor, tasks) = (Arc::clone(&seen), acceptor.clone(), inner.clone());
            inner.spawn(async move {
                let sockets = tasks.clone();
                let service = service_fn(|request| {
                    let (seen, sockets) = (Arc::clone(&seen), sockets.clone());
                    async move { Ok::<_, Infallible>(respond(&seen, &sockets, request).await) }
                });
                let Some(acceptor) = acceptor else {
                    let io = TokioIo::new(stream);
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                    return;
                };
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let io = TokioIo::new(stream);
                if http2 {
                    let _ = hyper::server::conn::http2::Builder::new(tasks).serve_connection(io, service).await;
                } else {
                    let builder = hyper::server::conn::http1::Builder::new();
                    let _ = builder.serve_connection(io, service).with_upgrades().await;
                }
            });
        }
    });
    address
}

type Body = BoxBody<Bytes, std::io::Error>;

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never: Infallible| match never {}).boxed()
}

fn accept(key: &[u8]) -> String {
    use base64::Engine as _;
    let digest = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        &[key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat(),
    );
    base64::engine::general_purpose::STANDARD.encode(digest)
}

/// `/echo` answers with what it got, the value included; `/cut` breaks off; `/coded` claims a coding, `/gzip` is in one, `/unasked` an upgrade; `/stream` sends
/// the value in two pieces; `/ws` is a socket that sends the value in a frame,
/// reads four bytes and sends them back; `/early` answers before it reads; `/hang` never answers, and notes when it is
/// given up.
async fn respond(seen: &Seen, tasks: &Tasks, mut request: Request<Incoming>) -> Response<Body> {
    let upgrade = (request.uri().path() == "/ws").then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    if parts.uri.path() == "/early" {
        let seen = Arc::clone(seen);
        tasks.spawn(async move {
            let (mut body, mut text) = (body, String::new());
            // hyper tells the end of a body behind an early answer by its length alone.
            while !http_body::Body::is_end_stream(&body) {
                let frame = body.frame().await.unwrap().unwrap();
                text.push_str(&String::from_utf8_lossy(&frame.into_data().unwrap()));
            }
            seen.lock().unwrap().push(text);
        });
        return Response::new(full("early"));
    }
    if parts.uri.path() == "/hang" {
        let _given_up = GivenUp(Arc::clone(seen));
        seen.lock().unwrap().push("hanging".into());
        return std::future::pending().await;
    }
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut text = format!("{} {}\n", parts.method, parts.uri);
    for (name, value) in &parts.headers {
        let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    text.push_str(&String::from_utf8_lossy(&body));
    seen.lock().unwrap().push(text.clone());
    if let Some(upgrade) = upgrade {
        let key = parts.headers["sec-websocket-key"].as_bytes();
        tasks.spawn(async move {
            let mut socket = TokioIo::new(upgrade.await.unwrap());
            let length = u8::try_from(VALUE.len()).unwrap();
            socket.write_all(&[&[0x81, length], VALUE.as_bytes()].concat()).await.unwrap();
            let mut got = [0; 4];
            socket.read_exact(&mut got).await.unwrap();
            socket.write_all(&[&[0x82, 4], &got[..]].concat()).await.unwrap();
        });
        return Response::builder()
            .status(101)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-accept", accept(key))
            .body(full(""))
            .unwrap();
    }
    let (first, second) = VALUE.split_at(VALUE.len() / 2);
    let pieces = |pieces: Vec<Result<String, std::io::Error>>| {
        let (sender, receiver) = mpsc::unbounded_channel();
        for piece in pieces {
            sender.send(piece.map(|text| Frame::data(Bytes::from(text)))).unwrap();
        }
        Pieces { receiver, paused: false }.boxed()
    };
    match parts.uri.path() {
        "/cut" => Response::new(pieces(vec![Ok("begin".into()), Err(std::io::Error::other("cut"))])),
        "/unasked" => Response::builder().status(101).header("upgrade", "other").body(full("")).unwrap(),
        "/gzip" => {
            let bytes = encoded(Coding::Gzip, false, text.as_bytes());
            Response::builder().header("content-encoding", "gzip").body(full(bytes)).unwrap()
        }
        "/coded" => Response::builder().header("content-encoding", "x-mine").body(full("not scanned")).unwrap(),
        "/stream" => Response::new(pieces(vec![Ok(format!("<{first}")), Ok(format!("{second}>"))])),
        "/header" => Response::builder().header("x-echo", VALUE).body(full("")).unwrap(),
        "/ranges" => Response::builder().header("accept-ranges", "bytes").body(full(text)).unwrap(),
        _ => Response::new(full(text)),
    }
}

/// Notes in what was seen that a request was given up.
struct GivenUp(Seen);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.lock().unwrap().push("given up".into());
    }
}

/// A body that sends what a channel gives.
struct Pieces {
    receiver: mpsc::UnboundedReceiver<Result<Frame<Bytes>, std::io::Error>>,
    paused: bool,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        // A pause before each piece: what was sent before has gone out when the next one breaks off.
        self.paused = !self.paused;
        if self.paused {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.receiver.poll_recv(context)
    }
}
