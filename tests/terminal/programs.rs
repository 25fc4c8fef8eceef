//! Full-screen programs and interpreters under tmux: the same keys show the same text, bare and wrapped.

use crate::support::place::User;
use crate::support::tmux::{EVERY_WAY, Tmux, Way};
use crate::support::{Run, place};

/// A file of so many numbered lines.
fn numbered(count: usize) -> String {
    (1..=count).map(|number| format!("line number {number}\n")).collect::<Vec<_>>().concat()
}

/// Settings before and after are equal, by the shell's own eyes.
fn same_settings(tmux: &Tmux, use_it: impl FnOnce(&Tmux)) {
    tmux.shell("stty -g >../before", 0);
    use_it(tmux);
    tmux.shell("stty -g | cmp - ../before", 0);
}

#[test]
fn less_scrolls_resizes_stops_and_ends() {
    if !Tmux::has(&["less"]) {
        return;
    }
    for way in EVERY_WAY {
        let tmux = Tmux::start_in(Run::new().project_file("lines", numbered(500)), way, User::Tester);
        same_settings(&tmux, |tmux| {
            tmux.command("W less lines").wait_for("line number 23\n");
            tmux.keys(&["G"]).wait_for("line number 500\n").wait_for("(END)");
            tmux.keys(&["g"]).wait_for("line number 1\n");
            tmux.resize(60, 30).wait_for("line number 29\n");
            tmux.keys(&["C-z"]).wait_for("Stopped");
            // A long line goes on in the next one.
            let has_job = |screen: &str| screen.replace('\n', "").contains("less lines");
            tmux.shell("stty -g | cmp - ../before; jobs", 0).wait("the job", has_job);
            tmux.command("fg").wait_for("line number 29\n");
            tmux.keys(&["/", "4", "0", "0", "Enter"]).wait_for("line number 400\n");
            tmux.keys(&["q"]);
        });
    }
}

#[test]
fn less_in_a_pipeline_reads_its_keys_from_the_terminal() {
    if !Tmux::has(&["less"]) {
        return;
    }
    for way in EVERY_WAY {
        let tmux = Tmux::start_in(Run::new().project_file("lines", numbered(500)), way, User::Tester);
        same_settings(&tmux, |tmux| {
            tmux.command("cat lines | W less").wait_for("line number 23\n");
            tmux.keys(&["G"]).wait_for("line number 500\n").keys(&["q"]);
            // The other way round the terminal is the pager's alone.
            tmux.command("W cat lines | less").wait_for("line number 23\n");
            tmux.keys(&["G"]).wait_for("line number 500\n").keys(&["q"]);
        });
    }
}

#[test]
fn vim_edits_resizes_stops_and_writes() {
    if !Tmux::has(&["vim"]) {
        return;
    }
    for way in EVERY_WAY {
        let tmux = Tmux::start(way);
        same_settings(&tmux, |tmux| {
            tmux.command("W vim -u NONE -N --cmd 'set laststatus=2 statusline=size:%{&lines}x%{&columns}' text")
                .wait_for("size:24x80");
            tmux.keys(&["i"]).wait_for("-- INSERT --");
            tmux.keys(&["-l", "first words"]).wait_for("first words");
            tmux.keys(&["Enter"]).keys(&["-l", "zwei Wörter"]).wait_for("zwei Wörter");
            tmux.keys(&["Escape"]).wait("the end of the insertion", |screen| !screen.contains("INSERT"));
            tmux.resize(70, 12).wait_for("size:12x70");
            tmux.keys(&["C-z"]).wait_for("Stopped");
            tmux.shell("echo meanwhile", 0);
            tmux.command("fg").wait_for("zwei Wörter");
            tmux.keys(&[":wq", "Enter"]).wait_for("ready>");
        });
        let text = std::fs::read_to_string(tmux.run().world().project().join("text")).unwrap();
        assert_eq!(text, "first words\nzwei Wörter\n", "{way:?}");
    }
}

#[test]
fn htop_draws_resizes_and_ends() {
    if !Tmux::has(&["htop"]) {
        return;
    }
    for way in EVERY_WAY {
        let tmux = Tmux::start(way);
        same_settings(&tmux, |tmux| {
            tmux.command("W htop").wait_for("Load average").wait_for("F10Quit");
            tmux.resize(100, 40).wait("the new last line", |screen| {
                screen.lines().nth(39).is_some_and(|line| line.contains("F10Quit"))
            });
            tmux.keys(&["F1"]).wait_for("htop").wait_for("Arrows").keys(&["q"]).wait_for("F10Quit");
            tmux.keys(&["q"]);
        });
    }
}

#[test]
fn the_python_prompt_edits_interrupts_stops_and_ends() {
    if !Tmux::has(&["python3"]) {
        return;
    }
    for way in EVERY_WAY {
        let tmux = Tmux::start(way);
        same_settings(&tmux, |tmux| {
            tmux.command("W /usr/bin/python3 -q").wait_for_line(">>>");
            tmux.line("print(6 * 7, 'is it')").wait_for("42 is it");
            tmux.keys(&["Up", "Enter"]).wait("the line again", |screen| screen.matches("42 is it").count() == 2);
            tmux.line("import time; print('sleeping'); time.sleep(1000)").wait_for_line("sleeping");
            tmux.keys(&["C-c"]).wait_for("KeyboardInterrupt");
            tmux.keys(&["C-z"]).wait_for("Stopped");
            tmux.command("fg").keys(&["Enter"]).wait_for(">>>").line("print('back', 'again')").wait_for("back again");
            tmux.keys(&["C-d"]);
        });
    }
}

#[test]
fn a_shell_inside_controls_its_own_jobs() {
    if !Tmux::has(&[]) {
        return;
    }
    for way in EVERY_WAY {
        let tmux = Tmux::start(way);
        same_settings(&tmux, |tmux| {
            tmux.command("PS1='inside> ' W bash --noprofile --norc").wait_for_line("inside>");
            tmux.line("clear; sh -c 'read x; echo got $x' & sh -c 'echo up; exec sleep 1002'").wait_for_line("up");
            tmux.keys(&["C-z"]).wait_for("Stopped").line("clear; jobs").wait_for("read x").wait_for("sleep 1002");
            tmux.line("clear; bg %2; kill %2; wait %2")
                .line("clear; fg %1")
                .wait_for_front("read x")
                .line("word")
                .wait_for("got word");
            tmux.line("clear; echo jobs: $(jobs -r | wc -l).").wait_for("jobs: 0.");
            // The outer shell has not noticed anything of it.
            tmux.line("exit").shell("echo outside: $(jobs | wc -l).", 0).wait_for("outside: 0.");
        });
    }
}

#[test]
fn an_ordinary_user_has_all_of_it() {
    if !Tmux::has(&["less"]) || !place::users().contains(&User::Ordinary) {
        return;
    }
    let tmux = Tmux::start_in(Run::new().project_file("lines", numbered(500)), Way::Wrapped, User::Ordinary);
    same_settings(&tmux, |tmux| {
        tmux.command("W less lines").wait_for("line number 23\n");
        tmux.keys(&["C-z"]).wait_for("Stopped").line("fg").wait_for("line number 23\n").keys(&["q"]);
        tmux.shell("W sh -c 'tty; test -O $(tty)'", 0).wait_for_line("/dev/pts/0");
    });
}
