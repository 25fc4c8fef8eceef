//! `init` at a terminal: each question, and what each answer does.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::place::{self, User};
use crate::support::{Run, Tmux, fresh_key, tmux::Way};

#[test]
fn init_asks_and_no_is_the_default() {
    if !Tmux::has(&["bash"]) {
        return;
    }
    let key = fresh_key("sk_live_");
    let text = format!("STRIPE_KEY={key}\nPORT=3000\n");
    let run = Run::new().project_file(".env", &text).declare("STRIPE_KEY", &key);
    let tmux = Tmux::start_in(run, Way::Bare, User::Ordinary);
    let (program, project) = (place::agentsecrets().display(), tmux.run().world().project());
    let file = || fs::read_to_string(project.join(".env")).unwrap();
    let keep = "Keep this value in the store? [y/N]";
    let leave = "that back. [y/N]";
    let listed = |count: usize| tmux.shell(&format!("test $({program} secrets list --json | wc -l) = {count}"), 0);
    // What the screen showed before is not waited for.
    let ask = |round: &str| {
        tmux.command(&format!("clear; echo {round}; {program} init; echo \"status:\" $?"));
        tmux.wait_for_line(round).wait_for(keep)
    };
    for (round, answer) in [("one", &["Enter"][..]), ("two", &["n", "Enter"]), ("three", &["x", "Enter"])] {
        ask(round).keys(answer).wait_for("hint: agentsecrets init --import").wait_for("status: 0\n");
        listed(0);
        assert_eq!(file(), text);
    }
    ask("four").keys(&["y", "Enter"]).wait_for(leave).keys(&["Enter"]).wait_for("status: 0\n");
    listed(1);
    assert_eq!(file(), text);
    ask("five").keys(&["y", "Enter"]).wait_for(leave).keys(&["y", "Enter"]).wait_for("status: 0\n");
    assert_eq!(file(), "STRIPE_KEY=agentsecrets:STRIPE_KEY\nPORT=3000\n");
    assert!(!tmux.screen().contains(&key));
    tmux.shell(&format!("{program} init --undo"), 0);
    assert_eq!(file(), text);
    // Ctrl-C at a question changes nothing.
    ask("six").keys(&["C-c"]);
    tmux.shell("true", 0);
    assert_eq!(file(), text);
    assert_eq!(project.join(".env").metadata().unwrap().permissions().mode() & 0o777, 0o644);
}
