//! What a run relays across its seal: decided from the flags, then handed to the relays with what lies inside.

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::stat::fstat;

use super::{Order, RunError};
use crate::policy::Isolation;
use crate::sandbox::{Doors, Loopback};
use crate::supervise::ports::{HostSocket, Seal, Wanted};
use crate::world::World;

/// Reads the flags and finds the sockets that they name.
pub(super) fn wanted(
    world: &World,
    order: &Order,
    project: &Path,
    writable: &[PathBuf],
    level: Isolation,
) -> Result<Wanted, RunError> {
    if level != Isolation::Sealed {
        let asked = [("--publish", order.publish.is_empty()), ("--loopback PATH", order.sockets.is_empty())];
        return match asked.into_iter().find(|(_, is_empty)| !is_empty) {
            Some((flag, _)) => Err(RunError::NeedsSeal { flag }),
            None => Ok(Wanted::default()),
        };
    }
    let childs: Vec<PathBuf> = std::iter::once(project.to_owned()).chain(writable.iter().cloned()).collect();
    let variable = |name: &str| world.variable(name).map(|value| value.to_string_lossy().into_owned());
    let find = |text: &String| HostSocket::find(text, &childs, &variable);
    let sockets = order.sockets.iter().map(find).collect::<Result<_, _>>().map_err(RunError::Socket)?;
    // An executable that was replaced while it runs cannot be shown inside.
    let browser = !order.no_browser && world.executable.is_file();
    Ok(Wanted { published: order.publish.clone(), sockets, browser })
}

/// Takes what the relays need out of the doors of a seal.
pub(super) fn seal(loopback: &Arc<Loopback>, doors: &mut Doors, wanted: &Wanted) -> Result<Seal, RunError> {
    let tcp = doors.transparent.iter().map(|(_, door)| door.as_fd()).chain(doors.dns_tcp.iter().map(AsFd::as_fd));
    let own = std::iter::once(doors.explicit.as_fd()).chain(tcp).map(inode).collect::<Result<HashSet<_>, _>>()?;
    // The sockets come first among the listeners.
    let listeners = doors.listeners.drain(..wanted.sockets.len().min(doors.listeners.len()));
    let sockets = wanted.sockets.iter().cloned().zip(listeners).collect();
    Ok(Seal { loopback: Arc::clone(loopback), own, sockets })
}

fn inode(socket: BorrowedFd<'_>) -> Result<u64, RunError> {
    fstat(socket).map(|facts| facts.st_ino).map_err(|errno| RunError::Ports(errno.into()))
}
