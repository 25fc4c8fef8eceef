//! The builder of one run of the program: own home, project, temporary folder and XDG folders, a clean environment, and
//! the leak check at its end.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::finished::Finished;
use super::leak::Needle;
use super::place::{self, User};
use super::running::Running;
use super::snapshot::Snapshot;
use super::upstream::Upstream;

/// The folders of one run, all below one root.
#[derive(Debug)]
pub(crate) struct World {
    root: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { root: place::folder("run") };
        for folder in [world.home(), world.project(), world.temporary(), world.state(), world.config()] {
            fs::create_dir_all(folder).unwrap();
        }
        // A project is the root of a repository: nothing looks for its parents' files above it.
        for folder in ["objects", "refs"] {
            fs::create_dir_all(world.project().join(".git").join(folder)).unwrap();
        }
        fs::write(world.project().join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        fs::write(world.project().join(".git/config"), "[core]\n\trepositoryformatversion = 0\n").unwrap();
        world
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.root().join("project")
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        self.root().join("temporary")
    }

    /// `XDG_STATE_HOME`; the program's own folder is `agentsecrets` in it.
    pub(crate) fn state(&self) -> PathBuf {
        self.root().join("state")
    }

    /// `XDG_CONFIG_HOME`.
    pub(crate) fn config(&self) -> PathBuf {
        self.root().join("config")
    }

    /// Where the child's environment is written down, inside the project.
    pub(crate) fn environment_dump(&self) -> PathBuf {
        self.project().join(".environment-of-the-child")
    }
}

/// One run, as it is being described.
#[derive(Debug)]
pub(crate) struct Run {
    world: World,
    verb: Vec<OsString>,
    flags: Vec<OsString>,
    command: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    needles: Vec<Needle>,
    user: User,
    input: Option<Vec<u8>>,
    stderr: Option<fs::File>,
    directory: Option<PathBuf>,
    observed: bool,
    program: PathBuf,
}

impl Run {
    /// `agentsecrets run`, in a fresh world.
    pub(crate) fn new() -> Self {
        let world = World::new();
        let mut environment = BTreeMap::new();
        let mut set = |name: &str, value: &OsStr| environment.insert(OsString::from(name), value.to_owned());
        set("PATH", OsStr::new("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
        set("LANG", OsStr::new("C.UTF-8"));
        set("HOME", world.home().as_os_str());
        set("XDG_STATE_HOME", world.state().as_os_str());
        set("XDG_CONFIG_HOME", world.config().as_os_str());
        Self {
            world,
            verb: vec!["run".into()],
            flags: Vec::new(),
            command: Vec::new(),
            environment,
            needles: Vec::new(),
            user: User::Tester,
            input: None,
            stderr: None,
            directory: None,
            observed: true,
            program: place::agentsecrets().to_owned(),
        }
    }

    /// Another command of the program than `run`; its child, if it has one, is not observed.
    pub(crate) fn verb<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.verb = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self.observed = false;
        self
    }

    /// The same at a level of isolation.
    pub(crate) fn at(level: &str) -> Self {
        Self::new().flags(["--isolation", level])
    }

    /// A variable that holds a real value, which must show nowhere.
    pub(crate) fn secret(self, name: &str, value: &str) -> Self {
        self.declare(name, value).variable(name, value)
    }

    /// A real value that the test puts somewhere itself, and that must show nowhere else.
    pub(crate) fn declare(mut self, name: &str, value: &str) -> Self {
        self.needles.push(Needle::new(name, value.as_bytes()));
        self
    }

    /// A variable of no secrecy.
    pub(crate) fn variable(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// The project's `.env`.
    pub(crate) fn dotenv(self, text: &str) -> Self {
        self.project_file(".env", text)
    }

    pub(crate) fn project_file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        write(&self.world.project().join(path), content.as_ref());
        self
    }

    pub(crate) fn home_file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        write(&self.world.home().join(path), content.as_ref());
        self
    }

    /// A file of the program's own configuration.
    pub(crate) fn config_file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        write(&self.world.config().join("agentsecrets").join(path), content.as_ref());
        self
    }

    /// The hosts that the upstream stands for are dialled there, on 443 and 80, and its authority is trusted.
    pub(crate) fn upstream(self, upstream: &Upstream) -> Self {
        self.reaching(upstream).flag("--upstream-ca").flag(upstream.authority())
    }

    /// The same, but nobody vouches for it.
    pub(crate) fn reaching(mut self, upstream: &Upstream) -> Self {
        for host in upstream.hosts() {
            for (port, address) in [(443, upstream.address()), (80, upstream.plain_address())] {
                self = self.flags(["--connect-to", &format!("{host}:{port}:127.0.0.1:{}", address.port())]);
            }
        }
        self
    }

    pub(crate) fn flag(mut self, flag: impl AsRef<OsStr>) -> Self {
        self.flags.push(flag.as_ref().to_owned());
        self
    }

    pub(crate) fn flags<S: AsRef<OsStr>>(mut self, flags: impl IntoIterator<Item = S>) -> Self {
        self.flags.extend(flags.into_iter().map(|flag| flag.as_ref().to_owned()));
        self
    }

    /// The flags, as a shell script would write them.
    pub(crate) fn flags_as_shell_words(&self) -> String {
        let words = self.flags.iter().map(|flag| format!("'{}'", flag.to_str().unwrap().replace('\'', "'\\''")));
        words.collect::<Vec<_>>().join(" ")
    }

    /// The command that is run, after `--`.
    pub(crate) fn args<S: AsRef<OsStr>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.command = command.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// A shell script as the command.
    pub(crate) fn shell(self, script: &str) -> Self {
        self.args(["/bin/sh", "-c", script])
    }

    pub(crate) fn user(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// The world's own folder for temporary files, so that what stays there is seen.
    pub(crate) fn own_temporary_folder(self) -> Self {
        let folder = self.world.temporary();
        self.variable("TMPDIR", folder)
    }

    /// Where stderr goes instead of being captured.
    pub(crate) fn stderr(mut self, file: fs::File) -> Self {
        self.stderr = Some(file);
        self
    }

    /// Started from here instead of from the project.
    pub(crate) fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.directory = Some(path.into());
        self
    }

    /// Starts the command itself, without the program that writes its environment down first: for commands that do not
    /// exist, and where the exact environment or process matters.
    pub(crate) fn unobserved(mut self) -> Self {
        self.observed = false;
        self
    }

    /// Another build of the program.
    pub(crate) fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// A shell script in place of the program: what the checks of this harness are checked with.
    pub(crate) fn stand_in(mut self, script: &str) -> Self {
        self.program = self.world.root().join("stand-in");
        write(&self.program, format!("#!/bin/sh\n{script}\n").as_bytes());
        fs::set_permissions(&self.program, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// Starts it and waits for its end.
    pub(crate) fn run(self) -> Finished {
        self.start().finish()
    }

    /// Starts it.
    pub(crate) fn start(self) -> Running {
        place::give(self.world.root(), self.user);
        let before = Snapshot::of(self.world.root());
        let mut command = self.command_line();
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let dump = self.observed.then(|| self.world.environment_dump());
        Running::new(child, self.input, self.world, before, self.needles, dump)
    }

    /// What would be started, and its world, which ends with the value.
    pub(crate) fn into_parts(self) -> (Command, World) {
        place::give(self.world.root(), self.user);
        (self.command_line(), self.world)
    }

    pub(crate) fn flags_given(&self) -> &[OsString] {
        &self.flags
    }

    pub(crate) fn environment_given(&self) -> &BTreeMap<OsString, OsString> {
        &self.environment
    }

    /// What starts it, for a measurement that waits for it itself.
    pub(crate) fn command_line(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.verb).args(&self.flags);
        if !self.command.is_empty() {
            command.arg("--");
        }
        if self.observed {
            command.arg(place::probe()).arg("environment").arg(self.world.environment_dump()).arg("--");
        }
        command.args(&self.command).env_clear().envs(&self.environment);
        command.current_dir(self.directory.clone().unwrap_or_else(|| self.world.project()));
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped());
        command.stderr(self.stderr.as_ref().map_or_else(Stdio::piped, |file| file.try_clone().unwrap().into()));
        command.process_group(0);
        if let Some(id) = self.user.id() {
            command.uid(id).gid(id);
        }
        command
    }
}

fn write(path: &Path, content: &[u8]) {
    assert!(!path.as_os_str().as_bytes().contains(&0));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
