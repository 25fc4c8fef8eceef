//! A place without a network in which an upstream stands for hosts of the internet: for clients that are to be seen as
//! they are bare, and would reach for the real hosts.
//!
//! The probe makes the place and listens in it (`apart` in `probe.rs`); what it accepts is relayed to the upstream.

use std::fs;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use agentsecrets::sys::socket::receive;

use super::place;
use super::upstream::Upstream;

/// The words that start a command in a place of its own, which has its files in `folder`.
pub(crate) fn words(folder: &Path, upstream: &Upstream) -> String {
    let (hosts, door) = (folder.join("hosts"), folder.join("door"));
    fs::write(&hosts, format!("127.0.0.1 localhost {}\n", upstream.hosts().join(" "))).unwrap();
    let listener = UnixListener::bind(&door).unwrap();
    fs::set_permissions(&door, fs::Permissions::from_mode(0o777)).unwrap();
    let address = upstream.address();
    thread::spawn(move || {
        let (sender, _) = listener.accept().unwrap();
        let mut descriptors = Vec::new();
        receive(&sender, &mut [0; 16], &mut descriptors).unwrap();
        let inside = TcpListener::from(descriptors.remove(0));
        for client in inside.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(address)) else { return };
            relay(&client, &server);
            relay(&server, &client);
        }
    });
    format!("'{}' apart '{}' '{}' --", place::probe().display(), hosts.display(), door.display())
}

/// Copies one direction, in a thread, to its end.
fn relay(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    to.set_nodelay(true).unwrap();
    thread::spawn(move || {
        // Either side may leave first.
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
