//! `prove`: the attacks that ship in the program, as a user has them tried. What each attack is worth is the escape
//! suite's to say; here is what the command promises around them.

use std::fs;
use std::path::{Path, PathBuf};

use agentsecrets::attack::Aim;
use nix::sys::signal::Signal;
use serde_json::{Map, Value};

use crate::support::Run;
use crate::support::deadline::{PATIENCE, poll};
use crate::support::place::{self, User, users};

/// What is left of proofs below a run's state directory.
fn remains(state: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(state.join("agentsecrets")).into_iter().flatten().flatten();
    let is_proof = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("prove-"));
    entries.map(|entry| entry.path()).filter(is_proof).collect()
}

#[test]
fn every_attack_wins_outside_and_is_stopped_inside() {
    for user in users() {
        let finished = Run::new().user(*user).verb(["prove", "--json"]).run();
        let said = finished.stdout();
        assert_eq!(finished.code(), 0, "{user:?}: {said} {}", finished.stderr());
        let rows: Vec<Map<String, Value>> = serde_json::from_str(&said).unwrap();
        let won = |row: &&Map<String, Value>| row["won"] == Value::Bool(true);
        assert_eq!(rows.iter().find(won), None, "{user:?}");
        for row in &rows {
            assert!(row.keys().eq(["attack", "group", "control", "inside", "won"]), "{row:?}");
            let is_proven = row["won"] == Value::Bool(false);
            let control = row["control"].as_str().unwrap();
            assert_eq!(is_proven, control.starts_with("won: "), "{row:?}");
            assert!(is_proven || control.starts_with("not possible here: "), "{row:?}");
            assert!(!is_proven || row["inside"].as_str().unwrap().starts_with("lost: "), "{row:?}");
        }
        // What a machine of any kind can show, so that a suite that shrinks is seen.
        let proven =
            |group: &str| rows.iter().filter(|row| row["group"] == *group && row["won"] == Value::Bool(false)).count();
        for (group, least) in [
            ("files", 30),
            ("processes", 8),
            ("network", 9),
            ("sockets", 13),
            ("persistence", 23),
            ("terminals", 6),
            ("agentsecrets", 9),
        ] {
            assert!(proven(group) >= least, "{user:?}: {group} {}", proven(group));
        }
        // Where no keychain runs, that is said and proves nothing.
        let keychain = rows.iter().find(|row| row["attack"] == "keychain-item").unwrap();
        assert_eq!(keychain["control"], "not possible here: there is no session bus");
        assert_eq!(remains(&finished.world().state()), Vec::<PathBuf>::new());
    }
}

#[test]
fn the_card_fits_on_one_screen() {
    let finished = Run::new().verb(["prove"]).run();
    let card = finished.stdout();
    assert_eq!(finished.code(), 0, "{card}");
    assert!(card.lines().count() <= 50, "{} lines\n{card}", card.lines().count());
    assert!(card.lines().all(|line| line.chars().count() <= 80), "{card}");
    assert!(card.contains("\nPROVEN  ") && !card.contains("WON INSIDE") && !card.contains('\u{1b}'), "{card}");
    let whole = Run::new().verb(["prove", "--verbose"]).run().stdout();
    assert!(whole.contains("\n  read-dotenv\n      outside  won: the real value\n      inside   lost: "), "{whole}");
}

#[test]
fn a_weaker_level_is_shown_as_it_is() {
    let finished = Run::new().user(User::Ordinary).verb(["prove", "--isolation", "guarded"]).run();
    let card = finished.stdout();
    assert_eq!(finished.code(), 0, "{card} {}", finished.stderr());
    // What the manual says of this level is shown with its reason; a project that shows a secret is no place for such a
    // run, and that is what holds there.
    assert!(card.contains("\nopen by design at the level guarded: they win inside:\n"), "{card}");
    assert!(card.contains("write-git-hook") && card.contains(" are open by design\n"), "{card}");
    assert!(card.contains("\nPROVEN  ") && !card.contains("WON INSIDE") && !card.contains("CONTROL FAILED"), "{card}");
}

#[test]
fn a_level_that_confines_nothing_is_refused() {
    let finished = Run::new().verb(["prove", "--isolation", "none"]).run().ended_with(2);
    assert!(finished.stderr().contains("there is nothing to prove") && finished.stdout().is_empty());
}

#[test]
fn a_level_that_the_machine_lacks_is_refused_as_a_run_refuses_it() {
    let run = Run::new().user(User::Ordinary).verb(["prove"]).stand_in(&format!(
        "exec unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec \"$@\"' sh {} \"$@\"",
        place::agentsecrets().display()
    ));
    let finished = run.run();
    let said = finished.stderr();
    assert_eq!(finished.code(), 125, "{said}");
    for text in ["did not start", "cannot seal", "max_user_namespaces", "--isolation guarded"] {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert_eq!((finished.stdout(), remains(&finished.world().state())), (String::new(), Vec::new()));
}

#[test]
fn nothing_stays_when_a_proof_is_killed() {
    for user in users() {
        let running = Run::new().user(*user).verb(["prove"]).start();
        let state = running.world().state();
        // The shared places are planted before the first site is.
        let (place, aim) = poll("a site", || {
            let place = remains(&state).pop()?;
            let is_site = |entry: fs::DirEntry| entry.path().join("project/aim.json").exists();
            let has_site = fs::read_dir(&place).ok()?.flatten().any(is_site);
            has_site.then(|| (place.clone(), Aim::read(&place.join("aim.json")).ok())).and_then(|(p, a)| Some((p, a?)))
        });
        let shared: Vec<PathBuf> = ["/tmp", "/dev/shm"].map(|folder| Path::new(folder).join(&aim.canary)).into();
        assert!(shared.iter().all(|path| path.exists()), "{shared:?}");
        running.signal(Signal::SIGKILL);
        assert!(running.wait(PATIENCE).is_some());
        poll("everything planted to be gone", || (!place.exists()).then_some(()));
        for path in shared.iter().chain([&Path::new("/tmp").join(format!("{}.sock", aim.canary))]) {
            assert!(!path.exists(), "{}", path.display());
        }
    }
}
