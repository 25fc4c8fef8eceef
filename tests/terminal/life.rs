//! The user's terminal after every kind of end, and the child's when the user's is gone.

use nix::sys::signal::Signal;

use crate::support::Run;
use crate::support::console::{Console, Session};
use crate::support::deadline::poll;
use crate::support::place::User;
use crate::support::tmux::{Tmux, Way};

const SESSIONS: [Session; 2] = [Session::Leader, Session::Without];

fn waiting(session: Session) -> Console {
    let run = Run::new().unobserved().flag("--quiet").shell("echo up; read x; exit 5");
    let console = Console::start(run, session, "\"$W\"");
    console.wait_for("up\r\n").wait_for_settings(false);
    console
}

#[test]
fn the_settings_are_as_before_after_every_end() {
    for session in SESSIONS {
        let console = waiting(session);
        console.write(b"go\n");
        assert_eq!(console.finish().0, 5, "{session:?}");
        for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
            let console = waiting(session);
            console.signal(signal);
            assert_eq!(console.finish().0, 128 + signal as i32, "{session:?}");
        }
        // Settings of the child's own stay inside.
        let run = Run::new().unobserved().flag("--quiet").shell("stty raw -echo rows 7; kill -KILL $$");
        assert_eq!(Console::start(run, session, "\"$W\"").finish().0, 137, "{session:?}");
        let run = Run::new().unobserved().flag("--quiet").args(["no-such-command"]);
        assert_eq!(Console::start(run, session, "\"$W\"").finish().0, 127, "{session:?}");
    }
}

#[test]
fn a_killed_parent_leaves_the_settings_as_before_and_nobody_at_the_terminal() {
    for session in SESSIONS {
        for signal in [Signal::SIGKILL, Signal::SIGABRT] {
            let mut console = waiting(session);
            console.signal(signal);
            assert_eq!(console.wait(), 128 + signal as i32, "{session:?}");
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
    let tmux = Tmux::start_in(Run::new().project_file("lines", "one\ntwo\n"), Way::Wrapped, User::Tester);
    tmux.shell("stty -g >../before", 0);
    tmux.command("W less lines & jobs -p >../number; fg").wait_for("(END)");
    let number = std::fs::read_to_string(tmux.run().world().root().join("number")).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(number.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    tmux.wait_for("Killed").shell("stty -g | cmp - ../before", 0);
    tmux.command("clear; echo typed $((40 + 2))").wait_for("typed 42");
}

#[test]
fn a_child_whose_terminal_is_gone_is_told_so() {
    if !Tmux::has(&[]) {
        return;
    }
    for way in crate::support::tmux::WAYS {
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
    let run = Run::new().unobserved().flag("--quiet").shell(script);
    let console = Console::start(run, Session::Leader, "\"$W\"");
    console.wait_for("24 80\r\nup\r\n").resize(101, 33).wait_for("33 101\r\n");
    console.resize(7, 3).wait_for("3 7\r\n");
    std::fs::write(console.project().join("go"), "").unwrap();
    assert_eq!(console.finish().0, 0);
}
