//! Agents as a user sees them, bare and sealed alike: their real screens in a terminal, one tool call, resized, stopped
//! and continued, interrupted, left and killed, by the same keys and with the same text.
//!
//! A bare one has no network but its scripted model ([`crate::support::apart`]).

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{LOOK, agent, installed, read_all};
use crate::support::deadline::poll;
use crate::support::place::User;
use crate::support::tmux::{Tmux, WAYS, Way};
use crate::support::upstream::scripted::DONE;
use crate::support::{Run, Upstream, fresh_key};

/// What the model asks for; it takes its time where `slow` stands in the project.
const SLOWLY: &str = "; [ ! -e slow ] || { rm slow; sleep 1003; }";

/// What an agent's screen says.
struct Words {
    command: &'static str,
    /// It takes a question.
    ready: &'static str,
    /// The first Ctrl-C at an empty line, where that does not end it.
    again: Option<&'static str>,
    /// What Ctrl-C asks in a turn, where it asks, and Enter confirms.
    asks: Option<&'static str>,
    /// The turn has ended.
    interrupted: &'static str,
    /// It draws a rule across the screen.
    has_rule: bool,
    /// Where its transcripts are, below the home.
    transcripts: &'static str,
}

/// After this time Enter is pressed again where nothing was drawn at all.
const QUIET: Duration = Duration::from_secs(3);

/// Types a question and enters it, until `look` sees that it was taken. What comes as fast as here is taken for a paste
/// at times, and its Enter for a line's end, or for nothing: then it is pressed again. But only when the program has drawn
/// something since, or long after: two that a busy one reads together are a paste too, and make the question longer.
fn ask(tmux: &Tmux, what: &str, look: impl Fn(&str) -> bool) {
    tmux.keys(&["-l", "look around"]).wait_for("look around");
    let pressed = RefCell::new((String::new(), Instant::now()));
    tmux.wait(what, |screen| {
        let is_there = look(screen);
        let is_due = || pressed.borrow().0 != screen || pressed.borrow().1.elapsed() > QUIET;
        if !is_there && !screen.contains("esc ") && is_due() {
            pressed.replace((screen.to_owned(), Instant::now()));
            tmux.keys(&["Enter"]);
        }
        is_there
    });
}

/// A line across the whole screen.
fn has_rule(screen: &str, columns: usize) -> bool {
    screen.lines().any(|line| line.chars().filter(|character| *character == '─').count() + 2 >= columns)
}

/// One turn with its tool call, a resize, a stop, and Ctrl-C until it ends.
fn use_it(tmux: &Tmux, words: &Words) {
    tmux.command(&format!("clear; {}", words.command)).wait_for(words.ready);
    ask(tmux, "the end of the turn", |screen| screen.contains(DONE));
    tmux.resize(100, 40).wait_for(DONE);
    if words.has_rule {
        tmux.wait("a rule of 100 columns", |screen| has_rule(screen, 100));
    }
    tmux.keys(&["C-z"]).wait_for("Stopped");
    tmux.shell("stty -g | cmp - ../before; jobs", 0).wait_for("Stopped");
    tmux.command("clear; fg").wait_for(DONE);
    tmux.keys(&["-l", "these words"]).wait_for("these words");
    // Each Ctrl-C counts once: the line, then the question whether it is meant, then the end.
    tmux.keys(&["C-c"]).wait("an empty line", |screen| !screen.contains("these words"));
    if let Some(again) = words.again {
        tmux.keys(&["C-c"]).wait_for(again);
    }
    tmux.keys(&["C-c"]).command("echo \"status:\" $?").wait_for("status: 0\n");
    tmux.shell("stty -g | cmp - ../before", 0);
}

/// A turn that is interrupted in its tool, and then the death of what the shell started.
fn kill_it(tmux: &Tmux, words: &Words) {
    let (root, project) = (tmux.run().world().root(), tmux.run().world().project());
    tmux.shell("touch slow", 0);
    tmux.command(&format!("clear; {} & jobs -p >../number; fg", words.command)).wait_for(words.ready);
    let slow = project.join("slow");
    ask(tmux, "the tool", |_| !slow.exists());
    poll("the tool's process", || running_in(&project, &[]).iter().any(|(_, name)| name == "sleep").then_some(()));
    tmux.keys(&["C-c"]).wait(words.interrupted, |screen| {
        if words.asks.is_some_and(|asks| screen.contains(asks)) {
            tmux.keys(&["Enter"]);
        }
        screen.contains(words.interrupted)
    });
    let number = fs::read_to_string(root.join("number")).unwrap();
    let process = Pid::from_raw(number.trim().parse().unwrap());
    kill(process, Signal::SIGKILL).unwrap();
    poll("the end of what was killed", || kill(process, None).is_err().then_some(()));
    // A program of its own may draw once more over what the shell says, and what it drew last stands behind the prompt.
    tmux.wait_for("ready>").line("clear").shell("stty -g | cmp - ../before", 0);
    tmux.command("clear; echo typed $((40 + 2))").wait_for("typed 42");
}

/// The processes that work in a folder and run none of these programs.
fn running_in(folder: &Path, but: &[&str]) -> Vec<(Pid, String)> {
    let processes = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        let works_there = fs::read_link(entry.path().join("cwd")).is_ok_and(|path| path == folder);
        works_there.then(|| (Pid::from_raw(number), name.trim_end().to_owned()))
    });
    processes.filter(|(_, name)| !but.contains(&name.as_str())).collect()
}

/// What works there besides the terminal and its shell.
fn left(project: &Path) -> Vec<(Pid, String)> {
    running_in(project, &["bash", "tmux: server"])
}

/// The same keys and the same text on both ways. Bare the key lies open in the transcript, wrapped it is nowhere.
fn drive(words: &Words, hosts: &[&str], key: &str, describe: impl Fn(Run) -> Run) {
    for way in WAYS {
        let upstream = Upstream::start(hosts.iter().copied()).scripted(&format!("{LOOK}{SLOWLY}"));
        let upstream = hosts.iter().fold(upstream, |upstream, host| upstream.accepting(host, key));
        let run = describe(agent(&upstream, User::Ordinary, &[]));
        let tmux = Tmux::start_beside(run, &upstream, way, User::Ordinary);
        tmux.resize(80, 40).shell("stty -g >../before", 0);
        use_it(&tmux, words);
        kill_it(&tmux, words);
        let (project, home) = (tmux.run().world().project(), tmux.run().world().home());
        let mut transcript = String::new();
        read_all(&home.join(words.transcripts), &mut transcript);
        assert!(transcript.contains("looked"), "{transcript}");
        assert_eq!(transcript.contains(key), way == Way::Bare, "{way:?}: {transcript}");
        match way {
            Way::Wrapped | Way::Guarded => {
                poll("the end of all that was sealed", || left(&project).is_empty().then_some(()));
            }
            Way::Bare => left(&project).iter().for_each(|(process, _)| {
                // What is on its way out may be gone.
                let _ = kill(*process, Signal::SIGKILL);
            }),
        }
    }
}

/// The key was approved outside, and its placeholder inside is approved as well: nothing is asked.
#[test]
fn claude() {
    if !installed("claude") || !Tmux::has(&[]) {
        return;
    }
    let key = fresh_key("sk-ant-api03-");
    let words = Words {
        command: "W claude --permission-mode default --allowedTools Bash",
        ready: "? for shortcuts",
        again: Some("Press Ctrl-C again to exit"),
        asks: None,
        interrupted: "Interrupted",
        has_rule: true,
        transcripts: ".claude/projects",
    };
    drive(&words, &["api.anthropic.com"], &key, |run| {
        let known = serde_json::json!({
            "hasCompletedOnboarding": true, "theme": "dark", "numStartups": 9,
            "customApiKeyResponses": {"approved": [&key[key.len() - 20..]], "rejected": []},
            "projects": {run.world().project().to_str().unwrap(): {"hasTrustDialogAccepted": true}},
        });
        run.secret("ANTHROPIC_API_KEY", &key).home_file(".claude.json", known.to_string())
    });
}

#[test]
fn codex() {
    if !installed("codex") || !Tmux::has(&[]) {
        return;
    }
    let key = fresh_key("sk-proj-");
    // It asks at all three when it starts or ends, and again and again where there is none.
    let hosts = ["api.openai.com", "chatgpt.com", "ab.chatgpt.com"];
    let words = Words {
        command: "W codex",
        ready: "for agents",
        again: None,
        asks: Some("Task is still running"),
        interrupted: "interrupted",
        has_rule: false,
        transcripts: ".codex/sessions",
    };
    drive(&words, &hosts, &key, |run| {
        let project = run.world().project();
        let known = format!(
            "check_for_update_on_startup = false\n[projects.\"{}\"]\ntrust_level = \"trusted\"\n",
            project.display()
        );
        let login = serde_json::json!({"OPENAI_API_KEY": key}).to_string();
        run.home_file(".codex/config.toml", known).home_file(".codex/auth.json", login)
    });
}
