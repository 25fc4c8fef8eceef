//! Taking all that the parent has to give: connections, and with them its descriptors, and the events of the files that it
//! watches. Whoever has nothing left must still mask what the host changes and refuse what policy denies.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::accomplice::{Deed, read_after, remove};
use super::network::{connect, proxy};
use super::{Act, Scene, why};

pub(super) const ATTACKS: &[(&str, Act)] = &[
    ("read-dotenv-replaced-when-spent", |scene| {
        let held = take_connections(scene)?;
        let outcome = read_after(Deed::Replace, scene);
        told(outcome, held.len())
    }),
    ("host-loopback-connect-when-spent", |scene| {
        let held = take_connections(scene)?;
        let count = held.len();
        // As many as it takes to be heard at all.
        drop(held);
        told(connect(&format!("127.0.0.1:{}", scene.aim.host_port), scene.mark), count)
    }),
    ("read-made-when-flooded", |scene| {
        let folder = scene.aim.root.join("project/flood");
        let count = flood(&folder)?;
        let outcome = read_after(Deed::Make, scene);
        remove(&folder);
        told(outcome, count)
    }),
];

/// The most connections that are taken.
const MOST: usize = 3000;
/// How long one is waited for: a parent without descriptors accepts none.
const PATIENCE: Duration = Duration::from_secs(1);
/// More files than the kernel keeps events (16,384).
const FOLDERS: usize = 180;
const FILES: usize = 100;

fn told(outcome: super::Outcome, count: usize) -> super::Outcome {
    outcome.map(|said| format!("{said}, after {count}")).map_err(|said| format!("{said}, after {count}"))
}

/// Connections to the broker with a request on each that never ends. Outside a run there is nobody to take them from.
fn take_connections(scene: &Scene) -> Result<Vec<TcpStream>, String> {
    let Some(proxy) = proxy() else { return Ok(Vec::new()) };
    let address: SocketAddr = proxy.parse().map_err(why("the proxy"))?;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(why("limit"))?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(why("limit"))?;
    let begun = format!("GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\nX-Long: {1}", scene.aim.internet, "a".repeat(30_000));
    let mut held = Vec::new();
    while held.len() < MOST {
        let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) else { break };
        let _ = stream.set_write_timeout(Some(PATIENCE));
        if stream.write_all(begun.as_bytes()).is_err() {
            break;
        }
        held.push(stream);
    }
    if held.len() < 100 { Err(format!("only {} connections were to be had", held.len())) } else { Ok(held) }
}

/// Files below `folder`; outside a run nobody watches.
fn flood(folder: &Path) -> Result<usize, String> {
    if proxy().is_none() {
        return Ok(0);
    }
    for number in 0..FOLDERS {
        let folder = folder.join(number.to_string());
        fs::create_dir_all(&folder).map_err(why("mkdir"))?;
        for file in 0..FILES {
            File::create(folder.join(file.to_string())).map_err(why("create"))?;
        }
    }
    Ok(FOLDERS * FILES)
}
