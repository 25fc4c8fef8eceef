//! A real server of the HashiCorp protocol, `OpenBao`, over https, with an authority of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use super::home::Home;
use crate::support::place::{self, User};
use crate::support::{Upstream, fresh_key, requirement};

/// A server that forgets all when it ends.
struct Server {
    child: Child,
    folder: tempfile::TempDir,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Server {
    /// Starts one, where the machine has it.
    fn start() -> Option<Self> {
        let program = place::clients().join("bao/bao");
        if !requirement::met("openbao", (!program.exists()).then_some(program.to_str().unwrap())) {
            return None;
        }
        let folder = place::folder("bao");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(program)
            .args(["server", "-dev", "-dev-tls", "-dev-no-store-token", "-dev-root-token-id=root-token"])
            .arg(format!("-dev-tls-cert-dir={}", folder.path().display()))
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
            .env_clear()
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self { child, folder, address: format!("127.0.0.1:{port}") };
        let begun = std::time::Instant::now();
        while server.ask("GET", "sys/health", "null").is_none() {
            assert!(begun.elapsed() < Duration::from_mins(1), "{}", server.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("vault-ca.pem")
    }

    /// Asks as root; the answer, where the server answers and says yes.
    fn ask(&self, method: &str, path: &str, body: &str) -> Option<serde_json::Value> {
        let output = Command::new("curl")
            .args(["-s", "-f", "-X", method, "-H", "X-Vault-Token: root-token", "--data", body, "--cacert"])
            .arg(self.ca())
            .arg(format!("https://{}/v1/{path}", self.address))
            .output()
            .unwrap();
        let answer = if output.stdout.is_empty() { b"null".as_slice() } else { &output.stdout };
        output.status.success().then(|| serde_json::from_slice(answer).unwrap())
    }
}

/// The lines of a workspace with one secret of the server.
fn secret(server: &Server, ca: &Path, name: &str, rest: &str) -> String {
    format!(
        "[secrets.{name}]\nhosts = [\"a.example\"]\ncache = \"0s\"\n\
         source = {{ hashicorp = \"https://{}\", ca = \"{}\", {rest} }}\n",
        server.address,
        ca.display()
    )
}

#[test]
fn a_run_takes_values_from_a_real_server_by_token_and_by_role() {
    let Some(server) = Server::start() else { return };
    let (one, two, rotated) = (fresh_key("one-"), fresh_key("two-"), fresh_key("rotated-"));
    let put = |path: &str, body: serde_json::Value| {
        assert!(server.ask("POST", path, &body.to_string()).is_some(), "{path}: {}", server.log());
    };
    put("sys/mounts/old", json!({ "type": "kv", "options": { "version": "1" } }));
    put("old/team", json!({ "key": one }));
    put("secret/data/team/service", json!({ "data": { "key": two } }));
    put("sys/auth/approle", json!({ "type": "approle" }));
    put("sys/policies/acl/reader", json!({ "policy": "path \"secret/data/team/*\" { capabilities = [\"read\"] }" }));
    put("auth/approle/role/app", json!({ "token_policies": "reader", "token_ttl": "1h" }));
    let id = |path: &str, method: &str, field: &str| {
        server.ask(method, path, "{}").unwrap()["data"][field].as_str().unwrap().to_owned()
    };
    let role = id("auth/approle/role/app/role-id", "GET", "role_id");
    let secret_id = id("auth/approle/role/app/secret-id", "POST", "secret_id");

    let mut home = Home::new(User::Ordinary);
    let ca = home.path("home/ca.pem");
    fs::copy(server.ca(), &ca).unwrap();
    fs::create_dir_all(home.config("workspaces")).unwrap();
    let by_role =
        format!("path = \"secret/team/service\", key = \"key\", role = \"{role}\", secret_id = \"SECRET_ID\"");
    let denied =
        format!("path = \"old/team\", key = \"key\", version = 1, role = \"{role}\", secret_id = \"SECRET_ID\"");
    let text = [
        secret(&server, &ca, "ONE", "path = \"old/team\", key = \"key\", version = 1"),
        secret(&server, &ca, "TWO", &by_role),
        secret(&server, &ca, "DENIED", &denied),
        secret(&server, &ca, "ABSENT", "path = \"secret/team/service\""),
    ]
    .concat();
    fs::write(home.config("workspaces/default.toml"), &text).unwrap();
    place::give(home.root.path(), home.user);
    home.set("VAULT_TOKEN", "root-token");
    home.set("SECRET_ID", &secret_id);

    let upstream = Upstream::start(["a.example"]);
    let to = format!("a.example:443:127.0.0.1:{}", upstream.address().port());
    let authority = upstream.authority().to_str().unwrap().to_owned();
    let run = |script: &str| {
        home.ok(&["run", "--connect-to", &to, "--upstream-ca", &authority, "--", "/bin/sh", "-c", script])
    };
    let curl = |name: &str| format!("curl -s -H \"Authorization: Bearer ${name}\" https://a.example/test/echo;");
    let script = ["ONE", "TWO", "DENIED", "ABSENT"].map(curl).concat();
    let ran = run(&format!("env; {script}"));
    let sent = |upstream: &Upstream| {
        let sent = upstream.seen();
        sent.iter().map(|seen| seen.header("authorization").unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(sent(&upstream), [format!("Bearer {one}"), format!("Bearer {two}")], "{}{}", ran.out, ran.err);
    assert_eq!(ran.out.matches("\"code\": \"value_not_fetched\"").count(), 2, "{}", ran.out);
    assert!(ran.err.contains("value of DENIED") && ran.err.contains("answered 403"), "{}", ran.err);
    assert!(ran.err.contains("`ABSENT` has no value in `secret/team/service`"), "{}", ran.err);
    for told in [&one, &two, &secret_id, &"root-token".to_owned()] {
        assert!(!format!("{}{}", ran.out, ran.err).contains(told.as_str()), "{}{}", ran.out, ran.err);
    }

    // What the server holds now is what the next request carries.
    put("secret/data/team/service", json!({ "data": { "key": rotated } }));
    run(&curl("TWO"));
    assert_eq!(sent(&upstream).last().unwrap(), &format!("Bearer {rotated}"));

    // Without its authority it is no server to be trusted, and without a token it is not asked.
    fs::write(home.config("workspaces/default.toml"), text.replace(&format!("ca = \"{}\", ", ca.display()), ""))
        .unwrap();
    let ran = run(&curl("TWO"));
    assert!(ran.err.contains("no trusted authority issued its certificate"), "{}", ran.err);
    home.variables.remove("SECRET_ID");
    let said = home.run(&["run", "--", "true"]);
    assert!(said.code == 125 && said.err.contains("`SECRET_ID` is not set"), "{}", said.err);
}
