//! Programs behave the same bare and wrapped: what they print, how they end, what they leave in the project.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::support::place::{self, User, users};
use crate::support::{Finished, Run};

const BARE: &str = "while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"";

fn run(user: User, wrapped: bool, script: &str) -> Finished {
    let run = Run::new().user(user).flag("--quiet").unobserved().input("one\ntwo\n");
    let run = run.project_file("a.txt", "alpha\n").project_file("b/c.txt", "gamma\n").home_file("notes", "mine\n");
    let run = if wrapped { run } else { run.stand_in(BARE) };
    run.args(["/bin/bash", "-c", script]).run()
}

/// What stands in the project, without what every run has.
fn project(finished: &Finished) -> BTreeMap<PathBuf, Vec<u8>> {
    let root = finished.world().project();
    let changed = finished.changed().iter().filter_map(|path| path.strip_prefix(&root).ok());
    let stable = changed.filter(|path| !path.starts_with(".git"));
    stable.map(|path| (path.to_owned(), fs::read(root.join(path)).unwrap())).collect()
}

/// The same world has another name each time.
fn normal(finished: &Finished, text: &str) -> String {
    text.replace(finished.world().root().to_str().unwrap(), "ROOT")
}

#[test]
fn programs_behave_as_without_us() {
    let scripts = [
        // What opens a browser for the child stands in front of all other programs.
        "pwd; echo $HOME ${PATH#/run/agentsecrets/bin:} $LANG; id -u; id -g; umask; ulimit -n",
        "cat; cat a.txt b/c.txt ~/notes",
        "ls -la | awk '{ print $1, $9 }'",
        "echo made > made; mkdir d; mv made d/; ln -s made d/link; chmod 750 d/made; stat -c '%a %F' d/*",
        "git init -q repo && cd repo && GIT_COMMITTER_DATE=2020-01-01T00:00:00Z git -c user.name=a -c user.email=b@c commit -q --allow-empty -m first --date 2020-01-01T00:00:00Z && git log --format=%s && git status --short",
        "python3 -c 'import sys, os; print(sys.argv, os.getcwd() == os.environ[\"PWD\"], sys.stdin.read())' x y",
        "node -e 'process.stdin.on(\"data\", data => console.log(String(data), process.argv.length)); process.exitCode = 9'",
        "exit 3",
        "echo to-stderr >&2; false",
        "kill -TERM $$",
        "kill -KILL $$",
        "ulimit -c 0; kill -SEGV $$",
        "yes | head -n 2; echo ${PIPESTATUS[@]}",
        "(exit 7) & wait $!; echo $?; jobs",
        "mktemp -d >/dev/null && echo temporary; test -w /tmp && echo writable",
        "no-such-command",
        "trap 'echo bye' EXIT; cat >/dev/null",
        "diff <(echo a) <(echo b)",
        "ps -o comm= -p $$; head -c 8 /dev/urandom | wc -c; echo x > /dev/null; test -e /dev/tty && echo tty",
    ];
    for user in users() {
        for script in scripts {
            let (bare, wrapped) = (run(*user, false, script), run(*user, true, script));
            let context = format!("{user:?}: {script}\n{}", wrapped.stderr());
            assert_eq!(normal(&wrapped, &wrapped.stdout()), normal(&bare, &bare.stdout()), "{context}");
            assert_eq!(normal(&wrapped, &wrapped.stderr()), normal(&bare, &bare.stderr()), "{context}");
            assert_eq!(wrapped.code(), bare.code(), "{context}");
            assert_eq!(project(&wrapped), project(&bare), "{context}");
        }
    }
}

/// The file is opened anew for the command, and whoever started it goes on where it stopped.
#[test]
fn what_a_command_leaves_of_a_file_is_for_the_next_one() {
    for user in users() {
        let program = place::agentsecrets().display();
        let script = format!("exec <\"$HOME/notes\"; {program} \"$@\"; echo; cat");
        let run = Run::new().user(*user).flag("--quiet").unobserved().stand_in(&script);
        let finished = run.home_file("notes", "one\ntwo\nthree\n").args(["head", "-n", "1"]).run().succeeded();
        assert_eq!(finished.stdout(), "one\n\ntwo\nthree\n", "{}", finished.stderr());
    }
}
