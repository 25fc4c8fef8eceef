//! The user's terminal after every kind of end, and the child's when the user's is gone.

use nix::sys::signal::Signal;

use super::LEVELS;
use crate::support::Run;
use crate::support::console::{Console, Session};
use crate::support::deadline::poll;
use crate::support::place::User;
use crate::support::tmux::{Tmux, Way};

/// Each session at each level.
fn places() -> impl Iterator<Item = (Session, &'static str)> {
    [Session::Leader, Session::Without].into_iter().flat_map(|session| LEVELS.map(|level| (session, level)))
}

fn waiting(session: Session, level: &str) -> Console {
    let run = Run::at(level).unobserved().flag("--quiet").shell("echo up; read x; exit 5");
    let console = Console::start(run, session, "\"$W\"");
    console.wait_for("up\r\n").wait_for_settings(false);
    console
}

#[test]
fn the_settings_are_as_before_after_every_end() {
    for (session, level) in places() {
        let console = waiting(session, level);
        console.write(b"go\n");
        assert_eq!(console.finish().0, 5, "{session:?} {level}");
        for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
            let console = waiting(session, level);
            console.signal(signal);
            assert_eq!(console.finish().0, 128 + signal as i32, "{session:?} {level}");
        }
        // Settings of the child's own stay inside.
        let run = Run::at(level).unobserved().flag("--quiet").shell("stty raw -echo rows 7; kill -KILL $$");
        assert_eq!(Console::start(run, session, "\"$W\"").finish().0, 137, "{session:?} {level}");
        let run = Run::at(level).unobserved().flag("--quiet").args(["no-such-command"]);
        assert_eq!(Console::start(run, session, "\"$W\"").finish().0, 127, "{session:?} {level}");
    }
}

#[test]
fn a_killed_parent_leaves_the_settings_as_before_and_nobody_at_the_terminal() {
    for (session, level) in places() {
        for signal in [Signal::SIGKILL, Signal::SIGABRT] {
            let mut console = waiting(session, level);
            console.signal(signal);
            assert_eq!(console.wait(), 128 + signal as i32, "{session:?} {level}");
            console.wait_for_settings(true);
            console.close();
        }
    }
}

/// By a shell's own eyes, which puts back settings of its own as soon as it shows its prompt.
#[test]
fn a_shell_finds_its_terminal_after_its_job_was_killed() {
    if !Tmux::has(&["less"]) {
        return;
    }
    for way in [Way::Wrapped, Way::Guarded] {
        let tmux = Tmux::start_in(Run::new().project_file("lines", "one\ntwo\n"), way, User::Tester);
        tmux.shell("stty -g >../before", 0);
        tmux.command("W less lines & jobs -p >../number; fg").wait_for("(END)");
        let number = std::fs::read_to_string(tmux.run().world().root().join("number")).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(number.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
        tmux.wait_for("Killed").shell("stty -g | cmp - ../before", 0);
        tmux.command("clear; echo typed $((40 + 2))").wait_for("typed 42");
    }
}

#[test]
fn a_child_whose_terminal_is_gone_is_told_so() {
    if !Tmux::has(&[]) {
        return;
    }
    for way in crate::support::tmux::EVERY_WAY {
        let tmux = Tmux::start(way);
        let project = tmux.run().world().project();
        tmux.command("W sh -c 'trap \"echo told >told; exit\" HUP; echo up; while :; do read x || sleep 0.1; done'");
        tmux.wait_for_line("up").close();
        poll("the hang-up", || std::fs::read_to_string(project.join("told")).ok().filter(|text| text == "told\n"));
    }
}

#[test]
fn the_size_follows_and_the_child_is_told() {
    let script = "trap 'stty size' WINCH; stty size; echo up; until [ -e go ]; do sleep 0.02; done";
    for level in LEVELS {
        let run = Run::at(level).unobserved().flag("--quiet").shell(script);
        let console = Console::start(run, Session::Leader, "\"$W\"");
        console.wait_for("24 80\r\nup\r\n").resize(101, 33).wait_for("33 101\r\n");
        console.resize(7, 3).wait_for("3 7\r\n");
        std::fs::write(console.project().join("go"), "").unwrap();
        assert_eq!(console.finish().0, 0);
    }
}
