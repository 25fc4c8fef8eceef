//! Where tests put things: below one folder that every local user may enter, and the users that runs are started as.
//!
//! **Invariants.** Nothing is put into the machine's shared temporary folders, which the seal hides; what a test makes
//! ends with the test.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::unistd::{Uid, geteuid};
use tempfile::TempDir;

/// Ids that no account of the machine uses: the tests' own ordinary users.
const ORDINARY: u32 = 60_177;
const STRANGER: u32 = 60_178;

/// Who starts a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// Whoever runs the tests.
    Tester,
    /// A user without any privilege.
    Ordinary,
    /// Another one, for what must be refused to strangers.
    Stranger,
}

impl User {
    /// The id to change to; `None` where nothing changes.
    pub(crate) fn id(self) -> Option<u32> {
        match self {
            Self::Tester => None,
            Self::Ordinary => geteuid().is_root().then_some(ORDINARY),
            Self::Stranger => geteuid().is_root().then_some(STRANGER),
        }
    }

    /// The id that the run has.
    pub(crate) fn effective(self) -> u32 {
        self.id().unwrap_or(geteuid().as_raw())
    }
}

/// Every kind of user that this machine can start a run as: root and an ordinary user, or the tester alone.
pub(crate) fn users() -> &'static [User] {
    if geteuid().is_root() { &[User::Tester, User::Ordinary] } else { &[User::Tester] }
}

/// The folder below which all work is done: `AGENTSECRETS_TEST_PLACE`, or `.cache` of the checkout.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache");
        let root = std::env::var_os("AGENTSECRETS_TEST_PLACE").map_or_else(default, PathBuf::from);
        for folder in [root.clone(), root.join("runs"), root.join("bin")] {
            fs::create_dir_all(&folder).unwrap();
            fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        }
        let closed = root.ancestors().find(|folder| folder.metadata().unwrap().mode() & 0o001 == 0);
        if let Some(folder) = closed.filter(|_| geteuid().is_root()) {
            panic!("{}: other users cannot enter; name an open folder in AGENTSECRETS_TEST_PLACE", folder.display());
        }
        root.canonicalize().unwrap()
    })
}

/// A fresh folder that other users may enter; it ends with the value.
pub(crate) fn folder(purpose: &str) -> TempDir {
    let folder = tempfile::Builder::new().prefix(&format!("{purpose}-")).tempdir_in(root().join("runs")).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

/// The folder with the installed clients.
pub(crate) fn clients() -> PathBuf {
    root().join("clients")
}

/// The built `agentsecrets`, where every user can execute it.
pub(crate) fn agentsecrets() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| published(Path::new(env!("CARGO_BIN_EXE_agentsecrets"))))
}

/// The helper program of the tests (`tests/support/probe.rs`).
pub(crate) fn probe() -> &'static Path {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    PROBE.get_or_init(|| example("probe", &[]))
}

/// Has cargo build an example of this project, beside the test binary and with the same profile.
pub(crate) fn example(name: &str, features: &[&str]) -> PathBuf {
    let mut profile = std::env::current_exe().unwrap();
    while profile.file_name().is_some_and(|name| name != "deps") {
        assert!(profile.pop(), "the test binary stands outside cargo's target folder");
    }
    profile.pop();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = std::process::Command::new(cargo);
    build.args(["build", "--quiet", "--offline", "--example", name, "--features", &features.join(",")]);
    build.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", profile.parent().unwrap());
    if profile.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success(), "the example `{name}` does not build");
    published(&profile.join("examples").join(name))
}

/// The program itself where every user can reach it, or a link of it below [`root`].
pub(crate) fn published(program: &Path) -> PathBuf {
    let program = program.canonicalize().unwrap();
    if program.ancestors().all(|step| step.metadata().unwrap().mode() & 0o001 != 0) {
        return program;
    }
    let facts = program.metadata().unwrap();
    let name = format!("{}-{}-{}", program.file_name().unwrap().to_str().unwrap(), facts.ino(), facts.mtime_nsec());
    let place = root().join("bin").join(name);
    if !place.exists() && fs::hard_link(&program, &place).is_err() {
        let copy = tempfile::NamedTempFile::new_in(root().join("bin")).unwrap();
        fs::copy(&program, copy.path()).unwrap();
        fs::set_permissions(copy.path(), Permissions::from_mode(0o755)).unwrap();
        copy.into_temp_path().persist(&place).unwrap();
    }
    place
}

/// Gives a folder and all in it to a user.
pub(crate) fn give(folder: &Path, user: User) {
    let Some(id) = user.id() else { return };
    let owner = Some(Uid::from_raw(id));
    nix::unistd::chown(folder, owner, Some(nix::unistd::Gid::from_raw(id))).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            give(&entry.path(), user);
        } else {
            std::os::unix::fs::lchown(entry.path(), Some(id), Some(id)).unwrap();
        }
    }
}
