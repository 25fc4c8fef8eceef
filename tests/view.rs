//! What the child sees: its environment as bytes, its `.env` files, the credential files of the home, and how the run
//! tells the user about it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::place::users;
use crate::support::{Run, Upstream, fresh_key};

#[test]
fn secrets_of_known_services_are_brokered_and_of_unknown_ones_hidden() {
    let (known, unknown) = (fresh_key("sk-proj-"), fresh_key(""));
    let run = Run::new().secret("OPENAI_API_KEY", &known).secret("INTERNAL_TOKEN", &unknown);
    let finished = run.variable("EDITOR", "vi").args(["true"]).run().succeeded();
    let brokered = finished.child_variable("OPENAI_API_KEY").unwrap();
    assert!(brokered.starts_with("sk-") && brokered != known, "{brokered}");
    let hidden = finished.child_variable("INTERNAL_TOKEN").unwrap();
    assert!(!hidden.is_empty() && hidden != unknown, "{hidden}");
    assert_eq!(finished.child_variable("EDITOR").as_deref(), Some("vi"));
}

#[test]
fn one_value_in_several_places_has_one_placeholder() {
    let key = fresh_key("sk-proj-");
    let run =
        Run::new().secret("OPENAI_API_KEY", &key).variable("MY_COPY", &key).dotenv(&format!("OPENAI_API_KEY={key}\n"));
    let finished = run.args(["cat", ".env"]).run().succeeded();
    let placeholder = finished.child_variable("OPENAI_API_KEY").unwrap();
    assert_eq!(finished.child_variable("MY_COPY").as_deref(), Some(placeholder.as_str()));
    assert_eq!(finished.stdout(), format!("OPENAI_API_KEY={placeholder}\n"));
}

#[test]
fn keep_and_scrub_say_otherwise() {
    let value = fresh_key("");
    let run = Run::new().variable("HARMLESS_TOKEN", "not-so-secret-value").flags(["--keep", "HARMLESS_TOKEN"]);
    let finished = run.secret("NOTE", &value).flags(["--scrub", "NOTE"]).args(["true"]).run().succeeded();
    assert_eq!(finished.child_variable("HARMLESS_TOKEN").as_deref(), Some("not-so-secret-value"));
    assert_ne!(finished.child_variable("NOTE"), Some(value));
}

#[test]
fn variables_are_passed_on_as_bytes() {
    let odd = OsStr::from_bytes(b"caf\xe9 \xff");
    let run = Run::new().variable("ODD", odd).variable("BASH_FUNC_f%%", "() { :; }").variable("EMPTY", "");
    let finished = run.args(["true"]).run().succeeded();
    let environment = finished.child_environment();
    let value = |name: &[u8]| environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    assert_eq!(value(b"ODD").as_deref(), Some(odd.as_bytes()));
    assert_eq!(value(b"BASH_FUNC_f%%").as_deref(), Some(b"() { :; }".as_slice()));
    assert_eq!(value(b"EMPTY").as_deref(), Some(b"".as_slice()));
    let mut names: Vec<_> = environment.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "a variable stands twice");
}

#[test]
fn a_dotenv_is_the_same_but_for_its_values() {
    let (first, second) = (fresh_key("sk-proj-"), fresh_key("sk_live_"));
    let text = format!(
        "# the keys\r\nexport OPENAI_API_KEY=\"{first}\"  # ours\r\nSTRIPE_API_KEY='{second}'\r\n\r\nPLAIN=value with spaces\r\nURL=${{PLAIN}}/x\r\n"
    );
    for user in users() {
        let run = Run::new().user(*user).declare("OPENAI_API_KEY", &first).declare("STRIPE_API_KEY", &second);
        let run = run.dotenv(&text).project_file("packages/deep/.env.local", format!("OPENAI_API_KEY={first}\n"));
        let run = run.project_file(".env.example", "OPENAI_API_KEY=sk-your-key-here\n");
        let finished = run.shell("cat .env packages/deep/.env.local .env.example").run().succeeded();
        let seen = finished.stdout();
        let placeholder = seen.split('"').nth(1).unwrap();
        let other = seen.split('\'').nth(1).unwrap();
        let expected = text.replace(&first, placeholder).replace(&second, other);
        let expected = format!("{expected}OPENAI_API_KEY={placeholder}\nOPENAI_API_KEY=sk-your-key-here\n");
        assert_eq!(seen, expected);
        assert!(placeholder.starts_with("sk-") && other.starts_with("sk_"), "{seen}");
    }
}

#[test]
fn a_key_in_the_dotenv_alone_works() {
    let key = fresh_key("sk-proj-");
    let upstream = Upstream::start(["api.openai.com"]).accepting("api.openai.com", &key);
    let run = Run::new().declare("OPENAI_API_KEY", &key).dotenv(&format!("OPENAI_API_KEY={key}\n")).upstream(&upstream);
    let script =
        ". ./.env; curl -sS --fail -H \"Authorization: Bearer $OPENAI_API_KEY\" https://api.openai.com/v1/models";
    run.shell(script).run().succeeded();
    assert_eq!(upstream.only("/v1/models").header("authorization"), Some(format!("Bearer {key}").as_str()));
}

#[test]
fn credential_files_of_the_home_are_hidden_or_rendered() {
    let key = fresh_key("");
    let login = fresh_key("sk-ant-oat01-");
    let hidden: &[&str] = &[
        ".aws/credentials",
        ".netrc",
        ".git-credentials",
        ".config/gh/hosts.yml",
        ".docker/config.json",
        ".ssh/id_ed25519",
        ".bash_history",
    ];
    for user in users() {
        let mut run = Run::new().user(*user).declare("home", &key).declare("login", &login);
        for path in hidden {
            run = run.home_file(path, format!("value = {key}\n"));
        }
        let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        let expires = now + 3_600_000;
        let file = format!(
            "{{\"claudeAiOauth\":{{\"accessToken\":\"{login}\",\"refreshToken\":\"{login}r\",\"expiresAt\":{expires},\"scopes\":[\"user:inference\"]}}}}"
        );
        run = run.home_file(".claude/.credentials.json", file).home_file("notes.txt", "plain notes\n");
        let script = "cd ~; cat .aws/credentials .netrc .git-credentials .config/gh/hosts.yml .docker/config.json \
                      .ssh/id_ed25519 .bash_history 2>/dev/null; cat notes.txt .claude/.credentials.json";
        let finished = run.shell(script).run().succeeded();
        let (_, rendered) =
            finished.stdout().split_once("plain notes\n").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let rendered: serde_json::Value = serde_json::from_str(&rendered).unwrap();
        let token = rendered["claudeAiOauth"]["accessToken"].as_str().unwrap();
        assert!(token.starts_with("sk-ant-oat01-") && token != login, "{token}");
        assert!(
            rendered["claudeAiOauth"]["expiresAt"].as_u64().unwrap() > now,
            "the client would refresh it: {rendered}"
        );
    }
}

#[test]
fn what_the_child_writes_outside_the_project_ends_with_the_run() {
    for user in users() {
        let run = Run::new().user(*user).home_file(".bashrc", "# mine\n");
        let script =
            "echo x >> ~/.bashrc; echo x > ~/new; mkdir -p ~/.cache && echo x > ~/.cache/kept; echo x > inside; true";
        let finished = run.shell(script).run().succeeded();
        let world = finished.world();
        assert_eq!(fs::read_to_string(world.home().join(".bashrc")).unwrap(), "# mine\n");
        assert!(!world.home().join("new").exists());
        assert!(world.project().join("inside").exists());
        assert!(finished.stderr().contains("new") && finished.stderr().contains("--writable"), "{}", finished.stderr());
    }
}

#[test]
fn a_run_says_little_and_quiet_says_nothing() {
    let key = fresh_key("sk-proj-");
    let upstream = Upstream::start(["api.openai.com"]);
    let script = "curl -s -H \"Authorization: Bearer $OPENAI_API_KEY\" https://api.openai.com/test/ok; echo ' out'";
    let run = || Run::new().secret("OPENAI_API_KEY", &key).upstream(&upstream).shell(script);
    let finished = run().run().succeeded();
    assert_eq!(finished.stdout(), "ok out\n");
    let lines: Vec<String> = finished.stderr().lines().map(str::to_owned).collect();
    assert!((2..=8).contains(&lines.len()), "{lines:#?}");
    assert!(lines.last().unwrap().contains('1'), "one request: {lines:#?}");
    assert_eq!(run().flag("--quiet").run().succeeded().stderr(), "");
}

#[test]
fn explain_tells_everything_and_starts_nothing() {
    let key = fresh_key("sk-proj-");
    let described = || {
        let run = Run::new().secret("OPENAI_API_KEY", &key).dotenv(&format!("OPENAI_API_KEY={key}\n"));
        run.variable("EDITOR", "vi").shell("touch started")
    };
    let finished = described().verb(["explain"]).run().succeeded();
    for word in ["OPENAI_API_KEY", "api.openai.com", ".env", "sealed"] {
        assert!(finished.stdout().contains(word), "`{word}` is missing in:\n{}", finished.stdout());
    }
    assert_eq!(finished.changed(), Vec::<std::path::PathBuf>::new().as_slice());
    let finished = described().verb(["explain"]).flag("--json").run().succeeded();
    let plan: serde_json::Value = serde_json::from_str(&finished.stdout()).unwrap();
    assert!(plan["variables"].is_array() && plan["secrets"].is_array(), "{plan:#}");
    assert_eq!(finished.changed(), Vec::<std::path::PathBuf>::new().as_slice());
}

#[test]
fn the_audit_record_tells_what_happened_and_an_edit_shows() {
    let key = fresh_key("sk-proj-");
    let upstream = Upstream::start(["api.openai.com"]);
    let run = Run::new().secret("OPENAI_API_KEY", &key).upstream(&upstream);
    let script =
        "curl -s -H \"Authorization: Bearer $OPENAI_API_KEY\" 'https://api.openai.com/test/ok?token=hidden&b=c'";
    let finished = run.shell(script).run().succeeded();
    let decision = &finished.audit_of("decision")[0];
    assert_eq!((decision["host"].as_str(), decision["method"].as_str()), (Some("api.openai.com"), Some("GET")));
    assert!(decision["secrets"].to_string().contains("OPENAI_API_KEY"), "{decision}");
    assert!(!decision.to_string().contains("hidden"), "a query value is in the record: {decision}");
    let end = &finished.audit_of("end")[0];
    assert_eq!(end["status"], 200);
    // The log's own commands, in the world of the finished run.
    let state = finished.world().state();
    let log = |words: &[&str]| Run::new().verb(["log"]).variable("XDG_STATE_HOME", &state).flags(words).run();
    let listed: serde_json::Value = serde_json::from_str(&log(&["list", "--json"]).succeeded().stdout()).unwrap();
    let id = decision["run"].as_str().unwrap();
    assert!(listed.to_string().contains(id), "{listed}");
    assert!(log(&["show", id]).succeeded().stdout().contains("api.openai.com"));
    log(&["verify", id]).succeeded();
    let file = fs::read_dir(state.join("agentsecrets/runs")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.remove(1);
    for altered in [text.replace("GET", "PUT"), lines.join("\n") + "\n", text[..text.len() / 2].to_owned()] {
        fs::write(&file, altered).unwrap();
        log(&["verify", id]).ended_with(1);
    }
}

#[test]
fn doctor_names_the_level_that_this_machine_gives() {
    let finished = Run::new().verb(["doctor"]).run();
    assert!(finished.stdout().contains("sealed"), "{}", finished.stdout());
    let finished = Run::new().verb(["doctor"]).flag("--json").run();
    serde_json::from_str::<serde_json::Value>(&finished.stdout()).unwrap();
}

#[test]
fn a_tree_that_is_granted_has_its_secret_files_masked() {
    for user in users() {
        let key = fresh_key("sk_live_");
        let run = Run::new().user(*user).declare("key", &key).home_file("other/.env", format!("STRIPE_KEY={key}\n"));
        let run =
            run.home_file("other/deep/.env.local", format!("STRIPE_KEY={key}\n")).flags(["--writable", "~/other"]);
        let script = "cat ~/other/.env ~/other/deep/.env.local && echo done > ~/other/deep/made";
        let finished = run.shell(script).run().succeeded();
        assert_eq!(finished.stdout().matches("STRIPE_KEY=sk_live_").count(), 2, "{}", finished.stdout());
        let other = finished.world().home().join("other");
        assert_eq!(fs::read_to_string(other.join("deep/made")).unwrap(), "done\n");
        assert!(fs::read_to_string(other.join(".env")).unwrap().contains(&key));
    }
}
