//! A child that takes all it can get of its parent: connections, memory, events. The parent lives on, shows nothing for
//! it, and serves again when there is room.

use std::fs;

use crate::support::place::users;
use crate::support::{Run, Upstream, fresh_key};

/// Takes connections to the proxy, and begins a request on each that never ends, until none is to be had or there are so many.
const TAKE: &str = r#"
import os, resource, socket, sys, urllib.parse
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
proxy = urllib.parse.urlparse(os.environ["HTTPS_PROXY"])
held = []
try:
    while len(held) < 3000:
        one = socket.create_connection((proxy.hostname, proxy.port), timeout=2)
        one.sendall(b"GET http://api.openai.com/ HTTP/1.1\r\nHost: api.openai.com\r\nX-Long: " + b"a" * 30000)
        held.append(one)
except OSError as error:
    print("no more:", error, file=sys.stderr)
reads = 0
print("took", len(held) > 100, flush=True)
for line in sys.stdin:
    if line == "release\n":
        for one in held:
            one.close()
        print("released", flush=True)
    elif line.startswith("read "):
        print(open(line[5:].strip()).read(), end="", flush=True)
        reads += 1
        print("read", reads, flush=True)
    else:
        break
"#;

#[test]
fn a_child_that_takes_every_connection_sees_nothing_for_it() {
    for user in users() {
        let [key, new] = [fresh_key("sk-proj-"), fresh_key("sk-proj-")];
        let upstream = Upstream::start(["api.openai.com"]);
        let run = Run::new().user(*user).secret("OPENAI_API_KEY", &key).declare("NEW", &new).upstream(&upstream);
        let run = run.dotenv(&format!("OPENAI_API_KEY={key}\n")).project_file("take.py", TAKE).unobserved();
        let request = "curl -sS -o /dev/null -w '%{http_code}\\n' --retry 5 --retry-all-errors --retry-delay 1 \
                       -H \"Authorization: Bearer $OPENAI_API_KEY\" https://api.openai.com/test/ok";
        let mut running = run.shell(&format!("python3 take.py && {request}")).input("").start();
        running.wait_for("took True\n");
        // Masks are kept while there is nothing to be had.
        let project = running.world().project();
        let text = format!("OPENAI_API_KEY={new}\n");
        fs::write(project.join("written-beside"), &text).unwrap();
        fs::rename(project.join("written-beside"), project.join(".env")).unwrap();
        running.wait_for_error("/.env was replaced and is masked");
        fs::write(project.join(".env.later"), &text).unwrap();
        running.wait_for_error("/.env.later appeared and is masked");
        running.write(b"read .env\nread .env.later\n");
        running.wait_for("read 2\n");
        fs::remove_file(project.join(".env.later")).unwrap();
        fs::remove_file(project.join(".env")).unwrap();
        running.write(b"release\n");
        running.wait_for("released\n");
        running.write(b"end\n");
        let finished = running.finish().succeeded();
        assert!(finished.stdout().ends_with("200\n"), "{}", finished.stdout());
        assert_eq!(upstream.only("/test/ok").header("authorization"), Some(format!("Bearer {key}").as_str()));
    }
}

#[test]
fn a_flood_of_files_hides_no_new_secret() {
    let new = fresh_key("sk-proj-");
    let run = Run::new().declare("OPENAI_API_KEY", &new).unobserved();
    // More events than the kernel keeps (16,384) in one go, each of a name that is looked at.
    let flood = "mkdir many; i=0; while [ $i -lt 200 ]; do mkdir many/$i; (cd many/$i; \
                 for n in 0 1 2 3 4 5 6 7 8 9; do for m in 0 1 2 3 4 5 6 7 8 9; do : > .env.$n$m; done; done) & \
                 i=$((i + 1)); done; wait; echo flooded; read line; cat .env; cat many/7/.env.late; echo shown";
    let mut running = run.shell(flood).input("").start();
    running.wait_long_for("flooded\n");
    let project = running.world().project();
    let text = format!("OPENAI_API_KEY={new}\n");
    for name in [".env", "many/7/.env.late"] {
        fs::write(project.join(name), &text).unwrap();
        running.wait_for_error(&format!("/{name} appeared and is masked"));
    }
    running.write(b"go\n");
    running.wait_for("shown\n");
    for name in [".env", "many/7/.env.late"] {
        fs::remove_file(project.join(name)).unwrap();
    }
    let finished = running.finish().succeeded();
    assert_eq!(finished.stdout().matches("OPENAI_API_KEY=sk-").count(), 2, "{}", finished.stdout());
}
