//! The demo's agent: runs inside the seal, tries to read the key, uses it, tries to get away, and writes down what it saw.
//!
//! It ignores the proxy variables on purpose: what holds it is the seal and not its good manners.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde::{Deserialize, Serialize};

use super::api::HOST;
use super::{DemoError, KEY_VARIABLE};
use crate::world::World;

/// A target no demo machine listens on: TEST-NET-1 (RFC 5737).
const ELSEWHERE: &str = "192.0.2.1:4444";

/// What the agent found; holds nothing that the seal did not let it see.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Findings {
    /// The variable's value.
    pub(super) environment: String,
    /// The line of `.env`.
    pub(super) dotenv: String,
    /// What opening the parent's environment gave.
    pub(super) parent: String,
    /// What opening the init's environment gave.
    pub(super) init: String,
    /// Status line and body of the request.
    pub(super) answer: String,
    /// What connecting to another address gave.
    pub(super) elsewhere: String,
    /// What connecting to the API's own port on the host's loopback gave.
    pub(super) host_loopback: String,
}

/// Runs the agent and writes its findings to `findings.json` in the working directory.
pub(super) fn act(world: &World) -> Result<(), DemoError> {
    let mut rest = world.arguments.iter().skip(2).map(|argument| argument.to_string_lossy().into_owned());
    let (parent, port) = (rest.next().unwrap_or_default(), rest.next().unwrap_or_default());
    let variable = |name| world.variable(name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
    let key = variable(KEY_VARIABLE);
    let findings = Findings {
        answer: request(&key, Path::new(&variable("SSL_CERT_FILE"))).unwrap_or_else(|error| error.to_string()),
        dotenv: std::fs::read_to_string(".env")?.trim_end().to_owned(),
        parent: open(&format!("/proc/{parent}/environ")),
        init: open("/proc/1/environ"),
        elsewhere: connect(ELSEWHERE),
        host_loopback: connect(&format!("127.0.0.1:{port}")),
        environment: key,
    };
    std::fs::write("findings.json", serde_json::to_vec(&findings)?)?;
    Ok(())
}

fn open(path: &str) -> String {
    match std::fs::read(path) {
        Ok(bytes) => format!("readable, {} bytes", bytes.len()),
        Err(error) => reason(&error),
    }
}

fn connect(address: &str) -> String {
    let attempt = || -> io::Result<()> {
        let address: SocketAddr = address.parse().map_err(io::Error::other)?;
        TcpStream::connect_timeout(&address, Duration::from_secs(2)).map(drop)
    };
    attempt().map_or_else(|error| reason(&error), |()| "connected".into())
}

fn reason(error: &io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// One HTTPS request, dialled straight to the name's own address.
fn request(key: &str, bundle: &Path) -> Result<String, DemoError> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(bundle).map_err(|error| io::Error::other(error.to_string()))?;
    roots.add_parsable_certificates(certificates.flatten());
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(HOST).map_err(io::Error::other)?;
    let address = (HOST, 443).to_socket_addrs()?.next().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let socket = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name)?, socket);
    write!(
        stream,
        "GET /v1/balance HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
    )?;
    let mut response = BufReader::new(stream);
    let mut status = String::new();
    response.read_line(&mut status)?;
    let mut rest = String::new();
    response.read_to_string(&mut rest)?;
    let body = rest.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body = body.lines().find(|line| line.contains("key")).unwrap_or(body);
    Ok(format!("{} {body}", status.trim().strip_prefix("HTTP/1.1 ").unwrap_or(status.trim())))
}
