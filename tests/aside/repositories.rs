//! Repositories that a command makes in the project: the host's git starts nothing of theirs afterwards.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::aside;
use crate::support::Run;
use crate::support::place::{self, User, users};

/// What a row is called, what the command does, and what the user does afterwards. `$EVIL` is a command line.
type Row = (&'static str, &'static str, &'static str);

const ROWS: &[Row] = &[
    ("a nested repository", r#"git init -q sub; git -C sub config core.fsmonitor "$EVIL""#, "git -C sub status"),
    (
        "a repository in the outer index",
        r#"git init -q sub; git -C sub -c user.name=a -c user.email=b commit -q --allow-empty -m x; git add sub
           git -C sub config core.fsmonitor "$EVIL""#,
        "git status",
    ),
    (
        "a file that leads to a store",
        r#"mkdir sub; git init -q --bare store; git -C store config core.bare false
           git -C store config core.fsmonitor "$EVIL"; echo "gitdir: ../store" >sub/.git"#,
        "git -C sub status",
    ),
    (
        "a store among the objects",
        r#"mkdir sub; git init -q --bare .git/objects/ab; git -C .git/objects/ab config core.bare false
           git -C .git/objects/ab config core.fsmonitor "$EVIL"; echo "gitdir: ../.git/objects/ab" >sub/.git"#,
        "git -C sub status",
    ),
    (
        "a directory with the shape of a bare repository",
        r#"git init -q --bare store; git -C store config core.bare false; git -C store config core.worktree .
           git -C store config core.fsmonitor "$EVIL""#,
        "git -C store status",
    ),
    (
        "a submodule's own directory",
        r#"mkdir .git/modules; git init -q --separate-git-dir .git/modules/x x; git -C x config core.fsmonitor "$EVIL""#,
        "git -C x status",
    ),
    (
        "a worktree's own settings",
        r#"git worktree add -q --orphan -b w w; git -C w config --worktree core.fsmonitor "$EVIL""#,
        "git -C w status",
    ),
    (
        "a hook",
        r##"git init -q sub; printf "#!/bin/sh\n%s\n" "$EVIL" >sub/.git/hooks/pre-commit
           chmod 755 sub/.git/hooks/pre-commit"##,
        "git -C sub -c user.name=a -c user.email=b commit -m x --allow-empty",
    ),
    (
        "a filter",
        r#"git init -q sub; echo "* filter=x" >sub/.gitattributes; echo a >sub/a
           git -C sub config filter.x.clean "$EVIL""#,
        "git -C sub add a",
    ),
    (
        "an included file",
        r#"git init -q sub; printf "[core]\n\tfsmonitor = \"%s\"\n" "$EVIL" >sub/more
           git -C sub config include.path ../more"#,
        "git -C sub status",
    ),
    (
        "settings that a file puts elsewhere",
        r#"git init -q sub; mkdir -p store/objects store/refs
           printf "[core]\n\tfsmonitor = \"%s\"\n" "$EVIL" >store/config; echo ../../store >sub/.git/commondir"#,
        "git -C sub status",
    ),
    (
        "settings behind a symlink",
        r#"git init -q sub; mv sub/.git/config other; git config -f other core.fsmonitor "$EVIL"
           ln -s ../../other sub/.git/config"#,
        "git -C sub status",
    ),
    (
        "a symlink to a store",
        r#"git init -q sub; git -C sub config core.fsmonitor "$EVIL"; mv sub/.git .git/objects/x
           ln -s ../.git/objects/x sub/.git"#,
        "git -C sub status",
    ),
    (
        "a folder that is closed",
        r#"git init -q d/sub; git -C d/sub config core.fsmonitor "$EVIL"; chmod 111 d"#,
        "git -C d/sub status",
    ),
    (
        "a name of two lines",
        r#"d="$(printf "a\nb")"; git init -q "$d"; git -C "$d" config core.fsmonitor "$EVIL""#,
        "git -C a?b status",
    ),
    (
        "settings that are written as git does not write them",
        r#"git init -q sub; printf "[core] fsmonitor = \"%s\"\r\n" "$EVIL" >>sub/.git/config"#,
        "git -C sub status",
    ),
    (
        "a remote that is a program",
        r#"git init -q sub; git -C sub config protocol.ext.allow always
           git -C sub config remote.x.url "ext::sh -c $(echo "${EVIL%%;*}" | sed "s/ /% /")""#,
        "git -C sub -c protocol.ext.allow=always fetch x",
    ),
];

/// A shell of the user's, outside of any run, in `project`.
pub(super) fn host(project: &Path, script: &str, evil: &str) -> Output {
    let home = project.parent().unwrap();
    let mut shell = Command::new("/bin/sh");
    // The test's user may be another than the run's.
    fs::write(home.join("git-config-of-the-host"), "[safe]\n\tdirectory = *\n").unwrap();
    shell.args(["-ec", script]).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", home);
    shell.env("GIT_CONFIG_GLOBAL", home.join("git-config-of-the-host")).env("GIT_CONFIG_NOSYSTEM", "1");
    shell.env("EVIL", evil).current_dir(project).output().unwrap()
}

/// A project with a repository whose worktrees have settings of their own.
fn with_repository(run: Run) -> Run {
    let config = "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tworktreeConfig = true\n";
    run.project_file(".git/config", config)
}

/// The program touches a file outside of the project, which a sealed child cannot.
pub(super) fn evil(root: &Path) -> (std::path::PathBuf, String) {
    let mark = root.join("mark-of-the-program");
    (mark.clone(), format!("touch {}; false", mark.display()))
}

#[test]
fn without_the_run_each_repository_starts_its_program() {
    for (name, script, afterwards) in ROWS {
        let (_, world) = with_repository(Run::new()).into_parts();
        let (mark, evil) = evil(world.root());
        let made = host(&world.project(), script, &evil);
        assert!(made.status.success(), "{name}: {made:?}");
        let _ = fs::remove_file(&mark);
        let seen = host(&world.project(), afterwards, &evil);
        assert!(mark.exists(), "{name}: {seen:?}");
    }
}

#[test]
fn after_a_run_no_repository_of_its_own_starts_a_program() {
    for user in users() {
        for level in ["sealed", "guarded"] {
            for (name, script, afterwards) in ROWS {
                let run = with_repository(Run::at(level).user(*user)).unobserved();
                let (mark, evil) = evil(run.world().root());
                let finished = run.variable("EVIL", &evil).shell(&format!("set -e; {script}")).run().succeeded();
                let _ = fs::remove_file(&mark);
                let seen = host(&finished.world().project(), afterwards, &evil);
                assert!(!mark.exists(), "{name}, {level}: {seen:?}\n{}", finished.stderr());
                assert!(finished.stderr().contains("set aside"), "{name}, {level}: {}", finished.stderr());
            }
        }
    }
}

#[test]
fn a_repository_that_starts_nothing_is_kept_in_silence() {
    let script = "git init -q sub; cd sub; git config user.name Ann; git config user.email ann@example.com
        git commit -q --allow-empty -m x
        git worktree add -q ../tree; git clone -q . ../clone; git clone -q --bare . ../bare.git
        git -c protocol.file.allow=always submodule add -q \"$PWD/../clone\" inner; git remote add origin https://example.com/a.git; git -C ../tree commit -q --allow-empty -m y
        git branch -q --track more main 2>/dev/null || git branch -q --track more master; chmod 700 .git/hooks";
    let finished = with_repository(Run::new()).unobserved().shell(&format!("set -e; {script}")).run().succeeded();
    assert!(!finished.stderr().contains("set aside"), "{}", finished.stderr());
    let project = finished.world().project();
    let script =
        "for each in sub tree clone bare.git sub/inner; do git -C $each log --oneline; done; git -C sub remote -v
        git -C sub submodule status";
    let seen = host(&project, script, "");
    assert!(seen.status.success() && String::from_utf8_lossy(&seen.stdout).contains("example.com"), "{seen:?}");
}

#[test]
fn what_starts_nothing_stays_in_the_place_of_settings_that_do() {
    let script = "git init -q --object-format=sha256 sub; cd sub; git config user.name 'Ann \"A\" \\\\ #1'
        git config core.pager evil; git commit -q --allow-empty -m x; git config alias.st '!evil'";
    let run = with_repository(Run::new()).unobserved().variable("GIT_AUTHOR_EMAIL", "a@example.com");
    let run = run.variable("GIT_COMMITTER_EMAIL", "a@example.com");
    let finished = run.shell(&format!("set -e; {script}")).run().succeeded();
    let project = finished.world().project();
    let seen = host(&project, "cd sub; git config user.name; git log --oneline | wc -l; git config --list", "");
    let text = String::from_utf8(seen.stdout).unwrap();
    assert!(text.starts_with("Ann \"A\" \\\\ #1\n1\n") && !text.contains("evil"), "{text}");
    let aside = aside(&project.join("sub/.git"));
    assert!(aside.len() == 1 && fs::read_to_string(&aside[0]).unwrap().contains("evil"), "{aside:?}");
    assert!(finished.stderr().contains("what starts nothing of it stands in its place"), "{}", finished.stderr());
}

#[test]
fn a_repository_that_was_there_is_the_users() {
    let run = with_repository(Run::new()).unobserved();
    let (mark, evil) = evil(run.world().root());
    let script = r#"git init -q sub; git -C sub config core.fsmonitor "$EVIL"; git init -q --bare store
        git -C store config core.bare false; git -C store config core.worktree .; git -C store config core.fsmonitor "$EVIL""#;
    assert!(host(&run.world().project(), script, &evil).status.success());
    let finished = run.shell("for each in sub store; do ! git -C $each config core.pager evil; done").run();
    let finished = finished.succeeded();
    assert!(!finished.stderr().contains("set aside"), "{}", finished.stderr());
    for each in ["sub", "store"] {
        let _ = fs::remove_file(&mark);
        let seen = host(&finished.world().project(), &format!("git -C {each} status"), &evil);
        assert!(mark.exists(), "{each}: {seen:?}");
    }
}

#[test]
fn a_new_repository_at_the_root_is_judged_like_any() {
    for (setting, is_kept) in [("user.name Ann", true), ("core.fsmonitor evil", false)] {
        let run = Run::new().unobserved();
        fs::remove_dir_all(run.world().project().join(".git")).unwrap();
        let finished = run.shell(&format!("git init -q && git config {setting}")).run().succeeded();
        let config = fs::read_to_string(finished.world().project().join(".git/config")).unwrap();
        assert_eq!(config.contains(setting.split(' ').next_back().unwrap()), is_kept, "{config}");
        assert_eq!(finished.stderr().contains("set aside"), !is_kept, "{}", finished.stderr());
    }
}

#[test]
fn a_writable_tree_is_looked_through_as_well() {
    let other = place::folder("other");
    place::give(other.path(), User::Tester);
    let tree = other.path().to_str().unwrap();
    let run = Run::new().unobserved().flags(["--writable", tree]);
    let (mark, evil) = evil(run.world().root());
    let script = format!(r#"cd {tree}; git init -q sub; git -C sub config core.fsmonitor "$EVIL""#);
    let finished = run.variable("EVIL", &evil).shell(&script).run().succeeded();
    host(&finished.world().project(), &format!("git -C {tree}/sub status"), &evil);
    assert!(!mark.exists() && finished.stderr().contains("set aside"), "{}", finished.stderr());
}

#[test]
fn a_later_run_changes_no_settings_by_another_name_of_theirs() {
    let script = r#"if [ -e x ]; then printf "[core]\n\tfsmonitor = \"%s\"\n" "$EVIL" >x
        else git init -q sub; ln sub/.git/config x; fi"#;
    for is_run in [false, true] {
        let run = with_repository(Run::new()).unobserved();
        let (mark, evil) = evil(run.world().root());
        let (mut command, world) = run.variable("EVIL", &evil).shell(script).into_parts();
        for _ in 0..2 {
            let done = if is_run { command.output().unwrap() } else { host(&world.project(), script, &evil) };
            assert!(done.status.success(), "{done:?}");
        }
        let seen = host(&world.project(), "git -C sub status", &evil);
        assert_eq!(mark.exists(), !is_run, "{seen:?}");
    }
}
