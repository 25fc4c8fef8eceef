//! A relay that puts a distance between the clients and an upstream: every byte is late by half a round trip, and the
//! first of a connection by the round trip that its handshake would have taken.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Listens at a new address and relays to `near`, for as long as the process lives.
pub(crate) fn relay(near: SocketAddr, round_trip: Duration) -> SocketAddr {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        runtime.block_on(async {
            while let Ok((far, _)) = listener.accept().await {
                let near = TcpStream::connect(near).await.unwrap();
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                let ((far_read, far_write), (near_read, near_write)) = (far.into_split(), near.into_split());
                delay(far_read, near_write, round_trip / 2, round_trip);
                delay(near_read, far_write, round_trip / 2, Duration::ZERO);
            }
        });
    });
    address
}

/// Copies one direction, each piece `late` after it came, none before `first` has passed.
fn delay(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, late: Duration, first: Duration) {
    let open = Instant::now() + first;
    let (sender, mut pieces) = mpsc::channel::<(Instant, Vec<u8>)>(1024);
    tokio::spawn(async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let due = Instant::now().max(open) + late;
            if sender.send((due, buffer[..length].to_vec())).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((due, piece)) = pieces.recv().await {
            sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    });
}
