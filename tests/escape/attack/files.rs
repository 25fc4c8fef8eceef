//! Files: reading what is masked or hidden, and writing what outlives the run. What was written is for the host to say.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::{Act, Outcome, c, call, holds_secret, why};

pub(crate) const ATTACKS: &[(&str, Act)] = &[
    ("truncate-outside", |_| {
        let path = format!("{}/.bashrc", std::env::var("HOME").unwrap());
        nix::unistd::truncate(path.as_str(), 1)
            .map(|()| format!("{path} is cut"))
            .map_err(|error| format!("truncate: {error}"))
    }),
    ("read-dotenv", |_| read(".env".into())),
    ("read-dotenv-deep", |_| read("packages/deep/.env.local".into())),
    ("read-dotenv-by-link", |_| read("link-to-dotenv".into())),
    ("read-dotenv-by-hard-link", |_| read("hard-link-to-dotenv".into())),
    ("read-dotenv-moved", read_moved),
    ("read-dotenv-by-new-link", read_linked),
    ("read-dotenv-by-handle", read_by_handle),
    ("read-credentials", |_| read(home(".aws/credentials"))),
    ("read-credentials-in-directory", |_| read(home(".ssh/id_ed25519"))),
    ("read-credentials-by-handle", read_credentials_by_handle),
    ("read-own-state", |_| read(Path::new(&std::env::var("XDG_STATE_HOME").unwrap()).join("agentsecrets/canary"))),
    ("read-own-configuration", |_| {
        read(Path::new(&std::env::var("XDG_CONFIG_HOME").unwrap()).join("agentsecrets/canary"))
    }),
    ("read-host-tmp", |_| read("/tmp/.escape-host-canary".into())),
    ("read-host-run", |_| read("/run/escape-host-canary".into())),
    ("read-host-shm", |_| read("/dev/shm/escape-host-canary".into())),
    ("read-by-inherited-directory", |_| read("/proc/self/fd/7/.env".into())),
    ("read-by-inherited-file", |_| read_descriptor(7)),
    ("read-by-stdin-directory", |_| read("/proc/self/fd/0/.env".into())),
    ("read-by-stdin-hidden-file", |_| read_descriptor(0)),
    ("read-by-stdin-file", |_| read_descriptor(0)),
    ("write-dotenv", |mark| append(".env", mark)),
    ("write-shell-start", |mark| append(home(".bashrc"), mark)),
    ("write-home", |mark| append(home("planted"), mark)),
    ("write-outside", |mark| append(outside("planted"), mark)),
    ("write-by-stdin-file", |mark| append("/proc/self/fd/0", mark)),
    ("write-cron", |mark| append("/etc/cron.d/escape-planted", mark)),
    ("write-path-directory", |mark| append(home(".cache/bin/ls"), mark)),
    ("write-git-hook", |mark| append(".git/hooks/post-checkout", mark)),
    ("write-git-configuration", |mark| append(".git/config", mark)),
    ("write-hooks-elsewhere", |mark| append("tools/hooks/post-checkout", mark)),
    ("write-included-configuration", |mark| append("shared.gitconfig", mark)),
    ("replace-git", replace_git),
    ("replace-own-program", |mark| replace("agentsecrets", mark)),
    ("replace-own-state", |mark| append(outside("state/agentsecrets/planted"), mark)),
];

fn home(path: &str) -> PathBuf {
    Path::new(&std::env::var("HOME").unwrap()).join(path)
}

/// A path beside home and project, which belongs to the same user.
fn outside(path: &str) -> PathBuf {
    Path::new(&std::env::var("HOME").unwrap()).parent().unwrap().join(path)
}

fn verdict(bytes: &[u8]) -> Outcome {
    if holds_secret(bytes) {
        Ok("the real value".into())
    } else {
        Err(format!("{} bytes without the value", bytes.len()))
    }
}

fn read(path: PathBuf) -> Outcome {
    verdict(&fs::read(path).map_err(why("read"))?)
}

fn read_descriptor(number: i32) -> Outcome {
    // SAFETY: whoever started the attack left this descriptor open; nobody else here uses it.
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(number) });
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(why("read"))?;
    verdict(&bytes)
}

fn read_moved(_: &str) -> Outcome {
    fs::rename(".env", "moved").map_err(why("rename"))?;
    read("moved".into())
}

fn read_linked(_: &str) -> Outcome {
    fs::hard_link(".env", "linked").map_err(why("link"))?;
    read("linked".into())
}

/// The handle of `path` (`name_to_handle_at(2)`): its length, its type, its bytes.
pub(crate) fn handle_of(path: &str) -> Result<[u32; 34], String> {
    let mut handle = [0_u32; 34];
    handle[0] = 128;
    let mut mount_number = 0_i32;
    let path = c(path);
    let current = usize::MAX - 99;
    let arguments = [current, path.as_ptr().addr(), (&raw mut handle).addr(), (&raw mut mount_number).addr(), 0];
    call(libc::SYS_name_to_handle_at, &arguments).map_err(why("name_to_handle_at"))?;
    Ok(handle)
}

/// What the handle stands for, seen through the mount of the project.
fn open_by_handle(handle: &[u32; 34]) -> Result<i32, String> {
    let project = File::open(".").map_err(why("open"))?;
    let descriptor = usize::try_from(project.as_raw_fd()).unwrap();
    let opened = call(libc::SYS_open_by_handle_at, &[descriptor, handle.as_ptr().addr(), 0]);
    Ok(i32::try_from(opened.map_err(why("open_by_handle_at"))?).unwrap())
}

fn read_by_handle(_: &str) -> Outcome {
    read_descriptor(open_by_handle(&handle_of(".env")?)?)
}

/// The root of the file system by its handle: from there the home is walked to on a mount that nothing is hidden on.
fn read_credentials_by_handle(_: &str) -> Outcome {
    let root = open_by_handle(&handle_of("/")?)?;
    let credentials = home(".aws/credentials");
    read(Path::new(&format!("/proc/self/fd/{root}")).join(credentials.strip_prefix("/").unwrap()))
}

fn append(path: impl AsRef<Path>, mark: &str) -> Outcome {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().unwrap()).map_err(why("mkdir"))?;
    let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(why("open"))?;
    writeln!(file, "{mark}").map_err(why("write"))?;
    Ok(format!("wrote to {}", path.display()))
}

fn replace(path: &str, mark: &str) -> Outcome {
    fs::write("replacement", mark).map_err(why("write"))?;
    fs::rename("replacement", path).map_err(why("rename"))?;
    Ok(format!("replaced {path}"))
}

fn replace_git(mark: &str) -> Outcome {
    fs::rename(".git", "old-git").map_err(why("rename"))?;
    append(".git/hooks/post-checkout", mark)
}
