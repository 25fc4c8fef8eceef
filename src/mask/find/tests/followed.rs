//! Files that the user's own files name.

use super::*;
use crate::policy::Format;

/// The found paths below the home with the formats that they are read in, in order.
fn formats(tree: &Tree, findings: &Findings) -> Vec<(String, Option<Format>)> {
    let formats = findings.found.iter().map(|found| found.render.as_ref().map(|render| render.format));
    tree.found(findings).into_iter().zip(formats).collect()
}

#[test]
fn what_git_includes_and_stores_is_found() {
    let tree = Tree::new();
    tree.file(
        ".gitconfig",
        "[include]\n\tpath = git/work\n[includeIf \"gitdir:~/x\"]\n\tpath = ~/git/gone\n[credential]\n\thelper = store \
         --file ~/git/passwords\n\thelper = cache --timeout 3\n",
    );
    tree.file(
        "git/work",
        "[include]\n\tpath = deeper\n[credential \"https://h\"]\n\thelper = store --file=~/git/more\n",
    );
    tree.file("git/deeper", "");
    tree.file("git/passwords", "https://a:b@h\n");
    tree.file("git/more", "");
    tree.file("project/.git/config", "[include]\n\tpath = ../../git/none\n");
    tree.file("git/none", "");
    let expected = [
        (".gitconfig", Format::GitConfig),
        ("git/work", Format::GitConfig),
        ("git/deeper", Format::GitConfig),
        ("git/passwords", Format::GitCredentials),
        ("git/more", Format::GitCredentials),
    ];
    let expected = expected.map(|(path, format)| (path.to_owned(), Some(format)));
    let findings = tree.find().unwrap();
    assert_eq!(formats(&tree, &findings), expected);
    assert!(findings.found.iter().all(|found| found.may_grant));
}

#[test]
fn what_shells_read_besides_is_found_to_a_bounded_depth() {
    let tree = Tree::new();
    tree.file(".shellrc", ". ~/one\n[ -r ~/gone ] && . ~/gone\nsource \"$HOME/a b\"; . /usr/lib/os-release\n. ~/\n");
    tree.file("one", ". ~/two\n. ~/one\n. ~/.shellrc\n");
    for (file, next) in [("two", "three"), ("three", "four"), ("four", "five")] {
        tree.file(file, &format!(". ~/{next}\n"));
    }
    tree.file("five", "");
    tree.file("a b", "");
    tree.file(".shell.d/a.sh", ". ~/piece\n");
    tree.file(".shell.d/a.txt", "");
    tree.file("piece", "");
    let findings = tree.find().unwrap();
    assert_eq!(tree.found(&findings), [".shellrc", ".shell.d/a.sh", "one", "a b", "piece", "two", "three", "four"]);
    assert!(formats(&tree, &findings).iter().all(|(_, format)| *format == Some(Format::Shell)));
}

#[test]
fn variables_name_start_up_files_where_they_hold_a_path() {
    let tree = Tree::new();
    tree.file("own/rc", ". ~/own/more\n");
    tree.file("own/more", "");
    tree.file("other", "");
    tree.file("project/production", "A=1\n");
    let set = |name: &'static str, value: &str| (name, PathBuf::from(value));
    let findings = tree.find_with(&[set("BASH_ENV", "$HOME/own/rc"), set("ENV", "production")], &[], "").unwrap();
    assert_eq!(tree.found(&findings), ["own/rc", "own/more"]);
    let findings = tree.find_with(&[("ENV", tree.path("other"))], &[], "").unwrap();
    assert_eq!(tree.found(&findings), ["other"]);
}
