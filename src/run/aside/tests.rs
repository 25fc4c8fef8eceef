//! What is set aside and what is not, in trees on disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

struct Place {
    keep: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { keep: tempfile::tempdir().unwrap() }
    }

    fn tree(&self) -> PathBuf {
        self.keep.path().canonicalize().unwrap()
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.tree().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A repository's own directory.
    fn repository(&self, path: &str, config: &str) {
        for (file, text) in [("HEAD", "ref: refs/heads/main\n"), ("objects/x", ""), ("refs/x", ""), ("config", config)]
        {
            self.file(&format!("{path}/{file}"), text);
        }
    }

    fn watch(&self, names: &[&str]) -> Watch {
        let mut watch = Watch { trees: vec![self.tree()], ..Watch::default() };
        for name in names {
            watch.names.add(&self.tree(), Path::new(name));
        }
        watch
    }

    fn moved(&self, aside: &Aside) -> Vec<String> {
        let below = |moved: &Moved| moved.was.strip_prefix(self.tree()).unwrap().to_str().unwrap().to_owned();
        let mut moved: Vec<_> = aside.moved.iter().map(below).collect();
        moved.sort();
        moved
    }
}

fn nested(rules: &[&str]) -> crate::policy::Nested {
    rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>().try_into().unwrap()
}

const EVIL: &str = "[core]\n\tfsmonitor = evil\n";

#[test]
fn what_was_made_is_set_aside_and_nothing_else() {
    let place = Place::new();
    let tree = place.tree();
    for file in [".vscode/old", "old.toml", "p10k-old"] {
        place.file(file, "");
    }
    let watch = place.watch(&[".vscode/tasks.json", "old.toml", "new/bin", "p10k-*", "never"]);
    for file in [".vscode/tasks.json", ".vscode/other", "p10k-new", "new/bin/x"] {
        place.file(file, "made");
    }
    let aside = watch.set_aside("R");
    assert_eq!(place.moved(&aside), [".vscode/tasks.json", "new/bin", "p10k-new"]);
    assert!(aside.left.is_empty());
    for kept in ["old.toml", ".vscode/other", "p10k-old", ".vscode/agentsecrets-aside.R.tasks.json"] {
        assert!(tree.join(kept).exists(), "{kept}");
    }
    assert!(aside.moved.iter().all(|moved| !moved.was.exists() && moved.now.exists()));
}

#[test]
fn no_link_of_the_childs_is_followed() {
    let (place, elsewhere) = (Place::new(), Place::new());
    elsewhere.file("tasks.json", "the user's");
    elsewhere.repository("git", EVIL);
    let watch = place.watch(&[".vscode/tasks.json"]);
    symlink(elsewhere.tree(), place.tree().join(".vscode")).unwrap();
    symlink(elsewhere.tree(), place.tree().join("linked")).unwrap();
    symlink(elsewhere.tree().join("git"), place.tree().join(".git")).unwrap();
    let aside = watch.set_aside("R");
    assert_eq!(place.moved(&aside), [".git", ".vscode"]);
    assert!(elsewhere.tree().join("tasks.json").exists() && elsewhere.tree().join("git/config").exists());
}

#[test]
fn a_folder_that_the_child_has_closed_is_opened_up() {
    let place = Place::new();
    let watch = place.watch(&["later/bin"]);
    place.file("later/bin/x", "");
    place.repository("dark/deep/.git", EVIL);
    for (folder, mode) in [("later", 0o555), ("dark/deep/.git", 0o555), ("dark/deep", 0o111), ("dark", 0o444)] {
        fs::set_permissions(place.tree().join(folder), fs::Permissions::from_mode(mode)).unwrap();
    }
    let aside = watch.set_aside("R");
    assert_eq!(place.moved(&aside), ["dark/deep/.git/config", "later/bin"]);
    assert!(aside.left.is_empty() && aside.unseen.is_empty(), "{aside:?}");
    assert!(aside.opened.contains(&place.tree().join("dark")), "{aside:?}");
}

#[test]
fn repositories_are_judged_in_every_shape() {
    let place = Place::new();
    let harmless = "[core]\n\tbare = false\n[user]\n\tname = Ann\n";
    place.repository("kept/.git", harmless);
    place.file("kept/.git/hooks/update.sample", "");
    place.file("kept/.git/refs/heads/config", "a branch\n");
    place.repository("a/.git", &format!("{harmless}{EVIL}"));
    place.file("a/.git/hooks/update", "");
    place.repository("a/.git/modules/m", EVIL);
    place.file("a/.git/worktrees/w/HEAD", "");
    place.file("a/.git/worktrees/w/commondir", "../..\n");
    place.file("a/.git/worktrees/w/config.worktree", EVIL);
    place.file("a/.git/worktrees/v/HEAD", "");
    place.file("a/.git/worktrees/v/commondir", "../.. \n");
    place.repository("bare", EVIL);
    place.repository("bare/objects/ab/.git/objects/cd", EVIL);
    place.file("file/.git", "gitdir: ../bare/objects/ab/.git/objects/cd\n");
    place.file("out/.git", "gitdir: /elsewhere/.git\n");
    place.file("nothing/.git", "gitdir: ../bare \n");
    place.file("unfinished/.git/config", EVIL);
    place.file("case/.GIT/CONFIG", EVIL);
    place.file("no repository/config", EVIL);
    let aside = place.watch(&[]).set_aside("R");
    let expected = [
        "a/.git/config",
        "a/.git/hooks",
        "a/.git/modules/m/config",
        "a/.git/worktrees/v/commondir",
        "a/.git/worktrees/w/config.worktree",
        "bare/config",
        "bare/objects/ab/.git/objects/cd/config",
        "case/.GIT/CONFIG",
        "nothing/.git",
        "out/.git",
        "unfinished/.git/config",
    ];
    assert_eq!(place.moved(&aside), expected, "{aside:?}");
    let now = fs::read_to_string(place.tree().join("a/.git/config")).unwrap();
    assert_eq!(now, "[core]\n\tbare = \"false\"\n[user]\n\tname = \"Ann\"\n");
    let again = place.watch(&[]).set_aside("R2");
    assert!(again.moved.is_empty() && again.left.is_empty(), "{again:?}");
}

#[test]
fn what_was_there_or_was_granted_stays() {
    let place = Place::new();
    for name in ["old", "granted", "other"] {
        place.repository(&format!("{name}/.git"), EVIL);
        place.file(&format!("{name}/.git/hooks/update"), "");
    }
    let mut watch = place.watch(&[]);
    for path in ["old/.git/config", "old/.git/hooks"] {
        watch.known.guarded.insert(place.tree().join(path));
    }
    // A tree that is granted grants no repository in it.
    watch.known.granted = vec![place.tree().join("granted/.git/hooks"), place.tree()];
    let aside = watch.set_aside("R");
    assert_eq!(place.moved(&aside), ["granted/.git/config", "other/.git/config", "other/.git/hooks"]);
}

#[test]
fn a_symlink_on_the_way_to_settings_leads_nowhere() {
    let place = Place::new();
    let tree = place.tree();
    for folder in ["mine", "root"] {
        fs::create_dir_all(tree.join(folder)).unwrap();
    }
    fs::create_dir_all(tree.join("a")).unwrap();
    symlink("../mine", tree.join("a/.tool")).unwrap();
    symlink("root", tree.join(".other")).unwrap();
    let mut watch = place.watch(&[".other/x.json", ".other"]);
    let guard = Guard { nested: nested(&[".tool/x.json", ".tool/y.json", ".tool/deep/z.json"]), ..Guard::default() };
    watch.project = Some((tree.clone(), Box::leak(Box::new(guard))));
    watch.known.guarded.insert(tree.join("a/.tool"));
    for file in ["mine/x.json", "root/x.json", "theirs/x.json", "b/c/.toolbox/x.json", "d/.tool"] {
        place.file(file, "");
    }
    symlink("../theirs", tree.join("b/.tool")).unwrap();
    fs::create_dir_all(tree.join("e/.tool")).unwrap();
    symlink("../../theirs", tree.join("e/.tool/deep")).unwrap();
    assert_eq!(place.moved(&watch.set_aside("R")), ["b/.tool", "e/.tool/deep", "mine/x.json", "root/x.json"]);
}

#[test]
fn what_is_kept_has_no_other_name_by_which_a_later_run_could_change_it() {
    let place = Place::new();
    let tree = place.tree();
    place.repository("store", "[core]\n\tbare = false\n");
    place.file("store/worktrees/w/HEAD", "");
    place.file("store/worktrees/w/commondir", "../..\n");
    place.file("sub/.git", "gitdir: ../store/worktrees/w\n");
    let kept = ["store/config", "store/worktrees/w/commondir", "sub/.git"];
    for (number, path) in kept.iter().enumerate() {
        fs::hard_link(tree.join(path), tree.join(number.to_string())).unwrap();
    }
    let aside = place.watch(&[]).set_aside("R");
    assert!(aside.moved.is_empty() && aside.left.is_empty(), "{aside:?}");
    for (number, path) in kept.iter().enumerate() {
        let before = fs::read(tree.join(path)).unwrap();
        fs::write(tree.join(number.to_string()), EVIL).unwrap();
        assert_eq!(fs::read(tree.join(path)).unwrap(), before, "{path}");
    }
}

#[test]
fn a_repository_beyond_the_longest_path_is_judged_and_one_beyond_reason_is_named() {
    let place = Place::new();
    place.repository("seed/.git", EVIL);
    let name = "n".repeat(250);
    let make = |levels: usize| {
        // From within, step by step: no path is longer than one name.
        let mut folder = fs::File::open(place.tree()).unwrap().into();
        for _ in 0..levels {
            let _ = nix::sys::stat::mkdirat(&folder, name.as_str(), nix::sys::stat::Mode::S_IRWXU);
            let flags = nix::fcntl::OFlag::O_DIRECTORY;
            folder = nix::fcntl::openat(&folder, name.as_str(), flags, nix::sys::stat::Mode::empty()).unwrap();
        }
        folder
    };
    let deep: std::os::fd::OwnedFd = make(20);
    let seed = fs::File::open(place.tree().join("seed")).unwrap();
    nix::fcntl::renameat(&seed, ".git", &deep, ".git").unwrap();
    make(40);
    let aside = place.watch(&[]).set_aside("R");
    assert_eq!(aside.moved.len(), 1, "{aside:?}");
    assert!(aside.moved[0].was.ends_with(".git/config") && aside.moved[0].is_replaced);
    assert_eq!(aside.unseen, [place.tree().join(&name)]);
    let clean = |folder: &std::os::fd::OwnedFd| {
        let flags = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
        nix::sys::stat::fstatat(folder, ".git/agentsecrets-aside.R.config", flags).is_ok()
    };
    assert!(clean(&deep));
}

#[test]
fn many_folders_are_looked_through_by_all_processors() {
    let place = Place::new();
    for number in 0..1500 {
        place.file(&format!("{}/{number}/x", number % 7), "");
    }
    place.repository("6/1000/.git", EVIL);
    place.file("3/10/.ide/x", "");
    let mut watch = place.watch(&[]);
    let guard = Guard { nested: nested(&[".ide"]), ..Guard::default() };
    watch.project = Some((place.tree(), Box::leak(Box::new(guard))));
    assert_eq!(place.moved(&watch.set_aside("R")), ["3/10/.ide", "6/1000/.git/config"]);
}

#[test]
fn what_is_expected_is_set_aside_by_its_kind_and_with_whatever_leads_there() {
    let place = Place::new();
    let tree = place.tree();
    for folder in ["dev", "evil/hk"] {
        fs::create_dir_all(tree.join(folder)).unwrap();
    }
    let mut watch = place.watch(&[]);
    for (path, existed, is_file) in [("dev/hk", 1, false), ("a", 0, true), ("b", 0, true), ("c/d", 0, true)] {
        watch.names.expect(&tree, Path::new(path), existed, is_file);
    }
    fs::rename(tree.join("dev"), tree.join("old")).unwrap();
    symlink("evil", tree.join("dev")).unwrap();
    for file in ["a/x", "b", "c/d"] {
        place.file(file, "");
    }
    assert_eq!(place.moved(&watch.set_aside("R")), ["b", "c/d", "dev"]);
}
