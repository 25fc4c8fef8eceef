//! The watch on real directories.

use std::os::unix::fs::symlink;

use super::super::{Search, Writable};
use super::*;
use crate::policy;

/// The project's names, for a project at `project`.
fn with_names<T>(project: &Path, home: &Path, then: impl FnOnce(&ProjectNames<'_>) -> T) -> T {
    let nothing = |_: &str| None;
    let search = Search {
        rules: policy::file_rules(),
        mask: &[],
        project,
        home,
        current_directory: project,
        variable: &nothing,
        writable: Writable::default(),
        trees: &[],
        repository: None,
        needed: &[],
        uid: nix::unistd::geteuid().as_raw(),
        mounts: b"",
    };
    then(&ProjectNames::new(&search))
}

/// All that has happened: pressing paths, each with what it is like if that is another, then the others with a `+`.
fn told(watch: &mut Watch, names: &ProjectNames<'_>, base: &Path) -> Vec<String> {
    let name = |path: &Path| path.strip_prefix(base).unwrap().display().to_string();
    let (mut pressing, mut written) = (Vec::new(), Vec::new());
    loop {
        let turn = watch.turn(names).unwrap();
        for Arrival { path, like } in turn.pressing {
            let like = if like == path { String::new() } else { format!(" like {}", name(&like)) };
            pressing.push(format!("{}{like}", name(&path)));
        }
        written.extend(turn.written.iter().map(|path| format!("+{}", name(path))));
        if !watch.has_more() {
            break;
        }
    }
    pressing.sort();
    pressing.dedup();
    written.sort();
    written.dedup();
    [pressing, written].concat()
}

#[test]
fn tells_what_arrives_and_goes_into_new_directories() {
    let place = tempfile::tempdir().unwrap();
    let base = place.path().canonicalize().unwrap();
    let [project, home] = ["home/p", "home"].map(|name| base.join(name));
    for name in ["home/p/a", "home/.claude", "home/other"] {
        fs::create_dir_all(base.join(name)).unwrap();
    }
    let masked = [project.join("a/.env"), home.join(".claude/login")];
    let since = SystemTime::now();
    // Made after the walk that found the directories.
    fs::create_dir_all(project.join("late/deep")).unwrap();
    let directories = [project.clone(), project.join("a")];
    let mut watch = Watch::begin(&project, &directories, since, &home, masked.iter()).unwrap();
    with_names(&project, &home, |names| {
        assert!(told(&mut watch, names, &base).is_empty());
        fs::write(project.join("late/deep/.env"), "x").unwrap();
        fs::write(project.join("late/deep/notes"), "x").unwrap();
        fs::write(home.join("other/x"), "x").unwrap();
        fs::write(home.join(".claude/new"), "x").unwrap();
        fs::rename(home.join(".claude/new"), home.join(".claude/login")).unwrap();
        let seen = told(&mut watch, names, &base);
        assert_eq!(seen, ["home/.claude/login", "home/p/late/deep/.env", "+home/p/late/deep/notes"]);
        // A directory on the way is another now.
        fs::rename(project.join("a"), project.join("b")).unwrap();
        fs::create_dir_all(base.join("home/made")).unwrap();
        fs::write(base.join("home/made/.env"), "x").unwrap();
        fs::rename(base.join("home/made"), project.join("a")).unwrap();
        symlink(home.join("other"), project.join("link")).unwrap();
        assert_eq!(told(&mut watch, names, &base), ["home/p/a/.env"]);
        fs::write(project.join("a/.env.local"), "x").unwrap();
        fs::write(project.join("b/.env.local"), "x").unwrap();
        assert_eq!(told(&mut watch, names, &base), ["home/p/a/.env.local", "home/p/b/.env.local"]);
        let mut turn = Turn::default();
        watch.lose(&mut turn);
        assert!(masked.iter().all(|path| turn.pressing.contains(&Arrival::at(path.clone()))) && turn.has_lost);
        let seen = told(&mut watch, names, &base);
        assert!(seen.iter().any(|seen| seen == "home/p/late/deep/.env"), "{seen:?}");
    });
}

#[test]
fn a_secret_file_is_followed_where_it_is_moved() {
    let place = tempfile::tempdir().unwrap();
    let base = place.path().canonicalize().unwrap();
    fs::create_dir(base.join("a")).unwrap();
    let directories = [base.clone(), base.join("a")];
    let since = SystemTime::now() + Duration::from_secs(1);
    let mut watch = Watch::begin(&base, &directories, since, Path::new("/none"), std::iter::empty()).unwrap();
    with_names(&base, Path::new("/none"), |names| {
        assert!(told(&mut watch, names, &base).is_empty());
        let mut file = fs::File::create(base.join(".env")).unwrap();
        fs::rename(base.join(".env"), base.join("a/x")).unwrap();
        fs::rename(base.join("a/x"), base.join("y")).unwrap();
        assert_eq!(told(&mut watch, names, &base), [".env", "a/x like .env", "y like .env"]);
        // It is written when it has its other name.
        io::Write::write_all(&mut file, b"KEY=x").unwrap();
        assert_eq!(told(&mut watch, names, &base), ["y like .env"]);
        drop(file);
        fs::write(base.join("a/z"), "x").unwrap();
        assert_eq!(told(&mut watch, names, &base), ["y like .env", "+a/z"]);
    });
}

#[test]
fn a_flood_elsewhere_holds_up_no_more_than_a_bounded_part_of_it() {
    const FILES: usize = 5000;
    let place = tempfile::tempdir().unwrap();
    let base = place.path().canonicalize().unwrap();
    let directories = ["many", "few"].map(|name| base.join(name));
    for directory in &directories {
        fs::create_dir(directory).unwrap();
    }
    let since = SystemTime::now() + Duration::from_secs(1);
    let mut watch = Watch::begin(&base, &directories, since, Path::new("/none"), std::iter::empty()).unwrap();
    let flood = |from: usize| (from..from + FILES).for_each(|n| fs::write(base.join(format!("many/{n}")), "").unwrap());
    with_names(&base, Path::new("/none"), |names| {
        flood(0);
        fs::write(base.join("few/.env"), "KEY=x").unwrap();
        let (mut turns, mut most) = (0, 0);
        loop {
            let turn = watch.turn(names).unwrap();
            turns += 1;
            most = most.max(turn.written.len() + turn.made.len());
            if turn.pressing.iter().any(|arrival| arrival.path == base.join("few/.env")) {
                break;
            }
            assert!(watch.has_more(), "the new file was never told of");
        }
        assert!(most <= 700, "{most} files in one turn");
        assert!(turns >= 2 * FILES / 700, "{turns} turns");
        // The kernel drops what comes when there is too much: the small directory is looked at before the large one.
        while watch.has_more() {
            watch.turn(names).unwrap();
        }
        fs::remove_file(base.join("few/.env")).unwrap();
        let mut turn = Turn::default();
        fs::write(base.join("few/.env"), "KEY=x").unwrap();
        watch.lose(&mut turn);
        watch.inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).unwrap();
        let first = watch.turn(names).unwrap();
        assert!(first.pressing.iter().any(|arrival| arrival.path == base.join("few/.env")), "{:?}", first.pressing);
    });
}
