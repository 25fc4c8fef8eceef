//! Copies of files with known values, which the host makes while the command runs.

use std::fs;
use std::io::Write;

use super::{end, own, replace, says, told};
use crate::support::place::users;
use crate::support::{Run, fresh_key};

#[test]
fn a_file_with_a_known_value_is_masked_whatever_it_is_called() {
    for user in users() {
        let key = fresh_key("sk-proj-");
        let run = Run::new().user(*user).secret("OPENAI_API_KEY", &key).project_file("notes", format!("key {key}\n"));
        let mut running = told(run.project_file("deep/er/x", "").project_file("moved/x", ""));
        let project = running.world().project();
        let text = format!("the key is {key}\n");
        let names = [".env.swp", ".env~", "#.env#", "4913", "deep/er/debug.log", "new/copy"];
        fs::create_dir(project.join("new")).unwrap();
        own(&project.join("new"), *user);
        for name in names {
            let path = project.join(name);
            // As a log is: opened, written for a while, closed.
            let mut file = fs::File::create(&path).unwrap();
            file.write_all(b"begin\n").unwrap();
            file.write_all(text.as_bytes()).unwrap();
            drop(file);
            own(&path, *user);
            running.wait_for_error(&format!("/{name} "));
        }
        // One that comes whole, one that is a second name.
        replace(&project.join("moved/x"), &text);
        // Under its last name, or under the one it was written with.
        running.wait_for_error("/moved/x ");
        let placeholder = says(&mut running, "echo $OPENAI_API_KEY");
        for name in ["4913", "deep/er/debug.log", "new/copy", "moved/x"] {
            let shown = says(&mut running, &format!("tail -n 1 {name}"));
            assert_eq!(shown, format!("the key is {placeholder}"), "{name}");
            assert_eq!(says(&mut running, &format!("mv {name} y 2>/dev/null || echo no")), "no\n");
        }
        for name in names {
            assert!(!says(&mut running, &format!("cat '{name}'")).contains(&key), "{name}");
        }
        // What the child writes itself stays its own.
        says(&mut running, "echo $OPENAI_API_KEY plain > mine; echo more >> mine");
        assert_eq!(says(&mut running, "tail -n 1 mine"), "more\n");
        let all: Vec<&str> = names.into_iter().chain(["moved/x"]).collect();
        let finished = end(running, &all);
        let reasons = finished.audit_of("mask");
        assert!(reasons.iter().any(|record| record["reason"] == "holds a known value"), "{reasons:?}");
    }
}

#[test]
fn a_second_name_that_the_host_gives_is_masked() {
    let key = fresh_key("sk-proj-");
    let run = Run::new().secret("OPENAI_API_KEY", &key).project_file("notes", format!("key {key}\n"));
    let mut running = told(run);
    let project = running.world().project();
    fs::hard_link(project.join("notes"), project.join("second")).unwrap();
    running.wait_for_error("/second ");
    assert!(!says(&mut running, "cat notes second").contains(&key));
    end(running, &["notes", "second"]);
}

#[test]
fn without_the_sweep_a_copy_shows() {
    // Not declared: this is what the sweep is for.
    let key = fresh_key("sk-proj-");
    let run = Run::new().variable("OPENAI_API_KEY", &key).flag("--no-sweep");
    let mut running = told(run);
    let project = running.world().project();
    fs::write(project.join("copy"), &key).unwrap();
    // What is masked by its name is told of after everything that came before.
    fs::write(project.join(".env"), format!("OPENAI_API_KEY={key}\n")).unwrap();
    running.wait_for_error("/.env appeared and is masked");
    assert_eq!(says(&mut running, "cat copy"), key);
    end(running, &[".env", "copy"]);
}
