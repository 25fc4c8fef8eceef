//! Runs in CI jobs: what a job is shown, what the child cannot leave behind for later steps, and the examples.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::support::place::users;
use crate::support::{Run, Upstream, fresh_key};

/// A step of a job on GitHub: its command files stand outside of the project.
fn github(run: Run) -> Run {
    let folder = run.world().root().join("commands");
    fs::create_dir_all(&folder).unwrap();
    ["ENV", "PATH", "OUTPUT", "STATE", "STEP_SUMMARY"].iter().fold(
        run.variable("CI", "true").variable("GITHUB_ACTIONS", "true"),
        |run, name| {
            let file = folder.join(name);
            fs::write(&file, "before\n").unwrap();
            run.variable(format!("GITHUB_{name}"), file)
        },
    )
}

fn command_file(root: &Path, name: &str) -> String {
    fs::read_to_string(root.join("commands").join(name)).unwrap()
}

#[test]
fn a_job_is_shown_what_was_brokered_and_refused() {
    let upstream = Upstream::start(["api.stripe.com", "evil.example"]);
    let key = fresh_key("sk_live_");
    for user in users() {
        let run = github(Run::new().user(*user)).secret("STRIPE_KEY", &key).upstream(&upstream);
        let script = "curl -sS --fail -o /dev/null https://api.stripe.com/test/ok
            curl -s -o /dev/null https://evil.example/; echo ::warning::child";
        let finished = run.flags(["--egress", "allowlist"]).shell(script).run().succeeded();
        let summary = command_file(finished.world().root(), "STEP_SUMMARY");
        for line in [
            "before\n### agentsecrets: ",
            "| `STRIPE_KEY` | ",
            "| `api.stripe.com:443` | 1 |",
            "| `evil.example:443` | it is not",
        ] {
            assert!(summary.contains(line), "{line}\n{summary}");
        }
        let said = finished.stderr();
        let command = "::warning title=agentsecrets%3A refused::evil.example:443 ";
        assert!(said.contains(command), "{said}");
        // What the child prints is no workflow command; what comes behind it is.
        let word = said.split("::stop-commands::").nth(1).unwrap().lines().next().unwrap();
        let (resumed, refused) = (said.find(&format!("::{word}::")).unwrap(), said.find(command).unwrap());
        assert!(resumed < refused, "{said}");
    }
}

#[test]
fn no_later_step_obeys_the_child() {
    for user in users() {
        let script = "env | grep -E '^GITHUB_(ENV|PATH|OUTPUT|STATE|STEP_SUMMARY)=' || echo none
            for name in ENV PATH OUTPUT STATE STEP_SUMMARY; do
                echo planted >>\"$FOLDER/$name\"; ln -sf /etc/passwd \"$FOLDER/$name\"
            done 2>/dev/null; true";
        let run = github(Run::new().user(*user));
        let folder = run.world().root().join("commands");
        // Even in a place that the child may write.
        let run = run.variable("FOLDER", &folder).flag("--writable").flag(&folder);
        let finished = run.shell(script).run().succeeded();
        assert_eq!(finished.stdout(), "none\n", "{}", finished.stderr());
        for name in ["ENV", "PATH", "OUTPUT", "STATE"] {
            assert_eq!(command_file(finished.world().root(), name), "before\n", "{name}");
        }
        assert!(!command_file(finished.world().root(), "STEP_SUMMARY").contains("planted"));
    }
}

#[test]
fn a_file_that_the_user_keeps_is_the_child_s() {
    let run = github(Run::new());
    let output = run.world().root().join("commands/OUTPUT");
    let run = run.flags(["--keep", "GITHUB_OUTPUT", "--writable"]).flag(&output);
    let finished = run.shell("echo version=1 >>\"$GITHUB_OUTPUT\"").run().succeeded();
    assert_eq!(command_file(finished.world().root(), "OUTPUT"), "before\nversion=1\n");
}

#[test]
fn elsewhere_refusals_are_plain_and_a_flag_decides() {
    let script = "curl -s -o /dev/null https://evil.example/; true";
    let run = || Run::new().flags(["--egress", "allowlist"]).variable("CI", "true");
    let said = run().shell(script).run().succeeded().stderr();
    assert!(said.contains("agentsecrets: warning: refused evil.example:443 (1): "), "{said}");
    assert!(!said.contains("::"), "{said}");
    let said = run().flag("--no-ci").shell(script).run().succeeded().stderr();
    assert!(!said.contains("warning: refused"), "{said}");
    let said = run().variable("CI", "").flag("--ci").shell(script).run().succeeded().stderr();
    assert!(said.contains("warning: refused"), "{said}");
}

/// An example of `examples/`, as YAML.
fn example(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum System {
    GitHub,
    GitLab,
}

/// Runs the lines of a job as a runner does, one shell a step that stops at the first failure. `agentsecrets` is the built
/// program with the flags that lead it to the test's upstream; what would change the machine is written down instead.
fn play(steps: &[(String, BTreeMap<String, String>)], system: System) {
    let key = fresh_key("sk-proj-");
    let upstream = Upstream::start(["api.openai.com"]).accepting("api.openai.com", &key);
    let mut run = Run::new().declare("OPENAI_API_KEY", &key).upstream(&upstream);
    run = match system {
        System::GitHub => github(run),
        System::GitLab => run.variable("CI", "true").variable("OPENAI_API_KEY", &key),
    };
    let root = run.world().root().to_owned();
    let tools = root.join("tools");
    fs::create_dir_all(&tools).unwrap();
    let tool = |name: &str, script: &str| {
        fs::write(tools.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(tools.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    let flags = run.flags_as_shell_words();
    let program = crate::support::place::agentsecrets().display();
    tool(
        "agentsecrets",
        &format!("verb=$1; shift; [ $verb = run ] || exec {program} $verb; exec {program} run {flags} \"$@\""),
    );
    for name in ["sudo", "cargo"] {
        tool(name, &format!("echo {name} \"$@\" >>{}/changes", root.display()));
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/agent.py");
    let run = run.project_file("examples/agent.py", fs::read(examples).unwrap());
    let mut script = String::from("set -e");
    for (number, (lines, environment)) in steps.iter().enumerate() {
        let step = root.join(format!("step-{number}"));
        fs::write(&step, lines).unwrap();
        script.push('\n');
        for (name, value) in environment {
            let value = value.replace("${{ secrets.OPENAI_API_KEY }}", &key);
            script.extend([name.as_str(), "='", value.as_str(), "' "]);
        }
        script.extend(["sh -e ", step.to_str().unwrap()]);
    }
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", tools.display());
    let finished = run.variable("PATH", path).stand_in(&script).unobserved().run().succeeded();
    assert!(finished.stdout().contains("and yet it works:"), "{}{}", finished.stdout(), finished.stderr());
    assert_eq!(upstream.seen().len(), 1);
    let changes = fs::read_to_string(root.join("changes")).unwrap();
    assert!(changes.contains("cargo install"), "{changes}");
    if system == System::GitHub {
        assert!(command_file(&root, "STEP_SUMMARY").contains("| `OPENAI_API_KEY` | "));
    }
}

#[test]
fn the_example_for_github_works() {
    let workflow = example("github-actions.yml");
    let job = &workflow["jobs"]["agent"];
    assert_eq!(workflow["permissions"]["contents"], "read");
    let steps = job["steps"].as_array().unwrap();
    let runs = steps.iter().filter_map(|step| {
        let environment = step["env"].as_object().into_iter().flatten();
        let environment = environment.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        Some((step["run"].as_str()?.to_owned(), environment))
    });
    let runs: Vec<_> = runs.collect();
    // The rest is the checkout, by an action that no local runner has.
    assert_eq!(steps.len(), runs.len() + 1);
    play(&runs, System::GitHub);
}

#[test]
fn the_example_for_gitlab_works() {
    let job = &example("gitlab-ci.yml")["agent"];
    let lines = [texts(&job["before_script"]), texts(&job["script"])].concat();
    play(&[(lines.join("\n"), BTreeMap::new())], System::GitLab);
}
