//! What shells run because a file that they obey names it: no shell of the user's runs what a command has put there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::Run;
use crate::support::place::users;

/// What a row is called, what of the home names it, what of the project's `.envrc` does, where it stands (`@` is the
/// project), and whether it is there when the run begins.
struct Row {
    name: &'static str,
    bashrc: &'static str,
    envrc: &'static str,
    place: &'static str,
    is_there: bool,
}

const ROWS: [Row; 8] = [
    row("a cache that is read", ". ~/.cache/wal/colors.sh", "", "~/.cache/wal/colors.sh", true),
    row("one that is missing", "[ -f ~/.cache/wal/c.sh ] && . ~/.cache/wal/c.sh", "", "~/.cache/wal/c.sh", false),
    row("one that is evaluated", "eval \"$(cat $HOME/.cache/x.sh)\"", "", "~/.cache/x.sh", true),
    row("one that is fed", "source <(cat ~/.cache/y.sh)", "", "~/.cache/y.sh", true),
    row("a file of the project", ". @/env.sh", "", "@/env.sh", true),
    row("a script of .envrc", "", "source ./scripts/x.sh", "@/scripts/x.sh", true),
    row("a missing one", "", "[ ! -e .envrc.local ] || . ./.envrc.local", "@/.envrc.local", false),
    row("a script of its script", "", ". ./one", "@/two", true),
];

const fn row(
    name: &'static str,
    bashrc: &'static str,
    envrc: &'static str,
    place: &'static str,
    is_there: bool,
) -> Row {
    Row { name, bashrc, envrc, place, is_there }
}

impl Row {
    fn prepared(&self, run: Run) -> Run {
        let project = run.world().project();
        let bashrc = self.bashrc.replace('@', project.to_str().unwrap());
        let run = run.unobserved().home_file(".bashrc", format!("{bashrc}\n")).home_file(".cache/kept", "");
        let run = run.project_file(".envrc", format!("{}\n", self.envrc)).project_file("one", ". ./two\n");
        match (self.place.strip_prefix("~/"), self.place.strip_prefix("@/")) {
            _ if !self.is_there => run,
            (Some(below), _) => run.home_file(below, "true\n"),
            (_, below) => run.project_file(below.unwrap(), "true\n"),
        }
    }

    fn path(&self, home: &Path, project: &Path) -> PathBuf {
        match self.place.strip_prefix("~/") {
            Some(below) => home.join(below),
            None => project.join(&self.place["@/".len()..]),
        }
    }

    /// What a command does that wants its program run.
    fn attack(&self, home: &Path, project: &Path) -> String {
        let path = self.path(home, project);
        let (path, folder) = (path.display(), path.parent().unwrap().display());
        format!("mkdir -p {folder}; echo \"$EVIL\" >{path} || {{ rm -f {path}; echo \"$EVIL\" >{path}; }}; true")
    }
}

/// Outside, a shell starts in the project and enters it, as direnv(1) would.
fn host(home: &Path, project: &Path, script: &str, evil: &str) -> Output {
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(script).current_dir(project).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home);
    shell.env("EVIL", evil).output().unwrap()
}

const START: &str = ". ~/.bashrc; . ./.envrc; true";

/// A program that touches a file outside of the project, and that file.
fn evil(run: &Run) -> (PathBuf, String) {
    let mark = run.world().root().join("mark-of-the-program");
    (mark.clone(), format!("touch {}", mark.display()))
}

#[test]
fn without_a_run_each_is_started() {
    for row in &ROWS {
        let run = row.prepared(Run::new());
        let (mark, evil) = evil(&run);
        let (home, project) = (run.world().home(), run.world().project());
        let attack = host(&home, &project, &row.attack(&home, &project), &evil);
        assert!(attack.status.success() && !mark.exists(), "{}: {attack:?}", row.name);
        let started = host(&home, &project, START, "");
        assert!(mark.exists(), "{}: {started:?}", row.name);
    }
}

#[test]
fn what_shells_run_is_read_only_or_set_aside() {
    for user in users() {
        for row in &ROWS {
            let run = row.prepared(Run::new().user(*user));
            let (mark, evil) = evil(&run);
            let (home, project) = (run.world().home(), run.world().project());
            let finished = run.variable("EVIL", &evil).shell(&row.attack(&home, &project)).run().succeeded();
            let started = host(&home, &project, START, "");
            assert!(!mark.exists(), "{}: {started:?}\n{}", row.name, finished.stderr());
            assert!(row.path(&home, &project).exists() == row.is_there, "{}: {}", row.name, finished.stderr());
        }
    }
}
