//! A child that waits for a secret file and gives it another name before it is masked.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::place::{self, users};
use crate::support::running::Running;
use crate::support::{Run, fresh_key};

/// How often the host makes a secret file for it.
const ROUNDS: usize = 12;
/// How long a mask is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// In each of some folders: tries to get hold of a new `.env`, in the way that the argument says, until it has or cannot any
/// more; then waits for a line and shows all that is there.
const TAKE: &str = r#"
import errno, os, sys
how, rounds = sys.argv[1], int(sys.argv[2])
print("how", how)
for number in range(rounds):
    os.chdir(f"d{number}")
    print("waits", number, flush=True)
    outcome = None
    while outcome is None:
        try:
            if how == "rename":
                os.rename(".env", "taken")
            elif how == "chain":
                os.rename(".env", "taken0")
                for step in range(300):
                    os.rename(f"taken{step}", f"taken{step + 1}")
            else:
                os.link(".env", "taken")
                if how == "swap":
                    os.unlink(".env")
            outcome = "taken"
        except FileNotFoundError:
            if os.path.exists("taken0"):
                outcome = "lost"
        except OSError as error:
            # A mask is a mount, of which nothing is moved nor linked.
            assert error.errno in (errno.EBUSY, errno.EXDEV, errno.EPERM), error
            outcome = "held"
    print("done", number, outcome, flush=True)
    sys.stdin.readline()
    for name in sorted(os.listdir(".")):
        print(name, open(name).read().strip(), flush=True)
    print("shown", number, flush=True)
    os.chdir("..")
"#;

fn start(run: Run, how: &str) -> Running {
    let run = (0..ROUNDS).fold(run, |run, number| run.project_file(&format!("d{number}/x"), ""));
    run.args(["python3", "-c", TAKE, how, &ROUNDS.to_string()]).unobserved().input("").start()
}

/// What the child said of a round.
fn outcome(running: &Running, number: usize) -> String {
    let begin = format!("done {number} ");
    running.wait_for(&begin);
    let said = running.stdout();
    said.split_once(&begin).unwrap().1.lines().next().unwrap().to_owned()
}

#[test]
fn what_is_renamed_or_linked_at_once_is_masked_under_each_name() {
    for user in users() {
        for how in ["rename", "link", "swap", "chain"] {
            let mut new = fresh_key("sk-proj-");
            let mut lost = Vec::new();
            let mut running = start(Run::new().user(*user), how);
            let project = running.world().project();
            for number in 0..ROUNDS {
                running.wait_for(&format!("waits {number}\n"));
                let folder = project.join(format!("d{number}"));
                let path = folder.join(".env");
                fs::write(&path, format!("OPENAI_API_KEY={new}\n")).unwrap();
                // It may be gone by now.
                if let Some(id) = user.id() {
                    let _ = std::os::unix::fs::chown(&path, Some(id), Some(id));
                }
                let outcome = outcome(&running, number);
                // Every name that the host sees is told of.
                let is_told = || {
                    let said = running.stderr();
                    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
                    let mut names = names.filter(|name| name != "x");
                    names.all(|name| said.contains(&format!("/d{number}/{} ", name.to_string_lossy())))
                };
                let end = Instant::now() + PATIENCE;
                while !is_told() && Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(2));
                }
                running.write(b"go\n");
                running.wait_for(&format!("shown {number}\n"));
                if running.stdout().contains(&new) {
                    lost.push(format!("{how} {number} {outcome}"));
                    new = fresh_key("sk-proj-");
                }
            }
            for number in 0..ROUNDS {
                fs::remove_dir_all(project.join(format!("d{number}"))).unwrap();
            }
            running.close_input();
            let finished = running.finish().succeeded();
            assert!(lost.is_empty(), "{lost:?}: {}", finished.stderr());
            let shown = finished.stdout().matches("OPENAI_API_KEY=sk-proj-").count();
            // One that was masked before its text was written shows none.
            assert!(shown > 0, "{how}: {}", finished.stdout());
        }
    }
}

#[test]
fn without_the_masks_each_of_them_shows() {
    let program = place::published(&place::example("agentsecrets-without", &["leave-out"]));
    for how in ["rename", "link", "swap", "chain"] {
        // Not declared, and so no leak to the harness: this is what the masks are for.
        let new = fresh_key("sk-proj-");
        let run = Run::new().program(&program).variable("AGENTSECRETS_LEAVE_OUT", "live-masks");
        let mut running = start(run, how);
        running.wait_for("waits 0\n");
        fs::write(running.world().project().join("d0/.env"), format!("OPENAI_API_KEY={new}\n")).unwrap();
        assert_eq!(outcome(&running, 0), "taken", "{how}");
        running.write(b"go\n");
        running.wait_for("shown 0\n");
        assert!(running.stdout().contains(&new), "{how}: {}", running.stdout());
    }
}

/// An editor's swap file comes and goes beside what was made before, which is none of it although it reads like a secret file.
#[test]
fn what_was_made_before_is_not_taken_for_what_came_and_went() {
    let mut running = super::told(Run::new().project_file("later/x", ""));
    let text = "token.py,sha256=9f86d081884c7d659a2feaa0c55ad015\n";
    super::says(&mut running, &format!("echo '{}' > RECORD", text.trim_end()));
    let barrier = |running: &mut Running, name: &str| {
        let key = fresh_key("sk-proj-");
        fs::write(running.world().project().join("later").join(name), format!("OPENAI_API_KEY={key}\n")).unwrap();
        running.wait_for_error(&format!("/later/{name} appeared and is masked"));
    };
    barrier(&mut running, ".env.1");
    super::says(&mut running, "for i in $(seq 50); do echo x > .env.swp; rm .env.swp; done");
    barrier(&mut running, ".env.2");
    assert_eq!(super::says(&mut running, "echo more >> RECORD; cat RECORD"), format!("{text}more\n"));
    let finished = super::end(running, &["later/.env.1", "later/.env.2"]);
    assert_eq!(finished.audit_of("mask").len(), 2, "{}", finished.stderr());
}

/// Why other writable trees are not searched for such names: each is a mount of its own inside.
#[test]
fn no_name_leads_into_another_writable_tree() {
    let script = "mkdir -p ~/.cache; echo x > f; for to in ~/.cache/f ~/other/f; do ln f $to 2>&1 || echo apart; done";
    let run = Run::new().flags(["--writable", "~/other"]).home_file("other/x", "").home_file(".cache/x", "");
    let finished = run.shell(script).run().succeeded();
    let told = finished.stdout();
    assert_eq!(told.matches("apart").count(), 2, "{told}");
    assert_eq!(told.matches("ross-device").count(), 2, "{told}");
}
