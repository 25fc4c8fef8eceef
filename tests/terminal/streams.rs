//! Which stream is the child's terminal and which stays a pipe or a file; and who has the user's terminal meanwhile.

use super::LEVELS;
use crate::support::Run;
use crate::support::console::{Console, Session};

/// What each standard stream is, whether there is a controlling terminal, and who stands where.
const LOOK: &str = "a=other b=other c=other; [ -t 0 ] && a=terminal; [ -t 1 ] && b=terminal; [ -t 2 ] && c=terminal
    printf '0 %s\\n1 %s\\n2 %s\\n' $a $b $c >found
    if (: </dev/tty) 2>/dev/null; then echo controlled >>found; fi; ps -o pid=,pgid=,sid=,tpgid= -p $$ >>found; echo done";

fn look(session: Session, level: &str, line: &str) -> (Console, String) {
    let run = Run::at(level).unobserved().flag("--quiet").shell(LOOK);
    let console = Console::start(run, session, line);
    assert_eq!(console.wait(), 0, "{line}: {}", console.text());
    let found = std::fs::read_to_string(console.project().join("found")).unwrap();
    (console, found)
}

#[test]
fn terminals_become_the_childs_own_and_everything_else_stays() {
    for (session, level) in [
        (Session::Leader, "sealed"),
        (Session::Without, "sealed"),
        (Session::Leader, "guarded"),
        (Session::Without, "guarded"),
    ] {
        for (line, expected) in [
            ("\"$W\"", "0 terminal\n1 terminal\n2 terminal\ncontrolled\n"),
            ("echo y | \"$W\"", "0 other\n1 terminal\n2 terminal\ncontrolled\n"),
            ("\"$W\" | cat", "0 terminal\n1 other\n2 terminal\ncontrolled\n"),
            ("\"$W\" 2>/dev/null", "0 terminal\n1 terminal\n2 other\ncontrolled\n"),
            ("\"$W\" <program-input >out 2>&1", "0 other\n1 other\n2 other\n"),
        ] {
            let line = line.replace("<program-input", "</dev/null");
            let (console, found) = look(session, level, &line);
            let (streams, ids) = found.trim_end().rsplit_once('\n').unwrap();
            // With a controlling terminal the child has one even where none of its streams is a terminal.
            let controlled = session == Session::Leader && !expected.contains("controlled");
            let expected = if controlled { format!("{expected}controlled\n") } else { expected.to_owned() };
            assert_eq!(format!("{streams}\n"), expected, "{session:?} {level} {line}");
            // A job of the session that its keeper leads, which in a seal is process 1.
            let ids: Vec<&str> = ids.split_whitespace().collect();
            assert_eq!((ids[0] == ids[1], ids[2] == ids[0]), (true, false), "{session:?} {level} {line}: {ids:?}");
            assert_eq!(ids[2] == "1", level == "sealed", "{session:?} {level} {line}: {ids:?}");
            assert!(console.is_as_before(), "{session:?} {level} {line}");
        }
    }
}

#[test]
fn the_terminal_is_taken_only_when_it_is_wanted() {
    // Neither reads nor sets: the terminal stays as it is while it runs.
    for (line, level) in [
        ("echo y | \"$W\"", "sealed"),
        ("\"$W\" | cat", "sealed"),
        ("echo y | \"$W\"", "guarded"),
        ("\"$W\" | cat", "guarded"),
    ] {
        let run =
            Run::at(level).unobserved().flag("--quiet").shell("echo up >&2; while [ ! -e go ]; do sleep 0.02; done");
        let console = Console::start(run, Session::Leader, line);
        console.wait_for("up");
        assert!(console.is_as_before(), "{line}");
        std::fs::write(console.project().join("go"), "").unwrap();
        assert_eq!(console.finish().0, 0, "{line}");
    }
    // A question on the terminal by a program whose streams are all elsewhere, as ssh and git ask for a passphrase.
    let ask = "stty -echo </dev/tty; printf 'word: ' >/dev/tty; read x </dev/tty; stty echo </dev/tty; echo \"<$x>\"";
    for level in LEVELS {
        let run = Run::at(level).unobserved().flag("--quiet").shell(ask);
        let console = Console::start(run, Session::Leader, "echo y | \"$W\" 2>/dev/null | cat");
        console.wait_for("word: ").wait_for_settings(false).write(b"hidden\n").wait_for("<hidden>");
        let (status, text) = console.finish();
        assert_eq!(status, 0);
        assert_eq!(text.matches("hidden").count(), 1, "{text}");
    }
}

#[test]
fn a_key_reaches_the_command_once_whoever_has_the_terminal() {
    for (key, name, level) in [(3_u8, "INT", "sealed"), (28, "QUIT", "sealed"), (3, "INT", "guarded")] {
        for line in ["\"$W\"", "\"$W\" | cat", "tail -f /dev/null | \"$W\""] {
            let script = format!(
                "trap 'echo caught >&2; n=$((n+1))' {name}; echo up >&2; until [ \"$n\" ]; do sleep 0.02; done
                sleep 0.2; exit $((40 + n))"
            );
            let run = Run::at(level).unobserved().flag("--quiet").shell(&script);
            let console = Console::start(run, Session::Leader, line);
            console.wait_for("up").write(&[key]).wait_for("caught");
            let (status, text) = console.finish();
            assert_eq!(text.matches("caught").count(), 1, "{name} {level} {line}: {text}");
            assert!(line.ends_with("cat") || status == 41, "{name} {level} {line}: {status}");
        }
    }
}

#[test]
fn a_dumb_terminal_and_one_without_a_session_are_terminals_all_the_same() {
    for session in [Session::Leader, Session::Without] {
        let run = Run::new().unobserved().flag("--quiet").variable("TERM", "dumb");
        let run = run.shell("echo $TERM; tty; read x; echo \"got $x\"");
        let console = Console::start(run, session, "\"$W\"");
        console.wait_for("dumb\r\n/dev/pts/0\r\n").write(b"word\n").wait_for("got word\r\n");
        assert_eq!(console.finish().0, 0);
    }
}

/// A CI job has no terminal, and gives none to its child, also where its runner has one.
#[test]
fn in_a_job_no_stream_is_a_terminal_and_all_is_shown() {
    let script =
        "for n in 0 1 2; do [ -t $n ] && echo \"$n is a terminal\"; done; (: </dev/tty) 2>/dev/null && echo a tty
        wc -c; seq 20000; echo err >&2; echo last; trap 'exit 7' INT; kill -INT $$";
    for session in [Session::Leader, Session::Without] {
        for level in ["sealed", "guarded", "none"] {
            let run = Run::at(level).unobserved().flags(["--quiet", "--ci"]).shell(script);
            let console = Console::start(run, session, "\"$W\"");
            assert!(console.is_as_before());
            let (status, text) = console.finish();
            assert_eq!(status, 7, "{session:?} {level}: {text}");
            assert!(text.ends_with("20000\r\nerr\r\nlast\r\n"), "{session:?} {level}: {text}");
            assert!(text.starts_with("0\r\n1\r\n2\r\n") || level == "none", "{session:?} {level}: {text}");
            assert!(!text.contains("is a terminal"), "{session:?} {level}: {text}");
        }
    }
    // What is no terminal is the child's as it is.
    let run = Run::new().unobserved().flags(["--quiet", "--ci"]).shell("cat; echo mine >&2");
    let console = Console::start(run, Session::Leader, "echo piped | \"$W\" 2>&1 | tr a-z A-Z");
    console.wait_for("PIPED\r\nMINE\r\n");
    assert_eq!(console.finish().0, 0);
}

#[test]
fn in_a_job_the_keys_of_its_terminal_reach_the_child() {
    for level in ["sealed", "guarded", "none"] {
        let run = Run::at(level).unobserved().flags(["--quiet", "--ci"]);
        let console = Console::start(
            run.shell("trap 'echo caught; exit 9' INT; echo up; while :; do sleep 0.02; done"),
            Session::Leader,
            "\"$W\"",
        );
        console.wait_for("up").write(&[3]).wait_for("caught");
        assert_eq!(console.finish().0, 9, "{level}");
    }
}
