//! The run as a job of the user's shell: stopped, continued, in front and behind, as a bare program would be.

use nix::sys::signal::Signal;

use super::LEVELS;
use crate::support::Run;
use crate::support::console::{Console, Session};
use crate::support::tmux::{EVERY_WAY, Tmux};

#[test]
fn a_key_ends_the_command_and_its_status_says_so() {
    if !Tmux::has(&[]) {
        return;
    }
    for way in EVERY_WAY {
        let tmux = Tmux::start(way);
        tmux.command("clear; W sh -c 'echo up; exec sleep 1000'").wait_for_line("up").keys(&["C-c"]);
        tmux.command("echo status: $?").wait_for("status: 130");
        tmux.command("clear; W sh -c 'ulimit -c 0; echo again; exec sleep 1000'")
            .wait_for_line("again")
            .keys(&["C-\\"]);
        tmux.command("echo status: $?").wait_for("status: 131");
    }
}

#[test]
fn a_job_behind_that_wants_input_stops_until_it_is_brought_to_the_front() {
    if !Tmux::has(&[]) {
        return;
    }
    for way in EVERY_WAY {
        let tmux = Tmux::start(way);
        tmux.command("clear; W sh -c 'echo asks; read word; echo \"got <$word>\"' &").wait_for("asks\n");
        tmux.keys(&["Enter"]);
        tmux.command("clear; until jobs | grep -q Stopped; do sleep 0.02; done; echo it stopped")
            .wait_for_line("it stopped");
        tmux.command("clear; fg").wait_for_front("asks").line("a word").wait_for("got <a word>");
        // What wants nothing runs on behind and is shown.
        tmux.command("clear; W sh -c 'echo said; exit 7' & wait $!; echo status: $?")
            .wait_for("status: 7")
            .wait_for("said");
    }
}

#[test]
fn a_stopped_job_goes_on_behind_and_comes_back() {
    if !Tmux::has(&[]) {
        return;
    }
    for way in EVERY_WAY {
        let tmux = Tmux::start(way);
        // One process: a shell that is stopped between the start of another and its execution is never seen to stop.
        let script = "import itertools, os, time\n\
                      for n in itertools.takewhile(lambda n: not os.path.exists(\"end\"), itertools.count()):\n \
                      open(\"count\", \"w\").write(str(n))\n \
                      time.sleep(0.05)\n\
                      print(\"over\")\n\
                      print(input())\n";
        std::fs::write(tmux.run().world().project().join("counts.py"), script).unwrap();
        tmux.command("clear; W python3 -u counts.py");
        let count = tmux.run().world().project().join("count");
        let number = || std::fs::read_to_string(&count).ok().and_then(|text| text.trim().parse::<u32>().ok());
        let grows = || {
            let first = crate::support::deadline::poll("a count", number);
            crate::support::deadline::poll("a higher count", || number().filter(|now| *now > first));
        };
        grows();
        tmux.keys(&["C-z"]).wait_for("Stopped");
        tmux.command("clear; bg").wait_for("&\n");
        grows();
        tmux.command("clear; touch end").wait_for("over\n").keys(&["Enter"]);
        tmux.command("clear; fg")
            .wait_for_front("counts.py")
            .line("at last")
            .wait("the answer", |screen| screen.matches("at last").count() == 2);
    }
}

#[test]
fn signals_that_stop_and_continue_the_parent_are_those_of_a_program() {
    if !Tmux::has(&[]) {
        return;
    }
    for way in EVERY_WAY {
        let tmux = Tmux::start(way);
        for signal in ["TSTP", "STOP"] {
            tmux.command("clear; W sh -c 'echo up; read x; echo got $x' & fg").wait_for_line("up");
            // From another shell: this one waits.
            let socket = tmux.run().world().root().join("tmux");
            let ask = format!("ps -o pid= --ppid $(tmux -S {} list-panes -F '#{{pane_pid}}')", socket.display());
            let number = std::process::Command::new("/bin/sh").args(["-c", &ask]).output().unwrap().stdout;
            let number = String::from_utf8(number).unwrap().trim().parse().unwrap();
            let signal: Signal = format!("SIG{signal}").parse().unwrap();
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(number), signal).unwrap();
            tmux.wait_for("Stopped").command("clear; fg").wait_for_front("up;").line("word").wait_for("got word");
        }
    }
}

#[test]
fn a_pipeline_stops_and_continues_as_one() {
    if !Tmux::has(&[]) {
        return;
    }
    for way in EVERY_WAY {
        let tmux = Tmux::start(way);
        tmux.command("clear; W sh -c 'echo up >&2; read x; echo got $x' | tr a-z A-Z").wait_for_line("up");
        tmux.keys(&["C-z"]).wait_for("Stopped").command("clear; fg").wait_for_front("tr a-z A-Z").line("word");
        tmux.wait_for("GOT WORD");
        tmux.command("clear; W sh -c 'echo up >&2; exec sleep 1000' | cat").wait_for_line("up").keys(&["C-c"]);
        tmux.command("echo status: $?").wait_for("status: 130");
    }
}

#[test]
fn where_no_shell_could_continue_it_nothing_stops() {
    for level in LEVELS {
        let run = Run::at(level).unobserved().flag("--quiet").shell("echo up; read x; echo got $x");
        let console = Console::start(run, Session::Leader, "\"$W\"");
        console.wait_for("up\r\n").wait_for_settings(false);
        // The suspend key of a session without job control.
        console.write(b"\x1aword\n").wait_for("got word");
        assert_eq!(console.finish().0, 0);
    }
}

/// A shell ends its loop when what runs in it was interrupted by the key, and only then.
#[test]
fn a_key_ends_the_loop_around_a_run() {
    if !Tmux::has(&["dash"]) {
        return;
    }
    for way in EVERY_WAY {
        let tmux = Tmux::start(way);
        // At the prompt of bash, which has job control.
        tmux.command("clear; for n in 1 2 3; do W sh -c 'echo up $0; exec sleep 1000' $n; done").wait_for_line("up 1");
        tmux.keys(&["C-c"]).command("echo status: $?").wait_for("status: 130");
        assert!(!tmux.screen().contains("up 2"), "{way:?}: {}", tmux.screen());
    }
    for level in LEVELS {
        for shell in ["bash", "dash"] {
            let run = || Run::at(level).unobserved().flag("--quiet");
            let script = format!("{shell} -c 'for n in 1 2 3; do \"$W\"; done; echo whole'");
            eprintln!("{level} {shell}");
            let console = Console::start(run().shell("echo up; exec sleep 1000"), Session::Leader, &script);
            console.wait_for("up\r\n").wait_for_settings(false).write(&[3]);
            let (status, text) = console.finish();
            assert_eq!((status, text.matches("up").count()), (130, 1), "{level} {shell}: {text}");
            assert!(!text.contains("whole"), "{level} {shell}: {text}");
            // A command that ends itself by that signal has nobody to tell but who waits for it.
            let console = Console::start(run().shell("echo up; kill -INT $$"), Session::Leader, &script);
            let (status, text) = console.finish();
            assert_eq!((status, text.matches("up").count()), (0, 3), "{level} {shell}: {text}");
        }
    }
}

#[test]
fn a_death_by_signal_is_the_parents_too_where_people_cause_it() {
    for level in ["sealed", "guarded", "none"] {
        for (signal, death) in
            [("HUP", Some(1)), ("INT", Some(2)), ("QUIT", Some(3)), ("TERM", Some(15)), ("KILL", None)]
        {
            let script = format!("ulimit -c 0; kill -{signal} $$");
            let finished = Run::at(level).unobserved().flag("--quiet").shell(&script).run();
            assert_eq!(finished.signal(), death, "{level} {signal}: {}", finished.stderr());
            assert!(finished.code() > 128, "{level} {signal}");
        }
        // Ignored from the start on, as behind `nohup`: a status says it then.
        let program = crate::support::place::agentsecrets().display();
        let run = Run::at(level).unobserved().flag("--quiet").stand_in(&format!("trap '' HUP; exec {program} \"$@\""));
        let finished =
            run.args(["python3", "-c", "import os, signal as s; s.signal(1, s.SIG_DFL); os.kill(os.getpid(), 1)"]);
        let finished = finished.run();
        assert_eq!((finished.signal(), finished.code()), (None, 129), "{level}: {}", finished.stderr());
    }
}
