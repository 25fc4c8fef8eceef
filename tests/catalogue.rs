//! Each service of the catalogue gets the real key where its own clients put theirs, and the rest of a request as it was
//! sent: requests that real SDKs made, replayed from inside a run.
//!
//! They were recorded from the clients that each names, the key taken out: `{KEY}`, and `{user:KEY}` where Basic hides
//! it. What clients do from one version to the next is for the tests that drive them; these hold for all services.

use std::collections::{BTreeMap, HashMap};

use agentsecrets::policy::catalogue;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::place::users;
use crate::support::upstream::Seen;
use crate::support::{Run, Upstream, fresh_key};

const RECORDED: &str = include_str!("support/recorded.http");
const REPLAY: &str = include_str!("support/replay.py");

/// Fields that one hop adds or takes away, and what is asked of upstream in the child's stead.
const OF_THE_HOP: &[&str] = &["host", "connection", "accept-encoding"];

struct Recorded {
    client: &'static str,
    variable: &'static str,
    prefix: &'static str,
    first_line: &'static str,
    fields: Vec<(String, &'static str)>,
    body: &'static str,
}

impl Recorded {
    fn parse(block: &'static str) -> Self {
        let (title, request) = block.trim_end_matches('\n').split_once('\n').unwrap();
        let (client, credential) = title.rsplit_once(": ").unwrap();
        let (variable, prefix) = credential.split_once('=').unwrap();
        let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
        let mut lines = head.lines();
        let first_line = lines.next().unwrap();
        let field = |line: &'static str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim())
        };
        Self { client, variable, prefix, first_line, fields: lines.map(field).collect(), body }
    }

    fn field(&self, name: &str) -> &'static str {
        self.fields.iter().find(|(known, _)| known == name).unwrap().1
    }

    /// The fields as upstream is to see them.
    fn expected(&self, key: &str) -> BTreeMap<String, String> {
        let passed = self.fields.iter().filter(|(name, _)| !OF_THE_HOP.contains(&name.as_str()));
        passed.map(|(name, value)| (name.clone(), filled(value, key))).collect()
    }
}

fn filled(value: &str, key: &str) -> String {
    match value.strip_prefix("Basic {").and_then(|rest| rest.strip_suffix('}')) {
        Some(pair) => format!("Basic {}", BASE64_STANDARD.encode(pair.replace("KEY", key))),
        None => value.replace("{KEY}", key),
    }
}

fn received(seen: &Seen) -> BTreeMap<String, String> {
    let fields = seen.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    fields.filter(|(name, _)| !OF_THE_HOP.contains(&name.as_str())).collect()
}

#[test]
fn every_service_gets_its_key_from_requests_that_its_own_clients_make() {
    let recorded: Vec<Recorded> = RECORDED.split("### ").skip(1).map(Recorded::parse).collect();
    let mut hosts: Vec<&str> = recorded.iter().map(|request| request.field("host")).collect();
    hosts.sort_unstable();
    hosts.dedup();
    for service in catalogue().services() {
        let targets = service.credentials.iter().flat_map(|credential| &credential.targets);
        assert!(targets.into_iter().any(|target| hosts.contains(&target.to_string().as_str())), "{}", service.id.0);
    }
    for user in users() {
        let upstream = Upstream::start(hosts.clone());
        let mut run = Run::new().user(*user).upstream(&upstream).project_file("recorded.http", RECORDED);
        let mut keys = HashMap::new();
        for request in &recorded {
            let key = keys.entry(request.variable).or_insert_with(|| fresh_key(request.prefix));
            run = run.secret(request.variable, key);
        }
        let finished = run.args(["python3", "-c", REPLAY]).run().succeeded();
        let clients: Vec<String> = recorded.iter().map(|request| format!("{} 200", request.client)).collect();
        assert_eq!(finished.stdout().lines().collect::<Vec<_>>(), clients, "{}", finished.stderr());
        let seen = upstream.seen();
        assert_eq!(seen.len(), recorded.len());
        for (seen, request) in seen.iter().zip(&recorded) {
            let context = format!("{user:?}: {}", request.client);
            assert_eq!(format!("{} {} HTTP/1.1", seen.method, seen.target), request.first_line, "{context}");
            assert_eq!(seen.authority, request.field("host"), "{context}");
            assert_eq!(received(seen), request.expected(&keys[request.variable]), "{context}");
            assert_eq!(seen.header("accept-encoding"), Some("identity"), "{context}");
            assert_eq!(seen.text(), request.body, "{context}");
        }
    }
}
