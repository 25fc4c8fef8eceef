//! What a run of root's does not see.

use super::*;

#[test]
fn root_sees_no_home_but_where_it_works_and_no_key_of_the_machine() {
    let tree = Tree::new();
    for file in ["ann/.aws/credentials", "bob/code/x", "eve/bin/tool", "ida/cache/x", "etc/ssh/ssh_host_rsa_key"] {
        tree.file(file, "x");
    }
    tree.file("etc/ssh/ssh_host_rsa_key.pub", "x");
    fs::hard_link(tree.path("etc/ssh/ssh_host_rsa_key"), tree.path("backup")).unwrap();
    tree.file("etc/ssl/private/server.key", "x");
    tree.file("etc/ssl/certs/server.pem", "x");
    fs::create_dir_all(tree.path("users")).unwrap();
    for user in ["ann", "bob", "eve", "ida"] {
        fs::rename(tree.path(user), tree.path("users").join(user)).unwrap();
    }
    tree.file("users/README", "x");
    let mut rules = FileRules::default();
    rules.root = toml::from_str(&format!(
        "homes = [\"{0}/users/*\"]\npaths = [\"{0}/etc/ssh/ssh_host_*_key\", \"{0}/etc/ssl/private\", \"{0}/none\"]",
        tree.root.join("home").display()
    ))
    .unwrap();
    let (own, project) = (tree.root.join("root"), tree.path("users/bob/code"));
    fs::create_dir(&own).unwrap();
    let path = tree.path("users/eve/bin").into_os_string();
    let found = |uid: u32, project: &Path| {
        let variable = |name: &str| (name == "PATH").then(|| path.clone());
        let writable = [tree.path("users/ida/cache")];
        let search = Search {
            rules: &rules,
            mask: &[],
            project,
            home: &own,
            current_directory: project,
            variable: &variable,
            writable: Writable::new(&writable),
            trees: &[],
            repository: None,
            needed: &[],
            uid,
            mounts: b"",
        };
        let findings = find(&search).unwrap();
        assert!(findings.found.iter().all(|found| found.unseen_links == 0));
        let mut paths = tree.found(&findings);
        paths.sort();
        paths
    };
    assert_eq!(found(0, &project), ["etc/ssh/ssh_host_rsa_key", "etc/ssl/private", "users/ann"]);
    assert_eq!(found(0, &tree.path("users")), ["etc/ssh/ssh_host_rsa_key", "etc/ssl/private"]);
    assert!(found(1, &project).is_empty());
}
