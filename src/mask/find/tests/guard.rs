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
