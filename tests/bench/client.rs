//! The one client of all measurements: this binary again, started directly or as the command of a run. It speaks TLS to
//! the name that it is told, does one kind of work, and prints its figures as one line of JSON.

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use flate2::write::GzDecoder;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// Where and how to connect; what the orchestrator passes on the command line.
#[derive(Clone)]
struct Way {
    host: String,
    /// A fixed address; without one the name is resolved.
    address: Option<SocketAddr>,
    key: String,
    /// One for each protocol.
    connectors: [TlsConnector; 2],
}

/// Either protocol's handle for one connection.
enum Connection {
    First(http1::SendRequest<Full<Bytes>>),
    Second(http2::SendRequest<Full<Bytes>>),
}

/// `client WORK COUNT HOST [ADDRESS]`, with the key and the roots in the environment.
pub(crate) fn act(arguments: &[String]) {
    let [work, count, host, rest @ ..] = arguments else { panic!("client WORK COUNT HOST [ADDRESS]") };
    let roots = std::env::var("SSL_CERT_FILE").unwrap();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(CertificateDer::pem_file_iter(roots).unwrap().flatten());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(store).with_no_client_auth();
    // A resumed session would make the direct side cheaper than a stranger's first connection.
    config.resumption = rustls::client::Resumption::disabled();
    let connectors = [b"http/1.1".as_slice(), b"h2"].map(|protocol| {
        config.alpn_protocols = vec![protocol.to_vec()];
        TlsConnector::from(Arc::new(config.clone()))
    });
    let way = Way {
        host: host.clone(),
        address: rest.first().map(|address| address.parse().unwrap()),
        key: std::env::var("OPENAI_API_KEY").unwrap(),
        connectors,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let figures = runtime.block_on(perform(work, count.parse().unwrap(), way));
    println!("{figures}");
}

async fn perform(work: &str, count: usize, way: Way) -> serde_json::Value {
    match work {
        "sequence" => sequence(count, &way).await,
        "connections" => lanes(count, 16, &way, false).await,
        "h2-streams" => lanes(count, 16, &way, true).await,
        "fresh" => fresh(count, &way).await,
        "download" => download(count, &way).await,
        "download-gzip" => download_gzip(count, &way).await,
        "upload" => upload(count, &way).await,
        "events" => events(count, &way).await,
        "idle" => idle(count, &way).await,
        "soak" => soak(count, &way).await,
        other => panic!("unknown work {other}"),
    }
}

/// Tells the orchestrator where the work stands, and waits for its word.
fn checkpoint(name: &str) {
    println!("at {name}");
    std::io::stdout().flush().unwrap();
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
}

impl Way {
    async fn connect(&self, second: bool) -> Connection {
        let socket = match self.address {
            Some(address) => TcpStream::connect(address).await.unwrap(),
            None => TcpStream::connect((self.host.as_str(), 443)).await.unwrap(),
        };
        socket.set_nodelay(true).unwrap();
        let name = ServerName::try_from(self.host.clone()).unwrap();
        let stream = TokioIo::new(self.connectors[usize::from(second)].connect(name, socket).await.unwrap());
        if second {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            tokio::spawn(connection);
            return Connection::Second(sender);
        }
        let (sender, connection) = http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Connection::First(sender)
    }

    fn request(&self, path: &str, body: Bytes) -> Request<Full<Bytes>> {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let request = Request::builder().method(method).uri(format!("https://{}{path}", self.host));
        let request = request.header("host", &self.host).header("authorization", format!("Bearer {}", self.key));
        request.body(Full::new(body)).unwrap()
    }
}

impl Connection {
    async fn send(&mut self, way: &Way, path: &str, body: Bytes) -> Response<Incoming> {
        let mut request = way.request(path, body);
        let response = match self {
            Self::First(sender) => {
                *request.uri_mut() = path.parse().unwrap();
                sender.ready().await.unwrap();
                sender.send_request(request).await.unwrap()
            }
            Self::Second(sender) => {
                request.headers_mut().remove("host");
                sender.ready().await.unwrap();
                sender.send_request(request).await.unwrap()
            }
        };
        assert!(response.status().is_success(), "{}", response.status());
        response
    }

    async fn ask(&mut self, way: &Way, path: &str) {
        let response = self.send(way, path, Bytes::new()).await;
        response.into_body().collect().await.unwrap();
    }
}

/// The value below which `share` of all lie, in microseconds.
pub(crate) fn quantile(durations: &mut [Duration], share: f64) -> f64 {
    durations.sort_unstable();
    let place = (share * (durations.len() - 1) as f64).round() as usize;
    durations[place].as_secs_f64() * 1e6
}

async fn sequence(count: usize, way: &Way) -> serde_json::Value {
    let mut connection = way.connect(false).await;
    let mut taken = Vec::with_capacity(count);
    for number in 0..count + count / 10 {
        let start = Instant::now();
        connection.ask(way, "/test/ok").await;
        if number >= count / 10 {
            taken.push(start.elapsed());
        }
    }
    serde_json::json!({"p50": quantile(&mut taken, 0.5), "p99": quantile(&mut taken, 0.99)})
}

/// `count` requests in 16 lanes: connections of their own, or streams of one connection.
async fn lanes(count: usize, lanes: usize, way: &Way, second: bool) -> serde_json::Value {
    let mut connections = Vec::new();
    if second {
        let Connection::Second(shared) = way.connect(true).await else { unreachable!("HTTP/2 was asked for") };
        connections.extend((0..lanes).map(|_| Connection::Second(shared.clone())));
    } else {
        for _ in 0..lanes {
            connections.push(way.connect(false).await);
        }
    }
    for connection in &mut connections {
        connection.ask(way, "/test/ok").await;
    }
    checkpoint("start");
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        let way = way.clone();
        tasks.spawn(async move {
            for _ in 0..count / lanes {
                connection.ask(&way, "/test/ok").await;
            }
        });
    }
    tasks.join_all().await;
    let rate = (count / lanes * lanes) as f64 / start.elapsed().as_secs_f64();
    checkpoint("end");
    serde_json::json!({"rate": rate})
}

async fn fresh(count: usize, way: &Way) -> serde_json::Value {
    let mut taken = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        way.connect(false).await.ask(way, "/test/ok").await;
        taken.push(start.elapsed());
    }
    serde_json::json!({"p50": quantile(&mut taken, 0.5)})
}

/// `count` is in MiB for both directions.
async fn download(count: usize, way: &Way) -> serde_json::Value {
    let mut connection = way.connect(false).await;
    connection.ask(way, "/test/download/1000000").await;
    let start = Instant::now();
    let response = connection.send(way, &format!("/test/download/{}", count << 20), Bytes::new()).await;
    let mut body = response.into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, Bytes::len);
    }
    assert_eq!(length, count << 20);
    serde_json::json!({"rate": count as f64 / start.elapsed().as_secs_f64()})
}

/// The same of a response in gzip, which the client decodes where nobody has done it before.
async fn download_gzip(count: usize, way: &Way) -> serde_json::Value {
    let mut connection = way.connect(false).await;
    let path = format!("/test/download-gzip/{}", count << 20);
    // The upstream codes it at the first time.
    connection.ask(way, &path).await;
    let start = Instant::now();
    let response = connection.send(way, &path, Bytes::new()).await;
    let is_coded = response.headers().get("content-encoding").is_some_and(|coding| coding == "gzip");
    let (mut body, mut decoder, mut plain) = (response.into_body(), GzDecoder::new(Counter(0)), 0);
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame.unwrap().into_data() else { continue };
        if is_coded {
            decoder.write_all(&bytes).unwrap();
        } else {
            plain += bytes.len();
        }
    }
    let length = if is_coded { decoder.finish().unwrap().0 } else { plain };
    assert_eq!(length, count << 20);
    serde_json::json!({"rate": count as f64 / start.elapsed().as_secs_f64()})
}

/// Counts what is written to it.
struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn upload(count: usize, way: &Way) -> serde_json::Value {
    let mut connection = way.connect(false).await;
    let body = Bytes::from(vec![b'u'; count << 20]);
    let start = Instant::now();
    let response = connection.send(way, "/test/discard", body).await;
    response.into_body().collect().await.unwrap();
    serde_json::json!({"rate": count as f64 / start.elapsed().as_secs_f64()})
}

/// The delay of each event, by the time that the upstream wrote into it.
async fn events(count: usize, way: &Way) -> serde_json::Value {
    let mut connection = way.connect(false).await;
    let mut body = connection.send(way, &format!("/test/clock/{count}"), Bytes::new()).await.into_body();
    let mut taken = Vec::new();
    while let Some(frame) = body.frame().await {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let data = frame.unwrap().into_data().unwrap_or_default();
        let text = String::from_utf8_lossy(&data);
        for sent in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
            taken.push(now.saturating_sub(Duration::from_nanos(sent.parse().unwrap())));
        }
    }
    assert_eq!(taken.len(), count);
    serde_json::json!({"p50": quantile(&mut taken, 0.5), "p99": quantile(&mut taken, 0.99)})
}

/// Connections that have made one request and then rest.
async fn idle(count: usize, way: &Way) -> serde_json::Value {
    way.connect(false).await.ask(way, "/test/ok").await;
    checkpoint("start");
    let mut connections = Vec::new();
    for _ in 0..count {
        let mut connection = way.connect(false).await;
        connection.ask(way, "/test/ok").await;
        connections.push(connection);
    }
    checkpoint("end");
    serde_json::json!({"connections": connections.len()})
}

/// A little of everything, the same in each of `count` seconds: kept connections, new ones, streams, bodies both ways,
/// and answers that nobody waits for.
async fn soak(count: usize, way: &Way) -> serde_json::Value {
    const LANES: usize = 4;
    let mut kept = Vec::new();
    for _ in 0..LANES {
        kept.push(way.connect(false).await);
    }
    let Connection::Second(streams) = way.connect(true).await else { unreachable!("HTTP/2 was asked for") };
    for second in 0..count {
        let end = tokio::time::Instant::now() + Duration::from_secs(1);
        for connection in &mut kept {
            for _ in 0..50 {
                connection.ask(way, "/test/ok").await;
            }
        }
        let mut tasks = JoinSet::new();
        for _ in 0..64 {
            let (mut stream, way) = (Connection::Second(streams.clone()), way.clone());
            tasks.spawn(async move { stream.ask(&way, "/test/ok").await });
        }
        tasks.join_all().await;
        for _ in 0..16 {
            way.connect(false).await.ask(way, "/test/ok").await;
        }
        download(4, way).await;
        upload(1, way).await;
        for _ in 0..4 {
            let left = way.connect(false).await.send(way, "/test/download/10000000", Bytes::new()).await;
            drop(left);
        }
        checkpoint(&second.to_string());
        tokio::time::sleep_until(end).await;
    }
    serde_json::json!({"seconds": count})
}
