//! Where files lie, whom they name, and what is told of them.

use crate::support::place::users;
use crate::support::{Run, Upstream, fresh_key};

/// Each file where a variable puts it, and what the child may see of it: a placeholder in the file, or nothing at all.
#[test]
fn variables_move_files_and_what_hides_them() {
    let moved: &[(&str, &str, &str, &str)] = &[
        ("GH_CONFIG_DIR", "m/gh", "m/gh/hosts.yml", "github.com:\n    oauth_token: {KEY}\n"),
        ("AWS_SHARED_CREDENTIALS_FILE", "m/aws", "m/aws", "[default]\naws_secret_access_key = {KEY}\n"),
        ("NPM_CONFIG_USERCONFIG", "m/npm", "m/npm", "//npm.example/:_authToken={KEY}\n"),
        ("KUBECONFIG", "m/kube", "m/kube", "users:\n- name: ann\n  user: {token: '{KEY}'}\n"),
        (
            "DOCKER_CONFIG",
            "m/docker",
            "m/docker/config.json",
            "{\"auths\": {\"r.example\": {\"password\": \"{KEY}\"}}}",
        ),
        ("CARGO_HOME", "m/cargo", "m/cargo/credentials.toml", "[registry]\ntoken = \"{KEY}\"\n"),
        ("HF_HOME", "m/hf", "m/hf/token", "{KEY}"),
        ("NETRC", "m/netrc", "m/netrc", "machine git.example login ann password {KEY}\n"),
        (
            "XDG_CONFIG_HOME",
            "m/config",
            "m/config/pip/pip.conf",
            "[global]\nindex-url = https://a:{KEY}@pip.example/\n",
        ),
        ("CLAUDE_CONFIG_DIR", "m/claude", "m/claude/.claude.json", "{\"primaryApiKey\": \"{KEY}\"}"),
        ("CODEX_HOME", "m/codex", "m/codex/auth.json", "{\"OPENAI_API_KEY\": \"{KEY}\"}"),
        ("CLOUDSDK_CONFIG", "m/gcloud", "m/gcloud/credentials.db", ""),
        ("GOOGLE_APPLICATION_CREDENTIALS", "m/service.json", "m/service.json", ""),
    ];
    for user in users() {
        let mut run = Run::new().user(*user);
        let home = run.world().home();
        for (variable, value, file, text) in moved {
            let key = fresh_key("");
            let text = if text.is_empty() { "secret {KEY}\n" } else { text };
            run = run
                .declare(variable, &key)
                .home_file(file, text.replace("{KEY}", &key))
                .variable(variable, home.join(value));
        }
        let names: Vec<&str> = moved.iter().map(|(_, _, file, _)| *file).collect();
        let script = format!(
            "cd; for file in {}; do echo \"= $file\"; cat $file; echo; done 2>/dev/null; true",
            names.join(" ")
        );
        let shown = run.shell(&script).run().succeeded().stdout();
        for (_, _, file, text) in moved {
            let (_, rest) = shown.split_once(&format!("= {file}\n")).unwrap();
            let part = rest.split("= m/").next().unwrap().trim_end();
            let expected = text.replace("{KEY}", "");
            assert_eq!(part.is_empty(), text.is_empty(), "{file}: {part}");
            assert!(part.len() > expected.len() || text.is_empty(), "{file}: {part}");
        }
    }
}

/// A file that the project holds, or that a symlink leads to, names no host: its secret is hidden and goes nowhere.
#[test]
fn a_file_that_a_run_could_write_grants_nothing() {
    for user in users() {
        for link in [false, true] {
            let key = fresh_key("");
            let upstream = Upstream::start(["git.example"]).accepting("git.example", &key);
            let netrc = format!("machine git.example login ann password {key}\n");
            let mut run = Run::new().user(*user).declare("key", &key).upstream(&upstream);
            if link {
                run = run.project_file("mine", netrc);
                std::os::unix::fs::symlink(run.world().project().join("mine"), run.world().home().join(".netrc"))
                    .unwrap();
            } else {
                run = run.project_file(".netrc", netrc);
                let path = run.world().project().join(".netrc");
                run = run.variable("NETRC", path);
            }
            let script = "cat ~/.netrc .netrc 2>/dev/null; curl --silent --netrc-file ${NETRC:-$HOME/.netrc} --output /dev/null \
                          --write-out '%{http_code}\\n' --insecure https://git.example/owner/name";
            let finished = run.shell(script).run();
            assert!(finished.stdout().contains("placeholder_"), "{}{}", finished.stdout(), finished.stderr());
            assert!(finished.stdout().ends_with("401\n"), "{}{}", finished.stdout(), finished.stderr());
        }
    }
}

#[test]
fn explain_names_file_keys_owner_and_why_one_is_hidden_whole() {
    let (key, token) = (fresh_key(""), fresh_key(""));
    let run = Run::new()
        .verb(["explain"])
        .declare("key", &key)
        .declare("token", &token)
        .home_file(".netrc", format!("machine git.example login ann password {key}\n"))
        .home_file(".npmrc", format!("//registry.npmjs.org/:_authToken={token}\n"))
        .home_file(".aws/credentials", format!("[default]\naws_secret_access_key = {key}\n[open\n"))
        .project_file("server.pem", "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA\n-----END EC PRIVATE KEY-----\n")
        .project_file("public.pem", "-----BEGIN CERTIFICATE-----\nMIIBkTCB\n-----END CERTIFICATE-----\n");
    let said = run.args(["true"]).run().succeeded().stdout();
    for expected in [
        "/.netrc: placeholders for password, for git.example; listed under `git`",
        "/.npmrc: placeholders for _authToken, for npm; listed under `packages`",
        "/.aws/credentials: hidden whole: line 3 cannot be parsed; listed under `cloud`",
        "/server.pem: hidden whole: a private key; a name like `*.pem`",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    assert!(!said.contains("public.pem"), "{said}");
}
