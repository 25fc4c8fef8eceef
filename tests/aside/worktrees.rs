//! A project that is a linked worktree: what is committed lands in its repository, which is guarded as `.git` would be.

use std::fs;

use super::repositories::{evil, host};
use crate::support::place::users;
use crate::support::{Run, fresh_key};

/// A main checkout in `main` beside the project, and the project as a worktree of it.
const MAIN: &str = "cd ..; rm -rf project; git init -q main; cd main; git config user.name Ann
    git config user.email ann@example.com; git commit -q --allow-empty -m first
    git worktree add -q -b inside ../project; git worktree add -q -b other ../other";

fn prepared(run: Run) -> Run {
    let project = run.world().project();
    let made = host(&project, MAIN, "");
    assert!(made.status.success(), "{made:?}");
    run.unobserved().directory(project)
}

#[test]
fn a_commit_lands_in_the_repository_and_nothing_there_starts_a_program() {
    for user in users() {
        for level in ["sealed", "guarded"] {
            let run = prepared(Run::at(level).user(*user));
            let (mark, evil) = evil(run.world().root());
            let main = run.world().root().join("main");
            let script = r#"git commit -q --allow-empty -m from-inside; cd ../main/.git
                git init -q --bare modules/x 2>/dev/null; git -C modules/x config core.fsmonitor "$EVIL"
                echo ../../../x >worktrees/project/config.worktree; mkdir -p worktrees/new; echo x >worktrees/new/HEAD
                echo ../../modules/x >worktrees/new/commondir"#;
            let finished = run.variable("EVIL", &evil).shell(script).run().succeeded();
            let said = finished.stderr();
            assert!(said.contains(main.join(".git").to_str().unwrap()), "{level}: {said}");
            let seen = host(&main, "git log --format=%s inside; git status; git -C ../project status", "");
            let text = String::from_utf8_lossy(&seen.stdout).into_owned();
            assert!(seen.status.success() && text.starts_with("from-inside\nfirst\n"), "{level}: {seen:?}\n{said}");
            assert!(!mark.exists());
            for aside in ["modules/x/config", "worktrees/project/config.worktree", "worktrees/new/commondir"] {
                assert!(said.contains(&format!("{aside} to ")), "{level}, {aside}: {said}");
            }
        }
    }
}

#[test]
fn what_git_obeys_there_is_read_only() {
    for user in users() {
        let run = prepared(Run::new().user(*user));
        let script =
            "cd ../main/.git; for each in config hooks/pre-commit worktrees/project/gitdir worktrees/other/commondir
            do if echo x 2>/dev/null >>$each; then echo changed $each; fi; done; mv hooks h || mv worktrees w || true";
        let finished = run.shell(script).run().succeeded();
        assert_eq!(finished.stdout(), "", "{}", finished.stderr());
        assert!(!finished.stderr().contains("set aside"), "{}", finished.stderr());
    }
}

#[test]
fn its_secrets_are_masked() {
    let key = fresh_key("header-");
    let run = prepared(Run::new().declare("HEADER", &key));
    let main = run.world().root().join("main");
    let config = format!(
        "{}[remote \"origin\"]\n\turl = https://ann:{key}@example.com/a.git\n",
        fs::read_to_string(main.join(".git/config")).unwrap()
    );
    fs::write(main.join(".git/config"), config).unwrap();
    let finished = run.shell("git remote get-url origin; cat ../main/.git/config").run().succeeded();
    assert_eq!(finished.stdout().matches("@example.com/a.git").count(), 2, "{}", finished.stdout());
    assert!(!finished.stdout().contains(&key));
    assert!(fs::read_to_string(main.join(".git/config")).unwrap().contains(&key));
}

#[test]
fn without_a_link_back_it_stays_as_it_is() {
    for user in users() {
        let run = prepared(Run::new().user(*user));
        let main = run.world().root().join("main");
        // Any file of the project could have been written by a run before this one.
        fs::write(run.world().project().join(".git"), "gitdir: ../main/.git/worktrees/other\n").unwrap();
        let finished = run.shell("git commit -q --allow-empty -m from-inside || true").run().succeeded();
        assert!(finished.stderr().contains("does not lead back"), "{}", finished.stderr());
        let seen = host(&main, "git log --all --format=%s", "");
        assert!(!String::from_utf8_lossy(&seen.stdout).contains("from-inside"), "{seen:?}");
    }
}
