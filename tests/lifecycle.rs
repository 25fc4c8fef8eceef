//! The life of a run: the child's status is the run's, signals arrive, and no death of anybody leaves anything behind.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::deadline::PATIENCE;
use crate::support::remains::Remains;
use crate::support::{Run, Upstream, fresh_key, place};

/// How many runs go at once where a test needs many.
const AT_ONCE: usize = 4;

/// Runs `one` for each number, some at once; a panic of one is a panic here.
fn each(numbers: impl IntoIterator<Item = usize>, one: impl Fn(usize) + Sync) {
    let numbers: Vec<usize> = numbers.into_iter().collect();
    thread::scope(|scope| {
        for lane in 0..AT_ONCE {
            let (numbers, one) = (&numbers, &one);
            scope.spawn(move || numbers.iter().skip(lane).step_by(AT_ONCE).for_each(|number| one(*number)));
        }
    });
}

#[test]
fn every_exit_code_is_passed_on_after_any_life() {
    for life in ["0", "0.005", "0.02", "0.05", "0.2"] {
        each(0..256, |code| {
            let rest = if life == "0" { String::new() } else { format!("sleep {life};") };
            let run = Run::new().unobserved().flag("--quiet").shell(&format!("{rest} exit {code}"));
            let finished = run.run();
            assert_eq!(finished.code(), i32::try_from(code).unwrap(), "after {life} s: {}", finished.stderr());
        });
    }
}

#[test]
fn death_by_each_signal_is_128_and_its_number() {
    // Those that end a process unless it says otherwise; see signal(7).
    let deadly = (1..=64).filter(|number| !matches!(number, 17..=23 | 28 | 32 | 33));
    each(deadly, |number| {
        let finished = Run::new().unobserved().flag("--quiet").shell(&format!("kill -{number} $$")).run();
        assert_eq!(finished.code(), 128 + i32::try_from(number).unwrap(), "signal {number}: {}", finished.stderr());
    });
}

#[test]
fn signals_to_the_parent_reach_the_command() {
    let signals = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];
    for signal in signals {
        let name = signal.as_str().trim_start_matches("SIG");
        let script = format!("trap 'echo caught; exit 42' {name}; echo ready; while :; do read line || :; done");
        let running = Run::new().shell(&script).input("").start();
        running.wait_for("ready");
        running.signal(signal);
        running.wait_for("caught");
        assert_eq!(running.finish().code(), 42, "{signal}");
    }
}

/// The key goes to the terminal, which signals everybody in front of it: the parent and the command.
#[test]
fn a_key_typed_at_the_terminal_reaches_the_command_once() {
    for (key, name) in [(3, "INT"), (28, "QUIT")] {
        let terminal = nix::pty::openpty(None, None).unwrap();
        let path = nix::unistd::ttyname(&terminal.slave).unwrap();
        let program =
            format!("exec setsid --ctty --wait '{}' \"$@\" <{}", place::agentsecrets().display(), path.display());
        let script = format!(
            "trap 'echo caught; n=$((n+1))' {name}; echo ready; while :; do read line && exit $((40 + n)); done"
        );
        let running = Run::new().unobserved().stand_in(&program).shell(&script).start();
        running.wait_for("ready");
        nix::unistd::write(&terminal.master, &[key]).unwrap();
        running.wait_for("caught");
        nix::unistd::write(&terminal.master, b"line\n").unwrap();
        let finished = running.finish();
        assert_eq!(
            (finished.code(), finished.stdout().matches("caught").count()),
            (41, 1),
            "{name}: {}",
            finished.stderr()
        );
    }
}

#[test]
fn a_signal_that_the_command_does_not_catch_ends_it() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let running = Run::new().shell("echo ready; exec tail -f /dev/null").start();
        running.wait_for("ready");
        running.signal(signal);
        assert_eq!(running.finish().code(), 128 + signal as i32, "{signal}");
    }
}

#[test]
fn pipes_stay_pipes() {
    let finished = Run::new().args(["cat"]).input(b"\x00binary\xff\n".to_vec()).run().succeeded();
    assert_eq!(finished.stdout_bytes(), b"\x00binary\xff\n");
    let script = "for n in 0 1 2; do if [ -t $n ]; then echo $n terminal; else echo $n pipe; fi; done; echo said >&2";
    let finished = Run::new().flag("--quiet").shell(script).input("").run().succeeded();
    assert_eq!(finished.stdout(), "0 pipe\n1 pipe\n2 pipe\n");
    assert_eq!(finished.stderr(), "said\n");
}

#[test]
fn a_reader_that_leaves_ends_the_writer() {
    // As in a shell: `yes` dies by SIGPIPE, the run's status says so.
    let script = format!("'{}' run --quiet -- yes | head -n 1", place::agentsecrets().display());
    // A project of its own: what other tests make and remove is none of it.
    let project = tempfile::tempdir().unwrap();
    let mut shell = std::process::Command::new("/bin/bash");
    shell.args(["-c", &format!("{script}; echo ${{PIPESTATUS[0]}}")]).current_dir(&project);
    let output = shell.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "y\n141\n", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn nothing_of_an_orderly_run_remains() {
    let run = Run::new().own_temporary_folder().secret("OPENAI_API_KEY", &fresh_key("sk-proj-"));
    let running = run.shell("(tail -f /dev/null >/dev/null 2>&1 &) ; echo ready; read x").input("").start();
    running.wait_for("ready");
    let remains = Remains::of(&running);
    let finished = running.finish();
    remains.assert_none();
    let state = finished.world().state();
    let strange: Vec<_> = finished.changed().iter().filter(|path| !path.starts_with(&state)).collect();
    assert_eq!(strange, [&finished.world().environment_dump()]);
}

/// The moments of a run's life that can be told apart from outside.
const STAGES: &[&str] =
    &["started", "has a child", "has namespaces", "command runs", "request in flight", "command ends"];

#[test]
fn a_killed_parent_leaves_nothing_at_any_stage() {
    for stage in STAGES {
        each(0..5, |_| {
            let upstream = Upstream::start(["api.openai.com"]);
            let run = Run::new()
                .own_temporary_folder()
                .secret("OPENAI_API_KEY", &fresh_key("sk-proj-"))
                .upstream(&upstream)
                .input("");
            let script = "(tail -f /dev/null >/dev/null 2>&1 &); echo ready; read go
                curl -s -H \"Authorization: Bearer $OPENAI_API_KEY\" https://api.openai.com/test/hang & read go; kill $!";
            let mut running = run.shell(script).start();
            match *stage {
                "started" => {}
                "has a child" => Remains::wait_for_child(&running),
                "has namespaces" => Remains::wait_for_namespaces(&running),
                "command runs" => running.wait_for("ready"),
                _ => {
                    running.wait_for("ready");
                    running.write(b"go\n");
                    upstream.wait("the request", |seen| seen.path().contains("hang").then_some(()));
                    if *stage == "command ends" {
                        running.write(b"go\n");
                    }
                }
            }
            let remains = Remains::of(&running);
            running.signal(Signal::SIGKILL);
            assert!(running.wait(PATIENCE).is_some(), "{stage}");
            remains.assert_none();
        });
    }
}

#[test]
fn a_killed_parent_leaves_nothing_at_fifty_moments_under_load() {
    each(0..50, |number| {
        let upstream = Upstream::start(["api.openai.com"]);
        upstream.forget_requests();
        let run =
            Run::new().own_temporary_folder().secret("OPENAI_API_KEY", &fresh_key("sk-proj-")).upstream(&upstream);
        let script = "for lane in 1 2 3; do (while :; do
            curl -s -o /dev/null -H \"Authorization: Bearer $OPENAI_API_KEY\" https://api.openai.com/test/download/300000
            done) & done; wait";
        let running = run.shell(script).start();
        // Moments from the first millisecond into full load; not an event, on purpose.
        let moment = Duration::from_millis(u64::try_from(number * number / 2).unwrap());
        assert!(running.wait(moment).is_none(), "the run ended by itself:\n{}", running.stderr());
        let remains = Remains::of(&running);
        running.signal(Signal::SIGKILL);
        assert!(running.wait(PATIENCE).is_some());
        remains.assert_none();
    });
}

#[test]
fn twenty_runs_at_once_share_nothing() {
    let runs: Vec<_> = (0..20)
        .map(|number| {
            let key = fresh_key("sk-proj-");
            let upstream = Upstream::start(["api.openai.com"]).accepting("api.openai.com", &key);
            let script = format!(
                "echo number {number} $OPENAI_API_KEY $HTTPS_PROXY $$; read go
                 curl -sS --fail -H \"Authorization: Bearer $OPENAI_API_KEY\" https://api.openai.com/v1/models"
            );
            let run = Run::new()
                .own_temporary_folder()
                .secret("OPENAI_API_KEY", &key)
                .upstream(&upstream)
                .shell(&script)
                .input("");
            (upstream, run.start())
        })
        .collect();
    runs.iter().enumerate().for_each(|(number, (_, running))| running.wait_for(&format!("number {number}")));
    let mut placeholders = std::collections::BTreeSet::new();
    let mut proxies = std::collections::BTreeSet::new();
    for (upstream, mut running) in runs {
        running.write(b"go\n");
        let finished = running.finish().succeeded();
        assert!(finished.stdout().contains("a-model"), "{}", finished.stdout());
        assert_eq!(upstream.seen().len(), 1);
        placeholders.insert(finished.child_variable("OPENAI_API_KEY").unwrap());
        proxies.insert(finished.child_variable("HTTPS_PROXY").unwrap());
    }
    assert_eq!((placeholders.len(), proxies.len()), (20, 20));
}

/// A death signal bound to a thread that an idle runtime lets go would end the child after about ten seconds.
#[test]
fn a_run_of_thirty_idle_seconds_keeps_its_child() {
    Run::new().shell("sleep 30; echo still here").run().succeeded();
}
