//! The level `none`: whoever cannot show this run's token is turned away, be it another user or another run.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::deadline::{PATIENCE, poll};
use crate::support::place::User;
use crate::support::{Run, Running, Upstream, fresh_key, requirement};

/// A run at the level `none` that waits, its proxy's port, and its token.
struct Open {
    running: Running,
    port: u16,
    token: String,
    upstream: Upstream,
}

fn open() -> Open {
    let key = fresh_key("sk-proj-");
    let upstream = Upstream::start(["api.openai.com"]);
    let run = Run::new().secret("OPENAI_API_KEY", &key).upstream(&upstream).flags(["--isolation", "none"]).input("");
    let running = run.shell("echo proxy $HTTPS_PROXY end; read x").start();
    running.wait_for(" end\n");
    let said = running.stdout();
    let url = said.split_whitespace().nth(1).unwrap();
    let (user, address) = url.strip_prefix("http://").unwrap().split_once('@').unwrap();
    let token = user.split_once(':').unwrap().1.to_owned();
    let port = address.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    Open { running, port, token, upstream }
}

/// The status line that the proxy answers to a request with this head, and whether it keeps the connection.
fn ask(port: u16, request: &str, credentials: Option<&str>) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let header = credentials.map(|text| format!("Proxy-Authorization: Basic {}\r\n", BASE64_STANDARD.encode(text)));
    write!(stream, "{request}\r\nHost: api.openai.com\r\n{}\r\n", header.unwrap_or_default()).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    if head.contains(" 407 ") {
        assert!(head.to_lowercase().contains("proxy-authenticate: basic"), "{head}");
    }
    head.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {head:?}")).parse().unwrap()
}

const REQUESTS: &[&str] = &["CONNECT api.openai.com:443 HTTP/1.1", "GET http://api.openai.com/test/ok HTTP/1.1"];

#[test]
fn without_the_token_of_this_run_the_answer_is_407() {
    let old = open();
    let old_token = old.token.clone();
    old.running.finish();
    let now = open();
    assert_ne!(old_token, now.token);
    for request in REQUESTS {
        for credentials in [
            None,
            Some("agentsecrets:wrong".to_owned()),
            Some(format!("agentsecrets:{old_token}")),
            Some(format!("agentsecrets:{}x", now.token)),
            Some(format!("agentsecrets:{}", &now.token[1..])),
            Some("agentsecrets:".to_owned()),
            Some(String::new()),
        ] {
            assert_eq!(ask(now.port, request, credentials.as_deref()), 407, "{request} {credentials:?}");
        }
    }
    assert_eq!(now.upstream.connections(), 0);
    // The control: with its token the same request passes.
    let right = format!("agentsecrets:{}", now.token);
    assert_eq!(ask(now.port, REQUESTS[0], Some(&right)), 200);
    now.running.finish();
}

/// Inside the seal nobody else reaches the listener: a client that cannot send a token passes, a wrong one does not.
#[test]
fn inside_the_seal_a_missing_token_passes_and_a_wrong_one_does_not() {
    let key = fresh_key("sk-proj-");
    let upstream = Upstream::start(["api.openai.com"]);
    let run = Run::new().secret("OPENAI_API_KEY", &key).upstream(&upstream);
    let script = "port=${HTTPS_PROXY##*:}; port=${port%/}
        for credentials in '' 'agentsecrets:wrong@'; do
            curl -s -o /dev/null -w '%{http_connect} %{http_code}\n' --proxy http://${credentials}127.0.0.1:$port \
            https://api.openai.com/test/ok
        done; true";
    assert_eq!(run.shell(script).run().succeeded().stdout(), "200 200\n407 000\n");
}

#[test]
fn another_local_user_is_turned_away() {
    let root = nix::unistd::geteuid().is_root();
    if !requirement::met("root", (!root).then_some("acting as another user takes root")) {
        return;
    }
    let open = open();
    let stranger = |arguments: &[&str]| {
        let id = User::Stranger.effective();
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_connect}"]).args(arguments).current_dir("/");
        let output = curl.env_clear().env("PATH", "/usr/bin:/bin").uid(id).gid(id).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let proxy = format!("http://127.0.0.1:{}", open.port);
    assert_eq!(stranger(&["--proxy", &proxy, "https://api.openai.com/test/ok"]), "407");
    // Nor can it read the token where the child has it.
    let environ = format!("/proc/{}/environ", open.running.pid());
    let read = Command::new("cat").arg(environ).uid(User::Stranger.effective()).output().unwrap();
    assert!(!read.status.success());
    open.running.finish();
}

#[test]
fn the_level_none_is_named_loudly_and_brokers_all_the_same() {
    let key = fresh_key("sk-proj-");
    let upstream = Upstream::start(["api.openai.com"]).accepting("api.openai.com", &key);
    let run = Run::new().secret("OPENAI_API_KEY", &key).upstream(&upstream).flags(["--isolation", "none"]);
    let script = "curl -sS --fail -H \"Authorization: Bearer $OPENAI_API_KEY\" https://api.openai.com/v1/models";
    let finished = run.shell(script).run().succeeded();
    assert!(finished.stderr().contains("none"), "{}", finished.stderr());
    assert_eq!(upstream.only("/v1/models").header("proxy-authorization"), None);
}

#[test]
fn a_killed_parent_leaves_no_folder() {
    let run = Run::at("none").own_temporary_folder().secret("OPENAI_API_KEY", &fresh_key("sk-proj-")).input("");
    let running = run.shell("ls \"$(dirname \"$SSL_CERT_FILE\")\"; echo ready; read x").start();
    running.wait_for("ready\n");
    assert!(running.stdout().contains("ca.pem\n"), "{}", running.stdout());
    let temporary = running.world().temporary();
    let entries = || std::fs::read_dir(&temporary).unwrap().count();
    assert_eq!(entries(), 1);
    // Nor does a signal to the whole group, which is what a terminal and `timeout` send.
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let _ = kill(Pid::from_raw(-running.pid().as_raw()), signal);
    }
    assert!(running.wait(PATIENCE).is_some());
    poll("the folder to be removed", || (entries() == 0).then_some(()));
}
