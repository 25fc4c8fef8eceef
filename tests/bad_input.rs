//! Bad input and bad circumstances: a clear error, the right exit code, nothing started and nothing left.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::support::place::User;
use crate::support::{Finished, Run, Upstream, fresh_key, requirement};

/// The run refuses with 125, starts nothing, and says `words` on stderr.
fn refused(run: Run, words: &[&str]) -> Finished {
    let finished = run.shell("echo started").run().ended_with(125);
    assert_eq!(finished.stdout(), "", "the command was started");
    let said = finished.stderr();
    assert!(said.starts_with("error: "), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is missing in:\n{said}");
    }
    finished
}

#[test]
fn a_policy_file_with_a_fault_is_refused_with_its_place() {
    let rows: &[(&str, &[&str])] = &[
        ("[egress]\ndefault = \"web\"\nalow = []\n", &["agentsecrets.toml", "3", "alow"]),
        ("[egress\n", &["agentsecrets.toml", "1"]),
        ("[egress]\ndefault = \"everything\"\n", &["agentsecrets.toml", "2", "everything"]),
        ("[secrets.KEY]\nservice = \"no-such-service\"\n", &["agentsecrets.toml", "2", "no-such-service"]),
        ("[files]\nmask = [\"[\"]\n", &["agentsecrets.toml", "2"]),
    ];
    for (text, words) in rows {
        refused(Run::new().project_file("agentsecrets.toml", text), words);
        let words: Vec<&str> =
            words.iter().map(|word| if *word == "agentsecrets.toml" { "config.toml" } else { word }).collect();
        refused(Run::new().config_file("config.toml", text), &words);
    }
}

#[test]
fn a_project_file_that_grants_is_refused_with_the_way_out() {
    let grant = "[secrets.KEY]\nhosts = [\"evil.example\"]\n";
    refused(Run::new().project_file("agentsecrets.toml", grant), &["agentsecrets.toml", "hint:", "config.toml"]);
}

#[test]
fn an_unreadable_dotenv_is_refused_or_hidden_but_never_passed_over() {
    let key = fresh_key("sk-proj-");
    let run =
        Run::new().user(User::Ordinary).declare("OPENAI_API_KEY", &key).dotenv(&format!("OPENAI_API_KEY={key}\n"));
    let dotenv = run.world().project().join(".env");
    std::fs::set_permissions(&dotenv, Permissions::from_mode(0o000)).unwrap();
    // The child runs as the same user, and could make the file readable again.
    let finished = run.shell("chmod 600 .env 2>/dev/null; cat .env; true").run();
    assert!(matches!(finished.code(), 0 | 125), "{}", finished.stderr());
    if finished.code() == 125 {
        assert!(finished.stderr().contains(".env"), "{}", finished.stderr());
    }
}

#[test]
fn a_command_that_is_missing_or_not_executable_has_its_own_status() {
    let finished = Run::new().unobserved().args(["no-such-command-anywhere"]).run().ended_with(127);
    assert!(finished.stderr().contains("no-such-command-anywhere"), "{}", finished.stderr());
    let finished = Run::new().unobserved().project_file("plain", "text").args(["./plain"]).run().ended_with(126);
    assert!(finished.stderr().contains("./plain"), "{}", finished.stderr());
    let finished = Run::new().unobserved().args(["/"]).run().ended_with(126);
    assert!(finished.stderr().contains('/'), "{}", finished.stderr());
}

#[test]
fn a_wrong_command_line_is_said_and_starts_nothing() {
    for flags in
        [["--egress", "everything"], ["--loopback", "70000"], ["--isolation", "thick"], ["--connect-to", "a:b"]]
    {
        let finished = Run::new().flags(flags).shell("echo started").run().ended_with(125);
        assert!(finished.stderr().contains(flags[0]), "{}", finished.stderr());
        assert_eq!(finished.stdout(), "");
    }
    for words in [&["--bogus"][..], &["--bogus", "--", "echo", "started"], &[]] {
        let finished = Run::new().unobserved().flags(words).run().ended_with(125);
        assert!(finished.stderr().contains("Usage") && finished.stdout().is_empty(), "{}", finished.stderr());
    }
    assert!(Run::new().unobserved().flags(["--help"]).run().ended_with(0).stdout().contains("Usage"));
    // The status of usage stays clap's where no command has a status of its own.
    Run::new().verb(["explain"]).unobserved().flags(["--bogus"]).run().ended_with(2);
}

#[test]
fn a_missing_authority_file_is_refused() {
    refused(Run::new().flags(["--upstream-ca", "/no/such/file.pem"]), &["/no/such/file.pem"]);
}

#[test]
fn a_known_value_in_the_arguments_is_refused_without_repeating_it() {
    let key = fresh_key("sk-proj-");
    let run = Run::new().secret("OPENAI_API_KEY", &key).unobserved();
    let finished = run.args(["echo", &format!("--key={key}")]).run().ended_with(125);
    assert!(finished.stderr().contains("hint:") && finished.stdout().is_empty(), "{}", finished.stderr());
}

/// A tmpfs without room stands where the log would be written; only root can mount one.
#[test]
fn a_full_disk_for_the_log_fails_closed() {
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    let root = nix::unistd::geteuid().is_root();
    if !requirement::met("root", (!root).then_some("a full disk takes a mount")) {
        return;
    }
    let key = fresh_key("sk-proj-");
    let upstream = Upstream::start(["api.openai.com"]);
    let run = Run::new().secret("OPENAI_API_KEY", &key).upstream(&upstream);
    let state = run.world().state();
    mount(Some("tmpfs"), &state, Some("tmpfs"), MsFlags::empty(), Some("size=4k,nr_inodes=16")).unwrap();
    let filled = std::fs::write(state.join("filler"), [0; 4096]);
    let script = "for n in 1 2 3; do curl -s -o /dev/null -w '%{http_code}\\n' \
                  -H \"Authorization: Bearer $OPENAI_API_KEY\" https://api.openai.com/test/ok; done; true";
    let running = run.shell(script).start();
    let finished = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| running.finish()));
    umount2(&state, MntFlags::MNT_DETACH).unwrap();
    let finished = finished.unwrap();
    assert!(filled.is_ok() || filled.unwrap_err().raw_os_error() == Some(28));
    assert_eq!(upstream.seen().len(), 0, "a request went out without a record");
    assert!(finished.code() == 125 || !finished.stdout().contains("200"), "{}", finished.stdout());
    assert!(finished.stderr().contains("log") || finished.stderr().contains("space"), "{}", finished.stderr());
}

#[test]
fn a_stderr_that_takes_nothing_changes_nothing() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let finished = Run::new().stderr(full).shell("echo out; exit 7").run();
    assert_eq!((finished.code(), finished.stdout().as_str()), (7, "out\n"));
    let read_only = File::open("/dev/null").unwrap();
    let finished = Run::new().stderr(read_only).shell("echo out; exit 8").run();
    assert_eq!((finished.code(), finished.stdout().as_str()), (8, "out\n"));
}

#[test]
fn a_state_directory_that_cannot_be_written_is_refused() {
    let run = Run::new().user(User::Ordinary).variable("XDG_STATE_HOME", "/proc/nowhere");
    let finished = run.shell("echo started").run().ended_with(125);
    assert!(finished.stderr().contains("/proc/nowhere") && finished.stdout().is_empty(), "{}", finished.stderr());
}

#[test]
fn control_characters_from_outside_never_reach_the_terminal() {
    let hostile = "\u{1b}]0;title\u{7}\u{1b}[2Jx";
    let run = Run::new().project_file("agentsecrets.toml", format!("\"{}\" = 1\n", "\\u001B[2Jx"));
    let finished = run.shell("echo started").run().ended_with(125);
    assert!(!finished.stderr().contains('\u{1b}'), "{:?}", finished.stderr());
    let finished = Run::new().unobserved().args([hostile]).run().ended_with(127);
    assert!(!finished.stderr().contains('\u{1b}'), "{:?}", finished.stderr());
}
