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

/// What is awaited, from the home on, or from the top of any repository; but for what this machine's own settings name.
fn awaited(findings: &Findings, tree: &Tree) -> Vec<String> {
    let empty = Tree::new();
    empty.file("project/.git/config", "");
    let machines = shown(&empty.find().unwrap(), &empty);
    shown(findings, tree).into_iter().filter(|path| !machines.contains(path)).collect()
}

fn shown(findings: &Findings, tree: &Tree) -> Vec<String> {
    let shown = |awaited: &Awaited| {
        let path = awaited.path.strip_prefix(tree.path("")).unwrap_or(&awaited.path);
        format!("{}{}", path.display(), if awaited.is_file { "" } else { "/" })
    };
    findings.awaited.iter().map(shown).collect()
}

#[test]
fn what_does_not_exist_yet_is_awaited_where_it_would_stand() {
    for (config, expected) in [
        ("[include]\n path = ../.gitconfig\n", &["project/.gitconfig"][..]),
        ("[include]\n path = ../one.inc\n", &["project/two.inc"]),
        ("[includeIf \"hasconfig:remote.*.url:x\"]\n path = ~/project/team\n", &["project/team"]),
        ("[includeIf \"onbranch:x\"]\n path = ../dir/../team\n", &["project/team"]),
        ("[core]\n hooksPath = dev/hk\n", &["project/.git/dev/hk/", "project/dev/hk/"]),
        ("[core]\n hooksPath = ~ann/project/hk\n", &["project/hk/"]),
        ("[core]\n hooksPath = link/hk\n", &["project/.git/link/hk/", "project/real/hk/"]),
        ("[core]\n hooksPath = dangling\n", &["project/.git/dangling/", "project/gone/"]),
        ("[core]\n hooksPath = ~/elsewhere\n", &[]),
        ("[core]\n attributesFile = ~/cache/attributes\n", &["cache/attributes"]),
        ("[alias]\n z = !./x\n", &["project/.git/x", "project/x"]),
        ("[user]\n name = a/b\n[remote \"o\"]\n url = ../x/y\n", &[]),
    ] {
        let tree = Tree::new();
        tree.file("project/.git/config", config);
        tree.file("project/one.inc", "[include]\n path = two.inc\n");
        tree.file("project/real/x", "");
        symlink("real", tree.path("project/link")).unwrap();
        symlink("gone", tree.path("project/dangling")).unwrap();
        let findings = tree.find().unwrap();
        assert_eq!(awaited(&findings, &tree), expected, "{config}");
        let has = |path: &str| findings.guarded.contains(&tree.path(path));
        assert_eq!(has("project/link"), config.contains("link"), "{config}");
        assert_eq!(has("project/dangling"), config.contains("dangling"), "{config}");
    }
}

#[test]
fn what_the_users_own_settings_name_is_awaited_in_every_repository() {
    let tree = Tree::new();
    tree.file(".gitconfig", "[core]\n hooksPath = .myhooks\n[alias]\n a = !cat README.md\n b = !sh $PWD/s/x\n");
    for file in ["config", "HEAD", "objects/x", "refs/x"] {
        tree.file(&format!("project/.git/{file}"), "");
    }
    tree.file("project/sub/.git", "gitdir: ../.git/modules/sub\n");
    let variables =
        [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "filter.A.b.clean"), ("GIT_CONFIG_VALUE_0", "./c")];
    let findings = tree.find_with(&variables.map(|(name, value)| (name, value.into())), &[], "").unwrap();
    let expected = [
        "./c",
        ".myhooks/",
        "project/.git/.myhooks/",
        "project/.git/c",
        "project/.myhooks/",
        "project/README.md",
        "project/c",
        "project/s/x",
        "project/sub/.myhooks/",
        "project/sub/README.md",
        "project/sub/c",
        "project/sub/s/x",
        "s/x",
    ];
    let mut seen = awaited(&findings, &tree);
    seen.sort();
    assert_eq!(seen, expected);
}

#[test]
fn programs_that_settings_name_are_guarded_and_what_git_writes_is_not() {
    let tree = Tree::new();
    let config =
        "[filter \"f\"]\n clean = ./s/clean.sh %f\n[core]\n pager = \"sh -c 's/pager'\"\n sshCommand = ssh -F ./s/conf
 editor = node ./tool\n attributesFile = attrs\n[alias]\n z = !eslint ./src && git commit -eF .git/COMMIT_EDITMSG
 y = !$PWD/s/y\n[gpg]\n program = ~/project/s/my gpg\n[credential]\n helper = !cd s && ./helper\n";
    tree.file("project/.git/config", config);
    let named = ["attrs", "s/clean.sh", "s/conf", "s/helper", "s/my gpg", "s/pager", "s/y"];
    for file in named.iter().chain(&["src/x", "tool/index.js", ".git/COMMIT_EDITMSG", "pager", "other", "scripts/hook"])
    {
        tree.file(&format!("project/{file}"), "");
    }
    fs::create_dir_all(tree.path("project/.git/hooks")).unwrap();
    symlink("../../scripts/hook", tree.path("project/.git/hooks/pre-commit")).unwrap();
    let guarded = tree.find().unwrap().guarded;
    let expected = [".git/hooks", ".git/hooks/pre-commit"].iter().chain(&named).chain(&["scripts/hook", "tool"]);
    let mut expected: Vec<_> = expected.map(|path| tree.path("project").join(path)).collect();
    expected.sort();
    assert_eq!(guarded, expected);
}

#[test]
fn the_repository_that_the_project_lies_in_counts() {
    let tree = Tree::new();
    tree.file(".git/config", "[core]\n hooksPath = project/hk\n editor = ./project/e x\n");
    tree.file("project/e", "");
    let findings = tree.find().unwrap();
    assert_eq!(awaited(&findings, &tree), ["project/hk/"]);
    assert_eq!(findings.guarded, [tree.path("project/e")]);
}

#[test]
fn a_large_file_is_read_to_its_end() {
    let tree = Tree::new();
    tree.file(".gitconfig", &format!("{}[core]\n hooksPath = hk\n", "# \n".repeat(3 << 20)));
    tree.file("project/hk/update", "");
    assert!(tree.find().unwrap().guarded.contains(&tree.path("project/hk")));
}

#[test]
fn what_is_too_much_to_follow_refuses_the_run() {
    let long = (0..5000).map(|number| format!("a/{number}")).collect::<Vec<_>>().join(" ");
    let many = "[a]\nb=c\n".repeat(1 << 17);
    for config in [format!("[core]\n editor = {long}\n"), many] {
        let tree = Tree::new();
        tree.file("project/.git/config", &config);
        assert!(matches!(tree.find(), Err(MaskError::GitSettings { .. })), "{}", config.len());
    }
}
