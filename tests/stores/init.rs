//! `init`: what it finds, keeps and leaves, and the way back.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::home::Home;
use crate::support::fresh_key;
use crate::support::place::{self, User};

/// A home with one `.env` of three lines that matter.
fn with_dotenv(user: User) -> (Home, String, String) {
    let home = Home::new(user);
    let (stripe, groq) = (fresh_key("sk_live_"), fresh_key("gsk_"));
    let text = format!("# keys\nSTRIPE_KEY=\"{stripe}\" # paid\nPORT=3000\nexport GROQ_API_KEY={groq}\n");
    fs::write(home.path("home/acme/.env"), &text).unwrap();
    fs::set_permissions(home.path("home/acme/.env"), fs::Permissions::from_mode(0o640)).unwrap();
    place::give(home.root.path(), user);
    (home, text, stripe)
}

#[test]
fn values_leave_the_file_and_come_back() {
    for user in place::users() {
        for (leave, line) in
            [("placeholders", "STRIPE_KEY=\"agentsecrets:STRIPE_KEY\" # paid"), ("nothing", "STRIPE_KEY=\"\" # paid")]
        {
            let (home, text, stripe) = with_dotenv(*user);
            let file = home.path("home/acme/.env");
            let said = home.ok(&["init", "--yes", "--leave", leave]);
            assert!(said.err.contains("took 2 values out of") && !said.err.contains(&stripe), "{}", said.err);
            let left = fs::read_to_string(&file).unwrap();
            assert!(left.contains(line) && left.contains("# keys\n") && left.contains("PORT=3000\n"), "{left}");
            assert!(!left.contains(&stripe));
            let metadata = file.metadata().unwrap();
            assert_eq!((metadata.mode() & 0o777, metadata.uid()), (0o640, user.effective()));
            assert_eq!(home.names(), ["GROQ_API_KEY", "STRIPE_KEY"], "the copy of the file is no secret of its own");

            // What was left is no value to be kept, and the run has the kept ones.
            home.ok(&["init", "--import"]);
            let ran = home.ok(&["run", "--", "/bin/sh", "-c", "env; cat .env"]);
            let placeholder = ran.out.lines().find_map(|line| line.strip_prefix("STRIPE_KEY=sk_live_")).unwrap();
            if leave == "placeholders" {
                assert!(ran.out.contains(&format!("STRIPE_KEY=\"sk_live_{placeholder}\" # paid")), "{}", ran.out);
            }
            assert!(!ran.out.contains(&stripe));

            home.ok(&["init", "--undo"]);
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
            assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o640);
            assert!(home.ok(&["init", "--undo"]).err.contains("no file of the workspace"), "once is enough");
            home.ok(&["workspace", "remove", "acme", "--yes"]);
        }
    }
}

#[test]
fn what_changed_meanwhile_is_not_overwritten() {
    let (home, text, _) = with_dotenv(User::Ordinary);
    let file = home.path("home/acme/.env");
    home.ok(&["init", "--yes", "--leave", "placeholders"]);
    let changed = fs::read_to_string(&file).unwrap() + "MINE=1\n";
    fs::write(&file, &changed).unwrap();
    let said = home.run(&["init", "--undo"]);
    assert!(said.code == 125 && said.err.contains("has changed since") && said.err.contains("hint: "), "{}", said.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), changed);
    // As it was left it can be taken back.
    fs::write(&file, changed.strip_suffix("MINE=1\n").unwrap()).unwrap();
    home.ok(&["init", "--undo"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn another_value_of_the_same_name_stays_and_a_link_stays_a_link() {
    let (home, _, stripe) = with_dotenv(User::Ordinary);
    let other = fresh_key("sk_live_");
    fs::write(home.path("home/acme/.env.production"), format!("STRIPE_KEY={other}\n")).unwrap();
    fs::rename(home.path("home/acme/.env"), home.path("home/real.env")).unwrap();
    symlink("../real.env", home.path("home/acme/.env")).unwrap();
    place::give(home.root.path(), home.user);
    home.ok(&["init", "--yes", "--leave", "nothing"]);
    assert!(home.path("home/acme/.env").symlink_metadata().unwrap().is_symlink());
    assert!(!fs::read_to_string(home.path("home/real.env")).unwrap().contains(&stripe));
    assert_eq!(fs::read_to_string(home.path("home/acme/.env.production")).unwrap(), format!("STRIPE_KEY={other}\n"));
}

/// Not even the descriptor is there: nothing is asked, nothing hangs, and without a flag nothing is changed.
#[test]
fn with_standard_input_closed_nothing_is_asked() {
    let (home, text, _) = with_dotenv(User::Ordinary);
    let closed = |words: &str| {
        let script = format!("exec {} {words} <&-", place::agentsecrets().display());
        let command = home.command(std::path::Path::new("/bin/sh"), &["-c", &script]).output().unwrap();
        super::home::Said::of(command)
    };
    let said = closed("init");
    assert!(said.code == 0 && said.err.contains("--import"), "{}", said.err);
    assert_eq!(home.names(), [""; 0]);
    assert_eq!(closed("init --import").code, 0);
    assert_eq!(home.names(), ["GROQ_API_KEY", "STRIPE_KEY"]);
    assert_eq!(fs::read_to_string(home.path("home/acme/.env")).unwrap(), text);
    let said = closed("secrets set EMPTY");
    assert_eq!(said.code, 125, "{}", said.err);
}
