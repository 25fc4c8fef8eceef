//! Where a run may send requests: what is refused, how it is said, and which flag opens it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::support::{Finished, Run, Upstream, fresh_key};

/// The status that curl got for one URL, with the answer's body on the lines after it.
fn fetch(run: Run, upstream: &Upstream, url: &str) -> Finished {
    let script =
        format!("curl -s --max-time 20 -o body -w '%{{http_code}} %{{exitcode}}\\n' {url}; cat body 2>/dev/null; true");
    run.upstream(upstream).variable("CURL_HOME", "/nowhere").shell(&script).run().succeeded()
}

#[test]
fn an_allowlist_refuses_what_it_does_not_name_with_the_flag_that_would_open_it() {
    let upstream = Upstream::start(["allowed.example", "denied.example"]);
    let run = || Run::new().flags(["--egress", "allowlist", "--allow", "allowed.example"]);
    let finished = fetch(run(), &upstream, "https://denied.example/test/ok");
    assert!(finished.stdout().starts_with("403 ") || finished.stdout().contains(" 56\n"), "{}", finished.stdout());
    assert!(finished.stderr().contains("--allow denied.example"), "{}", finished.stderr());
    assert_eq!(upstream.connections(), 0);
    let refusals = finished.audit_of("decision");
    assert!(refusals.iter().any(|record| record["host"] == "denied.example"), "{refusals:?}");
}

/// Without a proxy in between the client completes its handshake with us, and reads why.
#[test]
fn a_refusal_is_a_problem_document_that_a_client_can_read() {
    let upstream = Upstream::start(["denied.example"]);
    let script = "unset HTTPS_PROXY https_proxy HTTP_PROXY http_proxy
        curl -s -i https://denied.example/test/ok";
    let run = Run::new().flags(["--egress", "allowlist"]).upstream(&upstream).shell(script);
    let finished = run.run().succeeded();
    let answer = finished.stdout();
    assert!(answer.contains(" 403") && answer.to_lowercase().contains("application/problem+json"), "{answer}");
    assert!(answer.to_lowercase().contains("proxy-status: agentsecrets; error="), "{answer}");
    let body = answer.split("\r\n\r\n").last().unwrap();
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(problem["code"].is_string() && body.contains("--allow denied.example"), "{body}");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_bound_host_needs_no_allowance() {
    let key = fresh_key("sk-proj-");
    let upstream = Upstream::start(["api.openai.com"]);
    let run = Run::new().secret("OPENAI_API_KEY", &key).flags(["--egress", "allowlist"]).upstream(&upstream);
    let script = "curl -sS --fail -H \"Authorization: Bearer $OPENAI_API_KEY\" https://api.openai.com/test/ok";
    assert_eq!(run.shell(script).run().succeeded().stdout(), "ok");
}

#[test]
fn other_ports_are_refused_until_they_are_named() {
    let upstream = Upstream::start(["service.example"]);
    let target = format!("service.example:8443:127.0.0.1:{}", upstream.address().port());
    let script =
        "curl -sk --max-time 20 -w '%{http_code} %{http_connect}\\n' https://service.example:8443/test/ok; true";
    let closed = Run::new().flags(["--connect-to", &target]).shell(script).run().succeeded();
    assert!(!closed.stdout().contains("200 200"), "{}", closed.stdout());
    assert!(closed.stderr().contains("--allow service.example:8443"), "{}", closed.stderr());
    let by_address = "curl -s --noproxy '*' --max-time 20 'http://[2606:2800:220::7]:8443/'; true";
    let closed = Run::new().shell(by_address).run().succeeded();
    assert!(closed.stderr().contains("--allow [2606:2800:220::7]:8443"), "{}", closed.stderr());
    let run = Run::new().flags(["--connect-to", &target, "--allow", "service.example:8443"]);
    assert!(run.shell(script).run().succeeded().stdout().contains("200 200"));
}

#[test]
fn addresses_that_are_not_of_the_internet_are_refused() {
    let upstream = Upstream::start(["nobody.example"]);
    let addresses = [
        "169.254.169.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.100.100.200",
        "198.18.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "[fd00:ec2::254]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::a00:1]",
        "[fe80::1]",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
    ];
    for address in addresses {
        let finished = fetch(Run::new(), &upstream, &format!("http://{address}/latest/meta-data"));
        let said = finished.stdout();
        assert!(said.starts_with("403 ") || said.starts_with("000 ") || said.starts_with("502 "), "{address}: {said}");
    }
}

/// A listener of the host's own loopback that answers one request after another.
fn host_service() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhost says\n");
        }
    });
    port
}

#[test]
fn a_port_of_the_host_is_reached_by_its_flag_alone() {
    let port = host_service();
    let script =
        format!("curl -s --max-time 20 http://127.0.0.1:{port}/; curl -s --max-time 20 http://localhost:{port}/; true");
    let closed = Run::new().shell(&script).run().succeeded();
    assert_eq!(closed.stdout(), "", "{}", closed.stderr());
    let open = Run::new().flags(["--loopback", &port.to_string()]).shell(&script).run().succeeded();
    assert_eq!(open.stdout(), "host says\nhost says\n", "{}", open.stderr());
}

#[test]
fn the_loopback_inside_is_the_child_s_own() {
    let script = "python3 -m http.server --bind 127.0.0.1 8077 >/dev/null 2>&1 & server=$!
        for n in 1 2 3 4 5 6 7 8 9; do curl -s --retry-connrefused --retry 20 --retry-delay 1 -o page \
        http://127.0.0.1:8077/ && break; done; kill $server; grep -c 'Directory listing' page | head -n 1";
    let finished = Run::new().shell(script).run().succeeded();
    assert_ne!(finished.stdout().trim(), "0", "{}", finished.stderr());
}

#[test]
fn names_are_resolved_without_being_looked_up_when_denied() {
    let upstream = Upstream::start(["allowed.example", "denied.example"]);
    let script = "getent ahostsv4 allowed.example | head -n 1 | cut -d' ' -f1; getent hosts denied.example; true";
    let run = Run::new().flags(["--egress", "allowlist", "--allow", "allowed.example"]).upstream(&upstream);
    let finished = run.shell(script).run().succeeded();
    let said = finished.stdout();
    assert!(said.starts_with("198.1") && said.lines().count() == 1, "{said}\n{}", finished.stderr());
}

#[test]
fn the_proxy_of_the_parent_s_own_environment_is_not_the_child_s() {
    let run = Run::new().variable("HTTPS_PROXY", "http://user:password-of-the-office@proxy.invalid:3128");
    let run = run.declare("the office proxy", "password-of-the-office").shell("echo $HTTPS_PROXY $https_proxy");
    let finished = run.run().succeeded();
    assert!(finished.stdout().starts_with("http://agentsecrets:"), "{}", finished.stdout());
}
