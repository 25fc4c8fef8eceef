//! Credential files that are not what their names promise: huge, binary, deep, broken, a loop of symlinks, a FIFO, closed.
//! Each run ends in bounded time and memory, and what it cannot read for sure it hides whole.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::place::{agentsecrets, users};
use crate::support::{Run, fresh_key};

/// A file of each format, with `{KEY}` for a real value, and one that its format does not allow.
const FILES: &[(&str, &str, &str)] = &[
    (".env", "API_TOKEN={KEY}\n", "API_TOKEN='{KEY}\n"),
    (".bashrc", "export API_TOKEN={KEY}\n", "export API_TOKEN='{KEY}\n"),
    (".docker/config.json", "{\"auths\": {\"r.example\": {\"auth\": \"{KEY}\"}}}", "{\"auths\": {KEY}"),
    (".gitconfig", "[sendemail]\n\tsmtpPass = {KEY}\n", "[sendemail\n\tsmtpPass = {KEY}\n"),
    (".git-credentials", "https://ann:{KEY}@git.example\n", "{KEY}\n"),
    (".aws/credentials", "[a]\naws_secret_access_key = {KEY}\n", "[a\naws_secret_access_key = {KEY}\n"),
    (".netrc", "machine git.example login ann password {KEY}\n", "machine git.example pass {KEY}\n"),
    (".npmrc", "//npm.example/:_authToken={KEY}\n", "//npm.example/:_authToken={KEY}#\n"),
    (".pgpass", "db.example:5432:*:ann:{KEY}\n", "\0db.example:5432:*:ann:{KEY}\n"),
    (".gradle/gradle.properties", "ownPassword={KEY}\n", "ownPassword={KEY}\\uXYZ\n"),
    (".vault-token", "{KEY}", "{KEY} {KEY}"),
    (".cargo/credentials.toml", "[registry]\ntoken = \"{KEY}\"\n", "[registry\ntoken = \"{KEY}\"\n"),
    (".m2/settings.xml", "<settings><password>{KEY}</password></settings>", "<settings><password>{KEY}</settings>"),
    (".kube/config", "users:\n- user: {token: '{KEY}'}\n", "users: &a\n- user: {token: '{KEY}'}\n- *a\n"),
];

/// A run that shows every file takes no longer, debug builds and a loaded machine included.
const LONGEST: Duration = Duration::from_secs(90);

/// A run is allowed so much address space, threads' stacks included, in KiB.
const MOST: u32 = 1 << 20;

/// Makes a file of a run's home hostile.
type Hostile = fn(&Path, &str, &str);

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

const HOSTILE: &[(&str, Hostile)] = &[
    ("huge", |path, text, _| write(path, (text.to_owned() + &"# \n".repeat(3 << 20)).as_bytes())),
    ("binary", |path, text, _| write(path, &[b"\xff\xfe\0", text.as_bytes(), &[0x80; 1000]].concat())),
    ("broken", |path, _, broken| write(path, broken.as_bytes())),
    ("deep", |path, text, _| {
        let deep = ["[", "{\"a\":", "<a>", "- ", "a: "].map(|mark| mark.repeat(50_000)).concat();
        write(path, (deep + text).as_bytes());
    }),
    ("a loop", |path, _, _| symlink(path, path).unwrap()),
    ("a FIFO", |path, _, _| mkfifo(path, Mode::from_bits_truncate(0o600)).unwrap()),
];

#[test]
fn what_cannot_be_read_for_sure_is_hidden_in_bounded_time_and_memory() {
    for user in users() {
        for (what, make) in HOSTILE {
            let key = fresh_key("");
            let bounded = format!("ulimit -v {MOST} && exec {} \"$@\"", agentsecrets().display());
            let run = Run::new().user(*user).declare("key", &key).stand_in(&bounded);
            for (path, text, broken) in FILES {
                let path = run.world().home().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                make(&path, &text.replace("{KEY}", &key), &broken.replace("{KEY}", &key));
            }
            let names: Vec<&str> = FILES.iter().map(|(path, ..)| *path).collect();
            let script = format!(
                "cd; for file in {}; do [ -p $file ] && echo FIFO $file; timeout 5 cat $file; done 2>/dev/null; \
                 echo shown",
                names.join(" ")
            );
            let start = Instant::now();
            let finished = run.shell(&script).run();
            let context = format!("{user:?}, {what}:\n{}\n{}", finished.stdout(), finished.stderr());
            assert!(start.elapsed() < LONGEST, "{context}");
            assert_eq!(finished.code(), 0, "{context}");
            assert!(finished.stdout().ends_with("shown\n"), "{context}");
            assert!(!finished.stdout().contains("FIFO"), "{context}");
        }
    }
}

/// What is closed to us is closed to the child; what the user could open up again stops the run, and says how to mend it.
#[test]
fn a_closed_file_is_never_shown() {
    for user in users() {
        for (path, text, _) in FILES {
            let key = fresh_key("");
            let run =
                Run::new().user(*user).declare("key", &key).home_file(path, text.replace("{KEY}", &key)).unobserved();
            let file = run.world().home().join(path);
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
            let finished = run.shell("cd; chmod u+r * .[a-z]* 2>/dev/null; cat .[a-z]* */* 2>/dev/null; true").run();
            let said = finished.stderr();
            let refused = finished.code() == 125 && said.contains("cannot be read") && said.contains("chmod u+r");
            assert!(finished.code() == 0 || refused, "{user:?} {path}: {}\n{said}", finished.code());
        }
    }
}
