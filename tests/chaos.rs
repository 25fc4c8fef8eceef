//! Machines that run out of something, and file systems that are not what they mostly are: a run works, or says why not,
//! and shows no value either way.

use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use crate::support::place::users;
use crate::support::{Run, fresh_key};

/// What a run says that is started by `shell` with the program and its arguments as `"$@"`.
fn started_by(shell: &str, run: Run, user: Option<u32>) -> Output {
    let (command, _world) = run.into_parts();
    let mut outer = Command::new("sh");
    outer.arg("-c").arg(shell).arg("sh").arg(command.get_program()).args(command.get_args());
    outer.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    outer.current_dir(command.get_current_dir().unwrap());
    if let Some(id) = user {
        outer.uid(id).gid(id);
    }
    outer.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn with_few_open_files_a_run_works_or_says_why_not() {
    for user in users() {
        let (mut worked, mut refused) = (0, 0);
        for limit in [4, 8, 12, 16, 20, 24, 32, 48, 64, 256] {
            let key = fresh_key("sk-proj-");
            let run = Run::new().user(*user).dotenv(&format!("OPENAI_API_KEY={key}\n")).unobserved();
            let run = run.project_file("notes.txt", &key).args(["cat", ".env", "notes.txt"]);
            let output = started_by(&format!("ulimit -n {limit} && exec \"$@\""), run, user.id());
            let (said, told) = (text(&output.stdout), text(&output.stderr));
            assert!(!said.contains(&key) && !told.contains(&key), "{limit}: {said}{told}");
            match output.status.code() {
                Some(0) => {
                    assert!(said.starts_with("OPENAI_API_KEY=sk-proj-"), "{limit}: {said}");
                    worked += 1;
                }
                Some(125) => {
                    assert!(told.contains("error: ") && said.is_empty(), "{limit}: {said}{told}");
                    refused += 1;
                }
                other => panic!("{limit}: {other:?}: {said}{told}"),
            }
        }
        assert!(worked >= 1 && refused >= 1, "{worked} worked, {refused} refused");
    }
}

/// A run in a mount namespace of the test's own, after `prepare`, in which `$HOME` and the project are the run's.
fn on_a_file_system(prepare: &str) -> (Output, String) {
    let key = fresh_key("sk-proj-");
    let run = Run::new().declare("OPENAI_API_KEY", &key).unobserved().project_file("x", "").home_file("x", "");
    let script = "cat /mnt/second/.env /mnt/second/notes.txt >&2; cat .env ~/.pgpass; cat notes.txt; echo changed > made && echo mine > ~/made && echo wrote";
    let run = run.shell(script);
    let project = run.world().project();
    let shell = format!(
        "exec unshare --user --map-root-user --mount sh -ec 'P={project}; KEY={key}; {prepare}; cd $P; exec \"$@\"' sh \"$@\"",
        project = project.display()
    );
    (started_by(&shell, run, None), key)
}

const FILES: &str = "echo OPENAI_API_KEY=$KEY > $P/.env; echo a $KEY > $P/notes.txt; \
                     echo h:1:d:u:$KEY > $HOME/.pgpass; chmod 600 $HOME/.pgpass";

#[test]
fn projects_and_homes_on_other_file_systems_are_masked_too() {
    for (what, prepare) in [
        ("a project on tmpfs", "mount -t tmpfs none $P"),
        ("a home on tmpfs", "mount -t tmpfs none $HOME"),
        ("both", "mount -t tmpfs none $P; mount -t tmpfs none $HOME"),
        (
            "a project on an overlay",
            "mount -t tmpfs none /mnt; mkdir /mnt/l /mnt/u /mnt/w; \
             mount -t overlay none -o lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w,userxattr $P",
        ),
        ("a project that is mounted twice", "mount -t tmpfs none /mnt; mkdir /mnt/second; mount --bind $P /mnt/second"),
    ] {
        let (output, key) = on_a_file_system(&format!("{prepare}; {FILES}"));
        let (said, told) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{what}: {said}{told}");
        assert!(!said.contains(&key) && !told.contains(&key), "{what}: {said}{told}");
        let lines: Vec<&str> = said.lines().collect();
        assert!(
            matches!(lines.as_slice(), [env, pass, notes, "wrote"]
                if env.starts_with("OPENAI_API_KEY=sk-proj-") && pass.starts_with("h:1:d:u:") && notes.starts_with("a sk-")),
            "{what}: {said}{told}"
        );
    }
}

#[test]
fn names_count_in_any_case() {
    let key = fresh_key("sk-proj-");
    let run = Run::new().declare("OPENAI_API_KEY", &key).project_file(".ENV", format!("OPENAI_API_KEY={key}\n"));
    let run = run.project_file("A/.Env.Local", format!("OPENAI_API_KEY={key}\n"));
    let run = run.project_file(".Env.Example", "OPENAI_API_KEY=yours\n");
    let said = run.shell("cat .ENV A/.Env.Local .Env.Example").run().succeeded().stdout();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() == 3 && lines[0] == lines[1] && lines[2] == "OPENAI_API_KEY=yours", "{said}");
}
