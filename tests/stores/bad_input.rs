//! Wrong words, wrong files, wrong permissions: a status, a sentence, and nothing lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::home::{Home, Said};
use crate::support::place::{self, User};

/// Each row: the words, what is on standard input, the exit status, what is said.
const BAD: &[(&[&str], &str, i32, &str)] = &[
    (&["secrets", "set"], "", 2, "NAME"),
    (&["secrets", "set", ""], "", 2, "NAME or NAME=VALUE"),
    (&["secrets", "set", "=x"], "", 2, "NAME or NAME=VALUE"),
    (&["secrets", "set", "1ST=x"], "", 2, "starts with a letter"),
    (&["secrets", "set", "A B=x"], "", 2, "NAME or NAME=VALUE"),
    (&["secrets", "set", "A/B=x"], "", 2, "NAME or NAME=VALUE"),
    (&["secrets", "set", "A\nB=x"], "", 2, "NAME or NAME=VALUE"),
    (&["secrets", "set", "A="], "", 125, "the value is empty"),
    (&["secrets", "set", "A"], "", 125, "the value is empty"),
    (&["secrets", "set", "A"], "\n", 125, "the value is empty"),
    (&["secrets", "set", "A", "B"], "x", 2, "one secret at a time"),
    (&["secrets", "set", "A", "--from-env"], "", 125, "`A` has no value in the environment"),
    (&["secrets", "set", "A", "--from-env=NOT_SET"], "", 125, "`NOT_SET` has no value in the environment"),
    (&["secrets", "set", "A=x", "--from-env"], "", 2, "without `=VALUE`"),
    (&["secrets", "set", "A", "B", "--from-env=HOME"], "", 2, "one variable holds one value"),
    (&["secrets", "set", "A=x", "--host", "https://a.example/"], "", 2, "without scheme and path"),
    (&["secrets", "set", "A=x", "--host", "a b"], "", 2, "is not a host"),
    (&["secrets", "set", "A=x", "--host", "*.com"], "", 2, "is not a host pattern"),
    (&["secrets", "set", "A=x", "--host", "a.example:0"], "", 2, "no valid port"),
    (&["secrets", "set", "A=x", "--service", "strip"], "", 2, "no service of the catalogue"),
    (&["secrets", "set", "A=x", "--inject", "query"], "", 2, "`bearer`, `basic`, `header=NAME`"),
    (&["secrets", "set", "A=x", "--rule", "get /x"], "", 2, "is not a rule"),
    (&["secrets", "set", "A=x", "--store", "plain"], "", 2, "--store"),
    (&["secrets", "set", "A=x", "--workspace", "../x"], "", 2, "is not a workspace name"),
    (&["secrets", "set", "A=x", "--workspace", ".x"], "", 2, "is not a workspace name"),
    (&["secrets", "set", "A=x", "--store", "keychain"], "", 125, "the keychain is not there"),
    (&["secrets", "bind", "A"], "", 2, "--host HOST"),
    (&["secrets", "bind", "A", "--host", "*.github.io"], "", 2, "is not a host pattern"),
    (&["secrets", "bind", "A", "--host", "a.example", "--inject", "header=Host"], "", 125, "frames or routes"),
    (&["secrets", "bind", "A", "--host", "a.example", "--inject", "header=a b"], "", 125, "not the name of a header"),
    (&["secrets", "bind", "1A", "--host", "a.example"], "", 2, "is not a secret name"),
    (&["secrets", "remove"], "", 2, "NAME"),
    (&["secrets", "remove", "ABSENT"], "", 125, "has no secret `ABSENT`"),
    (&["secrets", "remove", "KEPT", "ABSENT"], "", 125, "has no secret `ABSENT`"),
    (&["secrets", "list", "--workspace", "absent"], "", 125, "there is no workspace `absent`"),
    (&["secrets", "import"], "", 2, "FILE"),
    (&["secrets", "import", "/dev/null"], "", 125, "not a regular file"),
    (&["secrets", "import", "/"], "", 125, "not a regular file"),
    (&["secrets", "show", "KEPT"], "", 2, "unrecognized subcommand"),
    (&["workspace", "create", "a/b"], "", 2, "is not a workspace name"),
    (&["workspace", "create", "default"], "", 125, "already"),
    (&["workspace", "use", "absent"], "", 125, "there is no workspace `absent`"),
    (&["workspace", "remove", "absent"], "", 125, "there is no workspace `absent`"),
    (&["workspace", "remove", "default"], "", 125, "holds 1 secrets"),
    (&["workspace", "allowlist", "add"], "", 2, "HOST"),
    (&["workspace", "allowlist", "add", "*.com"], "", 2, "is not a host pattern"),
    (&["workspace", "allowlist", "add", "*.github.io"], "", 2, "is not a host pattern"),
    (&["workspace", "allowlist", "add", "*"], "", 2, "is not a host pattern"),
    (&["workspace", "allowlist", "add", "a.*.example"], "", 2, "is not a host pattern"),
    (&["workspace", "allowlist", "add", "http://a.example"], "", 2, "without scheme"),
    (&["workspace", "allowlist", "add", "a.example:99999"], "", 2, "no valid port"),
    (&["workspace", "allowlist", "add", "good.example", "b ad"], "", 2, "is not a host"),
    (&["workspace", "allowlist", "remove", "absent.example"], "", 125, "is not on the allowlist"),
    (&["workspace", "allowlist", "list", "--workspace", "absent"], "", 125, "there is no workspace"),
    (&["run", "--workspace", "absent", "--", "true"], "", 125, "there is no workspace `absent`"),
    (&["explain", "--workspace", "a b", "--", "true"], "", 2, "is not a workspace name"),
    (&["init", "--workspace", "a b"], "", 2, "is not a workspace name"),
    (&["init", "--undo", "--import"], "", 2, "cannot be used with"),
    (&["init", "--leave", "half"], "", 2, "--leave"),
];

#[test]
fn bad_input_is_told_and_loses_nothing() {
    let home = Home::new(User::Ordinary);
    home.ok(&["secrets", "set", "KEPT=the-kept-value-4242", "--host", "api.example.com"]);
    let before =
        (fs::read(home.store("secrets.age")).unwrap(), fs::read(home.config("workspaces/default.toml")).unwrap());
    for (words, input, code, said) in BAD {
        let answer = home.with_input(words, input.as_bytes());
        assert_eq!(answer.code, *code, "{words:?}: {}{}", answer.out, answer.err);
        assert!(answer.err.contains(said), "{words:?}: {}", answer.err);
        assert_eq!(answer.out, "", "{words:?}");
        let after =
            (fs::read(home.store("secrets.age")).unwrap(), fs::read(home.config("workspaces/default.toml")).unwrap());
        assert!(before == after, "{words:?} changed what is kept");
    }
    let large = home.with_input(&["secrets", "set", "A"], &vec![b'x'; 70_000]);
    assert!(large.code == 125 && large.err.contains("the most is 65536"), "{}", large.err);
    // What is damaged on the disk is told, and stays as it is.
    for (file, content, said) in [
        ("secrets.age", &b"-----BEGIN AGE ENCRYPTED FILE-----\nYWd"[..], "cut short"),
        ("secrets.age", b"text", "damaged"),
        ("identity", b"AGE-SECRET-KEY-1X", "damaged"),
    ] {
        let path = home.store(file);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, content).unwrap();
        for words in [&["secrets", "set", "B=another-value"][..], &["run", "--", "true"]] {
            let answer = home.run(words);
            assert!(answer.code == 125 && answer.err.contains(said), "{file}: {}", answer.err);
        }
        assert_eq!(fs::read(&path).unwrap(), content);
        fs::write(&path, whole).unwrap();
    }
    for (file, mode) in [("secrets.age", 0o644), ("identity", 0o604)] {
        fs::set_permissions(home.store(file), fs::Permissions::from_mode(mode)).unwrap();
        let answer = home.run(&["run", "--", "true"]);
        assert!(answer.code == 125 && answer.err.contains("hint: chmod go= "), "{}", answer.err);
        fs::set_permissions(home.store(file), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let path = home.config("workspaces/default.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).unwrap();
    assert!(home.run(&["run", "--", "true"]).err.contains("others can read or write it"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    home.ok(&["run", "--", "true"]);
}

#[test]
fn a_project_chooses_no_workspace_and_names_no_command() {
    let home = Home::new(User::Ordinary);
    home.ok(&["secrets", "set", "KEPT=the-kept-value-4242", "--host", "api.example.com"]);
    for text in [
        "workspace = \"default\"\n",
        "[secrets.KEPT]\nsource = { command = [\"/bin/sh\", \"-c\", \"touch /tmp/x\"] }\n",
    ] {
        fs::write(home.path("home/acme/agentsecrets.toml"), text).unwrap();
        let said = home.run(&["run", "--", "true"]);
        assert!(
            said.code == 125 && said.err.contains("a project file cannot") && said.err.contains("config.toml"),
            "{}",
            said.err
        );
    }
}

/// What the user's own file says is obeyed, so nobody else may have written it.
#[test]
fn a_configuration_that_others_can_have_written_is_refused() {
    let home = Home::new(User::Ordinary);
    home.ok(&["secrets", "set", "KEPT=the-kept-value-4242", "--host", "api.example.com"]);
    let path = home.config("config.toml");
    fs::write(&path, "[egress]\ndefault = \"web\"\n").unwrap();
    place::give(home.root.path(), home.user);
    for (mode, said) in [(0o622, "others can read or write it"), (0o664, "others can read or write it")] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        for words in [&["run", "--", "true"][..], &["explain", "--", "true"], &["secrets", "list"]] {
            let answer = home.run(words);
            assert!(
                answer.code == 125 && answer.err.contains(said) && answer.err.contains("hint: chmod"),
                "{}",
                answer.err
            );
        }
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    home.ok(&["run", "--", "true"]);
    // A link to where the user keeps such files is one thing, a link into the project another.
    for (below, works) in [("home/dotfiles.toml", true), ("home/acme/dotfiles.toml", false)] {
        fs::rename(&path, home.path(below)).unwrap();
        std::os::unix::fs::symlink(home.path(below), &path).unwrap();
        let answer = home.run(&["run", "--", "true"]);
        assert_eq!(answer.code == 0, works, "{}", answer.err);
        assert!(works || answer.err.contains("link into the project"), "{}", answer.err);
        fs::remove_file(&path).unwrap();
        fs::rename(home.path(below), &path).unwrap();
    }
}

/// A store on a disk that is full: what is kept stays, and what is new is refused until there is room.
#[test]
fn a_full_disk_loses_nothing() {
    for user in place::users() {
        let home = Home::new(*user);
        let store = home.store("").display().to_string();
        let program = place::agentsecrets().display();
        let script = format!(
            "mkdir -p {store} && chmod 700 {store} && mount -t tmpfs -o size=64k,mode=700 none {store} || exit 10
            {program} secrets set KEPT=the-kept-value-4242 --host a.example || exit 11
            cp {store}/secrets.age before && cp ~/.config/agentsecrets/workspaces/default.toml index || exit 12
            cat /dev/zero >{store}/fill
            head -c 40000 /dev/urandom | base64 -w 0 | {program} secrets set NEW && exit 13
            cmp before {store}/secrets.age && cmp index ~/.config/agentsecrets/workspaces/default.toml || exit 14
            test \"$(ls {store} | grep -vcE '^(fill|identity|secrets.age|.*lock)$')\" = 0 || exit 15
            rm {store}/fill; {program} secrets set NEW=the-new-value-4242 || exit 16
            {program} secrets list --json"
        );
        let words = ["--user", "--map-root-user", "--mount", "/bin/sh", "-c", &script];
        let said = Said::of(home.command(Path::new("/usr/bin/unshare"), &words).output().unwrap());
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        assert!(said.err.contains("No space left on device"), "{}", said.err);
        assert!(said.out.contains("\"KEPT\"") && said.out.contains("\"NEW\""), "{}", said.out);
    }
}
