//! Trees on disk and what is found in them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use super::*;

mod followed;
mod git;
mod guard;
mod root;
mod rules;

use rules::RULES;

struct Tree {
    _keep: tempfile::TempDir,
    root: PathBuf,
}

impl Tree {
    fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(keep.path()).unwrap();
        fs::create_dir_all(root.join("home/project")).unwrap();
        Self { _keep: keep, root }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.join("home").join(below)
    }

    fn file(&self, below: &str, text: &str) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn find_with(&self, variables: &[(&str, PathBuf)], mask: &[&str], mounts: &str) -> Result<Findings, MaskError> {
        let origin = Origin::Flag { flag: "--mask".into() };
        let mask: Vec<_> =
            mask.iter().map(|text| Sourced { value: FileGlob::parse(text).unwrap(), origin: origin.clone() }).collect();
        let variable = |name: &str| {
            let set = variables.iter().find(|(known, _)| *known == name);
            // The machine's own configuration is none of the tree's.
            let unset = (name == "GIT_CONFIG_SYSTEM").then(|| "/dev/null".into());
            set.map(|(_, value)| value.clone().into_os_string()).or(unset)
        };
        find(&Search {
            rules: &RULES,
            mask: &mask,
            project: &self.path("project"),
            home: &self.path(""),
            current_directory: &self.path("project"),
            variable: &variable,
            writable: Writable::new(&[self.path("cache")]),
            trees: &[self.path("granted")],
            repository: None,
            needed: &[],
            uid: nix::unistd::geteuid().as_raw(),
            mounts: mounts.as_bytes(),
        })
    }

    fn find(&self) -> Result<Findings, MaskError> {
        self.find_with(&[], &[], "")
    }

    /// The found paths below the home, in order.
    fn found(&self, findings: &Findings) -> Vec<String> {
        let below = |path: &Path| path.strip_prefix(self.path("")).unwrap_or(path).to_string_lossy().into_owned();
        findings.found.iter().map(|found| below(&found.path)).collect()
    }
}

fn bytes(found: &Found) -> &[u8] {
    match &found.content {
        Content::Bytes(bytes) => bytes,
        _ => b"(not read)",
    }
}

#[test]
fn finds_the_family_in_nested_and_ignored_folders() {
    let tree = Tree::new();
    tree.file("project/.env", "A=1");
    tree.file("project/a/b/.env.local", "B=2");
    tree.file("project/node_modules/x/.env", "C=3");
    tree.file("project/.gitignore", "*");
    tree.file("project/.env.example", "D=4");
    tree.file("project/environment", "E=5");
    fs::create_dir_all(tree.path("project/venv/.env/bin")).unwrap();
    tree.file("project/venv/.env/.env", "F=6");
    let findings = tree.find().unwrap();
    assert_eq!(
        tree.found(&findings),
        ["project/.env", "project/a/b/.env.local", "project/node_modules/x/.env", "project/venv/.env/.env"]
    );
    assert_eq!(bytes(&findings.found[1]), b"B=2");
}

#[test]
fn a_large_tree_is_walked_whole_and_found_once() {
    let tree = Tree::new();
    for number in 0..1200 {
        tree.file(&format!("project/{}/{number}", number / 100), "");
    }
    for folder in [0, 5, 11] {
        tree.file(&format!("project/{folder}/.env"), "A=1");
    }
    assert_eq!(tree.found(&tree.find().unwrap()), ["project/0/.env", "project/11/.env", "project/5/.env"]);
}

#[test]
fn finds_through_symlinks_and_leaves_loops() {
    let tree = Tree::new();
    let shared = tree.file("shared/secrets", "A=1");
    let elsewhere = tree.file("other/.env", "B=2");
    tree.file("linked/deep/.env", "C=3");
    tree.file("linked/deep/other.key", "no .env");
    symlink(&shared, tree.path("project/.env")).unwrap();
    symlink(&elsewhere, tree.path("project/settings")).unwrap();
    symlink(tree.path("linked"), tree.path("project/config")).unwrap();
    symlink(tree.path("project/loop"), tree.path("project/loop")).unwrap();
    symlink("nowhere", tree.path("project/.env.gone")).unwrap();
    symlink(tree.path(""), tree.path("project/homeward")).unwrap();
    let findings = tree.find().unwrap();
    assert_eq!(tree.found(&findings), ["linked/deep/.env", "other/.env", "shared/secrets"]);
}

#[test]
fn odd_inodes_are_hidden_without_being_opened() {
    let tree = Tree::new();
    nix::unistd::mkfifo(&tree.path("project/.env"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _listener = UnixListener::bind(tree.path("project/agent.sock")).unwrap();
    let big = fs::File::create(tree.path("project/.env.big")).unwrap();
    big.set_len(LARGEST as u64 + 1).unwrap();
    let findings = tree.find().unwrap();
    assert_eq!(tree.found(&findings), ["project/.env", "project/.env.big"]);
    assert!(findings.found.iter().all(|found| matches!(found.content, Content::Unreadable) && found.render.is_none()));
    assert_eq!(findings.sockets, [tree.path("project/agent.sock")]);
}

#[test]
fn what_leads_to_the_kernels_own_trees_is_none_of_ours() {
    let tree = Tree::new();
    tree.file("project/.env", "A=1");
    for (name, target) in [("one", "/proc/self/environ"), ("two", "/sys/kernel/uevent_seqnum"), ("three", "/dev/zero")]
    {
        symlink(target, tree.path(&format!("project/.env.{name}"))).unwrap();
    }
    let shared = tempfile::Builder::new().tempdir_in("/dev/shm").unwrap();
    let env = fs::canonicalize(shared.path()).unwrap().join(".env");
    fs::write(&env, "B=2").unwrap();
    symlink(&env, tree.path("project/.env.shared")).unwrap();
    let findings = tree.find().unwrap();
    assert_eq!(tree.found(&findings), [&*env.to_string_lossy(), "project/.env"]);
}

#[test]
fn sockets_in_other_writable_trees_are_found() {
    let tree = Tree::new();
    fs::create_dir_all(tree.path("cache/git/credential")).unwrap();
    let _listener = UnixListener::bind(tree.path("cache/git/credential/socket")).unwrap();
    assert_eq!(tree.find().unwrap().sockets, [tree.path("cache/git/credential/socket")]);
}

#[test]
fn names_that_are_no_text_are_found() {
    use std::os::unix::ffi::OsStrExt;
    let tree = Tree::new();
    let folder = tree.path("project").join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(".env"), "A=1").unwrap();
    let findings = tree.find().unwrap();
    assert_eq!(findings.found[0].path, folder.join(".env"));
}

#[test]
fn parents_are_searched_up_to_the_repository_and_no_further() {
    let tree = Tree::new();
    tree.file(".env", "A=1");
    tree.file("repository/.git/HEAD", "");
    tree.file("repository/.env", "B=2");
    tree.file("repository/sibling/.env", "C=3");
    tree.file("repository/config/a.key", "D=4");
    tree.file("repository/part/.env", "E=5");
    fs::remove_dir(tree.path("project")).unwrap();
    symlink(tree.path("repository/part"), tree.path("project")).unwrap();
    let project = fs::canonicalize(tree.path("project")).unwrap();
    let findings = find(&Search {
        rules: &RULES,
        mask: &[],
        project: &project,
        home: &tree.path(""),
        current_directory: &project,
        variable: &|name| (name == "GIT_CONFIG_SYSTEM").then(|| "/dev/null".into()),
        writable: Writable::default(),
        trees: &[],
        repository: None,
        needed: &[],
        uid: 0,
        mounts: b"",
    })
    .unwrap();
    assert_eq!(tree.found(&findings), ["repository/.env", "repository/part/.env"]);
}

#[test]
fn hard_links_are_found_in_the_project_and_counted_elsewhere() {
    let tree = Tree::new();
    let env = tree.file("project/.env", "A=1");
    fs::hard_link(&env, tree.path("project/copy")).unwrap();
    let findings = tree.find().unwrap();
    assert_eq!(findings.found[0].aliases, [tree.path("project/copy")]);
    assert_eq!(findings.found[0].unseen_links, 0);
    fs::hard_link(&env, tree.path("elsewhere")).unwrap();
    assert_eq!(tree.find().unwrap().found[0].unseen_links, 1);
}

#[test]
fn hard_links_of_rendered_files_are_counted_whoever_owns_them() {
    let tree = Tree::new();
    for (name, at) in [(".env", "project"), ("a.key", "project/config")] {
        let file = tree.file(&format!("{at}/{name}"), "A=1");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        fs::hard_link(file, tree.path("project").join(format!("copy of {name}"))).unwrap();
    }
    let (project, home) = (tree.path("project"), tree.path(""));
    let somebody_else = nix::unistd::geteuid().as_raw() + 1;
    let findings = find(&Search {
        rules: &RULES,
        mask: &[],
        project: &project,
        home: &home,
        current_directory: &project,
        variable: &|name| (name == "GIT_CONFIG_SYSTEM").then(|| "/dev/null".into()),
        writable: Writable::default(),
        trees: &[],
        repository: None,
        needed: &[],
        uid: somebody_else,
        mounts: b"",
    })
    .unwrap();
    assert_eq!(tree.found(&findings), ["project/.env", "project/config/a.key"]);
    assert_eq!(findings.found[0].aliases, [tree.path("project/copy of .env")]);
    assert!(findings.found[1].aliases.is_empty());
}

#[test]
fn a_second_mount_is_an_alias_when_it_shows_the_same_file() {
    let tree = Tree::new();
    let env = tree.file("project/.env", "A=1");
    // A hard link stands for the second mount, which only root could make.
    fs::create_dir_all(tree.path("mounted")).unwrap();
    fs::hard_link(&env, tree.path("mounted/.env")).unwrap();
    tree.file("stale/.env", "another file");
    let root = tree.path("");
    let root = root.to_string_lossy();
    let root = root.trim_end_matches('/');
    let table = format!(
        "1 0 9:9 / / rw - x x rw\n2 1 9:9 {root}/project {root}/mounted rw - x x rw\n3 1 9:9 {root}/project {root}/stale rw - x x rw\n"
    );
    let findings = tree.find_with(&[], &[], &table).unwrap();
    assert_eq!(findings.found[0].aliases, [tree.path("mounted/.env")]);
}

#[test]
fn the_home_is_searched_where_variables_moved_it() {
    let tree = Tree::new();
    tree.file(".tool/login.json", "{}");
    tree.file("moved/login.json", "{\"a\":1}");
    tree.file("elsewhere/key.json", "x");
    tree.file(".config/cloud/token", "z");
    tree.file("xdg/cloud", "a file this time");
    let variables = [
        ("TOOL_HOME", tree.path("moved")),
        ("CREDENTIALS_FILE", tree.path("elsewhere/key.json")),
        ("XDG_CONFIG_HOME", tree.path("xdg")),
    ];
    symlink("/dev/null", tree.path("null")).unwrap();
    let variables = [&variables[..], &[("OTHER_FILE", tree.path("null"))]].concat();
    let findings = tree.find_with(&variables, &[], "").unwrap();
    assert_eq!(
        tree.found(&findings),
        [".tool/login.json", "moved/login.json", ".config/cloud", "xdg/cloud", "elsewhere/key.json"]
    );
    assert!(matches!(findings.found[2].content, Content::Directory));
    assert!(matches!(findings.found[3].content, Content::Unread));
    assert_eq!(findings.found[1].id.as_deref(), Some("tool-login"));
}

#[test]
fn a_variable_that_names_the_home_hides_nothing() {
    let tree = Tree::new();
    let findings = tree.find_with(&[("CREDENTIALS_FILE", tree.path(""))], &[], "").unwrap();
    assert!(findings.found.is_empty());
}

#[test]
fn own_patterns_are_taken_besides() {
    let tree = Tree::new();
    tree.file("project/config/app.secrets.json", "{}");
    tree.file("project/other/config/app.secrets.json", "{}");
    let findings = tree.find_with(&[], &["config/*.secrets.json"], "").unwrap();
    assert_eq!(tree.found(&findings), ["project/config/app.secrets.json"]);
    assert_eq!(findings.found[0].origin, Origin::Flag { flag: "--mask".into() });
}

/// Runs `search` as a user without privileges: root reads everything, so this thread's file system user is changed.
fn as_ordinary_user<T>(tree: &Tree, search: impl FnOnce(u32) -> T) -> T {
    use nix::unistd::{Gid, Uid, chown, setfsgid, setfsuid};
    let own = nix::unistd::geteuid();
    if !own.is_root() {
        return search(own.as_raw());
    }
    let (user, group) = (Uid::from_raw(65534), Gid::from_raw(65534));
    for entry in ignore::WalkBuilder::new(&tree.root).standard_filters(false).build().flatten() {
        chown(entry.path(), Some(user), Some(group)).unwrap();
    }
    setfsgid(group);
    setfsuid(user);
    let result = search(user.as_raw());
    setfsuid(own);
    setfsgid(Gid::from_raw(0));
    result
}

#[test]
fn what_the_user_could_open_up_must_be_readable() {
    let search = |tree: &Tree, uid: u32| {
        let (project, home) = (tree.path("project"), tree.path(""));
        find(&Search {
            rules: &RULES,
            mask: &[],
            project: &project,
            home: &home,
            current_directory: &project,
            variable: &|name| (name == "GIT_CONFIG_SYSTEM").then(|| "/dev/null".into()),
            writable: Writable::default(),
            trees: &[],
            repository: None,
            needed: &[],
            uid,
            mounts: b"",
        })
    };
    for (below, mode) in [("project/.env", 0), ("project/closed", 0o311)] {
        let tree = Tree::new();
        tree.file("project/.env", "A=1");
        tree.file("project/closed/x", "");
        fs::set_permissions(tree.path(below), fs::Permissions::from_mode(mode)).unwrap();
        let result = as_ordinary_user(&tree, |uid| search(&tree, uid));
        assert!(matches!(&result, Err(MaskError::Unreadable { path, .. }) if *path == tree.path(below)), "{below}");
        // What belongs to somebody else stays closed to the child as well.
        let found = as_ordinary_user(&tree, |_| search(&tree, 1)).map(|findings| tree.found(&findings));
        assert!(matches!(found, Ok(found) if found == ["project/.env"]), "{below}");
        fs::set_permissions(tree.path(below), fs::Permissions::from_mode(0o700)).unwrap();
    }
}
