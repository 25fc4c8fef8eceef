//! What a command writes to its private copy of the home: kept at the end, shown, put back by the user's word alone.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::support::console::{Console, Session};
use crate::support::place::{User, users};
use crate::support::{Finished, Run, fresh_key};

/// `agentsecrets log …` in the world of a run that has ended.
fn log(finished: &Finished, user: User, words: &[&str]) -> Finished {
    log_of(finished, user, words).run()
}

/// The same, not started yet.
fn log_of(finished: &Finished, user: User, words: &[&str]) -> Run {
    let world = finished.world();
    let run = Run::new().user(user).verb(["log"]).variable("HOME", world.home());
    run.variable("XDG_STATE_HOME", world.state()).variable("XDG_CONFIG_HOME", world.config()).flags(words)
}

fn id(finished: &Finished) -> String {
    finished.audit()[0]["run"].as_str().unwrap().to_owned()
}

/// What `log restore` says of each file, by its path from the home on.
fn results(finished: &Finished, restored: &Finished) -> Vec<(String, String)> {
    let home = finished.world().home();
    let line = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let path = Path::new(line["path"].as_str().unwrap()).strip_prefix(&home).unwrap().display().to_string();
        (path, line["result"].as_str().unwrap().to_owned())
    };
    restored.stdout().lines().map(line).collect()
}

fn text(finished: &Finished, path: &str) -> String {
    fs::read_to_string(finished.world().home().join(path)).unwrap_or_else(|error| format!("({error})"))
}

fn kept_folder(finished: &Finished) -> PathBuf {
    finished.world().state().join("agentsecrets/kept")
}

#[test]
fn what_was_written_comes_back_when_the_user_says_so() {
    for &user in users() {
        let run = Run::new().user(user).home_file("tool/config", "old\n").home_file("gone", "x");
        let script =
            "echo new > ~/tool/config; mkdir -p ~/deep/er; echo n > ~/deep/er/notes; rm ~/gone; echo s > ~/shut
             chmod 000 ~/shut; chmod 755 ~/tool/config; ln -s tool ~/link; exit 7";
        let finished = run.shell(script).run().ended_with(7);
        assert_eq!((text(&finished, "tool/config"), text(&finished, "gone")), ("old\n".into(), "x".into()));
        let id = id(&finished);
        assert!(finished.stderr().contains(&format!("log restore {id}")), "{}", finished.stderr());
        assert!(finished.stderr().contains("kept 5 changed files"), "{}", finished.stderr());
        let shown = log(&finished, user, &["show", &id]).succeeded().stdout();
        for word in ["5 files", "tool/config  (4 bytes)", "gone  (deleted)", "link  (leads to tool)"] {
            assert!(shown.contains(word), "`{word}` is missing in:\n{shown}");
        }
        let as_json = log(&finished, user, &["show", &id, "--json"]).succeeded().stdout();
        let is_kept = |line: &&str| serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"] == "kept";
        assert_eq!(as_json.lines().filter(is_kept).count(), 5, "{as_json}");
        // Nobody is asked, so nobody says yes.
        let declined = log(&finished, user, &["restore", &id]).ended_with(125);
        assert!(declined.stderr().contains("nobody said yes"), "{}", declined.stderr());
        log(&finished, user, &["restore", &id, "--dry-run"]).ended_with(1);
        assert_eq!(text(&finished, "tool/config"), "old\n");
        // One directory first, then the rest.
        let folder = finished.world().home().join("deep");
        let restored = log(&finished, user, &["restore", &id, folder.to_str().unwrap(), "--yes", "--json"]).succeeded();
        assert_eq!(results(&finished, &restored), [("deep/er/notes".into(), "restored".into())]);
        let restored = log(&finished, user, &["restore", &id, "--yes", "--json"]).ended_with(1);
        let expected = [
            ("deep/er/notes", "unchanged"),
            ("gone", "refused"),
            ("link", "refused"),
            ("shut", "restored"),
            ("tool/config", "restored"),
        ];
        assert_eq!(results(&finished, &restored), expected.map(|(path, word)| (path.to_owned(), word.to_owned())));
        assert_eq!((text(&finished, "tool/config"), text(&finished, "deep/er/notes")), ("new\n".into(), "n\n".into()));
        let mode = fs::metadata(finished.world().home().join("tool/config")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
        log(&finished, user, &["restore", &id, finished.world().home().join("none").to_str().unwrap()]).ended_with(125);
    }
}

#[test]
fn at_a_terminal_a_yes_puts_back_and_every_other_answer_does_not() {
    for &user in users() {
        let finished = Run::new().user(user).home_file("notes", "old\n").shell("echo new >~/notes").run().succeeded();
        let id = id(&finished);
        for (answer, status, expected) in
            [("\n", 125, "old\n"), ("n\n", 125, "old\n"), ("yes please\n", 125, "old\n"), ("yes\n", 0, "new\n")]
        {
            let asked = Console::start(log_of(&finished, user, &["restore", &id]), Session::Leader, "\"$W\"");
            asked.wait_for("Put 1 file back? The command wrote them. [y/N]").write(answer.as_bytes());
            let (ended, shown) = asked.finish();
            assert_eq!(ended, status, "{answer:?}: {shown}");
            assert!(shown.contains("/notes") && shown.contains("restored") == (status == 0), "{shown}");
            assert_eq!(text(&finished, "notes"), expected, "{answer:?}: {shown}");
        }
        // Without a terminal to ask at there is nobody who could say yes.
        let piped = Console::start(log_of(&finished, user, &["restore", &id]), Session::Leader, "echo yes | \"$W\"");
        assert_eq!(text(&finished, "notes"), "new\n");
        assert_eq!(piped.finish().0, 0, "what stands there already needs no question");
    }
}

#[test]
fn what_is_obeyed_hidden_or_changed_needs_force_and_nothing_is_lost() {
    for &user in users() {
        let key = fresh_key("sk-proj-");
        let token = fresh_key("ghp_");
        let run = Run::new().user(user).secret("OPENAI_API_KEY", &key).declare("token", &token);
        let run = run.home_file(".bashrc", "# mine\n").home_file("both", "start\n").home_file("way/f", "f\n");
        let run = run.home_file(".netrc", format!("machine github.com login u password {token}\n"));
        let script = "set -e; cd ~; echo 'curl evil' >> .bashrc; mkdir -p .local/bin .local/share/tool other/.git/hooks
             echo x > .local/bin/ls; echo x > .local/share/tool/allowed; echo x > other/.git/hooks/pre-commit; echo child > both; echo child > way/f
             echo \"key = $OPENAI_API_KEY\" > tool.conf; echo 'machine evil login a password b' > .netrc
             mkdir -p .config/agentsecrets; echo '[egress]' > \"$XDG_CONFIG_HOME/agentsecrets/config.toml\" || true
             echo ready; read line";
        let running = run.shell(script).input("").start();
        running.wait_for("ready");
        let home = running.world().home();
        fs::write(home.join("both"), "host\n").unwrap();
        fs::rename(home.join("way"), home.join("moved")).unwrap();
        symlink("moved", home.join("way")).unwrap();
        let finished = running.finish();
        let id = id(&finished);
        let refused = log(&finished, user, &["restore", &id, "--yes", "--json"]).ended_with(1);
        for (path, word) in results(&finished, &refused) {
            assert_eq!(word, "refused", "{path}");
        }
        assert!(results(&finished, &refused).len() >= 7, "{}", refused.stdout());
        for word in ["obey", "is masked in runs", "changed it since", "nothing turns back", "on the way"] {
            assert!(refused.stdout().contains(word), "`{word}` is missing in:\n{}", refused.stdout());
        }
        assert_eq!((text(&finished, ".bashrc"), text(&finished, "both")), ("# mine\n".into(), "host\n".into()));
        let forced = log(&finished, user, &["restore", &id, "--yes", "--json", "--force"]).ended_with(1);
        let forced = results(&finished, &forced);
        let word = |path: &str| forced.iter().find(|(known, _)| known == path).map(|(_, word)| word.as_str());
        for path in [".bashrc", "both", ".local/bin/ls", ".local/share/tool/allowed", "other/.git/hooks/pre-commit"] {
            assert_eq!(word(path), Some("restored"), "{path}");
        }
        for path in ["tool.conf", "way/f", ".netrc"] {
            assert_eq!(word(path), Some("refused"), "{path}: force does not help");
        }
        assert_eq!((text(&finished, "both"), text(&finished, "moved/f")), ("child\n".into(), "f\n".into()));
        assert_eq!(text(&finished, "both.agentsecrets-conflict"), "host\n");
        assert!(text(&finished, ".netrc").contains(&token), "the host's own credentials stay");
        assert_eq!(text(&finished, ".bashrc.agentsecrets-conflict"), "# mine\n");
        assert!(!finished.world().home().join("tool.conf").exists());
    }
}

#[test]
fn our_own_directories_take_nothing_even_by_force() {
    for &user in users() {
        let run = Run::new().user(user);
        let config = run.world().home().join(".config");
        let run = run.variable("XDG_CONFIG_HOME", &config).home_file(".config/agentsecrets/config.toml", "");
        let script = "echo '[egress]' > ~/.config/agentsecrets/config.toml; echo x > ~/.config/agentsecrets/new; true";
        let finished = run.shell(script).run().succeeded();
        let world = finished.world();
        let log = |words: &[&str]| {
            let run = Run::new().user(user).verb(["log"]).variable("HOME", world.home()).flags(words);
            run.variable("XDG_STATE_HOME", world.state()).variable("XDG_CONFIG_HOME", &config).run()
        };
        // Where the directory is hidden by a mount, nothing is left of it at all.
        if kept_folder(&finished).exists() {
            let forced = log(&["restore", &id(&finished), "--yes", "--force", "--json"]).ended_with(1);
            assert!(forced.stdout().contains("agentsecrets' own"), "{}", forced.stdout());
        }
        assert_eq!(text(&finished, ".config/agentsecrets/config.toml"), "");
        assert!(!config.join("agentsecrets/new").exists());
    }
}

#[test]
fn hostile_files_are_bounded_and_never_reach_a_terminal() {
    for &user in users() {
        let script = "cd ~; mkfifo pipe; truncate -s 1T sparse; ln -s /etc/shadow shadow; echo one > one; ln one two
             printf x > \"$(printf 'a\\033[2J\\nb')\"; printf x > \"$(printf 'latin\\351')\"
             d=deep; for i in 1 2 3 4 5 6 7; do d=$d/$d; done; mkdir -p \"$d\"; echo x > \"$d/f\"
             mkdir many; cd many; seq 1 3000 | xargs touch; exit 0";
        let finished = Run::new().user(user).shell(script).run().succeeded();
        let id = id(&finished);
        for said in [finished.stderr(), log(&finished, user, &["show", &id]).succeeded().stdout()] {
            assert!(!said.contains('\u{1b}') && !said.contains("\nb "), "{said:?}");
        }
        assert!(finished.stderr().contains("discarded changes to"), "{}", finished.stderr());
        let shown = log(&finished, user, &["show", &id, "--json"]).succeeded().stdout();
        let shown: Vec<serde_json::Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let kept: Vec<&serde_json::Value> = shown.iter().filter(|line| line["kind"] == "kept").collect();
        assert_eq!(kept.len(), 2000);
        let of = |name: &str| kept.iter().find(|line| line["path"].as_str().unwrap().ends_with(name));
        assert!(of("/one").is_some() && of("/two").is_some() && of("/sparse").is_none() && of("/pipe").is_none());
        assert_eq!(of("/shadow").unwrap()["became"], "link", "what a symlink leads to is not read");
        let restored = log(&finished, user, &["restore", &id, "--yes"]).ended_with(1);
        assert!(!restored.stdout().contains('\u{1b}'), "{}", restored.stdout());
        let home = finished.world().home();
        assert_eq!(fs::read(home.join(OsStr::from_bytes(b"latin\xe9"))).unwrap(), b"x");
        assert_eq!(fs::read(home.join("a\u{1b}[2J\nb")).unwrap(), b"x");
    }
}

#[test]
fn runs_at_once_keep_each_its_own() {
    let place = Run::new();
    let home = place.world().home();
    let state = place.world().state();
    crate::support::place::give(place.world().root(), User::Ordinary);
    let start = |name: &str| {
        let run = Run::new().user(User::Ordinary).variable("HOME", &home).variable("XDG_STATE_HOME", &state);
        run.shell(&format!("echo {name} > ~/mine; echo ready; read line")).input("").start()
    };
    let running: Vec<_> = ["a", "b", "c"].into_iter().map(start).collect();
    for running in &running {
        running.wait_for("ready");
    }
    let ended: Vec<_> = running.into_iter().map(crate::support::Running::finish).collect();
    let runs = ended.iter().map(|finished| {
        let said = finished.stderr();
        said.split("log restore ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
    });
    for (run, expected) in runs.zip(["a\n", "b\n", "c\n"]) {
        let log = Run::new().user(User::Ordinary).verb(["log"]).variable("HOME", &home);
        let log = log.variable("XDG_STATE_HOME", &state);
        log.flags(["restore", &run, "--yes", "--force"]).run().succeeded();
        assert_eq!(fs::read_to_string(home.join("mine")).unwrap(), expected);
    }
}

#[test]
fn a_parent_killed_while_it_keeps_leaves_nothing_half() {
    let script = "head -c 50000000 /dev/urandom > ~/large; for i in 1 2 3 4 5 6 7 8 9; do cp /etc/passwd ~/p$i; done";
    let running = Run::new().user(User::Ordinary).shell(script).start();
    let kept = running.world().state().join("agentsecrets/kept");
    let is_begun = || fs::read_dir(&kept).is_ok_and(|mut entries| entries.next().is_some());
    while !is_begun() && !running.has_ended() {
        std::thread::yield_now();
    }
    running.signal(Signal::SIGKILL);
    let finished = running.finish();
    let world = finished.world();
    // The next run clears away what the dead one left half.
    let next = Run::new().user(User::Ordinary).variable("HOME", world.home()).variable("XDG_STATE_HOME", world.state());
    next.shell("echo x > ~/x").run().succeeded();
    for entry in fs::read_dir(&kept).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert!(!name.ends_with(".partial"), "{name}");
        assert!(entry.path().join("index.json").is_file(), "{name} has no index");
    }
}

#[test]
fn what_cannot_be_kept_is_said_and_changes_no_status() {
    let run = Run::new().user(User::Ordinary);
    let state = run.world().state().join("agentsecrets");
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("kept"), "").unwrap();
    let finished = run.shell("echo x > ~/x; exit 3").run().ended_with(3);
    let said = finished.stderr();
    assert!(said.contains("warning: nothing of your home was kept") && said.contains("discarded"), "{said}");
}

#[test]
fn a_run_that_changes_nothing_keeps_nothing() {
    let finished = Run::new().args(["true"]).run().succeeded();
    assert!(!kept_folder(&finished).exists());
    let said = log(&finished, User::Tester, &["restore", &id(&finished)]).ended_with(125).stderr();
    assert!(said.contains("nothing that run"), "{said}");
}
