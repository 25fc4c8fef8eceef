//! A user at a terminal: tmux with a shell that has job control, keys sent to it and its screen read. Every wait is for
//! named text, and bounded.
//!
//! `W` before a command is the run, or nothing: what is typed is the same bare and wrapped.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use super::apart;
use super::deadline::{PATIENCE, poll};
use super::place::{self, User};
use super::requirement::met;
use super::run::Run;
use super::upstream::Upstream;

/// Whether the commands that are typed are runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Bare,
    Wrapped,
    /// At the level `guarded`.
    Guarded,
}

/// Without us and sealed, for tests that hold in either.
pub(crate) const WAYS: [Way; 2] = [Way::Bare, Way::Wrapped];

/// The same and guarded.
pub(crate) const EVERY_WAY: [Way; 3] = [Way::Bare, Way::Wrapped, Way::Guarded];

/// One terminal with one shell. Dropping it ends both.
pub(crate) struct Tmux {
    run: Run,
    way: Way,
    user: User,
}

/// What the shell shows when it waits for a line; the screen is read without spaces at the ends of lines.
const PROMPT: &str = "ready>";

/// Lines for the shell so far, in all sessions.
static LINES: AtomicU32 = AtomicU32::new(0);

impl Tmux {
    /// Whether tmux and `programs` are there; says so in the list of what was skipped where they are not.
    pub(crate) fn has(programs: &[&str]) -> bool {
        let is_there =
            |name: &&&str| ["/usr/bin", "/bin"].iter().any(|folder| PathBuf::from(folder).join(name).exists());
        let all = ["tmux"].iter().chain(programs);
        let missing: Vec<&str> = all.filter(|name| !is_there(name)).copied().collect();
        met("tmux", (!missing.is_empty()).then(|| format!("not installed: {}", missing.join(", "))).as_deref())
    }

    /// A shell in the project of a fresh world, on a screen of 80 by 24.
    pub(crate) fn start(way: Way) -> Self {
        Self::start_in(Run::new(), way, User::Tester)
    }

    /// The same in the world of `run`, with its environment and its flags for what is wrapped.
    pub(crate) fn start_in(run: Run, way: Way, user: User) -> Self {
        Self::start_with(run, way, user, "")
    }

    /// The same beside the upstream of `run`: bare commands have no network but this.
    pub(crate) fn start_beside(run: Run, upstream: &Upstream, way: Way, user: User) -> Self {
        match way {
            Way::Wrapped | Way::Guarded => Self::start_in(run, way, user),
            Way::Bare => {
                let trust = |run: Run, name| run.variable(name, upstream.authority());
                let apart = apart::words(run.world().root(), upstream);
                let run = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"].into_iter().fold(run, trust);
                Self::start_with(run, way, user, &apart)
            }
        }
    }

    /// `before` stands before the command of the shell.
    fn start_with(run: Run, way: Way, user: User, before: &str) -> Self {
        let wrapper = match way {
            Way::Bare => String::new(),
            Way::Wrapped | Way::Guarded => {
                let level = if way == Way::Guarded { "--isolation guarded " } else { "" };
                let flags = run.flags_given().iter().map(|flag| format!("'{}' ", flag.to_str().unwrap()));
                format!("'{}' run --quiet {level}{}--", place::agentsecrets().display(), flags.collect::<String>())
            }
        };
        let start = format!("PS1='{PROMPT} '; unset PROMPT_COMMAND HISTFILE; alias W=\"{wrapper} \"\n");
        fs::write(run.world().root().join("start"), start).unwrap();
        place::give(run.world().root(), user);
        let tmux = Self { run, way, user };
        let start = tmux.run.world().root().join("start");
        let shell = format!("exec {before} /bin/bash --noprofile --rcfile '{}'", start.display());
        tmux.tell(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", &shell]);
        tmux.wait_for(PROMPT);
        tmux
    }

    pub(crate) fn run(&self) -> &Run {
        &self.run
    }

    /// Sends keys by tmux's names for them: `C-c`, `Enter`, or text.
    pub(crate) fn keys(&self, keys: &[&str]) -> &Self {
        self.tell(&[&["send-keys"], keys].concat());
        self
    }

    /// Waits for the shell's prompt and types a line for it: what is typed before belongs to the program in front.
    pub(crate) fn command(&self, text: &str) -> &Self {
        self.wait("the prompt", |screen| screen.trim_end().ends_with(PROMPT));
        self.line(text)
    }

    /// Waits until the shell, whose screen was cleared, has brought the job that it calls `text` to the front: what is typed
    /// while a shell still edits a line has the form that shells read.
    pub(crate) fn wait_for_front(&self, text: &str) -> &Self {
        // A long line goes on in the next one.
        let has = |screen: &str, text: &str| screen.replace('\n', "").contains(text);
        let has_prompt =
            |screen: &str| screen.lines().any(|line| line.starts_with(PROMPT) || line.starts_with("inside>"));
        self.wait(&format!("`{text}` in front"), |screen| has(screen, text) && !has_prompt(screen));
        self
    }

    /// Types a line.
    pub(crate) fn line(&self, text: &str) -> &Self {
        self.tell(&["send-keys", "-l", text]);
        self.keys(&["Enter"])
    }

    /// Types a line for the shell and waits until its status is shown, which must be `status`.
    pub(crate) fn shell(&self, line: &str, status: i32) -> &Self {
        // What the last line ended with may still be on the screen.
        let number = LINES.fetch_add(1, Ordering::Relaxed);
        self.command(&format!("clear; {line}; echo \"status of {number}:\" $?"));
        self.wait_for(&format!("status of {number}: {status}\n"))
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) -> &Self {
        self.tell(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
        self
    }

    /// The lines of the screen, without what is empty at their ends and below them.
    pub(crate) fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tell(&["capture-pane", "-p"]).stdout).into_owned()
    }

    pub(crate) fn wait_for(&self, text: &str) -> &Self {
        self.wait(&format!("`{text}`"), |screen| screen.contains(text));
        self
    }

    /// Waits until one line of the screen is `text`.
    pub(crate) fn wait_for_line(&self, text: &str) -> &Self {
        self.wait(&format!("the line `{text}`"), |screen| screen.lines().any(|line| line == text));
        self
    }

    /// Waits until the screen is as `look` wants it; the failure shows what it was.
    pub(crate) fn wait(&self, what: &str, look: impl Fn(&str) -> bool) {
        let end = std::time::Instant::now() + PATIENCE;
        poll(what, || {
            let screen = self.screen();
            let is_there = look(&screen);
            assert!(is_there || std::time::Instant::now() < end, "{:?}: never saw {what}:\n{screen}", self.way);
            is_there.then_some(())
        });
    }

    /// Closes the user's window.
    pub(crate) fn close(&self) {
        self.tell(&["kill-server"]);
    }

    fn tell(&self, words: &[&str]) -> Output {
        let mut command = Command::new("/usr/bin/tmux");
        command.arg("-S").arg(self.run.world().root().join("tmux")).args(words);
        command.env_clear().envs(self.environment()).current_dir(self.run.world().project());
        if let Some(id) = self.user.id() {
            std::os::unix::process::CommandExt::gid(&mut command, id);
            std::os::unix::process::CommandExt::uid(&mut command, id);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    fn environment(&self) -> Vec<(OsString, OsString)> {
        let given = self.run.environment_given().iter().map(|(name, value)| (name.clone(), value.clone()));
        given.chain([("TERM".into(), "screen".into()), ("SHELL".into(), "/bin/sh".into())]).collect()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let socket = self.run.world().root().join("tmux");
        // A server whose shell has ended is gone already.
        let _ = Command::new("/usr/bin/tmux").arg("-S").arg(socket).arg("kill-server").output();
    }
}
