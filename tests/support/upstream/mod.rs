//! A real server that stands for every host of the internet: TLS with a certificate for whatever name is asked, HTTP/1.1
//! and HTTP/2 by ALPN, WebSockets, event streams that the test controls. It records all that it receives.
//!
//! Paths below `/test/` answer alike on every host ([`answers`]); the rest is what the real service at that host would
//! say, as far as its clients need ([`services`], [`git`]).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

pub(crate) mod answers;
mod authority;
mod body;
mod coded;
mod distance;
mod git;
mod record;
pub(crate) mod scripted;
mod services;
mod websocket;

use authority::Authority;
use body::Fed;
use record::Record;
pub(crate) use record::{Event, Seen};
pub(crate) use services::carries;

/// A running upstream; it ends with this value.
#[derive(Debug)]
pub(crate) struct Upstream {
    record: Arc<Record>,
    tls: SocketAddr,
    plain: SocketAddr,
    folder: tempfile::TempDir,
    hosts: Vec<String>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What an answer needs to know beside the request.
#[derive(Clone)]
pub(crate) struct Site {
    record: Arc<Record>,
    /// Where git repositories live: `OWNER/NAME.git`.
    repositories: PathBuf,
    /// The name that the client asked for, by SNI or `Host`.
    host: String,
    /// The request's place in the record.
    index: usize,
    /// Wakes the connection's task to reset it.
    reset: Arc<Notify>,
}

impl Upstream {
    /// Starts one that stands for `hosts`, HTTP/2 and HTTP/1.1.
    pub(crate) fn start<H: Into<String>>(hosts: impl IntoIterator<Item = H>) -> Self {
        Self::with_protocols(hosts, &["h2", "http/1.1"])
    }

    /// As [`Upstream::start`], offering `protocols` by ALPN, the preferred first.
    pub(crate) fn with_protocols<H: Into<String>>(hosts: impl IntoIterator<Item = H>, protocols: &[&str]) -> Self {
        let folder = super::place::folder("upstream");
        let authority = Arc::new(Authority::new());
        std::fs::write(folder.path().join("authority.pem"), authority.pem()).unwrap();
        let record = Arc::new(Record::default());
        let acceptor = TlsAcceptor::from(authority.server_config(protocols));
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bind = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (tls, plain) = (bind(), bind());
        let addresses = (tls.local_addr().unwrap(), plain.local_addr().unwrap());
        let site = Site {
            record: Arc::clone(&record),
            repositories: folder.path().join("repositories"),
            host: String::new(),
            index: 0,
            reset: Arc::default(),
        };
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept_tls(tls, acceptor, site.clone()) => {}
                    () = accept_plain(plain, site) => {}
                    _ = ended => {}
                }
            });
            runtime.shutdown_background();
        });
        let hosts = hosts.into_iter().map(Into::into).collect();
        Self { record, tls: addresses.0, plain: addresses.1, folder, hosts, end: Some(end), thread: Some(thread) }
    }

    /// Moves it away from its clients: a round trip to it takes so long.
    pub(crate) fn at_distance(mut self, round_trip: Duration) -> Self {
        self.tls = distance::relay(self.tls, round_trip);
        self
    }

    /// The hosts that it stands for, and that a run is sent here for.
    pub(crate) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The TLS listener.
    pub(crate) fn address(&self) -> SocketAddr {
        self.tls
    }

    /// The listener without TLS.
    pub(crate) fn plain_address(&self) -> SocketAddr {
        self.plain
    }

    /// The PEM file of the authority that its certificates come from.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// The folder of its git repositories.
    pub(crate) fn repositories(&self) -> PathBuf {
        self.folder.path().join("repositories")
    }

    /// Has the service at `host` accept this key and no other.
    pub(crate) fn accepting(self, host: &str, key: &str) -> Self {
        self.record.accept(host, key);
        self
    }

    /// Models at its hosts have their agent run this command, once, and then end their turn.
    pub(crate) fn scripted(self, command: &str) -> Self {
        self.record.set_script(command);
        self
    }

    /// Services answer 426 to a request for a WebSocket.
    pub(crate) fn without_websockets(self) -> Self {
        self.record.refuse_upgrades();
        self
    }

    /// The far end of `/test/events/NAME`: each event is written when the test sends it.
    pub(crate) fn events(&self, name: &str) -> mpsc::UnboundedSender<Event> {
        self.record.open_stream(name)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.record.seen()
    }

    /// The requests for one path.
    pub(crate) fn seen_at(&self, path: &str) -> Vec<Seen> {
        self.record.seen().into_iter().filter(|seen| seen.path() == path).collect()
    }

    /// The one request for a path.
    pub(crate) fn only(&self, path: &str) -> Seen {
        let mut found = self.seen_at(path);
        assert_eq!(found.len(), 1, "requests for {path}; all: {:#?}", self.record.seen());
        found.remove(0)
    }

    /// Waits for a request that `look` accepts.
    pub(crate) fn wait<T>(&self, what: &str, look: impl Fn(&Seen) -> Option<T>) -> T {
        let found = self.record.wait(|seen| seen.iter().find_map(&look));
        found.unwrap_or_else(|| panic!("waited in vain for {what}; the upstream saw {:#?}", self.record.seen()))
    }

    /// Text frames that arrived over WebSockets.
    pub(crate) fn frames(&self) -> Vec<String> {
        self.record.frames()
    }

    /// How many connections were ever accepted.
    pub(crate) fn connections(&self) -> usize {
        self.record.connections()
    }

    /// How many requests ever arrived.
    pub(crate) fn requests(&self) -> usize {
        self.record.requests()
    }

    /// Waits until every connection is closed; whether that came to be.
    pub(crate) fn wait_idle(&self) -> bool {
        self.record.wait_idle()
    }

    /// From here on requests are counted but not kept: for measurements and long streams.
    pub(crate) fn forget_requests(&self) {
        self.record.forget();
    }

    /// Creates the bare repository `OWNER/NAME.git` from a folder's files, with one commit on `main`.
    pub(crate) fn repository(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        git::create(&self.repositories().join(name), files)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept_tls(listener: TcpListener, acceptor: TlsAcceptor, site: Site) {
    while let Ok((socket, _)) = listener.accept().await {
        let (acceptor, mut site) = (acceptor.clone(), site.clone());
        tokio::spawn(async move {
            let number = site.record.connection_opened();
            site.reset = Arc::default();
            let aborter = prepare(&socket);
            if let Ok(stream) = acceptor.accept(socket).await {
                let session = stream.get_ref().1;
                site.host = session.server_name().unwrap_or_default().to_owned();
                let second = session.alpn_protocol() == Some(b"h2".as_slice());
                serve(stream, second, number, &site, aborter).await;
            }
            site.record.connection_closed();
        });
    }
}

async fn accept_plain(listener: TcpListener, site: Site) {
    while let Ok((socket, _)) = listener.accept().await {
        let mut site = site.clone();
        tokio::spawn(async move {
            let number = site.record.connection_opened();
            site.reset = Arc::default();
            let aborter = prepare(&socket);
            serve(socket, false, number, &site, aborter).await;
            site.record.connection_closed();
        });
    }
}

/// No delay; and a second descriptor of the socket, to have it closed with a reset.
fn prepare(socket: &TcpStream) -> TcpStream {
    use std::os::fd::AsFd;
    socket.set_nodelay(true).unwrap();
    let second = socket.as_fd().try_clone_to_owned().unwrap();
    TcpStream::from_std(second.into()).unwrap()
}

async fn serve<S>(stream: S, second: bool, number: usize, site: &Site, aborter: TcpStream)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| answer(request, number, site.clone()));
    let io = TokioIo::new(stream);
    tokio::select! {
        () = site.reset.notified() => {
            let _ = aborter.set_zero_linger();
        }
        () = async {
            // An error here is the client's way of leaving; what matters of it stands in the record.
            if second {
                let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = builder.enable_connect_protocol().serve_connection(io, service).await;
            } else {
                let builder = hyper::server::conn::http1::Builder::new();
                let _ = builder.serve_connection(io, service).with_upgrades().await;
            }
        } => {}
    }
}

async fn answer(request: Request<Incoming>, number: usize, mut site: Site) -> Result<Response<Fed>, Infallible> {
    let host_header = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let authority = request.uri().authority().map(ToString::to_string);
    let authority = authority.or(host_header.map(str::to_owned)).unwrap_or_default();
    let server_name = site.host.clone();
    if site.host.is_empty() {
        authority.split(':').next().unwrap_or_default().clone_into(&mut site.host);
    }
    site.index = site.record.arrived(Seen {
        connection: number,
        server_name,
        authority,
        method: request.method().to_string(),
        target: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
        version: format!("{:?}", request.version()),
        headers: request.headers().clone(),
        body: Vec::new(),
        body_length: 0,
        body_complete: false,
        trailers: None,
        cancelled: None,
    });
    let mut unanswered = Unanswered(Some(site.clone()));
    let response = answers::answer(request, &site).await;
    unanswered.0 = None;
    Ok(response.map(|body| body.watched(&site.record, site.index)))
}

/// Notes a client that left before its answer began.
struct Unanswered(Option<Site>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(site) = self.0.take() {
            site.record.cancelled(site.index);
        }
    }
}
