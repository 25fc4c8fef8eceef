//! A connection that the child meant for any address: the address it dialled names nobody, the bytes do.
//!
//! **Invariants.** `127.0.0.0/8` and `::1` are the child's own and never ours, but for the host ports that a flag opened. A name comes from the SNI, from `Host`, or from
//! the synthetic address that stands for it; without one the target is the literal address, and no secret is bound to
//! it unless policy names the address itself (S3).

use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connect::{self, PATIENCE};
use super::hello::{self, Name, Opening};
use super::rulebook::Reach;
use super::serve::{Arrival, Version, serve};
use super::shared::Shared;
use super::wire::{Rewind, Wire};
use crate::policy::{Authority, Host};

/// Serves one connection to a transparent port.
pub(super) async fn run(shared: &Arc<Shared>, mut stream: TcpStream) {
    let Ok(dialled) = stream.local_addr() else { return };
    let address = dialled.ip().to_canonical();
    if address.is_loopback() {
        let site = shared.book.site(Authority { host: Host::from(address), port: dialled.port() });
        if site.reach == Reach::HostLoopback {
            connect::run(shared, Arc::new(site), Bytes::new(), stream, None).await;
        }
        return;
    }
    let name = shared.names.name(address);
    let by_address =
        Authority { host: name.as_deref().map_or_else(|| Host::from(address), Host::clone), port: dialled.port() };
    if !matches!(dialled.port(), 80 | 443) {
        // Policy opened this port, and the protocol may be one where the target speaks first.
        let site = Arc::new(shared.book.site(by_address));
        return connect::run(shared, site, Bytes::new(), stream, None).await;
    }
    let Ok(Ok(opening)) = timeout(PATIENCE, hello::read(Bytes::new(), &mut stream)).await else { return };
    let host = match &opening {
        Opening::Closed => return,
        Opening::Plain { ahead } if hello::is_http(ahead) => {
            let Opening::Plain { ahead } = opening else { return };
            let version = Version::of(&ahead);
            let arrival = Arrival::ByHost { port: dialled.port() };
            return serve(shared, Wire::Plain(Rewind::new(ahead, stream)), version, arrival).await;
        }
        Opening::Tls { name: Name::Host(name), .. } => name.clone(),
        _ => by_address.host,
    };
    let site = Arc::new(shared.book.site(Authority { host, port: dialled.port() }));
    connect::opened(shared, site, opening, stream, None).await;
}
