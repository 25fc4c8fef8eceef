//! Real clients, unmodified, as root and as an ordinary user: each through the explicit proxy where it honours one, and
//! with all proxy variables unset. The upstream stands for the service's real host and accepts the real key alone.

use std::process::Command;

use crate::support::place::{clients, users};
use crate::support::upstream::Seen;
use crate::support::{Run, Upstream, fresh_key, requirement};

/// A client, what it needs, and what must come of it.
struct Client<'a> {
    host: &'a str,
    variable: &'a str,
    prefix: &'a str,
    command: Vec<String>,
    path: &'a str,
    /// The header in which the service looks for its key, `{}` standing for the key.
    header: (&'a str, &'a str),
    says: &'a str,
}

/// The variables that lead a client to the explicit proxy.
const PROXY_VARIABLES: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "NODE_USE_ENV_PROXY",
    "npm_config_proxy",
    "npm_config_https_proxy",
    "CARGO_HTTP_PROXY",
];

/// The command, and the same with every proxy variable taken away inside the run.
fn both_ways(command: &[String]) -> [Vec<String>; 2] {
    let mut bare = vec!["/usr/bin/env".to_owned()];
    bare.extend(PROXY_VARIABLES.iter().flat_map(|name| ["-u".to_owned(), (*name).to_owned()]));
    bare.extend_from_slice(command);
    [command.to_vec(), bare]
}

fn installed() -> bool {
    let missing = ["python/bin/python", "node/node_modules/@anthropic-ai/sdk", "go/client"]
        .into_iter()
        .find(|path| !clients().join(path).exists());
    requirement::met("clients", missing.map(|path| format!("{path}: not installed; tests/run does it")).as_deref())
}

fn python(arguments: &[&str]) -> Vec<String> {
    let program = clients().join("python/bin/python");
    let script = clients().join("client.py");
    let words = [program.to_str().unwrap(), script.to_str().unwrap()].into_iter().chain(arguments.iter().copied());
    words.map(str::to_owned).collect()
}

fn node(arguments: &[&str]) -> Vec<String> {
    let script = clients().join("node/client.mjs");
    ["node", script.to_str().unwrap()].into_iter().chain(arguments.iter().copied()).map(str::to_owned).collect()
}

fn shell(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}

/// Drives the client every way, and looks at both ends each time.
fn drive(client: &Client<'_>) {
    if !installed() {
        return;
    }
    for user in users() {
        for command in both_ways(&client.command) {
            let key = fresh_key(client.prefix);
            let upstream = Upstream::start([client.host]).accepting(client.host, &key);
            let run = Run::new().user(*user).secret(client.variable, &key).upstream(&upstream);
            let finished = run.args(&command).run();
            let context =
                format!("{user:?}: {command:?}\nstdout:\n{}\nstderr:\n{}", finished.stdout(), finished.stderr());
            assert_eq!(finished.code(), 0, "{context}\nupstream: {:#?}", upstream.seen());
            assert!(finished.stdout().contains(client.says), "{context}");
            let placeholder = finished.child_variable(client.variable);
            assert!(placeholder.is_some_and(|value| !value.is_empty() && value != key), "{context}");
            let seen = upstream.seen_at(client.path);
            assert!(!seen.is_empty(), "{context}");
            for request in seen {
                authenticated(&request, client, &key);
            }
        }
    }
}

fn authenticated(request: &Seen, client: &Client<'_>, key: &str) {
    let (name, format) = client.header;
    assert_eq!(request.header(name), Some(format.replace("{}", key).as_str()), "{request:#?}");
    assert_eq!(request.authority.trim_end_matches(":443"), client.host);
    assert_eq!(request.header("proxy-authorization"), None, "the run's token went upstream");
}

fn openai<'a>(command: Vec<String>, path: &'a str, says: &'a str) -> Client<'a> {
    let header = ("authorization", "Bearer {}");
    Client { host: "api.openai.com", variable: "OPENAI_API_KEY", prefix: "sk-proj-", command, path, header, says }
}

/// Its SDKs send `Bearer` or `x-api-key`, as their version has it; the service takes both.
fn anthropic<'a>(command: Vec<String>, header: (&'a str, &'a str)) -> Client<'a> {
    let (path, says) = ("/v1/messages", "hello from upstream");
    let (variable, prefix) = ("ANTHROPIC_API_KEY", "sk-ant-api03-");
    Client { host: "api.anthropic.com", variable, prefix, command, path, header, says }
}

#[test]
fn curl() {
    for (flag, version) in [("--http1.1", "version 1.1"), ("--http2", "version 2")] {
        let script = format!(
            "curl {flag} --silent --show-error --fail --write-out 'version %{{http_version}}' \
             -H \"Authorization: Bearer $OPENAI_API_KEY\" https://api.openai.com/v1/models"
        );
        drive(&openai(shell(&script), "/v1/models", version));
    }
}

#[test]
fn python_requests() {
    drive(&openai(python(&["requests", "https://api.openai.com/v1/models"]), "/v1/models", "200"));
}

#[test]
fn python_httpx() {
    drive(&openai(python(&["httpx", "https://api.openai.com/v1/models"]), "/v1/models", "200"));
    drive(&openai(python(&["httpx_http2", "https://api.openai.com/v1/models"]), "/v1/models", "200 HTTP/2"));
}

#[test]
fn python_openai() {
    for mode in ["openai", "openai_streamed"] {
        drive(&openai(python(&[mode]), "/v1/chat/completions", "hello from upstream"));
    }
}

#[test]
fn python_anthropic() {
    for mode in ["anthropic", "anthropic_streamed"] {
        drive(&anthropic(python(&[mode]), ("authorization", "Bearer {}")));
    }
}

#[test]
fn python_stripe() {
    drive(&Client {
        host: "api.stripe.com",
        variable: "STRIPE_API_KEY",
        prefix: "sk_test_",
        command: python(&["stripe"]),
        path: "/v1/balance",
        header: ("authorization", "Bearer {}"),
        says: "4242",
    });
}

#[test]
fn python_websocket() {
    let path = "/test/websocket";
    drive(&openai(python(&["websockets", "wss://api.openai.com/test/websocket"]), path, "echoed"));
}

#[test]
fn node_fetch() {
    drive(&openai(node(&["fetch", "https://api.openai.com/v1/models"]), "/v1/models", "200"));
}

#[test]
fn node_anthropic() {
    for mode in ["anthropic", "anthropic_streamed"] {
        drive(&anthropic(node(&[mode]), ("authorization", "Bearer {}")));
    }
}

#[test]
fn go() {
    let program = clients().join("go/client").to_str().unwrap().to_owned();
    let command = vec![program, "https://api.openai.com/v1/models".to_owned()];
    drive(&openai(command, "/v1/models", "200 HTTP/2.0"));
}

/// Clones, commits and pushes with a token that a credential helper hands over, as `gh auth setup-git` sets it up.
#[test]
fn git() {
    if !installed() {
        return;
    }
    let helper = "!f() { echo username=x-access-token; echo password=$GITHUB_TOKEN; }; f";
    let script = format!(
        "set -e
        git -c 'credential.helper={helper}' clone --quiet https://github.com/owner/name.git work
        cd work && cat README
        git config user.name Somebody && git config user.email somebody@example.com
        echo more >> README && git commit --quiet --all --message second
        git -c 'credential.helper={helper}' push --quiet origin main && echo pushed"
    );
    for user in users() {
        for command in both_ways(&shell(&script)) {
            let token = fresh_key("ghp_") + "0123456789ab";
            let upstream = Upstream::start(["github.com"]).accepting("github.com", &token);
            let repository = upstream.repository("owner/name.git", &[("README", "from upstream\n")]);
            let run = Run::new().user(*user).secret("GITHUB_TOKEN", &token).upstream(&upstream).args(&command);
            let finished = run.run().succeeded();
            assert!(finished.stdout().ends_with("from upstream\npushed\n"), "{}", finished.stdout());
            let mut log = Command::new("git");
            let log = log.arg("--git-dir").arg(repository).args(["log", "--format=%s", "main"]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&log.stdout), "second\nfirst\n");
        }
    }
}
