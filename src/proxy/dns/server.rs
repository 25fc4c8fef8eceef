//! The sockets of the name server: UDP and TCP.
//!
//! **Invariants.** A UDP answer's source is the query's destination (`IP_PKTINFO`, ip(7); `IPV6_PKTINFO`, ipv6(7)): inside
//! the seal every address is ours, and resolvers drop answers from another.

use std::future::pending;
use std::io;
use std::net::{TcpListener as StdTcpListener, UdpSocket as StdUdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::datagram::Datagrams;
use super::message::Reading;
use super::resolve::Resolver;
use super::{Lookup, Names};

/// How many TCP connections are served at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 64;

/// How long a TCP connection may be silent (RFC 7766 §6.2.3: a few seconds).
const IDLE: Duration = Duration::from_secs(10);

/// The pause after an error of a socket, so that a lasting one does not spin.
const PAUSE: Duration = Duration::from_millis(20);

/// A name server, ready to run.
pub struct Server<L> {
    udp: Vec<Datagrams>,
    tcp: Vec<TcpListener>,
    resolver: Arc<Resolver<L>>,
}

impl<L: Lookup> Server<L> {
    /// Takes bound UDP sockets and listening TCP sockets; must be called inside the runtime.
    pub fn new(udp: Vec<StdUdpSocket>, tcp: Vec<StdTcpListener>, names: Arc<Names>, lookup: L) -> io::Result<Self> {
        let udp = udp.into_iter().map(Datagrams::new).collect::<io::Result<_>>()?;
        let adopt = |listener: StdTcpListener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        let tcp = tcp.into_iter().map(adopt).collect::<io::Result<_>>()?;
        Ok(Self { udp, tcp, resolver: Arc::new(Resolver::new(names, lookup)) })
    }

    /// Answers until it is dropped.
    pub async fn run(self) {
        let mut tasks = JoinSet::new();
        for socket in self.udp {
            tasks.spawn(serve_udp(Arc::new(socket), Arc::clone(&self.resolver)));
        }
        for listener in self.tcp {
            tasks.spawn(serve_tcp(listener, Arc::clone(&self.resolver)));
        }
        while tasks.join_next().await.is_some() {}
        pending::<()>().await;
    }
}

async fn serve_udp<L: Lookup>(socket: Arc<Datagrams>, resolver: Arc<Resolver<L>>) {
    let mut lookups = JoinSet::new();
    let mut buffer = vec![0; 4096];
    loop {
        let received = tokio::select! {
            received = socket.receive(&mut buffer) => received,
            Some(_) = lookups.join_next() => continue,
        };
        let Ok((length, sender)) = received else {
            sleep(PAUSE).await;
            continue;
        };
        match resolver.read(&buffer[..length]) {
            Reading::Drop => {}
            Reading::Answer(answer) => socket.send(&answer, &sender).await,
            Reading::Ask(question) => {
                let (socket, resolver) = (Arc::clone(&socket), Arc::clone(&resolver));
                lookups.spawn(async move {
                    let answer = resolver.answer(question).await;
                    socket.send(&answer, &sender).await;
                });
            }
        }
    }
}

async fn serve_tcp<L: Lookup>(listener: TcpListener, resolver: Arc<Resolver<L>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let resolver = Arc::clone(&resolver);
                    connections.spawn(async move { converse(stream, &resolver).await });
                }
                Err(_) => sleep(PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One TCP connection: messages with two bytes of length before each (RFC 1035 §4.2.2).
async fn converse<L: Lookup>(mut stream: TcpStream, resolver: &Resolver<L>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let query = timeout(IDLE, read_message(&mut stream)).await??;
        let answer = match resolver.read(&query) {
            Reading::Drop => return Ok(()),
            Reading::Answer(answer) => answer,
            Reading::Ask(question) => resolver.answer(question).await,
        };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend_from_slice(&answer);
        timeout(IDLE, stream.write_all(&framed)).await??;
    }
}

async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
    use hickory_proto::rr::{Name, RData, RecordType};
    use tokio::net::UdpSocket;
    use tokio::sync::Notify;

    use super::super::Existence;
    use super::*;
    use crate::policy::Host;

    /// `*.example` exists, `denied.test` is denied, the rest is missing. Counts look-ups; waits where told to.
    #[derive(Default)]
    struct World {
        lookups: AtomicUsize,
        hold: Option<Notify>,
    }

    impl Lookup for Arc<World> {
        fn may_look_up(&self, name: &Host) -> bool {
            name.name() != Some("denied.test")
        }

        async fn exists(&self, name: &Host) -> Existence {
            self.lookups.fetch_add(1, Ordering::SeqCst);
            if let Some(hold) = &self.hold {
                hold.notified().await;
            }
            if name.name().is_some_and(|name| name.ends_with(".example")) {
                Existence::Exists
            } else {
                Existence::Missing
            }
        }
    }

    struct Running {
        world: Arc<World>,
        udp: SocketAddr,
        tcp: SocketAddr,
        _tasks: JoinSet<()>,
    }

    fn start(bind: &str, world: World) -> Running {
        let world = Arc::new(world);
        let udp = StdUdpSocket::bind(bind).unwrap();
        let tcp = StdTcpListener::bind(bind).unwrap();
        let (udp_address, tcp_address) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
        let server = Server::new(vec![udp], vec![tcp], Arc::default(), Arc::clone(&world)).unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(server.run());
        Running { world, udp: udp_address, tcp: tcp_address, _tasks: tasks }
    }

    fn query(id: u16, name: &str, kind: RecordType) -> Vec<u8> {
        let mut query = Message::new(id, MessageType::Query, OpCode::Query);
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        query.to_vec().unwrap()
    }

    fn address(reply: &Message) -> Option<Ipv4Addr> {
        reply.answers.iter().find_map(|record| match record.data {
            RData::A(address) => Some(address.0),
            _ => None,
        })
    }

    /// A connected socket takes datagrams from the address that it asked and from no other.
    async fn asking(server: SocketAddr) -> UdpSocket {
        let own: IpAddr = if server.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        let socket = UdpSocket::bind((own, 0)).await.unwrap();
        socket.connect(server).await.unwrap();
        socket
    }

    async fn receive(socket: &UdpSocket) -> Message {
        let mut buffer = [0; 512];
        let length = timeout(Duration::from_secs(10), socket.recv(&mut buffer)).await.unwrap().unwrap();
        Message::from_vec(&buffer[..length]).unwrap()
    }

    #[tokio::test]
    async fn answers_leave_from_the_address_that_was_asked() {
        let running = start("0.0.0.0:0", World::default());
        for asked in [[127, 0, 0, 1], [127, 9, 9, 9]] {
            let socket = asking((asked, running.udp.port()).into()).await;
            socket.send(&query(1, "a.example.", RecordType::A)).await.unwrap();
            assert_eq!(address(&receive(&socket).await), Some(Ipv4Addr::new(198, 18, 0, 1)));
        }
        assert_eq!(running.world.lookups.load(Ordering::SeqCst), 1, "one name is looked up once");
    }

    #[tokio::test]
    async fn one_socket_of_both_families_answers_both() {
        let running = start("[::]:0", World::default());
        for asked in ["127.3.3.3", "::1"] {
            let socket = asking((asked.parse::<IpAddr>().unwrap(), running.udp.port()).into()).await;
            socket.send(&query(1, "a.example.", RecordType::A)).await.unwrap();
            assert!(address(&receive(&socket).await).is_some(), "{asked}");
        }
    }

    #[tokio::test]
    async fn a_denied_name_has_an_address_and_is_never_looked_up() {
        let running = start("127.0.0.1:0", World::default());
        let socket = asking(running.udp).await;
        for kind in [RecordType::A, RecordType::AAAA, RecordType::HTTPS] {
            socket.send(&query(1, "denied.test.", kind)).await.unwrap();
            let reply = receive(&socket).await;
            assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
            assert_eq!(address(&reply).is_some(), kind == RecordType::A);
        }
        assert_eq!(running.world.lookups.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn questions_for_one_name_share_a_look_up_and_hold_up_nobody() {
        let running = start("127.0.0.1:0", World { hold: Some(Notify::new()), ..World::default() });
        let socket = asking(running.udp).await;
        for (id, kind) in [(1, RecordType::A), (2, RecordType::AAAA)] {
            socket.send(&query(id, "slow.example.", kind)).await.unwrap();
        }
        socket.send(&query(3, "localhost.", RecordType::A)).await.unwrap();
        assert_eq!(receive(&socket).await.metadata.id, 3, "the others wait");
        running.world.hold.as_ref().unwrap().notify_one();
        let mut ids = [receive(&socket).await.metadata.id, receive(&socket).await.metadata.id];
        ids.sort_unstable();
        assert_eq!(ids, [1, 2]);
        assert_eq!(running.world.lookups.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn tcp_takes_many_queries_on_one_connection() {
        let running = start("127.0.0.1:0", World::default());
        let stream = std::net::TcpStream::connect(running.tcp).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut stream = TcpStream::from_std(stream).unwrap();
        for (id, name, code) in [(1, "a.example.", ResponseCode::NoError), (2, "missing.test.", ResponseCode::NXDomain)]
        {
            let query = query(id, name, RecordType::A);
            stream.write_u16(u16::try_from(query.len()).unwrap()).await.unwrap();
            stream.write_all(&query).await.unwrap();
            let reply = Message::from_vec(&read_message(&mut stream).await.unwrap()).unwrap();
            assert_eq!((reply.metadata.id, reply.metadata.response_code), (id, code));
        }
        stream.write_all(&[0, 3, 1, 2, 3]).await.unwrap();
        assert!(read_message(&mut stream).await.is_err(), "a scrap ends the connection");
    }
}
