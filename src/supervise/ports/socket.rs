//! Unix sockets of the host that the user names for the child.
//!
//! **Invariants.** What is dialled is a socket at the very path that was resolved at the start: no part of it is a symlink
//! then or at any later connection, so that nobody who can write a directory on the way can lead the parent elsewhere.
//! Paths through a symlink that lies where the child may write are refused.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use serde::Serialize;

/// A socket of the host and where the child finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostSocket {
    /// Where it is, symlinks resolved.
    pub host: PathBuf,
    /// Where it appears inside.
    pub inside: PathBuf,
    /// What it hands out, where that is more than a service's own data.
    pub power: Option<&'static str>,
}

/// Why a socket cannot be given to the child.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Not `[HOSTPATH:]PATH` with absolute paths.
    #[error("`{text}` is no socket to reach: both paths are to be absolute and without `.` or `..`")]
    Malformed {
        /// What was written.
        text: String,
    },
    /// There is no socket, or it cannot be reached.
    #[error("`{}`: no socket can be reached there", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The way there is in the hands of the child.
    #[error("`{}`: leads through the symlink `{}`, which the child can write", path.display(), link.display())]
    Link {
        /// The path.
        path: PathBuf,
        /// The symlink.
        link: PathBuf,
    },
    /// A place inside that cannot be made.
    #[error("`{}`: does not exist, and only below /run, /tmp and /var/tmp can it be made inside", path.display())]
    Place {
        /// The path inside.
        path: PathBuf,
    },
}

impl SocketError {
    /// What the user can type.
    pub fn hint(&self) -> String {
        match self {
            Self::Malformed { .. } => {
                "write `--loopback /run/postgresql/.s.PGSQL.5432`, or `--loopback HOSTPATH:PATH`".into()
            }
            Self::Missing { .. } => {
                "start the service first, and name the path that it listens on (`ss -xl` lists them)".into()
            }
            Self::Link { .. } => {
                "name the socket by its real path (`readlink -f` prints it), if that is what you mean".into()
            }
            Self::Place { path } => format!("write `--loopback HOSTPATH:/run/{}`", name(path)),
        }
    }
}

/// Directories that the seal makes anew, where a path can be made that the host does not have.
const MADE_INSIDE: [&str; 3] = ["/run", "/tmp", "/var/tmp"];

impl HostSocket {
    /// Reads `[HOSTPATH:]PATH` and finds the socket. `writable` are the places that a child may write.
    ///
    /// `variable` reads the user's environment, which names some of the sockets that hand out power.
    pub fn find(
        text: &str,
        writable: &[PathBuf],
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SocketError> {
        let (host, inside) = text.split_once(':').unwrap_or((text, text));
        for path in [host, inside] {
            let is_plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
            if !path.starts_with('/') || !Path::new(path).components().all(is_plain) || path.contains(['\0', ':']) {
                return Err(SocketError::Malformed { text: text.escape_debug().to_string() });
            }
        }
        let (host, inside) = (resolved(Path::new(host), writable)?, resolved(Path::new(inside), writable)?);
        if inside.symlink_metadata().is_err() && !MADE_INSIDE.iter().any(|place| inside.starts_with(place)) {
            return Err(SocketError::Place { path: inside });
        }
        let socket = Self { power: power(&host, variable), host, inside };
        let missing = |source| SocketError::Missing { path: socket.host.clone(), source };
        socket.pin().map_err(missing)?;
        Ok(socket)
    }

    /// Takes hold of the socket as it is now.
    pub(super) fn pin(&self) -> io::Result<Pinned> {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW)
            .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
        let pinned = Pinned(openat2(nix::fcntl::AT_FDCWD, &self.host, how)?);
        if !fs::metadata(pinned.path())?.file_type().is_socket() {
            return Err(io::Error::other("it is no socket"));
        }
        Ok(pinned)
    }
}

/// A socket that is held by its inode.
#[derive(Debug)]
pub(super) struct Pinned(OwnedFd);

impl Pinned {
    /// A path that leads to it and nowhere else.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

/// `path` with its symlinks resolved one by one, as far as it exists; an error for one that the child can write.
fn resolved(path: &Path, writable: &[PathBuf]) -> Result<PathBuf, SocketError> {
    let mut real = PathBuf::from("/");
    let mut rest: Vec<PathBuf> = path.components().rev().map(|part| PathBuf::from(part.as_os_str())).collect();
    // As many links as the kernel follows (path_resolution(7)).
    let mut links = 40;
    while let Some(part) = rest.pop() {
        if part == Path::new("..") {
            real.pop();
            continue;
        }
        let next = real.join(&part);
        let Ok(target) = fs::read_link(&next) else {
            real = next;
            continue;
        };
        if links == 0 || writable.iter().any(|place| next.starts_with(place)) {
            return Err(SocketError::Link { path: path.to_owned(), link: next });
        }
        links -= 1;
        if target.is_absolute() {
            real = PathBuf::from("/");
        }
        rest.extend(
            target
                .components()
                .rev()
                .filter(|part| *part != Component::CurDir)
                .map(|part| PathBuf::from(part.as_os_str())),
        );
    }
    Ok(real)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What whoever talks to this socket holds in his hands (S6), as the rest of a sentence; `None` for a plain service.
fn power(path: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Option<&'static str> {
    const CONTAINERS: &str = "whoever talks to it can start a container that owns this machine";
    const AGENT: &str = "whoever talks to it can sign and log in with your keys";
    const BUS: &str = "whoever talks to it can start programs outside of the seal and ask your keychain";
    const KEYRING: &str = "whoever talks to it can ask your keychain for its secrets";
    const DISPLAY: &str = "whoever talks to it can read your keys and type into your windows";
    const SYSTEM: &str = "whoever talks to it can run commands on this machine";
    let name = name(path).to_lowercase();
    let directory = path.parent().map(self::name).unwrap_or_default().to_lowercase();
    let text = format!("/{directory}/{name}");
    let is_named = |name: &str, prefix: &str| {
        let named = variable(name).unwrap_or_default();
        let named = named.split([',', ';']).find_map(|part| part.strip_prefix(prefix)).map(PathBuf::from);
        named.is_some_and(|named| named == path || named.canonicalize().is_ok_and(|real| real == path))
    };
    let engines = ["docker", "podman", "containerd", "crio", "buildkit", "lxd", "incus"];
    if engines.iter().any(|engine| text.contains(engine)) || is_named("DOCKER_HOST", "unix://") {
        return Some(CONTAINERS);
    }
    if is_named("SSH_AUTH_SOCK", "") || name.contains("agent") || text.contains("gnupg") || text.contains("/ssh-") {
        return Some(AGENT);
    }
    if ["keyring", "kwallet", "libsecret"].iter().any(|word| text.contains(word)) {
        return Some(KEYRING);
    }
    if is_named("DBUS_SESSION_BUS_ADDRESS", "unix:path=") || name == "bus" || text.contains("dbus") {
        return Some(BUS);
    }
    if text.contains(".x11-unix") || name.starts_with("wayland-") {
        return Some(DISPLAY);
    }
    let systems = ["systemd", "libvirt", "snapd", "polkit", "tmux", "screen", "vscode", "nvim", "emacs"];
    systems.iter().any(|word| text.contains(word)).then_some(SYSTEM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn find(text: &str, writable: &[PathBuf]) -> Result<HostSocket, SocketError> {
        HostSocket::find(text, writable, &|_| None)
    }

    #[test]
    fn names_what_a_socket_hands_out() {
        let agent = |name: &str| (name == "SSH_AUTH_SOCK").then(|| "/run/user/1/anything".to_owned());
        for (path, word) in [
            ("/run/docker.sock", "container"),
            ("/run/user/1/podman/podman.sock", "container"),
            ("/run/user/1/anything", "sign"),
            ("/tmp/ssh-x/agent.3", "sign"),
            ("/run/user/1/gnupg/S.gpg-agent", "sign"),
            ("/run/user/1/bus", "outside"),
            ("/run/dbus/system_bus_socket", "outside"),
            ("/run/user/1/keyring/control", "keychain"),
            ("/tmp/.X11-unix/X0", "windows"),
            ("/run/systemd/private", "commands"),
        ] {
            let power = power(Path::new(path), &agent).unwrap_or_default();
            assert!(power.contains(word), "{path}: {power}");
        }
        for path in
            ["/run/postgresql/.s.PGSQL.5432", "/run/mysqld/mysqld.sock", "/tmp/redis.sock", "/srv/agentsecrets/db/s"]
        {
            assert_eq!(power(Path::new(path), &agent), None, "{path}");
        }
    }

    #[test]
    fn what_the_child_can_turn_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().canonicalize().unwrap();
        let (project, elsewhere) = (base.join("project"), base.join("elsewhere"));
        fs::create_dir(&project).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        let _listener = UnixListener::bind(elsewhere.join("s")).unwrap();
        let _other = UnixListener::bind(project.join("s")).unwrap();
        symlink(&elsewhere, base.join("link")).unwrap();
        symlink(&elsewhere, project.join("link")).unwrap();
        let writable = [project.clone()];
        let text = |path: &Path| format!("{}:/run/s", path.display());
        // A link of the user's own is followed, and the socket is found at its real path.
        assert_eq!(find(&text(&base.join("link/s")), &writable).unwrap().host, elsewhere.join("s"));
        assert_eq!(find(&text(&project.join("s")), &writable).unwrap().host, project.join("s"));
        let error = find(&text(&project.join("link/s")), &writable).unwrap_err();
        assert!(matches!(error, SocketError::Link { .. }), "{error}");

        let socket = find(&text(&project.join("s")), &writable).unwrap();
        fs::remove_file(project.join("s")).unwrap();
        symlink(elsewhere.join("s"), project.join("s")).unwrap();
        assert!(socket.pin().is_err(), "a link in its place is not dialled");
    }

    #[test]
    fn paths_are_absolute_and_lead_to_sockets() {
        for text in ["", "s", "./s", "/run/../s:/run/s", "/a:b", "/a:/b:/c", "a:/b"] {
            assert!(matches!(find(text, &[]), Err(SocketError::Malformed { .. })), "{text}");
        }
        assert!(matches!(find("/etc/passwd", &[]), Err(SocketError::Missing { .. })));
        assert!(matches!(find("/no/such:/run/x", &[]), Err(SocketError::Missing { .. })));
        assert!(matches!(find("/etc/passwd:/opt/no/such", &[]), Err(SocketError::Place { .. })));
    }
}
