//! A cluster of `kubectl` that signs its own certificates: the broker verifies it with the authority in the user's file, and
//! with nothing else, and trusts that authority for nothing else.

use std::path::Path;

use super::encode;
use crate::support::finished::Finished;
use crate::support::place::{User, clients, users};
use crate::support::{Run, Upstream, fresh_key, requirement};

/// A run of `script` with a cluster at `kube.example` whose file names the authority of `named`.
fn run(user: User, cluster: &Upstream, named: &Upstream, key: &str, script: &str) -> Finished {
    let authority = encode(&std::fs::read_to_string(named.authority()).unwrap());
    let file = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: own\nclusters:\n- name: own\n  cluster:\n    server: \
         https://kube.example\n    certificate-authority-data: {authority}\ncontexts:\n- name: own\n  context:\n    cluster: \
         own\n    user: ann\nusers:\n- name: ann\n  user:\n    token: {key}\n"
    );
    let run = Run::new().user(user).declare("key", key).reaching(cluster).home_file(".kube/config", file);
    run.config_file("config.toml", "inspect = \"all\"\n").shell(script).run()
}

#[test]
fn a_cluster_is_verified_with_its_own_authority_alone() {
    let kubectl =
        ["/usr/bin/kubectl", "/usr/local/bin/kubectl"].into_iter().find(|program| Path::new(program).exists());
    if !requirement::met("clients", kubectl.is_none().then_some("kubectl: not installed; tests/run does it")) {
        return;
    }
    for user in users() {
        let key = fresh_key("");
        let start = || Upstream::start(["kube.example", "other.example"]).accepting("kube.example", &key);
        let (cluster, stranger) = (start(), start());
        let script = "cat ~/.kube/config; kubectl get --raw /version; \
                      curl --silent --output /dev/null --write-out '%{http_code}\\n' https://other.example/test/x";
        let finished = run(*user, &cluster, &cluster, &key, script);
        let context = format!("{user:?}:\n{}{}", finished.stdout(), finished.stderr());
        assert!(finished.stdout().contains("certificate-authority-data: \"\"\n"), "{context}");
        assert!(finished.stdout().contains("v9.9.9"), "{context}");
        // The cluster's authority vouches for no other host.
        assert!(finished.stdout().ends_with("502\n"), "{context}");
        let finished = run(*user, &cluster, &stranger, &key, "kubectl get --raw /version");
        let context = format!("{user:?}:\n{}{}", finished.stdout(), finished.stderr());
        assert!(finished.code() != 0 && !finished.stdout().contains("v9.9.9"), "{context}");
    }
}

#[test]
fn the_python_client_reads_such_a_cluster_too() {
    let python = clients().join("python/bin/python");
    let reason = "the client of kubernetes for Python is not installed; tests/run does it";
    if !requirement::met("clients", (!python.exists()).then_some(reason)) {
        return;
    }
    let ask = "from kubernetes import client, config; config.load_kube_config(); \
               print(client.VersionApi().get_code().git_version)";
    for user in users() {
        let key = fresh_key("");
        let cluster = Upstream::start(["kube.example"]).accepting("kube.example", &key);
        let finished = run(*user, &cluster, &cluster, &key, &format!("{} -c \"{ask}\"", python.display()));
        let context = format!("{user:?}:\n{}{}", finished.stdout(), finished.stderr());
        assert!(finished.code() == 0 && finished.stdout().contains("v9.9.9"), "{context}");
    }
}
