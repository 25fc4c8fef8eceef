//! A connection whose target is known: looks at its first bytes and takes it where it belongs.
//!
//! **Invariants.** TLS is terminated only where policy must see inside, or to show a refusal. The SNI must be the name
//! that the connection was made for (S3), in tunnels that stay closed too.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::exchange;
use super::hello::{self, Name, Opening};
use super::noted::Noted;
use super::notice::Notice;
use super::record::Record;
use super::refusal::Refused;
use super::route::Security;
use super::rulebook::{Reach, Site};
use super::serve::{Arrival, Version, serve};
use super::shared::Shared;
use super::tunnel::{Diverted, listen, splice};
use super::wire::{Rewind, Wire};
use crate::audit::Verdict;

/// How long the child may take for its first bytes, and for a handshake.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// The far end of a tunnel.
pub(super) struct Dialled {
    stream: TcpStream,
    record: Record,
}

/// Whether a target's connections are passed on closed.
pub(super) fn is_opaque(site: &Site) -> bool {
    site.is_allowed() && !site.terminate
}

/// Whether the target may be the one to speak first, so that waiting for the child's bytes would wait for ever.
fn may_speak_first(site: &Site) -> bool {
    is_opaque(site) && (site.reach == Reach::ChildLoopback || !matches!(site.authority.port, 80 | 443))
}

/// Records a tunnel to `site` and dials it.
pub(super) async fn dial(shared: &Arc<Shared>, site: &Site) -> Result<Dialled, Refused> {
    let noted = Noted::tunnel(&site.authority);
    let Some(mut record) = Record::begin(shared, noted.decision(Verdict::Allowed)) else {
        return Err(Refused::log());
    };
    shared.counters.allowed(&site.authority.host, []);
    match shared.upstream.open(site).await {
        Ok(stream) => Ok(Dialled { stream, record }),
        Err(error) => {
            let refused = error.refused(&site.authority);
            exchange::tell_failure(shared, &site.authority, &error);
            record.answered(refused.status);
            record.finish(None, Some(refused.code));
            Err(refused)
        }
    }
}

/// Takes over a connection to `site`. `ahead` was read already; `dialled` is the far end where it was dialled already.
pub(super) async fn run(
    shared: &Arc<Shared>,
    site: Arc<Site>,
    ahead: Bytes,
    mut stream: TcpStream,
    dialled: Option<Dialled>,
) {
    if may_speak_first(&site) {
        return either_first(shared, site, ahead, stream, dialled).await;
    }
    let Ok(Ok(opening)) = timeout(PATIENCE, hello::read(ahead, &mut stream)).await else { return };
    opened(shared, site, opening, stream, dialled).await;
}

/// How a connection began.
struct Start {
    /// Whom the child asked for, where it began TLS.
    tls: Option<Name>,
    ahead: Bytes,
}

impl Start {
    fn of(opening: Opening) -> Option<Self> {
        match opening {
            Opening::Closed => None,
            Opening::Plain { ahead } => Some(Self { tls: None, ahead }),
            Opening::Tls { name, ahead } => Some(Self { tls: Some(name), ahead }),
        }
    }
}

/// The refusal of TLS for another name than the connection was made for.
fn misnamed(site: &Site, name: Option<&Name>) -> Option<Refused> {
    match name {
        Some(Name::Host(name)) if *name != site.authority.host => {
            Some(Refused::misdirected(&site.authority, &name.to_string()))
        }
        Some(Name::Unreadable) => Some(Refused::misdirected(&site.authority, "a name that cannot be read")),
        _ => None,
    }
}

/// A connection where either side may speak first: the target is dialled and heard at once, and the child's beginning
/// is judged when it comes. A target that has spoken speaks no HTTP, whatever the child answers.
async fn either_first(
    shared: &Arc<Shared>,
    site: Arc<Site>,
    ahead: Bytes,
    stream: TcpStream,
    dialled: Option<Dialled>,
) {
    let dialled = match dialled {
        Some(dialled) => Ok(dialled),
        None => dial(shared, &site).await,
    };
    // A child whose target cannot be reached gets no answer: it has not shown what it speaks.
    let Ok(Dialled { stream: upstream, record }) = dialled else { return };
    // What listens on a loopback is the user's or the child's own, by whatever name.
    if site.reach != Reach::World {
        return splice(ahead, stream, upstream, record).await;
    }
    let fits = |opening: &Opening, is_answered| match opening {
        Opening::Closed => true,
        Opening::Plain { ahead } => is_answered || hello::is_request(ahead) != Some(true),
        Opening::Tls { name, .. } => misnamed(&site, Some(name)).is_none(),
    };
    let diverted = listen(ahead, stream, upstream, record, fits).await;
    let Some(Diverted { opening, child, mut record, is_answered }) = diverted else { return };
    let Some(start) = Start::of(opening) else { return };
    let refused = misnamed(&site, start.tls.as_ref());
    record.finish(None, refused.as_ref().map(|refused| refused.code));
    if !is_answered {
        return speak(shared, site, start, child, refused).await;
    }
    if let Some(refused) = refused {
        exchange::record_refusal(shared, &Noted::tunnel(&site.authority), &refused);
    }
}

/// Goes on once the first bytes are known.
pub(super) async fn opened(
    shared: &Arc<Shared>,
    site: Arc<Site>,
    opening: Opening,
    stream: TcpStream,
    dialled: Option<Dialled>,
) {
    let Some(start) = Start::of(opening) else { return };
    if let Some(refused) = misnamed(&site, start.tls.as_ref()) {
        return speak(shared, site, start, stream, Some(refused)).await;
    }
    // Plaintext requests are read wherever they go: their `Host` must be the tunnel's, and the token stays here.
    let speaks_http = start.tls.is_none() && hello::is_http(&start.ahead);
    if is_opaque(&site) && !speaks_http {
        return opaque(shared, site, start, stream, dialled).await;
    }
    if let Some(Dialled { mut record, .. }) = dialled {
        record.finish(None, None);
    }
    speak(shared, site, start, stream, None).await;
}

/// Passes bytes on; where the target cannot be reached, says so in the protocol that the child speaks.
async fn opaque(shared: &Arc<Shared>, site: Arc<Site>, start: Start, stream: TcpStream, dialled: Option<Dialled>) {
    let dialled = match dialled {
        Some(dialled) => Ok(dialled),
        None => dial(shared, &site).await,
    };
    match dialled {
        Ok(Dialled { stream: upstream, record }) => splice(start.ahead, stream, upstream, record).await,
        Err(refused) => speak(shared, site, start, stream, Some(refused)).await,
    }
}

/// Speaks HTTP with the child, over TLS where it began that.
async fn speak(shared: &Arc<Shared>, site: Arc<Site>, start: Start, stream: TcpStream, refusal: Option<Refused>) {
    let Start { tls, ahead } = start;
    let Some(name) = tls else {
        let version = Version::of(&ahead);
        let arrival = Arrival::Site { site, security: Security::Plain, refusal };
        return serve(shared, Wire::Plain(Rewind::new(ahead, stream)), version, arrival).await;
    };
    let config = match name {
        Name::Host(_) => shared.child_tls.by_name(),
        Name::Absent | Name::Unreadable => match shared.child_tls.for_host(&site.authority.host) {
            Ok(config) => config,
            Err(_) => return,
        },
    };
    let program = shared.programs.behind(stream.peer_addr().ok()).await;
    let accepted = timeout(PATIENCE, TlsAcceptor::from(config).accept(Rewind::new(ahead, stream))).await;
    match accepted {
        Ok(Ok(stream)) => {
            let version = match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => Version::Http2,
                _ => Version::Http1,
            };
            let arrival = Arrival::Site { site, security: Security::Tls, refusal };
            serve(shared, Wire::Tls(Box::new(TlsStream::Server(stream))), version, arrival).await;
        }
        Ok(Err(error)) => {
            if program.is_none() {
                shared.programs.missed();
            }
            let (authority, reason) = (site.authority.clone(), error.to_string());
            shared.notices.tell(Notice::HandshakeFailed { authority, reason, program });
            if !site.is_allowed() {
                let refused = Refused::egress(site.verdict, &site.authority);
                exchange::record_refusal(shared, &Noted::tunnel(&site.authority), &refused);
            }
        }
        Err(_) => {}
    }
}
