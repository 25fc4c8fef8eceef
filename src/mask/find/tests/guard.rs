//! What programs other than git would act on outside.

use super::*;

#[test]
fn a_guarded_name_may_end_with_a_star() {
    let tree = Tree::new();
    let prompts = ["cache/prompt-ann.zsh", "cache/prompt-bob.zsh"].map(|path| tree.file(path, ""));
    tree.file("cache/promp", "");
    let mut guarded = tree.find().unwrap().guarded;
    guarded.sort();
    assert_eq!(guarded, prompts);
}

#[test]
fn settings_of_editors_are_guarded_in_any_folder_but_those_of_packages() {
    let tree = Tree::new();
    for file in [".Tool/x.json", "a/b/.tool/x.json", "a/tool/x.json", "node_modules/a/.tool/x.json", "c/.ide/deep/y"] {
        tree.file(&format!("project/{file}"), "");
    }
    let expected = ["project/.Tool/x.json", "project/a/b/.tool/x.json", "project/c/.ide"];
    assert_eq!(tree.find().unwrap().guarded, expected.map(|path| tree.path(path)));
}

#[test]
fn symlinks_on_the_way_to_settings_are_guarded() {
    let tree = Tree::new();
    tree.file("project/mine/x.json", "");
    for folder in ["a", "empty", "node_modules"] {
        fs::create_dir_all(tree.path(&format!("project/{folder}"))).unwrap();
    }
    symlink("../mine", tree.path("project/a/.tool")).unwrap();
    symlink("../mine", tree.path("project/node_modules/.tool")).unwrap();
    symlink("empty", tree.path("project/.tool")).unwrap();
    let expected = ["project/.tool", "project/a/.tool", "project/mine/x.json"];
    assert_eq!(tree.find().unwrap().guarded, expected.map(|path| tree.path(path)));
}

#[test]
fn of_a_tree_that_is_granted_gits_own_directories_are_guarded_alone() {
    let tree = Tree::new();
    tree.file("granted/agentsecrets.toml", "");
    tree.file("granted/.tool/x.json", "");
    tree.file("granted/.git/config", "[core]\n hooksPath = mine\n");
    tree.file("granted/mine/update", "");
    tree.file("granted/.git/hooks/update", "");
    tree.file("granted/deep/module/.git", "gitdir: ../../.git/modules/x\n");
    for file in ["HEAD", "objects/x", "refs/x", "config"] {
        tree.file(&format!("granted/.git/modules/x/{file}"), "");
    }
    let expected = [".git/config", ".git/hooks", ".git/modules/x/config", "deep/module/.git", "mine"];
    assert_eq!(tree.find().unwrap().guarded, expected.map(|path| tree.path("granted").join(path)));
}

#[test]
fn other_names_of_what_is_guarded_are_guarded() {
    let tree = Tree::new();
    let config = tree.file("project/agentsecrets.toml", "");
    let hook = tree.file("project/.git/hooks/update", "");
    let rc = tree.file("home-rc", "");
    let bashrc = tree.path(".bashrc");
    for (file, name) in [(&config, "project/a/mine"), (&hook, "cache/b"), (&hook, "granted/c"), (&rc, "project/d")] {
        fs::create_dir_all(tree.path(name).parent().unwrap()).unwrap();
        fs::hard_link(file, tree.path(name)).unwrap();
    }
    fs::hard_link(&rc, &bashrc).unwrap();
    // What no child can write is nothing to guard, and a name in a guarded directory is guarded with it.
    fs::hard_link(&hook, tree.path("elsewhere")).unwrap();
    fs::hard_link(&hook, tree.path("project/.git/hooks/same")).unwrap();
    let guarded = tree.find().unwrap().guarded;
    for name in
        ["project/agentsecrets.toml", "project/a/mine", "project/.git/hooks", "cache/b", "granted/c", "project/d"]
    {
        assert!(guarded.contains(&tree.path(name)), "{name} in {guarded:?}");
    }
    for name in ["elsewhere", "project/.git/hooks/same"] {
        assert!(!guarded.contains(&tree.path(name)), "{name} in {guarded:?}");
    }
}

#[test]
fn what_a_folders_envrc_reads_is_guarded_or_awaited() {
    let tree = Tree::new();
    tree.file(
        "project/a/.envrc",
        "source ./scripts/x.sh\nsource_env_if_exists .envrc.local\n. $PWD/y; source_env ../b\n",
    );
    tree.file("project/a/scripts/x.sh", "source_env deeper.sh\n");
    tree.file("project/a/scripts/deeper.sh", "");
    tree.file("project/a/y", "eval \"$(cat ~/cache/z)\"\n");
    tree.file("project/b/.envrc", "");
    tree.file("cache/z", "");
    tree.file("project/a/other", "");
    let findings = tree.find().unwrap();
    let expected = ["a/.envrc", "a/scripts/deeper.sh", "a/scripts/x.sh", "a/y", "b/.envrc"];
    let expected = [tree.path("cache/z")].into_iter().chain(expected.map(|path| tree.path("project").join(path)));
    assert_eq!(findings.guarded, expected.collect::<Vec<_>>());
    assert_eq!(findings.awaited, [Awaited { path: tree.path("project/a/.envrc.local"), is_file: true }]);
}

#[test]
fn what_shells_read_at_each_start_is_guarded_or_awaited() {
    let tree = Tree::new();
    tree.file(
        ".shellrc",
        "[ -f ~/cache/theme.sh ] && . ~/cache/theme.sh\n. $HOME/project/env.sh\n. ~/own\n. ~/cache/new\n",
    );
    for file in ["cache/theme.sh", "project/env.sh", "own"] {
        tree.file(file, "true\n");
    }
    let findings = tree.find().unwrap();
    for (path, expected) in [("cache/theme.sh", true), ("project/env.sh", true), ("own", false)] {
        assert_eq!(findings.guarded.contains(&tree.path(path)), expected, "{path} in {:?}", findings.guarded);
    }
    assert_eq!(findings.awaited, [Awaited { path: tree.path("cache/new"), is_file: true }]);
}
