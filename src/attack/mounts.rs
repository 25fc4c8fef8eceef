//! Getting below a mask: taking mounts away, or leaving for a namespace in which they bind nobody.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use nix::fcntl::{OFlag, openat, renameat};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};

use super::{Act, Argument, Outcome, Scene, call, number, terminated, why};
use crate::sys::descriptor::inherited;
use crate::sys::process::{Side, fork};

pub(super) const ATTACKS: &[(&str, Act)] = &[
    ("unmount-mask", |scene| {
        umount2(".env", MntFlags::MNT_DETACH).map_err(why("umount"))?;
        verdict(scene, File::open(".env").map_err(why("open"))?)
    }),
    ("pivot-and-rename", |scene| {
        let (user, group) = ids();
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).map_err(why("unshare"))?;
        map(user, group);
        pivot_and_rename(scene)
    }),
    ("pivot-and-rename-by-clone", pivot_by_clone),
    ("open-tree", open_tree),
    ("mount-over", |_| {
        mount(None::<&str>, "packages", Some("tmpfs"), MsFlags::empty(), None::<&str>).map_err(why("mount"))?;
        Ok("mounted".into())
    }),
    ("join-namespace", join_namespace),
];

fn verdict(scene: &Scene, mut file: File) -> Outcome {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(why("read"))?;
    scene.aim.verdict(&bytes)
}

fn ids() -> (u32, u32) {
    (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw())
}

/// Makes the caller root of its new namespace.
fn map(user: u32, group: u32) {
    let _ = fs::write("/proc/self/setgroups", "deny");
    let _ = fs::write("/proc/self/uid_map", format!("0 {user} 1"));
    let _ = fs::write("/proc/self/gid_map", format!("0 {group} 1"));
}

/// EBUSY protects a mount point in the caller's own namespace only. With an unmasked sibling bound as the new root and
/// the masks' namespace left behind, the masked file is renamed into that sibling over a directory that was kept open;
/// seen through the new mount it has no mask.
fn pivot_and_rename(scene: &Scene) -> Outcome {
    fs::create_dir_all("sibling/old").map_err(why("mkdir"))?;
    let kept = File::open(".").map_err(why("open"))?;
    let new = Path::new("/tmp/new-root");
    fs::create_dir_all(new).map_err(why("mkdir"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).map_err(why("make private"))?;
    mount(Some("sibling"), new, None::<&str>, MsFlags::MS_BIND, None::<&str>).map_err(why("bind"))?;
    nix::unistd::pivot_root(new, &new.join("old")).map_err(why("pivot_root"))?;
    nix::unistd::chdir("/").map_err(why("chdir"))?;
    umount2("/old", MntFlags::MNT_DETACH).map_err(why("umount"))?;
    renameat(&kept, ".env", &kept, "sibling/moved").map_err(why("renameat"))?;
    verdict(scene, File::open("/moved").map_err(why("open"))?)
}

/// The same by clone(2), which the filter must see as well as unshare(2).
fn pivot_by_clone(scene: &Scene) -> Outcome {
    let (user, group) = ids();
    match fork(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).map_err(why("clone"))? {
        Side::Child => {
            map(user, group);
            let outcome = pivot_and_rename(scene);
            // The process that waits is told by a signal of its own choice: this one has nobody to return to.
            let signal = if outcome.is_ok() { nix::sys::signal::SIGUSR1 } else { nix::sys::signal::SIGKILL };
            let _ = nix::sys::signal::kill(nix::unistd::getpid(), signal);
            let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::SIGKILL);
            outcome
        }
        Side::Parent(child, _) => match waitpid(child, None).map_err(why("wait"))? {
            WaitStatus::Signaled(_, nix::sys::signal::SIGUSR1, _) => Ok("the real value".into()),
            other => Err(format!("{other:?}")),
        },
    }
}

/// A copy of the project's mount without the mounts on it.
fn open_tree(scene: &Scene) -> Outcome {
    const OPEN_TREE_CLONE: i64 = 1;
    let here = terminated(".")?;
    let arguments = vec![number(libc::AT_FDCWD), Argument::Text(&here), number(OPEN_TREE_CLONE)];
    let tree = call(libc::SYS_open_tree, arguments).map_err(why("open_tree"))?;
    let tree = inherited(i32::try_from(tree).map_err(why("open_tree"))?).map_err(why("open_tree"))?;
    let opened = openat(&tree, ".env", OFlag::O_RDONLY, Mode::empty()).map_err(why("openat"))?;
    verdict(scene, File::from(opened))
}

/// The namespaces of whoever started the attacker.
fn join_namespace(scene: &Scene) -> Outcome {
    let path = format!("/proc/{}/ns/mnt", scene.parent);
    let namespace = File::open(&path).map_err(why(&path))?;
    setns(&namespace, CloneFlags::empty()).map_err(why("setns"))?;
    Ok("joined".into())
}
