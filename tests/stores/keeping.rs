//! What is kept stays kept: killed writers, many writers, many secrets; and where else values come from.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::home::{Home, Said};
use crate::support::place::{self, User};
use crate::support::{Upstream, fresh_key};

/// Killed at any moment, a write loses no earlier secret and leaves none half-written.
#[test]
fn a_killed_write_loses_nothing() {
    let home = Home::new(User::Ordinary);
    let started = Instant::now();
    home.ok(&["secrets", "set", "KEPT=the-first-value-4242"]);
    let whole = started.elapsed();
    for round in 0..100_u32 {
        let mut child = home.start(&["secrets", "set", &format!("ROUND_{round}=value-of-round-{round}")]);
        std::thread::sleep(whole * round / 80);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // The store can be read and written, and what the index names has its value.
    home.ok(&["secrets", "set", "LAST=the-last-value-4242"]);
    let names = home.names();
    assert!(names.contains(&"KEPT".to_owned()) && names.contains(&"LAST".to_owned()), "{names:?}");
    for name in &names {
        home.ok(&["secrets", "bind", name, "--host", "api.example.com"]);
    }
    let ran = home.ok(&["run", "--", "/bin/sh", "-c", "env"]);
    for name in &names {
        assert!(ran.out.contains(&format!("{name}=placeholder_")), "{name}: {}", ran.out);
    }
    // Some were killed before, some after: otherwise the moments were not spread.
    assert!((2..102).contains(&names.len()), "{}", names.len());
    for folder in [home.store(""), home.config("workspaces"), home.config("")] {
        let left = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let left: Vec<String> = left.filter(|name| name.contains(".new")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn eight_writers_at_once_lose_nothing() {
    let home = Home::new(User::Ordinary);
    let word = |writer, number| format!("KEY_{writer}_{number}=value-{writer}-{number}");
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let home = &home;
            scope.spawn(move || {
                for number in 0..3 {
                    home.ok(&["secrets", "set", &word(writer, number)]);
                }
            });
        }
    });
    assert_eq!(home.names().len(), 24);
}

#[test]
fn a_thousand_secrets_are_listed_in_no_time() {
    let home = Home::new(User::Ordinary);
    let words: Vec<String> = (0..1000).map(|number| format!("KEY_{number}=value-number-{number}")).collect();
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.splice(0..0, ["secrets", "set", "--host", "api.example.com"]);
    home.ok(&words);
    let started = Instant::now();
    assert_eq!(home.names().len(), 1000);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[test]
fn a_run_takes_values_from_commands_variables_and_files() {
    let mut home = Home::new(User::Ordinary);
    let (one, two, three) = (fresh_key("one-"), fresh_key("two-"), fresh_key("three-"));
    home.set("HELD", &two);
    let path = home.path("home/values.env");
    fs::write(&path, format!("# x\nEXPORTED='{three}'\n")).unwrap();
    let program = home.path("home/print");
    fs::write(&program, format!("#!/bin/sh\necho {one}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let text = format!(
        "[secrets.ONE]\nsource = {{ command = [\"{}\"] }}\nhosts = [\"a.example\"]\n\
         [secrets.TWO]\nsource = {{ env = \"HELD\" }}\nhosts = [\"a.example\"]\n\
         [secrets.THREE]\nsource = {{ dotenv = \"~/values.env\", key = \"EXPORTED\" }}\nhosts = [\"a.example\"]\n",
        program.display()
    );
    fs::create_dir_all(home.config("workspaces")).unwrap();
    fs::write(home.config("workspaces/default.toml"), text).unwrap();
    place::give(home.root.path(), home.user);
    let ran = home.ok(&["run", "--", "/bin/sh", "-c", "env"]);
    for name in ["ONE", "TWO", "THREE", "HELD"] {
        assert!(ran.out.lines().any(|line| line.starts_with(&format!("{name}=placeholder_"))), "{name}: {}", ran.out);
    }
    for value in [&one, &two, &three] {
        assert!(!format!("{}{}", ran.out, ran.err).contains(value.as_str()));
    }
    // A plan is shown without looking.
    fs::set_permissions(&program, fs::Permissions::from_mode(0o777)).unwrap();
    home.ok(&["explain", "--", "true"]);
    let said = home.run(&["run", "--", "true"]);
    assert!(said.code == 125 && said.err.contains("writable"), "a program that others can replace: {}", said.err);
}

/// A program is started when its value is used, by however many at once, and what it says on failing is the user's.
#[test]
fn what_a_program_prints_is_fetched_when_it_is_used() {
    let home = Home::new(User::Ordinary);
    let value = fresh_key("printed-");
    let upstream = Upstream::start(["a.example"]);
    let program = home.path("home/print");
    fs::write(&program, format!("#!/bin/sh\necho x >>~/count\necho {value}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    fs::create_dir_all(home.config("workspaces")).unwrap();
    let text =
        format!("[secrets.ONE]\nsource = {{ command = [\"{}\"] }}\nhosts = [\"a.example\"]\n", program.display());
    fs::write(home.config("workspaces/default.toml"), text).unwrap();
    place::give(home.root.path(), home.user);
    let flags = flags(&upstream, "a.example");
    let run = |script: &str| {
        let mut words = vec!["run"];
        words.extend(flags.iter().map(String::as_str));
        words.extend(["--", "/bin/sh", "-c", script]);
        home.ok(&words)
    };
    run("true");
    assert!(!home.path("home/count").exists(), "nothing used it");
    let curl = "curl -s -H \"Authorization: Bearer $ONE\" https://a.example/test/echo";
    let ran = run(&format!("for each in 1 2 3 4 5 6 7 8; do {curl} & done; wait"));
    assert_eq!(fs::read_to_string(home.path("home/count")).unwrap(), "x\n");
    assert_eq!(
        upstream
            .seen()
            .iter()
            .filter(|seen| seen.header("authorization").is_some_and(|sent| sent.ends_with(&value)))
            .count(),
        8
    );
    assert!(ran.out.contains("placeholder_") && !ran.out.contains(&value), "{}", ran.out);
    let logs = fs::read_dir(home.path("home/.local/state/agentsecrets/runs")).unwrap();
    let logs: String = logs.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    assert_eq!(logs.matches("\"kind\":\"fetch\"").count(), 1, "{logs}");

    fs::write(&program, format!("#!/bin/sh\necho {value}\necho no: {value} >&2\nexit 4\n")).unwrap();
    let ran = run(&format!("{curl} -w ' %{{http_code}}'"));
    assert!(ran.out.contains("value_not_fetched") && ran.out.ends_with("502"), "{}", ran.out);
    assert!(
        ran.err.contains("cannot fetch the value of ONE") && ran.err.contains("status 4: no: [redacted]"),
        "{}",
        ran.err
    );
    assert!(!ran.out.contains("status 4"), "{}", ran.out);
    assert_eq!(upstream.seen().len(), 8);
}

/// `cache = "0s"`: what the store holds now is what the next request carries.
#[test]
fn a_value_that_is_set_anew_is_sent_with_the_next_request() {
    let home = Home::new(User::Ordinary);
    let (old, new) = (fresh_key("sk_live_"), fresh_key("sk_live_"));
    let upstream = Upstream::start(["api.stripe.com"]);
    home.ok(&["secrets", "set", &format!("STRIPE_KEY={old}")]);
    let file = home.config("workspaces/default.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("[secrets.STRIPE_KEY]", "[secrets.STRIPE_KEY]\ncache = \"0s\"")).unwrap();
    place::give(home.root.path(), home.user);
    let echo = |query: &str| {
        format!("curl -s -H \"Authorization: Bearer $STRIPE_KEY\" 'https://api.stripe.com/test/echo{query}'")
    };
    let script = format!(
        "{}; : >used; until [ -e set ]; do sleep 0.02; done; curl -s -H \"Authorization: Bearer $STRIPE_KEY\" \
         --data-binary '{old} {new}' https://api.stripe.com/test/echo",
        echo("")
    );
    let flags = flags(&upstream, "api.stripe.com");
    let mut words = vec!["run"];
    words.extend(flags.iter().map(String::as_str));
    words.extend(["--", "/bin/sh", "-c", &script]);
    let running = home.start(&words);
    while !home.path("home/acme/used").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    home.ok(&["secrets", "set", &format!("STRIPE_KEY={new}")]);
    fs::write(home.path("home/acme/set"), "").unwrap();
    let ran = Said::of(running.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let sent: Vec<_> =
        upstream.seen().iter().map(|seen| seen.header("authorization").unwrap_or_default().to_owned()).collect();
    assert_eq!(sent, [format!("Bearer {old}"), format!("Bearer {new}")]);
    for value in [&old, &new] {
        assert!(!format!("{}{}", ran.out, ran.err).contains(value.as_str()), "{}", ran.out);
    }
}

/// What sends a run's requests for `host` to `upstream`.
fn flags(upstream: &Upstream, host: &str) -> Vec<String> {
    let to = format!("{host}:443:127.0.0.1:{}", upstream.address().port());
    let authority = upstream.authority().to_str().unwrap().to_owned();
    vec!["--connect-to".into(), to, "--upstream-ca".into(), authority]
}

#[test]
fn import_keeps_what_looks_secret_and_leaves_the_file() {
    let home = Home::new(User::Ordinary);
    let key = fresh_key("sk_live_");
    let text = format!("PORT=3000\nSTRIPE_KEY={key}\nMULTI=\"a\nb\"\nDB_PASSWORD='p4ss w0rd 42'\n");
    fs::write(home.path("home/acme/.env"), &text).unwrap();
    place::give(home.root.path(), home.user);
    let said = home.ok(&["secrets", "import", ".env"]);
    assert_eq!(home.names(), ["DB_PASSWORD", "STRIPE_KEY"]);
    assert!(said.err.contains("2 values") && !said.err.contains(&key), "{}", said.err);
    home.ok(&["secrets", "import", ".env", "MULTI"]);
    assert_eq!(home.names(), ["DB_PASSWORD", "MULTI", "STRIPE_KEY"]);
    assert_eq!(fs::read_to_string(home.path("home/acme/.env")).unwrap(), text);
    assert_eq!(home.run(&["secrets", "import", ".env", "ABSENT"]).code, 2);
    assert_eq!(home.run(&["secrets", "import", "no-such-file"]).code, 125);
}

#[test]
fn init_finds_and_imports_and_changes_nothing_the_second_time() {
    let mut home = Home::new(User::Ordinary);
    let (stripe, groq) = (fresh_key("sk_live_"), fresh_key("gsk_"));
    fs::write(home.path("home/acme/.env"), format!("STRIPE_KEY={stripe}\nPORT=1\n")).unwrap();
    place::give(home.root.path(), home.user);
    home.set("GROQ_API_KEY", &groq);
    let said = home.ok(&["init"]);
    for word in [
        "workspace `acme`",
        "`STRIPE_KEY` in .env (Stripe: api.stripe.com",
        "`GROQ_API_KEY` in the environment",
        "--import",
    ] {
        assert!(said.err.contains(word), "{word}: {}", said.err);
    }
    assert_eq!(home.names(), [""; 0]);
    let file = home.path("home/acme/agentsecrets.toml");
    fs::write(&file, "# mine\n").unwrap();
    home.ok(&["init", "--import"]);
    assert_eq!(home.names(), ["GROQ_API_KEY", "STRIPE_KEY"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "# mine\n");
    home.ok(&["init", "--workspace", "other"]);
    assert!(home.ok(&["workspace", "list"]).out.contains("* other"));
    home.ok(&["run", "--workspace", "acme", "--", "true"]);
    // What init writes into the project is a project file that is taken.
    fs::remove_file(&file).unwrap();
    home.ok(&["init"]);
    home.ok(&["explain", "--", "true"]);
}
