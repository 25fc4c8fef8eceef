//! What git would act on outside.

use super::*;

#[test]
fn guards_what_exists_in_every_repository() {
    let tree = Tree::new();
    tree.file(".bashrc", "");
    tree.file("project/.git/hooks/pre-commit", "");
    tree.file("project/sub/.git/hooks/pre-push", "");
    tree.file("project/.git/modules/x/config", "");
    let findings = tree.find().unwrap();
    let expected = [".bashrc", "project/.git/hooks", "project/.git/modules/x/config", "project/sub/.git/hooks"];
    assert_eq!(findings.guarded, expected.map(|path| tree.path(path)));
}

#[test]
fn files_that_lead_git_elsewhere_are_guarded() {
    let tree = Tree::new();
    for file in [
        "project/.git",
        "project/module/.git",
        "project/main/.git/worktrees/x/commondir",
        "project/main/.git/worktrees/x/gitdir",
        "project/main/.git/worktrees/x/HEAD",
        "project/main/.git/modules/a/b/hooks/update",
        "project/main/.git/modules/a/b/config",
        "project/main/.git/modules/a/b/description",
        "project/main/.git/refs/heads/config",
        "project/source/config",
    ] {
        tree.file(file, "");
    }
    let findings = tree.find().unwrap();
    let expected = [
        "project/.git",
        "project/main/.git/modules/a/b/config",
        "project/main/.git/modules/a/b/hooks",
        "project/main/.git/worktrees/x/commondir",
        "project/main/.git/worktrees/x/gitdir",
        "project/module/.git",
    ];
    assert_eq!(findings.guarded, expected.map(|path| tree.path(path)));
}

#[test]
fn symlinks_are_guarded_with_what_they_lead_to_but_never_the_project_itself() {
    let tree = Tree::new();
    tree.file("project/githooks/update", "");
    tree.file("project/store/hooks/update", "");
    fs::create_dir_all(tree.path("project/one/.git")).unwrap();
    symlink("../../githooks", tree.path("project/one/.git/hooks")).unwrap();
    fs::create_dir_all(tree.path("project/two")).unwrap();
    symlink("../store", tree.path("project/two/.git")).unwrap();
    symlink(".", tree.path("project/agentsecrets.toml")).unwrap();
    let findings = tree.find().unwrap();
    let expected = [
        "project/agentsecrets.toml",
        "project/githooks",
        "project/one/.git/hooks",
        "project/store/hooks",
        "project/two/.git",
    ];
    assert_eq!(findings.guarded, expected.map(|path| tree.path(path)));
}
