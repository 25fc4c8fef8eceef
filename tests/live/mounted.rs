//! A project that is mounted a second time.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::{end, replace, says, told};
use crate::support::{Run, fresh_key, requirement};

/// A second mount, which goes with it.
struct Second(PathBuf);

impl Second {
    fn of(directory: &Path, at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        mount(Some(directory), at, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        Self(at.to_owned())
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        umount2(&self.0, MntFlags::MNT_DETACH).unwrap();
    }
}

/// Only root can mount.
fn can_mount() -> bool {
    let root = nix::unistd::geteuid().is_root();
    requirement::met("root", (!root).then_some("a second mount takes a mount"))
}

#[test]
fn a_second_mount_shows_the_masks_too() {
    if !can_mount() {
        return;
    }
    let [known, new] = [fresh_key("sk-proj-"), fresh_key("sk_live_")];
    let run = Run::new().secret("OPENAI_API_KEY", &known).declare("STRIPE_API_KEY", &new);
    let run = run.project_file("sub/notes", format!("key {known}\n")).dotenv(&format!("OPENAI_API_KEY={known}\n"));
    let (project, home) = (run.world().project(), run.world().home());
    let _second = Second::of(&project, &home.join("second"));
    let mut running = told(run);
    let shown = |running: &mut _, name: &str| says(running, &format!("cat {name} ~/second/{name}"));
    let placeholder = says(&mut running, "echo $OPENAI_API_KEY");
    assert_eq!(shown(&mut running, "sub/notes"), format!("key {placeholder}").repeat(2));
    let old = shown(&mut running, ".env");
    // Whichever of the two paths the kernel tells of, the other shows the file as well.
    replace(&project.join(".env"), &format!("OPENAI_API_KEY={new}\n"));
    running.wait_for_error("/.env was replaced and is masked");
    assert_eq!(shown(&mut running, ".env"), old);
    fs::write(project.join("sub/.env"), format!("STRIPE_API_KEY={new}\n")).unwrap();
    running.wait_for_error("/sub/.env appeared and is masked");
    assert_eq!(shown(&mut running, "sub/.env").matches("STRIPE_API_KEY=sk_live_").count(), 2);
    fs::write(project.join("sub/copy"), &known).unwrap();
    running.wait_for_error("/sub/copy holds a known value");
    assert_eq!(shown(&mut running, "sub/copy").matches(placeholder.trim()).count(), 2);
    end(running, &[".env", "sub/.env", "sub/copy"]);
}

#[test]
fn a_hidden_directory_that_is_the_project_is_refused_with_the_reason() {
    if !can_mount() {
        return;
    }
    let run = Run::new();
    let _second = Second::of(&run.world().project(), &run.world().home().join(".ssh"));
    let finished = run.shell("true").run().ended_with(125);
    assert!(finished.stderr().contains("is a second mount of one"), "{}", finished.stderr());
}
