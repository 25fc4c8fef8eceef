//! Secret files that the host replaces or makes while the command runs.

mod flood;
mod mounted;
mod moved;
mod swept;

use std::fs;
use std::path::Path;

use crate::support::place::{self, User, users};
use crate::support::running::Running;
use crate::support::{Finished, Run, fresh_key};

/// A run whose command does what each line of its input says, and then tells the number of the line.
fn told(run: Run) -> Running {
    let script = "echo done 0; n=0; while read -r line; do eval \"$line\"; n=$((n + 1)); echo done $n; done";
    let running = run.shell(script).input("").start();
    running.wait_for("done 0\n");
    running
}

/// What the command says to `line`.
fn says(running: &mut Running, line: &str) -> String {
    let before = running.stdout();
    let end = format!("done {}\n", before.matches("done ").count());
    running.write(format!("{line}\n").as_bytes());
    running.wait_for(&end);
    running.stdout()[before.len()..].replace(&end, "")
}

/// Ends it. What the host wrote meanwhile is no leak of the run's.
fn end(mut running: Running, written: &[&str]) -> Finished {
    for name in written {
        fs::remove_file(running.world().project().join(name)).unwrap();
    }
    running.close_input();
    running.finish().succeeded()
}

/// Gives one file or directory to a user.
fn own(path: &Path, user: User) {
    if let Some(id) = user.id() {
        std::os::unix::fs::chown(path, Some(id), Some(id)).unwrap();
    }
}

/// Puts a file in place of another, as editors do.
fn replace(path: &Path, text: &str) {
    // Under a name that is no secret file's: else it is masked there, and its mask goes with it.
    let new = path.with_file_name("written-beside");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

#[test]
fn a_file_that_is_replaced_is_masked_again() {
    for user in users() {
        let [old, new] = [fresh_key("sk-proj-"), fresh_key("sk-proj-")];
        let run = Run::new().user(*user).declare("OPENAI_API_KEY", &old).declare("NEW", &new);
        let run =
            run.dotenv(&format!("OPENAI_API_KEY={old}\n")).project_file("a/b/.env", format!("OPENAI_API_KEY={old}\n"));
        let mut running = told(run);
        let project = running.world().project();
        let shown = says(&mut running, "cat .env");
        let text = format!("OPENAI_API_KEY={new}\n");
        replace(&project.join(".env"), &text);
        running.wait_for_error("/.env was replaced and is masked");
        assert_eq!(says(&mut running, "cat .env"), shown);
        assert_eq!(says(&mut running, "mv .env x || echo no"), "no\n");
        // So is one of which a directory on the way was replaced, and one that was gone for a while.
        fs::rename(project.join("a"), project.join("old")).unwrap();
        fs::create_dir_all(project.join("made/b")).unwrap();
        fs::write(project.join("made/b/.env"), &text).unwrap();
        place::give(&project.join("made"), *user);
        fs::rename(project.join("made"), project.join("a")).unwrap();
        running.wait_for_error("/a/b/.env was replaced and is masked");
        assert_eq!(says(&mut running, "cat a/b/.env old/b/.env"), format!("{shown}{shown}"));
        fs::remove_file(project.join(".env")).unwrap();
        assert_eq!(says(&mut running, "cat .env || echo gone"), "gone\n");
        let finished = end(running, &["a/b/.env", "old/b/.env"]);
        let masked = finished.audit_of("mask");
        assert_eq!(masked.len(), 2, "{masked:?}");
        assert!(masked.iter().all(|record| record["reason"] == "was replaced"), "{masked:?}");
    }
}

#[test]
fn a_new_secret_file_is_masked_and_one_without_secrets_is_not() {
    for user in users() {
        let [known, new] = [fresh_key("sk-proj-"), fresh_key("sk_live_")];
        let run = Run::new().user(*user).secret("OPENAI_API_KEY", &known).declare("STRIPE_API_KEY", &new);
        let mut running = told(run.project_file("deep/er/x", ""));
        let project = running.world().project();
        fs::create_dir(project.join("later")).unwrap();
        own(&project.join("later"), *user);
        for (name, text) in [
            ("later/.env", format!("OPENAI_API_KEY={known}\nPLAIN=1\n")),
            ("deep/er/.env.local", format!("STRIPE_API_KEY={new}\n")),
        ] {
            fs::write(project.join(name), text).unwrap();
            own(&project.join(name), *user);
            running.wait_for_error(&format!("/{name} appeared and is masked for"));
        }
        assert_eq!(
            says(&mut running, "cat later/.env"),
            says(&mut running, "echo OPENAI_API_KEY=$OPENAI_API_KEY; echo PLAIN=1")
        );
        let shown = says(&mut running, "cat deep/er/.env.local");
        assert!(shown.starts_with("STRIPE_API_KEY=") && shown.len() > 30, "{shown}");
        // The child's own: placeholders and words for trying out.
        for line in ["echo OPENAI_API_KEY=$OPENAI_API_KEY > .env", "echo DB_PASSWORD=postgres >> .env", "cat .env"] {
            says(&mut running, line);
        }
        assert!(says(&mut running, "tail -n 1 .env").contains("postgres"));
        let finished = end(running, &["later/.env", "deep/er/.env.local"]);
        assert_eq!(finished.audit_of("mask").len(), 2);
    }
}

#[test]
fn a_copy_of_a_template_is_the_childs_own() {
    for user in users() {
        let text = "API_TOKEN=your-token-0123456789\n";
        let run = Run::new().user(*user).project_file(".env.example", text).project_file("elsewhere", text);
        let mut running = told(run);
        // The same values are new ones where no template has them; what is told of it comes behind what is not.
        says(&mut running, "cp .env.example .env; mkdir below; cp elsewhere below/.env");
        running.wait_for_error("/below/.env appeared and is masked for");
        says(&mut running, "echo MORE=1 >> .env");
        assert_eq!(says(&mut running, "cat .env"), format!("{text}MORE=1\n"));
        assert!(!says(&mut running, "cat below/.env").contains("your-token"));
        assert_eq!(end(running, &[]).audit_of("mask").len(), 1);
    }
}

#[test]
fn without_the_masks_a_replaced_file_shows() {
    let run = Run::new()
        .program(place::published(&place::example("agentsecrets-without", &["leave-out"])))
        .variable("AGENTSECRETS_LEAVE_OUT", "live-masks");
    let mut running = told(run.dotenv(&format!("OPENAI_API_KEY={}\n", fresh_key("sk-proj-"))));
    let text = format!("OPENAI_API_KEY={}\n", fresh_key("sk-proj-"));
    replace(&running.world().project().join(".env"), &text);
    // Not declared, and so no leak to the harness: this is what the masks are for.
    assert_eq!(says(&mut running, "cat .env"), text);
    end(running, &[]);
}

#[test]
fn a_credential_file_in_a_writable_tree_is_masked_again() {
    let [old, new] = [fresh_key(""), fresh_key("")];
    let run = Run::new().declare("OLD", &old).declare("NEW", &new).flags(["--writable", "~/.pgp"]);
    let login = |value: &str| format!("localhost:5432:db:me:{value}\n");
    let run = run.home_file(".pgp/pass", login(&old)).home_file(".pgp/x", "");
    let pass = run.world().home().join(".pgp/pass");
    let mut running = told(run.variable("PGPASSFILE", pass.as_os_str()));
    let shown = says(&mut running, "cat ~/.pgp/pass");
    replace(&pass, &login(&new));
    running.wait_for_error(".pgp/pass was replaced and is masked");
    assert_eq!(says(&mut running, "cat ~/.pgp/pass"), shown);
    fs::remove_file(&pass).unwrap();
    end(running, &[]);
}

#[test]
fn no_watches_no_run() {
    for (limit, setting) in [("3", "max_inotify_watches"), ("0", "max_inotify_instances")] {
        let told = told_beyond(limit, setting);
        let wanted = setting.replace("inotify", "user");
        assert!(told.contains("cannot be watched") && told.contains(&format!("fs.inotify.{wanted}")), "{told}");
    }
}

/// What a run says that ends since its user may have no more; in a user namespace of the test's own, whose limit it is.
fn told_beyond(limit: &str, setting: &str) -> String {
    let run = Run::new().dotenv(&format!("OPENAI_API_KEY={}\n", fresh_key("sk-proj-"))).unobserved();
    let run = run.project_file("a/x", "").project_file("b/x", "").args(["true"]);
    let (command, _world) = run.into_parts();
    let mut inside = std::process::Command::new("unshare");
    inside.args(["--user", "--map-root-user", "sh", "-c"]);
    inside.arg(format!("echo {limit} > /proc/sys/user/{setting} && exec \"$0\" \"$@\""));
    inside.arg(command.get_program()).args(command.get_args()).env_clear();
    inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    inside.current_dir(command.get_current_dir().unwrap());
    let output = inside.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(125), "{told}");
    told
}
