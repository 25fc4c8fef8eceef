//! What the configuration of the host's git names: the host's git starts nothing of it that a command has made or changed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::aside;
use crate::support::Run;
use crate::support::place::users;

/// What a row is called, what the user has set up, what the command does, and what the user does afterwards. `$EVIL` is a
/// command line, `settings FILE` writes settings with it, `hook FILE` a program.
type Row = (&'static str, &'static str, &'static str, &'static str);

const COMMIT: &str = "git commit -q --allow-empty -m x";

/// Names at which nothing stands yet.
const MISSING: &[Row] = &[
    ("an include", "git config include.path ../.gitconfig", "settings .gitconfig", "git status"),
    (
        "an include of an include",
        r#"git config include.path ../one.inc; printf "[include]\n\tpath = two.inc\n" >one.inc"#,
        "settings two.inc",
        "git status",
    ),
    (
        "an include of the user's own under a condition",
        r#"git config --global "includeIf.gitdir:$PWD/.path" "$PWD/team.gitconfig""#,
        "settings team.gitconfig",
        "git status",
    ),
    ("an include on a branch", "git config includeIf.onbranch:main.path ../on", "settings on", "git status"),
    (
        "an include by a remote",
        r#"git config "includeIf.hasconfig:remote.*.url:https://example.com/**.path" ../has
           git config remote.origin.url https://example.com/a"#,
        "settings has",
        "git status",
    ),
    (
        "an include behind a symlink",
        "ln -s gone.inc link.inc; git config include.path ../link.inc",
        "settings gone.inc",
        "git status",
    ),
    ("hooks", "git config core.hooksPath dev/hk", "hook dev/hk/pre-commit", COMMIT),
    ("hooks by an absolute path", r#"git config core.hooksPath "$PWD/dev/hk""#, "hook dev/hk/pre-commit", COMMIT),
    (
        "hooks in a folder that is replaced",
        "mkdir dev; git config core.hooksPath dev/hk",
        "hook evil/hk/pre-commit; mv dev old; ln -s evil dev",
        COMMIT,
    ),
    (
        "hooks by a symlink that is made",
        "git config core.hooksPath dev/hk",
        "hook evil/pre-commit; mkdir dev; ln -s ../evil dev/hk",
        COMMIT,
    ),
    ("hooks everywhere", "git config --global core.hooksPath .myhooks", "hook .myhooks/pre-commit", COMMIT),
    (
        "hooks everywhere, in a new repository",
        "git config --global core.hooksPath .myhooks",
        "git init -q sub; hook sub/.myhooks/pre-commit",
        "cd sub; git commit -q --allow-empty -m x",
    ),
    (
        "a filter everywhere, in a new repository",
        "git config --global filter.f.clean ./scripts/clean.sh",
        r#"git init -q sub; hook sub/scripts/clean.sh; echo "* filter=f" >sub/.gitattributes; echo a >sub/a"#,
        "cd sub; git add a",
    ),
    (
        "a filter",
        r#"git config filter.f.clean "sh clean.sh"; echo "* filter=f" >.gitattributes; echo a >a"#,
        "hook clean.sh",
        "git add a",
    ),
    ("an alias", r#"git config alias.z "!scripts/z""#, "hook scripts/z", "git z"),
    (
        "a pack's hook, from git's own directory on",
        "git config --global uploadpack.packObjectsHook ./pack; git commit -q --allow-empty -m x",
        "hook .git/pack",
        "git clone -q --no-local . ../copy",
    ),
];

/// Programs in `scripts/x.sh`, by what names them; the command tries to put another in its place.
const PROGRAMS: &[(&str, &str)] = &[
    ("git config filter.f.clean ./scripts/x.sh; echo 'a filter=f' >.gitattributes", "touch a; git add a"),
    ("git config filter.f.process ./scripts/x.sh; echo 'a filter=f' >.gitattributes", "touch a; git add a"),
    ("git config diff.t.textconv ./scripts/x.sh; echo 'a diff=t' >.gitattributes; echo b >a", "git diff"),
    ("git config diff.t.command scripts/x.sh; echo 'a diff=t' >.gitattributes; echo b >a", "git diff"),
    ("git config diff.external \"$PWD/scripts/x.sh\"; echo b >a", "git diff"),
    (
        "git config merge.m.driver './scripts/x.sh %A'; echo 'a merge=m' >.gitattributes; git checkout -q -b other
         echo b >a; git commit -qam b; git checkout -q main; echo c >a; git commit -qam c",
        "git merge other",
    ),
    ("git config core.editor \"sh -c './scripts/x.sh \\\"\\$@\\\"'\"", "git commit --allow-empty"),
    ("git config sequence.editor 'sh scripts/x.sh'", "git rebase -i --root"),
    ("git config gpg.program ./scripts/x.sh", "git commit -S --allow-empty -m x"),
    ("git config gpg.ssh.program ./scripts/x.sh; git config gpg.format ssh", "git commit -Sx --allow-empty -m x"),
    ("git config credential.helper '!./scripts/x.sh'", "echo url=https://example.com | git credential fill"),
    (
        "git config credential.https://example.com.helper \"$PWD/scripts/x.sh\"",
        "echo url=https://example.com | git credential fill",
    ),
    ("git config core.askPass ./scripts/x.sh", "echo url=https://example.com | git credential fill"),
    ("git config core.sshCommand 'sh -e ./scripts/x.sh'", "git ls-remote ssh://example.invalid/x"),
    ("git config core.gitProxy ./scripts/x.sh", "git ls-remote git://example.invalid/x"),
    ("git config remote.o.url .; git config remote.o.uploadpack ./scripts/x.sh", "git fetch o"),
    ("git config alias.z '!\"$(git rev-parse --show-toplevel)\"/scripts/x.sh'", "git z"),
    ("git config alias.z '!cd scripts && ./x.sh'", "git z"),
    ("git config --global core.fsmonitor scripts/x.sh", "git status"),
    ("ln -s ../../scripts/x.sh .git/hooks/pre-commit", COMMIT),
    ("mkdir hk; ln -s ../scripts/x.sh hk/pre-commit; git config core.hooksPath hk", COMMIT),
];

const PLACE: &str = r##"settings() { printf "[core]\n\tfsmonitor = \"%s\"\n" "$EVIL" >"$1"; }
    hook() { mkdir -p "$(dirname "$1")"; printf "#!/bin/sh\n%s\n" "$EVIL" >"$1"; chmod 755 "$1"; }
    "##;

const REPLACE: &str = "{ hook scripts/x.sh; } || { rm -f scripts/x.sh; hook scripts/x.sh; } || {
    mv scripts old; hook scripts/x.sh; } || true";

const PREPARE: &str = "rm -rf .git; git init -q -b main; mkdir -p scripts .git/hooks; echo a >a
    printf '#!/bin/sh\nexit 1\n' >scripts/x.sh; chmod 755 scripts/x.sh; git add a; git commit -q -m a; ";

/// A shell of the user's, outside of any run, in the home and project of one.
fn host(home: &Path, project: &Path, script: &str, evil: &str) -> Output {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("{PLACE}{script}")]).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    shell.env("HOME", home).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
    shell.env("EVIL", evil).current_dir(project).output().unwrap()
}

/// A run in a project that the user has set up so.
fn prepared(run: Run, script: &str) -> Run {
    let run = run.unobserved().home_file(
        ".gitconfig",
        "[safe]\n\tdirectory = *\n[user]\n\tname = Ann\n\temail = ann@example.com\n[init]\n\tdefaultBranch = main\n",
    );
    let world = run.world();
    let made = host(&world.home(), &world.project(), &format!("set -e; {PREPARE}{script}"), "");
    assert!(made.status.success(), "{script}: {made:?}");
    run
}

/// The program touches a file outside of the project, which no child can.
fn evil(run: &Run) -> (std::path::PathBuf, String) {
    let mark = run.world().root().join("mark-of-the-program");
    (mark.clone(), format!("touch {}; false", mark.display()))
}

#[test]
fn without_a_run_each_setting_starts_the_program() {
    let programs = PROGRAMS.iter().map(|(set_up, afterwards)| (*set_up, *set_up, REPLACE, *afterwards));
    for (name, set_up, script, afterwards) in MISSING.iter().copied().chain(programs) {
        let run = prepared(Run::new(), set_up);
        let (mark, evil) = evil(&run);
        let (home, project) = (run.world().home(), run.world().project());
        let made = host(&home, &project, &format!("set -e; {script}"), &evil);
        assert!(made.status.success() && !mark.exists(), "{name}: {made:?}");
        let seen = host(&home, &project, afterwards, &evil);
        assert!(mark.exists(), "{name}: {seen:?}");
    }
}

#[test]
fn what_did_not_exist_is_set_aside() {
    for user in users() {
        for level in ["sealed", "guarded"] {
            for (name, set_up, script, afterwards) in MISSING {
                let run = prepared(Run::at(level).user(*user), set_up);
                let (mark, evil) = evil(&run);
                let script = format!("{PLACE}set -e; {script}");
                let finished = run.variable("EVIL", &evil).shell(&script).run().succeeded();
                let world = finished.world();
                let seen = host(&world.home(), &world.project(), afterwards, &evil);
                assert!(!mark.exists(), "{name}, {level}: {seen:?}\n{}", finished.stderr());
                assert!(finished.stderr().contains("set aside"), "{name}, {level}: {}", finished.stderr());
            }
        }
    }
}

#[test]
fn programs_that_are_named_are_read_only() {
    for user in users() {
        for (set_up, afterwards) in PROGRAMS {
            let run = prepared(Run::new().user(*user), set_up);
            let (mark, evil) = evil(&run);
            let script = format!("{PLACE}{REPLACE}");
            let finished = run.variable("EVIL", &evil).shell(&script).run().succeeded();
            let world = finished.world();
            let seen = host(&world.home(), &world.project(), afterwards, &evil);
            assert!(!mark.exists(), "{set_up}: {seen:?}\n{}", finished.stderr());
            let text = fs::read_to_string(world.project().join("scripts/x.sh")).unwrap();
            assert!(!text.contains("touch"), "{set_up}: {text}");
        }
    }
}

#[test]
fn a_guarded_run_says_that_such_a_program_was_changed() {
    let run = prepared(Run::at("guarded"), PROGRAMS[0].0);
    let finished = run.variable("EVIL", "true").shell(&format!("{PLACE}{REPLACE}")).run().succeeded();
    assert!(finished.stderr().contains("scripts/x.sh"), "{}", finished.stderr());
}

#[test]
fn settings_that_name_no_program_of_the_project_stand_in_nobodys_way() {
    let set_up = "git config alias.m 'merge main'; git config alias.lint '!eslint ./src test'; mkdir src hooks
        git config --global filter.lfs.clean 'git-lfs clean -- %f'; git config gitflow.prefix.release release/
        git config alias.again '!git commit -eF .git/COMMIT_EDITMSG'; git config core.pager 'less -FRX'
        git config core.editor 'code --wait'; git config safe.directory \"$PWD\"; git config core.hooksPath .git/hooks";
    let script = "set -e; mkdir -p release/x test; for each in main clean code less src/x test/y release/x/z; do
            echo x >$each; done; git add .; git commit -q -m work; git switch -q -c side; git commit -q --allow-empty -m y
        git init -q sub; echo x >sub/main; echo x >sub/clean";
    for user in users() {
        let finished = prepared(Run::new().user(*user), set_up).shell(script).run().succeeded();
        assert!(!finished.stderr().contains("set aside"), "{}", finished.stderr());
        assert!(aside(&finished.world().project()).is_empty());
    }
}

#[test]
fn what_the_user_grants_is_left_in_its_place() {
    for (flags, is_left) in [(&["--writable", "dev"][..], true), (&["--writable", "."], false), (&[], false)] {
        let run = prepared(Run::new().flags(flags), "mkdir dev; git config core.hooksPath dev/hk");
        let script = format!("{PLACE}hook dev/hk/pre-commit");
        let finished = run.variable("EVIL", "true").shell(&script).run().succeeded();
        let hook = finished.world().project().join("dev/hk/pre-commit");
        assert_eq!(hook.exists(), is_left, "{flags:?}: {}", finished.stderr());
    }
}
