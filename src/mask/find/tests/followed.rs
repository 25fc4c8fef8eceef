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

#[test]
fn keys_cookies_and_tokens_that_configuration_names_are_found() {
    let tree = Tree::new();
    tree.file(
        ".gitconfig",
        "[http]\n\tcookieFile = ~/git/cookies\n\tproxySSLKey = \n[http \"https://h/\"]\n\tsslKey = ~/git/client.key\n\
         \tsslCert = ~/git/client.crt\n",
    );
    let kube = "users:\n- name: a\n  user:\n    client-key: keys/a.key\n    client-certificate: keys/a.crt\n\
                - name: b\n  user:\n    tokenFile: ../tokens/b\n- name: c\n  user:\n    tokenFile: gone\n";
    tree.file(".kube/config", kube);
    for file in ["git/cookies", "git/client.key", "git/client.crt", ".kube/keys/a.key", ".kube/keys/a.crt", "tokens/b"]
    {
        tree.file(file, "x\n");
    }
    let expected = [
        (".gitconfig", Some(Format::GitConfig)),
        (".kube/config", Some(Format::Yaml)),
        ("git/cookies", None),
        ("git/client.key", None),
        (".kube/keys/a.key", None),
        ("tokens/b", Some(Format::Token)),
    ];
    let expected = expected.map(|(path, format)| (path.to_owned(), format));
    assert_eq!(formats(&tree, &tree.find().unwrap()), expected);
}

#[test]
fn what_is_fed_to_shells_is_found() {
    let tree = Tree::new();
    tree.file(
        ".shellrc",
        "source <(cat ~/one)\nwhile read -r a; do export \"$a\"; done < ~/two\n. \"${HOME:?}/three\"\n. \"${HOMES:?}/four\"\n\
         source <(tool completion)\nexport A_KEY=$(cat ~/five)\n",
    );
    for file in ["one", "two", "three", "four", "five"] {
        tree.file(file, "");
    }
    let findings = tree.find().unwrap();
    let mut found = formats(&tree, &findings);
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        (".shellrc", Format::Shell),
        ("five", Format::Token),
        ("one", Format::Shell),
        ("three", Format::Shell),
        ("two", Format::Shell),
    ];
    assert_eq!(found, expected.map(|(path, format)| (path.to_owned(), Some(format))));
}
