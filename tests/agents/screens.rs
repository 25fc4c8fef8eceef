//! Agents as a user sees them: their real screens in a terminal, sealed, one tool call, resized, interrupted and left.
//!
//! They run wrapped alone: bare they would look for the internet.

use super::{LOOK, agent, installed, read_all};
use crate::support::place::User;
use crate::support::tmux::{Tmux, Way};
use crate::support::upstream::scripted::DONE;
use crate::support::{Run, Upstream, fresh_key};

/// The agent's rule across the whole screen has this width.
fn wait_for_width(tmux: &Tmux, columns: usize) {
    let is_rule = |line: &str| line.chars().filter(|character| *character == '─').count() + 2 >= columns;
    tmux.wait(&format!("a rule of {columns} columns"), |screen| screen.lines().any(is_rule));
}

/// Types a question and enters it. What comes as fast as here is taken for a paste at times, and its Enter for a line's
/// end: then it is pressed again.
fn ask(tmux: &Tmux) {
    tmux.keys(&["-l", "look around"]).wait_for("look around");
    tmux.wait("the end of the turn", |screen| {
        let (is_done, works) = (screen.contains(DONE), screen.contains("interrupt"));
        if !is_done && !works {
            tmux.keys(&["Enter"]);
        }
        is_done
    });
}

/// One turn with its tool call, then a resize, and Ctrl-C until it ends; the terminal is left as it was.
fn use_it(tmux: &Tmux, command: &str, ready: &str, has_rule: bool) {
    tmux.shell("stty -g >../before", 0);
    tmux.command(command).wait_for(ready);
    ask(tmux);
    tmux.resize(100, 40).wait_for(DONE);
    if has_rule {
        wait_for_width(tmux, 100);
    }
    // The first empties the line or asks for another, which a question that is gone again does not wait for.
    tmux.wait("its end", |screen| {
        let has_ended = screen.trim_end().ends_with("ready>");
        if !has_ended {
            tmux.keys(&["C-c"]);
        }
        has_ended
    });
    tmux.shell("stty -g | cmp - ../before", 0);
}

/// What the tool printed went into the transcript, without the key.
fn no_key_in(tmux: &Tmux, folder: &str, key: &str) {
    let mut transcript = String::new();
    read_all(&tmux.run().world().home().join(folder), &mut transcript);
    assert!(transcript.contains("looked") && !transcript.contains(key), "{transcript}");
}

fn screen(run: Run) -> Tmux {
    let tmux = Tmux::start_in(run, Way::Wrapped, User::Ordinary);
    tmux.resize(80, 40);
    tmux
}

/// The key was approved outside, and its placeholder inside is approved as well: nothing is asked.
#[test]
fn claude() {
    if !installed("claude") || !Tmux::has(&[]) {
        return;
    }
    let key = fresh_key("sk-ant-api03-");
    let upstream = Upstream::start(["api.anthropic.com"]).accepting("api.anthropic.com", &key).scripted(LOOK);
    let run = agent(&upstream, User::Ordinary, &["claude"]).secret("ANTHROPIC_API_KEY", &key);
    let known = serde_json::json!({
        "hasCompletedOnboarding": true, "theme": "dark", "numStartups": 9,
        "customApiKeyResponses": {"approved": [&key[key.len() - 20..]], "rejected": []},
        "projects": {run.world().project().to_str().unwrap(): {"hasTrustDialogAccepted": true}},
    });
    let tmux = screen(run.home_file(".claude.json", known.to_string()));
    use_it(&tmux, "W claude --permission-mode default --allowedTools Bash", "Claude Code", true);
    no_key_in(&tmux, ".claude/projects", &key);
}

#[test]
fn codex() {
    if !installed("codex") || !Tmux::has(&[]) {
        return;
    }
    let key = fresh_key("sk-proj-");
    let upstream = Upstream::start(["api.openai.com"]).accepting("api.openai.com", &key).scripted(LOOK);
    let run = agent(&upstream, User::Ordinary, &["codex"]);
    let project = run.world().project();
    let known = format!(
        "check_for_update_on_startup = false\n[projects.\"{}\"]\ntrust_level = \"trusted\"\n",
        project.display()
    );
    let login = serde_json::json!({"OPENAI_API_KEY": key}).to_string();
    let run = run.home_file(".codex/config.toml", known).home_file(".codex/auth.json", login);
    let tmux = screen(run);
    use_it(&tmux, "W codex", "Codex", false);
    no_key_in(&tmux, ".codex/sessions", &key);
}
