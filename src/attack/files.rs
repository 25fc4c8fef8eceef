//! Files: reading what is masked or hidden, and writing what outlives the run. What was written is for the host to say.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::accomplice::{Deed, read_after};
use super::{Act, Argument, Outcome, Scene, call, number, terminated, why};
use crate::sys::attempt::Page;
use crate::sys::descriptor::inherited;

pub(super) const ATTACKS: &[(&str, Act)] = &[
    ("truncate-outside", |scene| {
        let path = scene.aim.home.join(".bashrc");
        nix::unistd::truncate(&path, 1).map(|()| format!("{} is cut", path.display())).map_err(why("truncate"))
    }),
    ("read-dotenv", |scene| read(scene, ".env")),
    ("read-dotenv-deep", |scene| read(scene, "packages/deep/.env.local")),
    ("read-dotenv-by-link", |scene| read(scene, "link-to-dotenv")),
    ("read-dotenv-by-hard-link", |scene| read(scene, "hard-link-to-dotenv")),
    ("read-dotenv-moved", |scene| {
        fs::rename(".env", "moved").map_err(why("rename"))?;
        read(scene, "moved")
    }),
    ("read-dotenv-by-new-link", |scene| {
        fs::hard_link(".env", "linked").map_err(why("link"))?;
        read(scene, "linked")
    }),
    ("read-dotenv-by-renamed-folder", |scene| {
        fs::rename("packages/deep", "packages/moved").map_err(why("rename"))?;
        read(scene, "packages/moved/.env.local")
    }),
    ("read-dotenv-by-renamed-ancestor", |scene| {
        fs::rename("packages", "moved-packages").map_err(why("rename"))?;
        read(scene, "moved-packages/deep/.env.local")
    }),
    ("read-credentials-by-renamed-folder", |scene| {
        let moved = scene.aim.home.join("moved");
        fs::rename(scene.aim.home.join(".aws"), &moved).map_err(why("rename"))?;
        read(scene, moved.join("credentials"))
    }),
    ("read-dotenv-by-renamed-project", |scene| {
        let (project, moved) = (scene.aim.root.join("project"), scene.aim.root.join("moved-project"));
        read_by_renamed(scene, &project, &moved, ".env")
    }),
    ("read-credentials-by-renamed-home", |scene| {
        read_by_renamed(scene, &scene.aim.home, &scene.aim.root.join("moved-home"), ".aws/credentials")
    }),
    ("read-credentials-by-new-link", |scene| {
        symlink(scene.aim.home.join(".aws/credentials"), "linked-credentials").map_err(why("symlink"))?;
        let outcome = read(scene, "linked-credentials");
        fs::remove_file("linked-credentials").map_err(why("unlink"))?;
        outcome
    }),
    ("read-dotenv-replaced", |scene| read_after(Deed::Replace, scene)),
    ("read-dotenv-rewritten", |scene| read_after(Deed::Rewrite, scene)),
    ("read-made-by-host", |scene| read_after(Deed::Make, scene)),
    ("read-made-in-new-folder", |scene| read_after(Deed::MakeBelow, scene)),
    ("read-credentials-replaced", |scene| read_after(Deed::ReplaceCredentials, scene)),
    ("read-lock-file", |scene| read(scene, ".#env")),
    ("read-backup", |scene| read(scene, ".env.bak")),
    ("read-backup-of-editor", |scene| read(scene, ".env~")),
    ("read-swap-file", |scene| read(scene, ".env.swp")),
    ("read-autosave", |scene| read(scene, "#.env#")),
    ("read-dotenv-by-handle", |scene| read_descriptor(scene, open_by_handle(&mut handle_of(".env")?)?)),
    ("read-credentials", |scene| read(scene, scene.aim.home.join(".aws/credentials"))),
    ("read-credentials-in-directory", |scene| read(scene, scene.aim.home.join(".ssh/id_ed25519"))),
    ("read-credentials-by-handle", read_credentials_by_handle),
    ("read-own-state", |scene| read(scene, scene.aim.state.join("agentsecrets/canary"))),
    ("read-own-configuration", |scene| read(scene, scene.aim.config.join("agentsecrets/canary"))),
    ("read-host-tmp", |scene| read(scene, Path::new("/tmp").join(&scene.aim.canary))),
    ("read-host-run", |scene| read(scene, Path::new("/run").join(&scene.aim.canary))),
    ("read-host-shm", |scene| read(scene, Path::new("/dev/shm").join(&scene.aim.canary))),
    ("read-by-inherited-directory", |scene| read(scene, "/proc/self/fd/7/.env")),
    ("read-by-inherited-file", |scene| read_descriptor(scene, 7)),
    ("read-by-stdin-directory", |scene| read(scene, "/proc/self/fd/0/.env")),
    ("read-by-stdin-hidden-file", |scene| read_descriptor(scene, 0)),
    ("read-by-stdin-file", |scene| read_descriptor(scene, 0)),
    ("write-dotenv", |scene| append(".env", scene)),
    ("write-shell-start", |scene| append(scene.aim.home.join(".bashrc"), scene)),
    ("write-home", |scene| append(scene.aim.home.join("planted"), scene)),
    ("write-outside", |scene| append(scene.aim.root.join("planted"), scene)),
    ("write-by-stdin-file", |scene| append("/proc/self/fd/0", scene)),
    ("write-cron", |scene| append("/etc/cron.d/escape-planted", scene)),
    ("write-path-directory", |scene| append(scene.aim.home.join(".cache/bin/ls"), scene)),
    ("write-git-hook", |scene| append(".git/hooks/post-checkout", scene)),
    ("write-git-configuration", |scene| append(".git/config", scene)),
    ("write-hooks-elsewhere", |scene| append("tools/hooks/post-checkout", scene)),
    ("write-included-configuration", |scene| append("shared.gitconfig", scene)),
    ("replace-git", |scene| {
        fs::rename(".git", "old-git").map_err(why("rename"))?;
        append(".git/hooks/post-checkout", scene)
    }),
    ("replace-hooks-folder", |scene| {
        fs::rename("tools", "old-tools").map_err(why("rename"))?;
        append("tools/hooks/post-checkout", scene)
    }),
    ("plant-agent-servers", |scene| append(".mcp.json", scene)),
    ("plant-own-policy", |scene| append("agentsecrets.toml", scene)),
    ("plant-editor-task", |scene| append(".vscode/tasks.json", scene)),
    ("plant-shell-hook", |scene| append(".envrc", scene)),
    ("plant-commit-hook", |scene| append(".husky/pre-commit", scene)),
    ("plant-program-on-path", |scene| append("later/bin/ls", scene)),
    ("plant-helper-on-path", |scene| append("bin/git", scene)),
    ("replace-path-directory", |scene| {
        fs::rename("bin", "old-bin").map_err(why("rename"))?;
        append("bin/agentsecrets", scene)
    }),
    ("replace-path-ancestor", |scene| {
        fs::rename("node_modules", "old-node_modules").map_err(why("rename"))?;
        append("node_modules/.bin/op", scene)
    }),
    ("plant-shell-plugin", |scene| append(scene.aim.home.join(".cache/oh-my-zsh/completion.zsh"), scene)),
    ("plant-agent-program", |scene| append(scene.aim.home.join(".cache/copilot/pkg/index.js"), scene)),
    ("replace-own-program", |scene| replace("agentsecrets", scene)),
    ("replace-own-state", |scene| append(scene.aim.state.join("agentsecrets/planted"), scene)),
];

pub(super) fn read(scene: &Scene, path: impl AsRef<Path>) -> Outcome {
    scene.aim.verdict(&fs::read(path).map_err(why("read"))?)
}

/// Gives the folder another name, reads, and gives it the old one again: what is there is found by others too.
fn read_by_renamed(scene: &Scene, folder: &Path, moved: &Path, path: &str) -> Outcome {
    fs::rename(folder, moved).map_err(why("rename"))?;
    let outcome = read(scene, moved.join(path));
    fs::rename(moved, folder).map_err(why("rename back"))?;
    outcome
}

fn read_descriptor(scene: &Scene, number: i32) -> Outcome {
    let mut file = File::from(inherited(number).map_err(why("take"))?);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(why("read"))?;
    scene.aim.verdict(&bytes)
}

/// `AT_FDCWD`.
const HERE: i64 = libc::AT_FDCWD as i64;

/// The handle of `path` (`name_to_handle_at(2)`): its length, its type, its bytes.
pub fn handle_of(path: &str) -> Result<Page, String> {
    let (mut handle, mut mount): (Page, Page) = ([0; 4096], [0; 4096]);
    handle[..4].copy_from_slice(&128_u32.to_ne_bytes());
    let path = terminated(path)?;
    let arguments =
        vec![number(HERE), Argument::Text(&path), Argument::Page(&mut handle), Argument::Page(&mut mount), number(0)];
    call(libc::SYS_name_to_handle_at, arguments).map_err(why("name_to_handle_at"))?;
    Ok(handle)
}

/// What the handle stands for, seen through the mount of the project.
fn open_by_handle(handle: &mut Page) -> Result<i32, String> {
    let project = File::open(".").map_err(why("open"))?;
    let arguments = vec![number(project.as_raw_fd()), Argument::Page(handle), number(0)];
    let opened = call(libc::SYS_open_by_handle_at, arguments).map_err(why("open_by_handle_at"))?;
    i32::try_from(opened).map_err(why("open_by_handle_at"))
}

/// The root of the file system by its handle: from there the home is walked to on a mount that nothing is hidden on.
fn read_credentials_by_handle(scene: &Scene) -> Outcome {
    let root = PathBuf::from(format!("/proc/self/fd/{}", open_by_handle(&mut handle_of("/")?)?));
    let credentials = scene.aim.home.join(".aws/credentials");
    read(scene, root.join(credentials.strip_prefix("/").map_err(why("home"))?))
}

pub(super) fn append(path: impl AsRef<Path>, scene: &Scene) -> Outcome {
    let path = path.as_ref();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(why("mkdir"))?;
    }
    let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(why("open"))?;
    writeln!(file, "{}", scene.mark).map_err(why("write"))?;
    Ok(format!("wrote to {}", path.display()))
}

fn replace(path: &str, scene: &Scene) -> Outcome {
    fs::write("replacement", scene.mark).map_err(why("write"))?;
    fs::rename("replacement", path).map_err(why("rename"))?;
    Ok(format!("replaced {path}"))
}
