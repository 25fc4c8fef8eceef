//! Known values in files that no rule names.

use std::fs;

use crate::support::place::users;
use crate::support::{Run, fresh_key};

#[test]
fn a_known_value_is_a_placeholder_in_whatever_file_it_stands() {
    for user in users() {
        let key = fresh_key("sk-proj-");
        let run = Run::new().user(*user).secret("OPENAI_API_KEY", &key).project_file(".gitignore", "node_modules\n");
        let run = run.project_file("notes.txt", format!("the key is {key}, do not tell\n"));
        let run = run.project_file("node_modules/a/b/index.js", format!("let k = '{key}';\n"));
        let run = run.project_file("data.bin", [b"\0\x01".as_slice(), key.as_bytes()].concat());
        fs::hard_link(run.world().project().join("notes.txt"), run.world().project().join("second name")).unwrap();
        let script = "cat notes.txt 'second name' node_modules/a/b/index.js data.bin; echo mine >> notes.txt";
        let finished = run.shell(&format!("{script} || echo refused")).run().succeeded();
        let placeholder = finished.child_variable("OPENAI_API_KEY").unwrap();
        let line = format!("the key is {placeholder}, do not tell\n");
        assert_eq!(finished.stdout(), format!("{line}{line}let k = '{placeholder}';\nrefused\n"));
        let told = finished.stderr();
        assert!(
            told.contains("data.bin` holds the value of `OPENAI_API_KEY`") && told.contains("and 2 warnings"),
            "{told}"
        );
    }
}

#[test]
fn what_is_left_out_is_said() {
    // Not declared: this is what the sweep is for.
    let key = fresh_key("sk-proj-");
    let run = Run::new().variable("OPENAI_API_KEY", &key).project_file("notes.txt", &key).flag("--no-sweep");
    let finished = run.args(["cat", "notes.txt"]).run().succeeded();
    assert_eq!(finished.stdout(), key);
    let told = finished.stderr();
    assert!(told.contains("not searched for known values, as --no-sweep asks"), "{told}");
}

#[test]
fn a_name_outside_of_the_project_refuses_the_run() {
    let key = fresh_key("sk-proj-");
    let run = Run::new().secret("OPENAI_API_KEY", &key).project_file("notes.txt", &key);
    let outside = run.world().home().join("copy");
    fs::hard_link(run.world().project().join("notes.txt"), &outside).unwrap();
    let finished = run.args(["cat", "notes.txt"]).run().ended_with(125);
    let told = finished.stderr();
    assert!(told.contains("has 2 hard links, and only 1 could be found") && told.contains("find /"), "{told}");
}

#[test]
fn explain_says_what_was_searched() {
    let key = fresh_key("sk-proj-");
    let run = Run::new().verb(["explain"]).secret("OPENAI_API_KEY", &key).project_file("notes.txt", &key);
    let told = run.args(["true"]).run().succeeded().stdout();
    assert!(told.contains("notes.txt: placeholders for OPENAI_API_KEY; holds the value of `OPENAI_API_KEY`"), "{told}");
    assert!(told.contains("searched for known values: "), "{told}");
}
