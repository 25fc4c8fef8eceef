//! The walk-through, step by step, with each protection of the encrypted file.

use std::os::unix::fs::MetadataExt;
use std::time::Instant;

use super::home::Home;
use crate::support::leak::Needle;
use crate::support::place::{self, User};
use crate::support::{Upstream, fresh_key};

/// Writes all memory of all processes that it may read into a file: what is written can be searched outside.
const MEMORY: &str = "import glob, re
out = open('memory', 'wb')
for maps in glob.glob('/proc/[0-9]*/maps'):
    try: lines, memory = open(maps).readlines(), open(maps[:-4] + 'mem', 'rb')
    except OSError: continue
    for line in lines:
        begin, end, mode = re.match('([0-9a-f]+)-([0-9a-f]+) (....)', line).groups()
        if mode.startswith('rw'):
            try: memory.seek(int(begin, 16)); out.write(memory.read(int(end, 16) - int(begin, 16)))
            except (OSError, OverflowError): pass
";

/// The walk-through up to `run` and `call`: every step's output is searched, and at the end the whole home.
fn walk_through(home: &Home, store: &str) {
    let begun = Instant::now();
    let (stripe, openai, other) = (fresh_key("sk_live_"), fresh_key("sk-proj-"), fresh_key("billing-"));
    let needles = [
        Needle::new("STRIPE_KEY", stripe.as_bytes()),
        Needle::new("OPENAI_KEY", openai.as_bytes()),
        Needle::new("OTHER", other.as_bytes()),
    ];
    let upstream = Upstream::start(["api.stripe.com", "billing.example"]);
    let mut said = vec![
        home.ok(&["init"]),
        home.ok(&["secrets", "set", &format!("STRIPE_KEY={stripe}")]),
        home.with_input(&["secrets", "set", "OPENAI_KEY"], format!("{openai}\n").as_bytes()),
        home.with_input(&["secrets", "set", "OTHER"], other.as_bytes()),
        home.ok(&["workspace", "allowlist", "add", "api.stripe.com", "api.openai.com"]),
        home.ok(&["secrets", "list"]),
    ];
    let list = &said[5].out;
    for word in ["STRIPE_KEY", "OPENAI_KEY", "stripe", "openai", store, "bound to none"] {
        assert!(list.contains(word), "{word}: {list}");
    }
    assert!(said[1].err.contains("history") && said[1].err.contains("api.stripe.com"), "{}", said[1].err);
    assert!(said[3].err.contains("agentsecrets secrets bind OTHER --host"), "{}", said[3].err);
    said.push(home.ok(&["secrets", "bind", "OTHER", "--host", "billing.example", "--inject", "header=X-Api-Key"]));

    let to = |host: &str| format!("{host}:443:127.0.0.1:{}", upstream.address().port());
    let authority = upstream.authority().to_str().unwrap().to_owned();
    let flags =
        ["--connect-to", &to("api.stripe.com"), "--connect-to", &to("billing.example"), "--upstream-ca", &authority]
            .map(str::to_owned);
    let script = "env; curl -s -H \"Authorization: Bearer $STRIPE_KEY\" https://api.stripe.com/test/ok; \
                  curl -s -H \"X-Api-Key: $OTHER\" https://billing.example/test/ok; \
                  ls -A ~/.config/agentsecrets ~/.local/state/agentsecrets; cat ~/.local/state/agentsecrets/store/*; \
                  python3 look; true";
    std::fs::write(home.path("home/acme/look"), MEMORY).unwrap();
    place::give(home.root.path(), home.user);
    for verb in ["explain", "run"] {
        let mut words = vec![verb];
        words.extend(flags.iter().map(String::as_str));
        words.extend(["--", "/bin/sh", "-c", script]);
        said.push(home.ok(&words));
    }
    let seen = upstream.seen();
    assert_eq!(seen.len(), 2, "{}", said.last().unwrap().err);
    let ran = said.last().unwrap();
    // Under its own name and the one that its service's clients read; nothing of the store is there to be read.
    for variable in ["STRIPE_KEY=sk_live_", "OPENAI_KEY=sk-proj-", "OPENAI_API_KEY=sk-proj-", "OTHER=placeholder_"] {
        assert!(ran.out.lines().any(|line| line.starts_with(variable)), "{variable} in {}", ran.out);
    }
    assert!(
        !ran.out.contains("AGE ENCRYPTED") && !ran.out.contains("AGE-SECRET-KEY") && !ran.out.contains("config.toml"),
        "{}",
        ran.out
    );
    for (request, value) in seen.iter().zip([&stripe, &other]) {
        assert!(format!("{request:?}").contains(value.as_str()), "the real value did not arrive");
    }
    let memory = std::fs::read(home.path("home/acme/memory")).unwrap();
    assert!(memchr::memmem::find(&memory, b"STRIPE_KEY=sk_live_").is_some(), "the memory of the child was read");
    let mut words = vec!["call", "--url", "https://api.stripe.com/test/echo", "--bearer", "STRIPE_KEY"];
    words.extend(flags.iter().map(String::as_str));
    said.push(home.ok(&words));
    assert!(said.last().unwrap().out.contains("Bearer {STRIPE_KEY}"), "{}", said.last().unwrap().out);
    assert_eq!(upstream.only("/test/echo").header("authorization"), Some(&*format!("Bearer {stripe}")));
    said.push(home.ok(&["secrets", "list", "--json"]));
    let used = |name: &str| {
        let lines = said.last().unwrap().out.lines();
        let mut objects = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        objects.find(|object| object["name"] == name).unwrap()["used"].is_string()
    };
    assert!(used("STRIPE_KEY") && used("OTHER") && !used("OPENAI_KEY"));
    for said in &said {
        assert_eq!(said.code, 0, "{}", said.err);
        for needle in &needles {
            assert_eq!(
                needle.find_in(format!("{}{}", said.out, said.err).as_bytes()),
                None,
                "{}{}",
                said.out,
                said.err
            );
        }
    }
    home.assert_holds_no(&needles, begun.elapsed());
    home.ok(&["secrets", "remove", "STRIPE_KEY"]);
    assert_eq!(home.names(), ["OPENAI_KEY", "OTHER"]);
    assert_eq!(home.run(&["secrets", "remove", "STRIPE_KEY"]).code, 125);
    home.ok(&["workspace", "remove", "acme", "--yes"]);
    assert_eq!(home.names(), [""; 0]);
}

#[test]
fn the_walk_through_with_the_encrypted_file() {
    for user in place::users() {
        let home = Home::new(*user);
        walk_through(&home, "file");
        for file in ["secrets.age", "identity"] {
            let metadata = home.store(file).metadata().unwrap();
            assert_eq!((metadata.mode() & 0o777, metadata.uid()), (0o600, user.effective()), "{file}");
        }
    }
}

#[test]
fn the_walk_through_with_a_passphrase() {
    let mut home = Home::new(User::Ordinary);
    home.set("AGENTSECRETS_PASSPHRASE", "correct horse battery staple");
    walk_through(&home, "file");
    assert!(home.store("identity.age").exists() && !home.store("identity").exists());
}

#[test]
fn a_passphrase_is_needed_wrong_or_right_and_never_asked_for_without_a_terminal() {
    let mut home = Home::new(User::Ordinary);
    home.set("AGENTSECRETS_PASSPHRASE", "correct horse");
    home.ok(&["secrets", "set", "STRIPE_KEY=sk_live_4242424242424242"]);
    let ran = home.ok(&["run", "--", "/bin/sh", "-c", "env"]);
    assert!(ran.out.contains("STRIPE_KEY=") && !ran.out.contains("PASSPHRASE"), "{}", ran.out);
    home.set("AGENTSECRETS_PASSPHRASE", "wrong");
    for words in [&["run", "--", "true"][..], &["secrets", "set", "B=another-value-4242"]] {
        let said = home.run(words);
        assert_eq!(said.code, 125);
        assert!(said.err.contains("the passphrase is wrong"), "{}", said.err);
    }
    home.variables.clear();
    let said = home.run(&["run", "--", "true"]);
    assert!(
        said.code == 125 && said.err.contains("none was given") && said.err.contains("AGENTSECRETS_PASSPHRASE"),
        "{}",
        said.err
    );
    // What needs no value needs no passphrase.
    home.ok(&["explain", "--", "true"]);
    assert_eq!(home.names(), ["STRIPE_KEY"]);
}

/// An identity that the user keeps elsewhere opens the store, and the child can neither read nor change it.
#[test]
fn an_identity_of_the_users_own_is_out_of_the_childs_reach() {
    for user in place::users() {
        let mut home = Home::new(*user);
        home.ok(&["secrets", "set", "STRIPE_KEY=sk_live_4242424242424242"]);
        let elsewhere = home.path("home/keys/mine.txt");
        std::fs::create_dir(elsewhere.parent().unwrap()).unwrap();
        std::fs::rename(home.store("identity"), &elsewhere).unwrap();
        place::give(home.root.path(), *user);
        home.set("AGENTSECRETS_IDENTITY", elsewhere.to_str().unwrap());
        let script = "env; echo read:; cat ~/keys/mine.txt; echo x >>~/keys/mine.txt";
        let ran = home.run(&["run", "--", "/bin/sh", "-c", script]);
        assert!(ran.out.contains("STRIPE_KEY=sk_live_") && ran.out.contains("read:"), "{}{}", ran.out, ran.err);
        assert!(!ran.out.contains("AGE-SECRET"), "{}", ran.out);
        assert!(std::fs::read_to_string(&elsewhere).unwrap().contains("AGE-SECRET-KEY"));
    }
}
