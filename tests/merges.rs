//! `--writable FILE` of a masked file: the command changes its own copy with placeholders, and the host's file takes the
//! changes at the end with its values where they were, or stays as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::place::users;
use crate::support::{Finished, Run, fresh_key};

/// The files below the run's root that hold `value`.
fn holders(finished: &Finished, value: &str) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, value: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                walk(root, &path, value, found);
            } else if fs::read(&path).is_ok_and(|text| memchr::memmem::find(&text, value.as_bytes()).is_some()) {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    walk(finished.world().root(), finished.world().root(), value, &mut found);
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| format!("({error})"))
}

#[test]
fn a_settings_file_of_the_home_is_merged_with_its_values_and_mode() {
    for &user in users() {
        let key = fresh_key("sk-ant-api03-");
        let text = format!("{{\n  \"primaryApiKey\": \"{key}\",\n  \"theme\": \"dark\"\n}}\n");
        let run = Run::new().user(user).home_file(".claude.json", &text);
        let path = run.world().home().join(".claude.json");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let script = "cd ~; cat .claude.json; sed 's/dark/light/; s/^}/,\"added\": 1}/' .claude.json > .claude.new
             mv .claude.new .claude.json; cat .claude.json; exit 4";
        let finished = run.flag("--writable").flag(&path).shell(script).run().ended_with(4);
        assert!(!finished.stdout().contains(&key), "the child sees placeholders alone");
        let expected = text.replace("dark", "light").replace("\n}", "\n,\"added\": 1}");
        assert_eq!(read(&path), expected);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        assert!(finished.stderr().contains("merged what the command changed"), "{}", finished.stderr());
        assert!(!finished.stderr().contains("kept"), "{}", finished.stderr());
        assert_eq!(holders(&finished, &key), ["home/.claude.json"]);
    }
}

#[test]
fn a_login_keeps_its_time_and_a_file_that_is_left_alone_its_bytes() {
    let login = fresh_key("sk-ant-oat01-");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let expires = now + 3_600_000;
    let text = format!(
        "{{\"claudeAiOauth\":{{\"accessToken\":\"{login}\",\"refreshToken\":\"{login}r\",\"expiresAt\":{expires},\"scopes\":[\"user:inference\"]}}}}"
    );
    for (script, expected) in [
        ("true", text.clone()),
        ("touch ~/.claude/.credentials.json", text.clone()),
        (
            "f=$(sed 's/user:inference/user:profile\",\"x/' ~/.claude/.credentials.json); echo \"$f\" > ~/.claude/.credentials.json",
            text.replace("user:inference", "user:profile\",\"x") + "\n",
        ),
    ] {
        let run = Run::new().home_file(".claude/.credentials.json", &text);
        let path = run.world().home().join(".claude/.credentials.json");
        // Its world ends with it.
        let _finished = run.flag("--writable").flag(&path).shell(script).run().succeeded();
        assert_eq!(read(&path), expected, "{script}");
    }
}

#[test]
fn a_dotenv_of_the_project_is_merged_and_no_placeholder_travels() {
    for &user in users() {
        let key = fresh_key("sk_live_");
        let run = Run::new().user(user).dotenv(&format!("# keys\nSTRIPE_KEY='{key}'\nPLAIN=1\n"));
        let path = run.world().project().join(".env");
        let script = ". ./.env; test -n \"$STRIPE_KEY\" || exit 1; mv .env elsewhere 2>/dev/null && exit 2
             echo \"EVIL=https://evil.example/?k=$STRIPE_KEY\" >> .env; echo \"COPY_KEY='$STRIPE_KEY'\" >> .env; cat .env";
        let finished = run.flags(["--writable", ".env"]).shell(script).run().succeeded();
        let seen = finished.stdout();
        assert!(!seen.contains(&key), "{seen}");
        let placeholder = seen.split('\'').nth(1).unwrap();
        let merged = format!("# keys\nSTRIPE_KEY='{key}'\nPLAIN=1\n");
        let merged = format!("{merged}EVIL=https://evil.example/?k={placeholder}\nCOPY_KEY='{placeholder}'\n");
        assert_eq!(read(&path), merged);
        assert_eq!(holders(&finished, &key), ["project/.env"]);
        assert!(finished.stderr().contains("stand for nothing"), "{}", finished.stderr());
    }
}

#[test]
fn what_both_sides_changed_stands_side_by_side_without_values() {
    for &user in users() {
        let (key, other) = (fresh_key("sk_live_"), fresh_key("sk_live_"));
        let run = Run::new().user(user).dotenv(&format!("STRIPE_KEY={key}\n"));
        let running = run.flags(["--writable", ".env"]).shell("echo ready; read line; echo CHILD=1 >> .env").input("");
        let mut running = running.start();
        running.wait_for("ready");
        let path = running.world().project().join(".env");
        fs::write(&path, format!("STRIPE_KEY={other}\nHOST=1\n")).unwrap();
        running.close_input();
        let finished = running.finish().succeeded();
        assert_eq!(read(&path), format!("STRIPE_KEY={other}\nHOST=1\n"));
        let beside = path.with_file_name(".env.agentsecrets-conflict");
        let text = read(&beside);
        assert!(text.starts_with("STRIPE_KEY=sk_live_") && text.ends_with("\nCHILD=1\n"), "{text}");
        assert_eq!(fs::metadata(&beside).unwrap().permissions().mode() & 0o777, 0o600);
        let said = finished.stderr();
        assert!(said.contains("changed during the run") && said.contains(".env.agentsecrets-conflict"), "{said}");
        assert_eq!((holders(&finished, &key).len(), holders(&finished, &other)), (0, vec!["project/.env".to_owned()]));
    }
}

#[test]
fn a_value_that_would_be_lost_keeps_the_hosts_file() {
    let key = fresh_key("sk_live_");
    for script in [
        "echo 'STRIPE_KEY=new' > .env",
        ": > .env",
        ". ./.env; echo \"STRIPE_KEY=$STRIPE_KEY/x\" > .env",
        ". ./.env; echo \"OTHER=$STRIPE_KEY\" > .env",
        "head -c 3000000 /dev/zero > .env",
    ] {
        let text = format!("STRIPE_KEY={key}\n");
        let run = Run::new().dotenv(&text).flags(["--writable", ".env"]);
        let path = run.world().project().join(".env");
        let finished = run.shell(script).run().succeeded();
        assert_eq!(read(&path), text, "{script}");
        assert!(finished.stderr().contains("warning"), "{script}: {}", finished.stderr());
        assert_eq!(holders(&finished, &key), ["project/.env"], "{script}");
    }
}

#[test]
fn links_that_the_command_leaves_lead_nowhere() {
    let key = fresh_key("sk-ant-api03-");
    let text = format!("{{\"primaryApiKey\":\"{key}\"}}");
    for script in ["ln -sf ~/secret ~/.claude.json", "rm ~/.claude.json", "rm ~/.claude.json; mkfifo ~/.claude.json"] {
        let run = Run::new().home_file(".claude.json", &text).home_file("secret", "{\"theirs\":1}");
        let path = run.world().home().join(".claude.json");
        let finished = run.flag("--writable").flag(&path).shell(script).run().succeeded();
        assert_eq!(read(&path), text, "{script}");
        assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{script}");
        assert!(finished.stderr().contains("yours stays"), "{script}: {}", finished.stderr());
    }
}

#[test]
fn explain_tells_what_is_merged_and_what_is_hidden_whole() {
    let key = fresh_key("sk_live_");
    let run = Run::new().verb(["explain"]).dotenv(&format!("STRIPE_KEY={key}\n")).home_file(".claude.json", "{");
    let hidden = run.world().home().join(".claude.json");
    let finished = run.flags(["--writable", ".env", "--writable"]).flag(&hidden).args(["true"]).run().succeeded();
    let said = finished.stdout();
    let (_, merged) = said.split_once("merged into yours at the end").unwrap_or_else(|| panic!("{said}"));
    assert!(merged.contains(".env") && said.contains("hidden whole, so --writable does not open it"), "{said}");
}

/// A file or a folder that is masked and that nothing of the run may be merged into stays closed, and the run runs.
#[test]
fn what_stays_masked_is_told_and_keeps_no_run_from_starting() {
    for &user in users() {
        let key = fresh_key("");
        let text = format!("//npm.example/:_authToken={key}\n");
        for (file, named, reason) in [
            (".npmrc", ".npmrc", "says itself where its secrets go"),
            (".vnc/passwd", ".vnc/passwd", "hidden whole"),
            (".ssh/id_own", ".ssh", "hidden whole"),
            (".ssh/id_own", ".ssh/id_own", "lies in"),
        ] {
            let run = Run::new().user(user).declare("key", &key).home_file(file, &text);
            let home = run.world().home();
            let run = run.flag("--writable").flag(home.join(named));
            let finished = run.shell(&format!("cat ~/{file} 2>/dev/null; echo more >> ~/{file}; echo ran")).run();
            let context = format!("{named}: {}\n{}", finished.stdout(), finished.stderr());
            assert!(finished.code() == 0 && finished.stdout().ends_with("ran\n"), "{context}");
            let said = format!("{}`: {reason}", home.join(named).display());
            let mut lines = finished.stderr().lines().map(str::to_owned).collect::<Vec<_>>();
            lines.retain(|line| line.contains(&said) && line.ends_with("so --writable does not open it"));
            assert_eq!(lines.len(), 1, "{context}");
            assert_eq!(read(&home.join(file)), text, "{context}");
        }
    }
}
