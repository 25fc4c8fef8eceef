//! Getting below a mask: taking mounts away, or leaving for a namespace in which they bind nobody.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::{Act, Outcome, c, call, holds_secret};

pub(crate) const ATTACKS: &[(&str, Act)] = &[
    ("unmount-mask", |_| unmount_mask()),
    ("pivot-and-rename", |_| {
        enter(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
        pivot_and_rename()
    }),
    ("pivot-and-rename-by-clone", pivot_by_clone),
    ("open-tree", open_tree),
    ("mount-over", |_| {
        mount(None::<&str>, "packages", Some("tmpfs"), MsFlags::empty(), None::<&str>).map_err(why("mount"))?;
        Ok("mounted".into())
    }),
    ("join-namespace", join_namespace),
];

fn why(doing: &str) -> impl Fn(nix::Error) -> String + '_ {
    move |error| format!("{doing}: {error}")
}

fn verdict(mut file: File) -> Outcome {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| format!("read: {error}"))?;
    if holds_secret(&bytes) { Ok("the real value".into()) } else { Err("the masked bytes".into()) }
}

fn unmount_mask() -> Outcome {
    umount2(".env", MntFlags::MNT_DETACH).map_err(why("umount"))?;
    verdict(File::open(".env").map_err(|error| format!("open: {error}"))?)
}

/// New namespaces with the caller as their root.
fn enter(namespaces: CloneFlags) -> Result<(), String> {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    unshare(namespaces).map_err(why("unshare"))?;
    map(user.as_raw(), group.as_raw());
    Ok(())
}

fn map(user: u32, group: u32) {
    let _ = fs::write("/proc/self/setgroups", "deny");
    let _ = fs::write("/proc/self/uid_map", format!("0 {user} 1"));
    let _ = fs::write("/proc/self/gid_map", format!("0 {group} 1"));
}

/// EBUSY protects a mount point in the caller's own namespace only. With an unmasked sibling bound as the new root and
/// the masks' namespace left behind, the masked file is renamed into that sibling over a directory that was kept open;
/// seen through the new mount it has no mask.
fn pivot_and_rename() -> Outcome {
    let io = |doing: &'static str| move |error: std::io::Error| format!("{doing}: {error}");
    fs::create_dir_all("sibling/old").map_err(io("mkdir"))?;
    let kept = File::open(".").map_err(io("open"))?;
    let new = Path::new("/tmp/new-root");
    fs::create_dir_all(new).map_err(io("mkdir"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).map_err(why("make private"))?;
    mount(Some("sibling"), new, None::<&str>, MsFlags::MS_BIND, None::<&str>).map_err(why("bind"))?;
    nix::unistd::pivot_root(new, &new.join("old")).map_err(why("pivot_root"))?;
    nix::unistd::chdir("/").map_err(why("chdir"))?;
    umount2("/old", MntFlags::MNT_DETACH).map_err(why("umount"))?;
    let (masked, moved) = (c(".env"), c("sibling/moved"));
    let directory = usize::try_from(kept.as_raw_fd()).unwrap();
    let names = [directory, masked.as_ptr().addr(), directory, moved.as_ptr().addr()];
    call(libc::SYS_renameat, &names).map_err(io("renameat"))?;
    verdict(File::open("/moved").map_err(io("open"))?)
}

/// The same by clone(2), which the filter must see as well as unshare(2).
fn pivot_by_clone(_: &str) -> Outcome {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let namespaces = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS;
    let flags = usize::try_from(namespaces.bits() | libc::SIGCHLD).unwrap();
    let child = call(libc::SYS_clone, &[flags]).map_err(|error| format!("clone: {error}"))?;
    if child == 0 {
        map(user.as_raw(), group.as_raw());
        let code = match pivot_and_rename() {
            Ok(evidence) => {
                println!("{evidence}");
                0
            }
            Err(reason) => {
                println!("{reason}");
                1
            }
        };
        std::process::exit(code);
    }
    let ended = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(i32::try_from(child).unwrap()), None);
    match ended.map_err(why("wait"))? {
        nix::sys::wait::WaitStatus::Exited(_, 0) => Ok("the real value".into()),
        other => Err(format!("{other:?}")),
    }
}

/// A copy of the project's mount without the mounts on it.
fn open_tree(_: &str) -> Outcome {
    const OPEN_TREE_CLONE: usize = 1;
    let here = c(".");
    let current = usize::MAX - 99;
    let tree = call(libc::SYS_open_tree, &[current, here.as_ptr().addr(), OPEN_TREE_CLONE]);
    let tree = usize::try_from(tree.map_err(|error| format!("open_tree: {error}"))?).unwrap();
    let masked = c(".env");
    let opened =
        call(libc::SYS_openat, &[tree, masked.as_ptr().addr(), 0]).map_err(|error| format!("openat: {error}"))?;
    // SAFETY: the descriptor is fresh and owned by nobody else.
    verdict(File::from(unsafe { OwnedFd::from_raw_fd(i32::try_from(opened).unwrap()) }))
}

/// The namespaces of whoever started the attacker.
fn join_namespace(_: &str) -> Outcome {
    let path = format!("/proc/{}/ns/mnt", nix::unistd::getppid());
    let namespace = File::open(&path).map_err(|error| format!("{path}: {error}"))?;
    let descriptor = usize::try_from(namespace.as_raw_fd()).unwrap();
    call(libc::SYS_setns, &[descriptor, 0]).map_err(|error| format!("setns: {error}"))?;
    Ok("joined".into())
}
