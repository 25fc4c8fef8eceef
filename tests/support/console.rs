//! A terminal without a user: the test holds its master, reads what is shown and types. The program leads a session on it,
//! or only has it as its standard streams.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use agentsecrets::sys::terminal::{Size, set_size};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;

use super::deadline::{PATIENCE, Watched, poll};
use super::run::{Run, World};

/// How the program stands to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    /// It is the controlling terminal of the program's session.
    Leader,
    /// The program's session has no controlling terminal.
    Without,
}

/// Leads the session for as long as the test wants it: a terminal whose session has ended gets settings of the kernel's.
const LEADER: &str = "trap : INT QUIT; eval \"$LINE\"; echo \"ended: $?.\"; read line";

/// A program at a terminal. Dropping it ends the session.
pub(crate) struct Console {
    world: World,
    master: Option<File>,
    leader: Child,
    shown: Arc<Watched<(Vec<u8>, bool)>>,
    before: Termios,
}

impl Console {
    /// Starts what `run` describes, as the `$W` of a line of shell whose streams are the terminal.
    pub(crate) fn start(run: Run, session: Session, line: &str) -> Self {
        Self::start_slow(run, session, line, Duration::ZERO)
    }

    /// The same; what is shown is read in pieces of one page, with a rest of this length after each.
    pub(crate) fn start_slow(run: Run, session: Session, line: &str, rest: Duration) -> Self {
        let pair = nix::pty::openpty(None, None).unwrap();
        set_size(&pair.master, Size { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let before = tcgetattr(&pair.slave).unwrap();
        let (program, world) = run.into_parts();
        let quote = |word: &OsStr| format!(" '{}'", word.to_str().unwrap().replace('\'', "'\\''"));
        let words = [program.get_program()].into_iter().chain(program.get_args()).map(quote).collect::<String>();
        let (script, number) = (world.root().join("program"), world.root().join("number"));
        fs::write(&script, format!("#!/bin/sh\necho $$ >'{}'\nexec{words}\n", number.display())).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("/usr/bin/setsid");
        if session == Session::Leader {
            command.arg("--ctty");
        }
        command.args(["/bin/sh", "-c", LEADER]).env_clear();
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("W", script).env("LINE", line).current_dir(world.project());
        let stream = || Stdio::from(pair.slave.try_clone().unwrap());
        let leader = command.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap();
        // The command holds handles on the terminal.
        drop((command, pair.slave));
        let master = File::from(pair.master);
        let shown: Arc<Watched<(Vec<u8>, bool)>> = Arc::default();
        let (shared, mut source) = (Arc::clone(&shown), master.try_clone().unwrap());
        thread::spawn(move || {
            let mut buffer = vec![0; 4 << 10];
            // The end is an error, EIO, when nobody has the terminal open any more.
            while let Ok(length @ 1..) = source.read(&mut buffer) {
                shared.change(|shown| shown.0.extend_from_slice(&buffer[..length]));
                thread::sleep(rest);
            }
            shared.change(|shown| shown.1 = true);
        });
        Self { world, master: Some(master), leader, shown, before }
    }

    /// The program's process.
    pub(crate) fn pid(&self) -> Pid {
        let file = self.world.root().join("number");
        Pid::from_raw(poll("the program's number", || fs::read_to_string(&file).ok()?.trim().parse().ok()))
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.world.project()
    }

    pub(crate) fn shown(&self) -> Vec<u8> {
        self.shown.change(|shown| shown.0.clone())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown()).into_owned()
    }

    pub(crate) fn wait_for(&self, text: &str) -> &Self {
        self.wait_until(&format!("`{text}`"), |shown| memchr::memmem::find(shown, text.as_bytes()).is_some());
        self
    }

    pub(crate) fn wait_until(&self, what: &str, look: impl Fn(&[u8]) -> bool) {
        let found = self.shown.wait(PATIENCE, |(shown, ended)| {
            let is_there = look(shown);
            (is_there || *ended).then_some(is_there)
        });
        assert!(found == Some(true), "never saw {what}:\n{}", self.text());
    }

    /// Types; returns when the terminal has taken it.
    pub(crate) fn write(&self, bytes: &[u8]) -> &Self {
        self.master.as_ref().unwrap().write_all(bytes).unwrap();
        self
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) -> &Self {
        let size = Size { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        set_size(self.master.as_ref().unwrap(), size).unwrap();
        self
    }

    pub(crate) fn signal(&self, signal: Signal) -> &Self {
        kill(self.pid(), signal).unwrap();
        self
    }

    /// Whether the settings are those that the terminal had at first.
    pub(crate) fn is_as_before(&self) -> bool {
        // Asked of the master, Linux tells the settings of the slave.
        tcgetattr(self.master.as_ref().unwrap().as_fd()).unwrap() == self.before
    }

    /// Waits until the settings are those that the terminal had at first, or are others.
    pub(crate) fn wait_for_settings(&self, as_before: bool) -> &Self {
        poll("the terminal's settings", || (self.is_as_before() == as_before).then_some(()));
        self
    }

    /// Waits for the end of the program; its status as the shell has it.
    pub(crate) fn wait(&self) -> i32 {
        self.wait_until("the end of the program", |shown| status(shown).is_some());
        status(&self.shown()).unwrap()
    }

    /// Waits for the end of the program; its status, and all that was shown until then. The settings must be as before.
    pub(crate) fn finish(self) -> (i32, String) {
        let status = self.wait();
        assert!(self.is_as_before(), "the terminal's settings are not as before:\n{}", self.text());
        let text = self.text();
        (status, text[..text.rfind("ended: ").unwrap()].to_owned())
    }

    /// Ends the session and waits until nobody has the terminal open any more.
    pub(crate) fn close(&mut self) {
        self.leader.kill().unwrap();
        self.leader.wait().unwrap();
        let left = self.shown.wait(PATIENCE, |(_, ended)| ended.then_some(()));
        assert!(left.is_some(), "somebody still has the terminal open:\n{}", self.text());
    }
}

fn status(shown: &[u8]) -> Option<i32> {
    let text = String::from_utf8_lossy(shown);
    let (_, rest) = text.rsplit_once("ended: ")?;
    rest.split_once('.')?.0.parse().ok()
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.leader.kill();
        let _ = self.leader.wait();
    }
}
