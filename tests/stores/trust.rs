//! What a project's file grants: nothing until its content was trusted, and nothing again once a byte of it changed.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::home::Home;
use crate::support::place::{self, User};
use crate::support::{Run, Tmux, Upstream, fresh_key, tmux::Way};

const GRANTS: &str = "workspace = \"acme\"\n[egress]\nallow = [\"db.example:5432\"]\n\
                      [secrets.BILLING]\nhosts = [\"billing.example\"]\nrules = [\"GET /v1/**\"]\n";

fn with_file(user: User, text: &str) -> Home {
    let home = Home::new(user);
    home.ok(&["workspace", "create", "acme"]);
    home.ok(&["workspace", "create", "other"]);
    home.ok(&["workspace", "use", "other"]);
    write(&home, text);
    home
}

fn write(home: &Home, text: &str) {
    fs::write(home.path("home/acme/agentsecrets.toml"), text).unwrap();
    place::give(home.root.path(), home.user);
}

fn hash(home: &Home) -> String {
    home.ok(&["trust", "--hash"]).out.trim().to_owned()
}

#[test]
fn a_file_is_trusted_as_it_is_and_no_other() {
    for user in place::users() {
        let home = with_file(*user, GRANTS);
        let hash = hash(&home);
        for words in [&["run", "--", "true"][..], &["explain", "--", "true"], &["policy", "check"]] {
            let said = home.run(words);
            assert!(said.code == 125 && said.err.contains(&hash), "{}", said.err);
            assert!(
                said.err.contains("agentsecrets.toml:1:") && said.err.contains("hint: agentsecrets trust"),
                "{}",
                said.err
            );
        }
        let declined = home.run(&["trust"]);
        assert!(declined.code == 125 && declined.err.contains("hint: agentsecrets trust --yes"), "{}", declined.err);
        let said = home.ok(&["trust", "--yes"]);
        for line in [
            "+ choose the workspace `acme`",
            "+ open `db.example:5432`",
            "+ send `BILLING` to `billing.example`, only for `GET /v1/**`",
        ] {
            assert!(said.out.contains(line), "{line}: {}", said.out);
        }
        let record = fs::read_dir(home.path("home/.local/state/agentsecrets/trust"))
            .unwrap()
            .flatten()
            .find(|entry| entry.path().extension().is_some());
        let metadata = record.unwrap().metadata().unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.uid()), (0o600, user.effective()));
        let ran = home.ok(&["run", "--", "true"]);
        assert!(ran.err.contains("trusted and grants 3 things"), "{}", ran.err);
        let shown = home.ok(&["policy", "show", "--origin"]).out;
        assert!(shown.contains("agentsecrets.toml:3") && shown.contains(": trusted on "), "{shown}");
        // What it chooses is where secrets go.
        home.ok(&["secrets", "set", "KEPT=the-kept-value-4242"]);
        let index = |name: &str| fs::read_to_string(home.config(&format!("workspaces/{name}.toml"))).unwrap();
        assert!(index("acme").contains("[secrets.KEPT]") && !index("other").contains("KEPT"), "{}", index("other"));
        assert_eq!(home.ok(&["secrets", "list", "--workspace", "acme", "--json"]).out.lines().count(), 1);

        // One byte more is another file.
        write(&home, &format!("{GRANTS}\n"));
        let said = home.run(&["run", "--", "true"]);
        assert!(said.code == 125 && said.err.contains("changed since it was trusted on 2"), "{}", said.err);
        write(&home, &GRANTS.replace("rules = [\"GET /v1/**\"]", ""));
        let said = home.ok(&["trust", "--yes"]);
        assert!(said.out.contains("- send `BILLING` to `billing.example`, only for"), "{}", said.out);
        assert!(said.out.contains("+ send `BILLING` to `billing.example`  #"), "{}", said.out);
        assert!(said.out.contains("  open `db.example:5432`"), "{}", said.out);
        write(&home, GRANTS);
        assert_eq!(home.run(&["run", "--", "true"]).code, 125, "the older content is trusted no longer");

        assert!(home.ok(&["trust", "--list"]).out.contains("changed"));
        let listed = home.ok(&["trust", "--list", "--json"]).out;
        let object: serde_json::Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(object["state"], "changed");
        let file = home.path("home/acme/agentsecrets.toml");
        fs::remove_file(&file).unwrap();
        assert!(home.ok(&["trust", "--list"]).out.contains("gone"));
        nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(home.ok(&["trust", "--list"]).out.contains("unreadable"), "a pipe is not waited for");
        fs::remove_file(&file).unwrap();
        home.ok(&["trust", "--revoke"]);
        assert_eq!(home.run(&["trust", "--remove"]).code, 125);
        assert_eq!(home.ok(&["trust", "--list"]).out, "");
    }
}

#[test]
fn a_fingerprint_on_the_command_line_trusts_for_once() {
    let home = with_file(User::Ordinary, GRANTS);
    let right = hash(&home);
    let wrong = format!("sha256:{}", "0".repeat(64));
    // A run's statuses are its command's, but for ours.
    for (words, malformed) in [(&["run"][..], 125), (&["explain"], 2)] {
        home.ok(&[words, &["--trust", &wrong, "--trust", &right, "--", "true"]].concat());
        let said = home.run(&[words, &["--trust", &wrong, "--", "true"]].concat());
        assert!(said.code == 125 && said.err.contains(&format!("--trust {right}")), "{}", said.err);
        assert_eq!(home.run(&[words, &["--trust", "sha256:12", "--", "true"]].concat()).code, malformed);
    }
    assert!(home.ok(&["policy", "check", "--trust", &right]).out.contains("trusted by --trust, grants 3"));
    let test = ["policy", "test", "GET", "https://db.example:5432/", "--trust"];
    assert!(home.ok(&[&test[..], &[&right]].concat()).out.starts_with("allow"));
    assert_eq!(home.run(&[&test[..], &[&wrong]].concat()).code, 125);
    assert_eq!(home.run(&["run", "--", "true"]).code, 125, "nothing of it stays");
    fs::remove_file(home.path("home/acme/agentsecrets.toml")).unwrap();
    assert!(home.run(&["run", "--trust", &right, "--", "true"]).err.contains("no such file to trust"));
}

#[test]
fn many_who_trust_at_once_lose_nothing() {
    let home = with_file(User::Ordinary, GRANTS);
    let projects: Vec<_> = (0..8).map(|number| home.path(&format!("home/project-{number}"))).collect();
    for project in &projects {
        fs::create_dir(project).unwrap();
        fs::write(project.join("agentsecrets.toml"), GRANTS).unwrap();
    }
    place::give(home.root.path(), home.user);
    let trust = |project: &std::path::PathBuf| {
        let mut command = home.command(place::agentsecrets(), &["trust", "--yes"]);
        command.current_dir(project).spawn().unwrap()
    };
    let children: Vec<_> = projects.iter().map(trust).collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert_eq!(home.ok(&["trust", "--list"]).out.matches("as trusted").count(), 8);
    let first = projects[0].to_str().unwrap();
    home.ok(&["trust", "--remove", first]);
    assert_eq!(home.ok(&["trust", "--list"]).out.lines().count(), 7);
}

#[test]
fn a_record_that_is_broken_large_or_anothers_is_refused_with_a_mend() {
    let home = with_file(User::Ordinary, GRANTS);
    home.ok(&["trust", "--yes"]);
    let entries = fs::read_dir(home.path("home/.local/state/agentsecrets/trust")).unwrap().flatten();
    let record = entries.map(|entry| entry.path()).find(|path| path.extension().is_some()).unwrap();
    let whole = fs::read(&record).unwrap();
    let refused = |said: &str| {
        let answer = home.run(&["run", "--", "true"]);
        assert!(answer.code == 125 && answer.err.contains(said), "{}", answer.err);
    };
    fs::write(&record, &whole[..whole.len() / 2]).unwrap();
    refused("hint: rm ");
    fs::write(&record, vec![b' '; (8 << 20) + 1]).unwrap();
    refused("it is larger than any");
    fs::write(&record, &whole).unwrap();
    fs::set_permissions(&record, fs::Permissions::from_mode(0o644)).unwrap();
    refused("hint: chmod go= ");
    fs::set_permissions(&record, fs::Permissions::from_mode(0o600)).unwrap();
    if home.user.id().is_some() {
        std::os::unix::fs::chown(&record, Some(0), Some(0)).unwrap();
        // Root's file with mode 0600 cannot even be opened.
        refused("cannot read it");
        place::give(home.root.path(), home.user);
    }
    home.ok(&["run", "--", "true"]);
}

/// The child trusts nothing, neither as it is nor without the marks of a run, and what changes outside meanwhile changes
/// nothing of its rules.
#[test]
fn a_child_trusts_nothing_and_a_run_keeps_its_rules() {
    for user in place::users() {
        let home = with_file(*user, "[egress]\nallow = [\"db.example:5432\"]\n");
        let program = place::agentsecrets().display();
        let script = format!(
            "{program} trust --yes && echo TRUSTED; env -u https_proxy -u HTTPS_PROXY {program} trust --yes; \
             echo '# x' >>agentsecrets.toml && echo WRITTEN; true"
        );
        let hash = hash(&home);
        let said = home.ok(&["run", "--trust", &hash, "--", "/bin/sh", "-c", &script]);
        assert!(said.err.contains("inside a run nothing can be trusted"), "{}", said.err);
        assert!(!said.out.contains("TRUSTED") && !said.out.contains("WRITTEN"), "{}", said.out);
        assert_eq!(home.ok(&["trust", "--list"]).out, "");
    }
}

/// What the host puts in the file's place is for the next run.
#[test]
fn a_file_that_changes_during_a_run_changes_nothing_of_it() {
    const NARROW: &str = "[egress]\ndefault = \"allowlist\"\n";
    let upstream = Upstream::start(["other.example"]);
    let ask = "curl -sk -o /dev/null -w '%{http_code}' https://other.example/test/ok";
    let run = || Run::new().upstream(&upstream).unobserved();
    let script = format!("echo up; until [ -e go ]; do sleep 0.05; done; {ask}");
    let running = run().project_file("agentsecrets.toml", NARROW).shell(&script).start();
    running.wait_for("up");
    let project = running.world().project();
    let wide = format!("{NARROW}allow = [\"other.example\"]\n");
    fs::write(project.join("new"), &wide).unwrap();
    fs::rename(project.join("new"), project.join("agentsecrets.toml")).unwrap();
    fs::write(project.join("go"), "").unwrap();
    let finished = running.finish().succeeded();
    assert!(finished.stdout().ends_with("403") && upstream.requests() == 0, "{}", finished.stdout());
    let next = run().project_file("agentsecrets.toml", wide).shell(ask).run().succeeded();
    assert_eq!(next.stdout(), "200", "{}", next.stderr());
}

#[test]
fn a_command_of_a_trusted_file_does_not_lie_in_the_project() {
    let home = with_file(User::Ordinary, "");
    let program = home.path("home/acme/get");
    fs::write(&program, "#!/bin/sh\necho value-of-the-project\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    for argv in [format!("[\"{}\"]", program.display()), format!("[\"/bin/sh\", \"{}\"]", program.display())] {
        write(&home, &format!("[secrets.K]\nhosts = [\"a.example\"]\nsource = {{ command = {argv} }}\n"));
        let said = home.run(&["trust", "--yes"]);
        assert!(said.code == 125 && said.err.contains("lies in the project"), "{}", said.err);
    }
}

#[test]
fn at_a_terminal_it_asks_and_no_is_the_default() {
    if !Tmux::has(&["bash"]) {
        return;
    }
    let run = Run::new().project_file("agentsecrets.toml", "[egress]\nallow = [\"db.example:5432\"]\n");
    let run = run.secret("STRIPE_KEY", &fresh_key("sk_live_"));
    let tmux = Tmux::start_in(run, Way::Bare, User::Ordinary);
    let program = place::agentsecrets().display();
    for (keys, status) in [(&["Enter"][..], 125), (&["n", "Enter"], 125), (&["y", "Enter"], 0)] {
        tmux.command(&format!("clear; {program} trust; echo \"status:\" $?"));
        tmux.wait_for("+ open `db.example:5432`").wait_for("[y/N]").keys(keys);
        tmux.wait_for(&format!("status: {status}\n"));
    }
    tmux.command(&format!("clear; {program} trust; echo \"status:\" $?")).wait_for("trusted already");
    tmux.wait_for("status: 0\n");
}
