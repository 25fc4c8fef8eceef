//! The search for known values, over real files.

use std::os::unix::fs::{FileExt, PermissionsExt, symlink};

use super::*;

const VALUE: &[u8] = b"sk_live_4eC39HqLyjWDarjtT1zdp7dc";
const KEY: &[u8] = b"-----BEGIN OPENSSH PRIVATE KEY-----\nAA\n";

/// What a sweep of `tree` says of each file: path below the tree, aliases, links that were not found, content.
fn said(tree: &Path, masked: &[&str]) -> (Vec<String>, u64) {
    let masked: HashSet<PathBuf> = masked.iter().map(|name| tree.join(name)).collect();
    let trees = [tree.to_owned()];
    let swept = sweep(&Sweep {
        trees: &trees,
        masked: &masked,
        values: &[VALUE, b"another value of many"],
        is_known_key: &|path| path.starts_with(tree.join("fixtures")),
        uid: fs::metadata(tree).unwrap().uid(),
        mounts: b"",
        is_slow: &|| {},
    })
    .unwrap();
    let short = |path: &Path| path.strip_prefix(tree).unwrap().display().to_string();
    let said = swept.found.iter().map(|holder| {
        let aliases: Vec<String> = holder.aliases.iter().map(|path| short(path)).collect();
        let content = match &holder.content {
            HeldContent::Bytes(bytes) => format!("{} bytes", bytes.len()),
            HeldContent::Large => "large".into(),
            HeldContent::PrivateKey => "a key".into(),
            HeldContent::Unsearched(reason) => reason.clone(),
        };
        format!("{} [{}] {} {content}", short(&holder.path), aliases.join(" "), holder.unseen_links)
    });
    (said.collect(), swept.files)
}

#[test]
fn a_value_is_found_wherever_it_lies() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("tree");
    let write = |name: &str, bytes: &[u8]| {
        fs::create_dir_all(tree.join(name).parent().unwrap()).unwrap();
        fs::write(tree.join(name), bytes).unwrap();
    };
    write("plain.txt", &[b"a = ", VALUE, b"\n"].concat());
    write("node_modules/.hidden/x", VALUE);
    write(".gitignore", b"node_modules\n");
    write("almost", &VALUE[1..]);
    write("masked", VALUE);
    write("dir/inner", VALUE);
    write(".git/objects/ab/cd", VALUE);
    write(".git/COMMIT_EDITMSG", VALUE);
    write("deploy", KEY);
    write("fixtures/key", KEY);
    write("fixtures/both", &[KEY, VALUE].concat());
    // Across the border of two pieces, and behind a hole of a gibibyte.
    write("late", &[&vec![b'x'; (256 << 10) - 5], VALUE].concat());
    let sparse = fs::File::create(tree.join("sparse")).unwrap();
    sparse.write_all_at(VALUE, 3 << 30).unwrap();
    let large = fs::File::create(tree.join("large")).unwrap();
    large.write_all_at(VALUE, 9 << 20).unwrap();
    fs::hard_link(tree.join("plain.txt"), tree.join("second")).unwrap();
    fs::hard_link(tree.join("late"), place.path().join("elsewhere")).unwrap();
    symlink(tree.join("masked"), tree.join("link")).unwrap();
    nix::unistd::mkfifo(&tree.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let (said, files) = said(&tree, &["masked", "dir"]);
    assert_eq!(
        said,
        [
            ".git/COMMIT_EDITMSG [] 0 32 bytes",
            "deploy [] 0 a key",
            "fixtures/both [] 0 71 bytes",
            "large [] 0 large",
            "late [] 1 262171 bytes",
            "node_modules/.hidden/x [] 0 32 bytes",
            "plain.txt [second] 0 37 bytes",
            "sparse [] 0 large",
        ]
    );
    assert_eq!(files, 12);
}

#[test]
fn a_long_value_is_searched_for_by_its_beginning() {
    let place = tempfile::tempdir().unwrap();
    let long: Vec<u8> =
        (0..600_000_u32).map(|number| b'a' + u8::try_from(number.wrapping_mul(number) % 23).unwrap()).collect();
    fs::write(place.path().join("holds"), [b"x", long.as_slice()].concat()).unwrap();
    fs::write(place.path().join("almost"), &long[..255]).unwrap();
    let searcher = Searcher::new(&[&long]).unwrap();
    let mut piece = Searcher::piece();
    let seen = |name: &str, piece: &mut Piece| searcher.look(&place.path().join(name), 0, &|| false, piece).0;
    assert_eq!(seen("holds", &mut piece), Seen::Value);
    assert_eq!(seen("almost", &mut piece), Seen::Nothing);
}

#[test]
fn many_files_are_searched_like_few() {
    let place = tempfile::tempdir().unwrap();
    for number in 0..2 * FEW {
        fs::write(place.path().join(format!("f{number}")), if number % 200 == 7 { VALUE } else { b"nothing" }).unwrap();
    }
    let (said, files) = said(place.path(), &[]);
    assert_eq!(said, ["f207 [] 0 32 bytes", "f407 [] 0 32 bytes", "f7 [] 0 32 bytes"]);
    assert_eq!(files, 2 * FEW as u64);
}

#[test]
fn what_cannot_be_searched_is_told() {
    let place = tempfile::tempdir().unwrap();
    let closed = place.path().join("closed");
    fs::write(&closed, "x").unwrap();
    fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
    let (said, _) = said(place.path(), &[]);
    if fs::File::open(&closed).is_ok() {
        // Root reads all.
        assert!(said.is_empty());
    } else {
        assert_eq!(said, ["closed [] 0 cannot be read by you, but the child could make it readable"]);
    }
    // A file that never ends is left at some point.
    let endless = Searcher::new(&[VALUE]).unwrap();
    let mut count = 0;
    let zeros = fs::File::open("/dev/zero").unwrap();
    let seen = endless.search(&zeros, false, &mut Searcher::piece(), &mut count).unwrap();
    assert!(matches!(seen, Seen::Unsearched(_)), "{seen:?} after {count}");
}
