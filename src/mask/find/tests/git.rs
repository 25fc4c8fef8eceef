//! What git would act on outside.

use super::*;

#[test]
fn guards_what_exists_in_every_repository() {
    let tree = Tree::new();
    tree.file(".bashrc", "");
    tree.file("project/.git/hooks/pre-commit", "");
    tree.file("project/sub/.git/hooks/pre-push", "");
    for file in ["bare/config", "bare/HEAD", "bare/objects/pack/x", "bare/refs/heads/config", "bare/hooks/update"] {
        tree.file(&format!("project/{file}"), "");
    }
    for file in ["no repository/config", "no repository/HEAD", "no repository/refs/x", "branch/refs/heads/hooks"] {
        tree.file(&format!("project/{file}"), "");
    }
    let findings = tree.find().unwrap();
    let expected =
        [".bashrc", "project/.git/hooks", "project/bare/config", "project/bare/hooks", "project/sub/.git/hooks"];
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
        "project/main/.git/modules/a/b/HEAD",
        "project/main/.git/modules/a/b/objects/x",
        "project/main/.git/modules/a/b/refs/heads/config",
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

#[test]
fn what_configuration_names_is_guarded() {
    let tree = Tree::new();
    tree.file(".gitconfig", "[init]\ntemplateDir = ~/project/template\n[core]\nhooksPath = shared hooks\n");
    tree.file("project/template/hooks/x", "");
    let config =
        "[core]\n hooksPath = tools/hooks\n fsmonitor = ./tools/watch --fast\n[include]\n path = ../more.config\n";
    tree.file("project/.git/config", config);
    tree.file("project/more.config", "[includeIf \"onbranch:x\"]\n path = deep/er\n[include]\n path = more.config\n");
    tree.file("project/deep/er", "[core]\n hooksPath = \"by include\"\n[include]\n path = \"\"\n");
    for file in ["by include/update", "tools/hooks/update", "tools/watch", "shared hooks/update", "other hooks/update"]
    {
        tree.file(&format!("project/{file}"), "");
    }
    tree.file("project/sub/.git/config", "[core]\n hooksPath = .\n fsmonitor = true\n");
    tree.file("project/sub/shared hooks/update", "");
    let expected = [
        "project/by include",
        "project/deep/er",
        "project/more.config",
        "project/shared hooks",
        "project/sub/shared hooks",
        "project/template",
        "project/tools/hooks",
        "project/tools/watch",
    ];
    assert_eq!(tree.find().unwrap().guarded, expected.map(|path| tree.path(path)));
}

#[test]
fn configuration_elsewhere_is_followed_and_the_project_is_never_closed() {
    let tree = Tree::new();
    tree.file("project/.git", "gitdir: ../main/.git/worktrees/x\n");
    tree.file("main/.git/worktrees/x/commondir", "../..\n");
    tree.file("main/.git/config", "[core]\n hooksPath = hooks\n");
    tree.file("main/.git/worktrees/x/config.worktree", "[core]\n hooksPath = .\n[include]\n path = /\n path = ..\n");
    tree.file("project/hooks/update", "");
    let guarded = tree.find().unwrap().guarded;
    let guarded: Vec<_> = guarded.iter().filter(|path| path.starts_with(tree.path("project"))).collect();
    assert_eq!(guarded, [&tree.path("project/.git"), &tree.path("project/hooks")]);
}
