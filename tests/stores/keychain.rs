//! The same under a real keychain: present, locked, frozen, gone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::home::{Home, Said};
use crate::support::leak::Needle;
use crate::support::place::{self, User};
use crate::support::{Upstream, fresh_key, requirement};

/// Runs `script` as the home's user in a session of its own, in which `$KEYRING` is the id of a real keychain daemon that was
/// unlocked. It ends with the session. A bus speaks only with users that have an account: another than the tester has one
/// in a view of `/etc/passwd` of its own.
fn in_a_session(home: &Home, script: &str) -> Option<Said> {
    let missing = ["/usr/bin/dbus-run-session", "/usr/bin/gnome-keyring-daemon"]
        .into_iter()
        .find(|path| !Path::new(path).exists());
    if !requirement::met("gnome-keyring", missing) {
        return None;
    }
    let session = format!(
        "printf 'login password' | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null 2>&1 & KEYRING=$!\n\
         until dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner \
         string:org.freedesktop.secrets | grep -q true; do kill -0 $KEYRING || exit 9; sleep 0.02; done >/dev/null\n\
         {script}\nstatus=$?; {{ kill -CONT $KEYRING; kill $KEYRING; }} 2>/dev/null; exit $status"
    );
    // A bus that starts no service of its own accord: this daemon is the only one.
    let config = format!(
        "<busconfig><type>session</type><listen>unix:dir={}</listen><policy context=\"default\">\
         <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
        home.path("runtime").display()
    );
    fs::write(home.path("bus.conf"), config).unwrap();
    let config = format!("--config-file={}", home.path("bus.conf").display());
    let words = ["dbus-run-session", config.as_str(), "--", "/bin/sh", "-c", &session];
    let mut command = match home.user.id() {
        None => home.command(Path::new("/usr/bin/env"), &words),
        Some(id) => with_account(home, id, &words),
    };
    command.env("XDG_RUNTIME_DIR", home.path("runtime")).env("AGENTSECRETS", place::agentsecrets());
    Some(Said::of(command.output().unwrap()))
}

/// A command of the user `id`, for whom there is an account.
fn with_account(home: &Home, id: u32, words: &[&str]) -> Command {
    let accounts = home.path("passwd");
    let line = format!("ordinary:x:{id}:{id}::{}:/bin/sh\n", home.path("home").display());
    fs::write(&accounts, fs::read_to_string("/etc/passwd").unwrap() + &line).unwrap();
    fs::set_permissions(&accounts, fs::Permissions::from_mode(0o644)).unwrap();
    let script = "mount --bind \"$1\" /etc/passwd && id=$2 && shift 2 && \
                  exec setpriv --reuid \"$id\" --regid \"$id\" --clear-groups -- \"$@\"";
    let (accounts, id) = (accounts.display().to_string(), id.to_string());
    let mount = ["--mount", "/bin/sh", "-c", script, "-", &accounts, &id];
    let mut command = home.command(Path::new("/usr/bin/unshare"), &[&mount[..], words].concat());
    // Who mounts is the tester; setpriv(1) goes on as the user.
    command.uid(0).gid(0);
    command
}

#[test]
fn a_real_keychain_keeps_values_and_a_locked_or_frozen_one_is_told() {
    for user in place::users() {
        keeps_values_and_tells(*user);
    }
}

fn keeps_values_and_tells(user: User) {
    let home = Home::new(user);
    let key = fresh_key("sk_live_");
    let needles = [Needle::new("STRIPE_KEY", key.as_bytes())];
    let begun = Instant::now();
    let upstream = Upstream::start(["api.stripe.com"]);
    let (port, authority) = (upstream.address().port(), upstream.authority());
    let script = format!(
        "$AGENTSECRETS init || exit 8\n\
         printf %s '{key}' | $AGENTSECRETS secrets set STRIPE_KEY || exit 10\n\
         $AGENTSECRETS secrets list --json || exit 11\n\
         $AGENTSECRETS workspace allowlist add api.stripe.com || exit 18\n\
         $AGENTSECRETS call --url https://api.stripe.com/test/echo --bearer STRIPE_KEY --upstream-ca {} \
         --connect-to api.stripe.com:443:127.0.0.1:{port} || exit 19\n\
         $AGENTSECRETS run -- /bin/sh -c 'env | grep STRIPE_KEY' & one=$!\n\
         $AGENTSECRETS run -- /bin/sh -c 'env | grep STRIPE_KEY' & two=$!\n\
         wait $one || exit 12\nwait $two || exit 13\n\
         dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets \
         org.freedesktop.Secret.Service.Lock array:objpath:/org/freedesktop/secrets/collection/login >/dev/null || exit 14\n\
         $AGENTSECRETS run -- true 2>&1 && exit 15\n\
         kill -STOP $KEYRING\n\
         $AGENTSECRETS run -- true 2>&1 && exit 16\n\
         # A secret of another source needs no keychain.\n\
         $AGENTSECRETS explain -- true >/dev/null || exit 17\n\
         true",
        authority.display()
    );
    let Some(said) = in_a_session(&home, &script) else { return };
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("\"source\":\"keychain\""), "{}", said.out);
    assert!(said.out.contains("authorization: Bearer {STRIPE_KEY}"), "{}", said.out);
    assert_eq!(upstream.only("/test/echo").header("authorization"), Some(&*format!("Bearer {key}")));
    assert_eq!(said.out.matches("STRIPE_KEY=sk_live_").count(), 2, "{}", said.out);
    assert!(said.out.contains("the keychain is locked"), "{}", said.out);
    assert!(said.out.contains("the keychain did not answer within 10 seconds"), "{}", said.out);
    assert!(!home.store("secrets.age").exists());
    for needle in &needles {
        assert_eq!(needle.find_in(format!("{}{}", said.out, said.err).as_bytes()), None);
    }
    home.assert_holds_no(&needles, begun.elapsed());
}

/// What `prove` plants in it is out of a run's reach, and gone afterwards, by whatever death the proof dies.
#[test]
fn an_item_of_a_real_keychain_is_proven_out_of_reach_and_does_not_stay() {
    for user in place::users() {
        let home = Home::new(*user);
        let script = "items() { dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets \
             org.freedesktop.Secret.Service.SearchItems dict:string:string:service,agentsecrets | grep -c 'object path'; }\n\
             $AGENTSECRETS prove --json || exit 10\n\
             test \"$(items)\" = 0 || exit 11\n\
             $AGENTSECRETS prove >/dev/null 2>&1 & prove=$!\n\
             until test \"$(items)\" = 1; do kill -0 $prove || exit 12; sleep 0.02; done\n\
             kill -9 $prove\n\
             for try in $(seq 1000); do left=$(items); test \"$left\" != 0 || break; sleep 0.02; done; test \"$left\" = 0";
        let Some(said) = in_a_session(&home, script) else { return };
        assert_eq!(said.code, 0, "{user:?}: {}{}", said.out, said.err);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&said.out).unwrap();
        let row = rows.iter().find(|row| row["attack"] == "keychain-item").unwrap();
        assert_eq!((&row["control"], &row["won"]), (&"won: the real value".into(), &false.into()), "{row}");
        assert!(row["inside"].as_str().unwrap().starts_with("lost: connect: "), "{row}");
    }
}

/// A bus without any keychain: the encrypted file takes its place, with one line that says so.
#[test]
fn without_a_keychain_the_encrypted_file_takes_its_place() {
    let home = Home::new(User::Tester);
    let script = "kill $KEYRING; while dbus-send --session --print-reply --dest=org.freedesktop.DBus / \
                  org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets | grep -q true; do sleep 0.05; done\n\
                  $AGENTSECRETS secrets set A=the-first-value-4242 --store keychain && exit 10\n\
                  $AGENTSECRETS secrets set A=the-first-value-4242";
    let Some(said) = in_a_session(&home, script) else { return };
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err.contains("no keychain answers here") && said.err.contains("the keychain is not there"),
        "{}",
        said.err
    );
    assert!(home.store("secrets.age").exists());
}
