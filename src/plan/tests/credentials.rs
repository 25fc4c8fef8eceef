//! Credential files of the home: which values are secret, whose they are, and what the child sees.

use base64::prelude::BASE64_STANDARD;

use super::*;
use crate::policy::{Action, file_rules};

/// The rule of `policies/files.toml` for a file of the home.
fn rule(path: &str) -> (Render, Option<String>) {
    let entry = file_rules().home.iter().find(|entry| entry.path == path).unwrap();
    let Action::Render(render) = &entry.action else { panic!("{path} is hidden") };
    (render.clone(), entry.id.clone())
}

impl Case {
    /// A file of the home by its own rule, where no run may write.
    pub(super) fn by_rule(self, path: &str, text: &str) -> Self {
        let (render, id) = rule(path);
        let mut case = self.found(&format!("/h/{path}"), Some(render), bytes(text));
        let found = case.findings.found.last_mut().unwrap();
        (found.realm, found.id, found.may_grant) = (Realm::Home, id, true);
        case
    }
}

fn encode(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

/// A file, what stays of it, and where its secrets go: `NAME -> hosts`.
type Row<'a> = (&'a str, String, String, &'a [&'a str]);

pub(super) fn told(planned: &Planned) -> Vec<String> {
    let hosts = |secret: &SecretPlan| {
        let hosts: Vec<String> = secret.hosts.iter().map(ToString::to_string).collect();
        format!("{} -> {}", secret.name, hosts.join(","))
    };
    let mut told: Vec<String> = planned.plan.secrets.iter().map(hosts).collect();
    told.sort();
    told
}

fn check(rows: Vec<Row<'_>>) {
    for (path, text, expected, hosts) in rows {
        let planned = Case::default().by_rule(path, &text).plan();
        assert_eq!(unfolded(&planned, path), expected, "{path}: {:?}", planned.plan.warnings);
        let told = told(&planned);
        assert_eq!(told.len(), hosts.len(), "{path}: {told:?}");
        for (told, expected) in told.iter().zip(hosts) {
            let is_of_service =
                expected.strip_suffix('*').is_some_and(|name| told.starts_with(name) && told.len() > name.len());
            assert!(told == expected || is_of_service, "{path}: {told}, not {expected}");
        }
    }
}

#[test]
fn files_of_git_keep_their_form_and_name_their_hosts() {
    let github = GITHUB;
    check(vec![
        (
            ".netrc",
            "machine git.example login ann password s3cret-pass-word\nmachine localhost login a password other-pass-word\n"
                .into(),
            "machine git.example login ann password <netrc.git.example.password>\nmachine localhost login a password \
             <netrc.password>\n"
                .into(),
            &["netrc.git.example.password -> git.example", "netrc.password -> "],
        ),
        (
            ".git-credentials",
            "https://ann:s3cret%40pass@git.example:8443\nhttp://ann:plain-pass-word@git.example\n".into(),
            "https://ann:<git-credentials.git.example_8443.password>@git.example:8443\n\
             http://ann:<git-credentials.password>@git.example\n"
                .into(),
            &["git-credentials.git.example_8443.password -> git.example:8443", "git-credentials.password -> "],
        ),
        (
            ".gitconfig",
            format!(
                "[user]\n\tname = Ann\n[http \"https://git.example/\"]\n\textraHeader = Authorization: Basic {}\n[url \
                 \"https://tok:s3cret-pass-word@own.example/\"]\n\tinsteadOf = own:\n",
                encode("x:s3cret-token-text")
            ),
            "[user]\n\tname = Ann\n[http \"https://git.example/\"]\n\textraHeader = Authorization: Basic \
             {base64:x:<git.git.example.extraheader>}\n[url \"https://tok:<_>@own.example/\"]\n\tinsteadOf = own:\n"
                .into(),
            &["_ -> own.example", "git.git.example.extraheader -> git.example"],
        ),
        (
            ".config/gh/hosts.yml",
            format!(
                "github.com:\n    user: ann\n    oauth_token: {github}\n    git_protocol: https\n    users:\n        ann:\n   \
                 \x20        oauth_token: {github}\nghe.example:\n    oauth_token: 0123456789abcdef0123456789abcdef01234567\n"
            ),
            "github.com:\n    user: ann\n    oauth_token: <GH_TOKEN>\n    git_protocol: https\n    users:\n        ann:\n     \
             \x20      oauth_token: <GH_TOKEN>\nghe.example:\n    oauth_token: <gh.ghe.example.oauth_token>\n"
                .into(),
            &["GH_TOKEN -> *", "gh.ghe.example.oauth_token -> ghe.example"],
        ),
    ]);
}

#[test]
fn files_of_registries_keep_their_form_and_name_their_hosts() {
    check(vec![
        (
            ".aws/credentials",
            "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPx\n".into(),
            "[default]\naws_access_key_id = <aws.aws_access_key_id>\naws_secret_access_key = <aws.aws_secret_access_key>\n"
                .into(),
            &["aws.aws_access_key_id -> ", "aws.aws_secret_access_key -> "],
        ),
        (
            ".docker/config.json",
            format!(
                "{{\"auths\": {{\"registry.example:5000\": {{\"auth\": \"{}\"}}}}, \"credsStore\": \"x\"}}",
                encode("ann:s3cret-pass-word")
            ),
            "{\"auths\": {\"registry.example:5000\": {\"auth\": \
             \"{base64:ann:<docker.registry.example_5000.auth>}\"}}, \"credsStore\": \"x\"}"
                .into(),
            &["docker.registry.example_5000.auth -> registry.example:5000"],
        ),
        (
            ".npmrc",
            format!(
                "registry=https://npm.example/\n//npm.example/team/:_authToken=s3cret-token-text\n//old.example/:_password={}\n\
                 //old.example/:username=ann\n//env.example/:_authToken=${{NPM_TOKEN}}\n\
                 //registry.npmjs.org/:_authToken=npm_0123456789abcdefghijklmnopqrstuvwxyz\n",
                encode("pass-word-of-ann")
            ),
            "registry=https://npm.example/\n//npm.example/team/:_authToken=<npm.npm.example._authToken>\n\
             //old.example/:_password={base64:<npm.old.example._password>}\n//old.example/:username=ann\n\
             //env.example/:_authToken=${NPM_TOKEN}\n//registry.npmjs.org/:_authToken=<NPM_TOKEN>\n"
                .into(),
            &[
                "NPM_TOKEN -> registry.npmjs.org",
                "npm.npm.example._authToken -> npm.example",
                "npm.old.example._password -> old.example",
            ],
        ),
        (
            ".pypirc",
            "[pypi]\nusername = __token__\npassword = pypi-token-of-ann\n[own]\nrepository = https://pypi.example/legacy/\n\
             password = s3cret-pass-word\n"
                .into(),
            "[pypi]\nusername = __token__\npassword = <PYPI_TOKEN>\n[own]\nrepository = https://pypi.example/legacy/\n\
             password = <pypirc.pypi.example.password>\n"
                .into(),
            &["PYPI_TOKEN -> upload.pypi.org", "pypirc.pypi.example.password -> pypi.example"],
        ),
        (
            ".config/pip/pip.conf",
            "[global]\nindex-url = https://ann:s3cret-pass-word@pip.example/simple\n".into(),
            "[global]\nindex-url = https://ann:<index-url>@pip.example/simple\n".into(),
            &["index-url -> pip.example"],
        ),
        (
            ".cargo/credentials.toml",
            "[registry]\ntoken = \"cioabcdefghijklmnopqrstuvwxyz012345\"\n[registries.own]\ntoken = \"Basic s3cret-token\"\n".into(),
            "[registry]\ntoken = \"<CARGO_REGISTRY_TOKEN>\"\n[registries.own]\ntoken = \"<cargo.token>\"\n".into(),
            &["CARGO_REGISTRY_TOKEN -> crates.io", "cargo.token -> "],
        ),
    ]);
}

#[test]
fn files_of_services_keep_their_form_and_name_their_hosts() {
    check(vec![
        (
            ".cache/huggingface/token",
            "hf_abcdefghijklmnopqrstuvwxyz01234567".into(),
            "<HF_TOKEN>".into(),
            &["HF_TOKEN -> *"],
        ),
        (
            ".terraform.d/credentials.tfrc.json",
            "{\"credentials\": {\"app.terraform.io\": {\"token\": \"s3cret-token-text\"}}}".into(),
            "{\"credentials\": {\"app.terraform.io\": {\"token\": \"<terraform.app.terraform.io.token>\"}}}".into(),
            &["terraform.app.terraform.io.token -> app.terraform.io"],
        ),
        (
            ".pgpass",
            "db.example:5432:*:ann:s3cret-pass-word\n".into(),
            "db.example:5432:*:ann:<pgpass.password>\n".into(),
            &["pgpass.password -> "],
        ),
        (
            ".m2/settings.xml",
            "<settings><servers><server><id>own</id><password>s3cret-pass-word</password></server></servers></settings>".into(),
            "<settings><servers><server><id>own</id><password><maven.password></password></server></servers></settings>".into(),
            &["maven.password -> "],
        ),
        (
            ".gradle/gradle.properties",
            "org.gradle.jvmargs=-Xmx2g\nmavenPassword=s3cret-pass-word\n".into(),
            "org.gradle.jvmargs=-Xmx2g\nmavenPassword=<mavenPassword>\n".into(),
            &["mavenPassword -> "],
        ),
    ]);
}

/// The masked file with names in the place of placeholders, inside of base64 too.
fn unfolded(planned: &Planned, path: &str) -> String {
    let mut text = planned.masked(&format!("/h/{path}"));
    for secret in &planned.plan.secrets {
        let placeholder = secret.placeholder.as_str();
        for pair in [format!("x:{placeholder}"), format!("ann:{placeholder}"), placeholder.to_owned()] {
            let shown = pair.replace(placeholder, &format!("<{}>", secret.name));
            text = text.replace(&encode(&pair), &format!("{{base64:{shown}}}"));
        }
        text = text.replace(placeholder, &format!("<{}>", secret.name));
    }
    text
}

#[test]
fn contexts_join_users_with_clusters() {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters:\n- name: one\n  cluster: {{server: 'https://one.example:6443'}}\n\
         - name: two\n  cluster:\n    server: https://two.example\n- name: local\n  cluster:\n    server: https://127.0.0.1:6443\n\
         - name: own\n  cluster:\n    server: https://own.example\n    certificate-authority-data: LS0t\n\
         contexts:\n- name: a\n  context: {{cluster: one, user: ann}}\n- name: b\n  context:\n    cluster: two\n    user: ann\n\
         - name: c\n  context:\n    cluster: local\n    user: kind\n- name: d\n  context: {{cluster: own, user: ann}}\nusers:\n- name: ann\n  user:\n    token: s3cret-token-text\n\
         - name: kind\n  user:\n    client-certificate-data: LS0t\n    client-key-data: {}\n- name: alone\n  user:\n    token: \
         another-token-text\n",
        encode("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA\n-----END EC PRIVATE KEY-----\n")
    );
    let planned = Case::default().by_rule(".kube/config", &text).plan();
    assert_eq!(
        told(&planned),
        ["kube.client-key-data -> ", "kube.one.example_6443.token -> one.example:6443,two.example", "kube.token -> ",]
    );
    let masked = unfolded(&planned, ".kube/config");
    assert!(masked.contains("client-key-data: {base64:<kube.client-key-data>}\n"), "{masked}");
}

#[test]
fn a_clusters_own_authority_gives_way_where_the_broker_speaks_for_it() {
    let pem = encode("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    let text = format!(
        "clusters:\n- name: own\n  cluster:\n    server: https://own.example:6443\n    certificate-authority-data: {pem}\n- name: \
         key\n  cluster:\n    server: https://key.example\n    certificate-authority-data: {pem}\n- name: other\n  cluster:\n    \
         server: https://other.example\n    certificate-authority-data: {pem}\n    tls-server-name: x.example\n\
         contexts:\n- name: a\n  context: {{cluster: own, user: ann}}\n- name: b\n  context: {{cluster: key, user: kind}}\n- \
         name: c\n  context: {{cluster: other, user: ann}}\nusers:\n- name: ann\n  user:\n    token: s3cret-token-text\n- \
         name: kind\n  user:\n    client-key-data: {}\n",
        encode("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA\n-----END EC PRIVATE KEY-----\n")
    );
    let planned = Case::default().by_rule(".kube/config", &text).plan();
    assert_eq!(told(&planned), ["kube.client-key-data -> ", "kube.own.example_6443.token -> own.example:6443"]);
    let targets: Vec<_> = planned.authorities.iter().map(|authority| authority.target.to_string()).collect();
    assert_eq!(targets, ["own.example:6443"]);
    let masked = planned.masked("/h/.kube/config");
    let emptied = |server: &str| masked.contains(&format!("{server}\n    certificate-authority-data: \"\"\n"));
    assert!(emptied("https://own.example:6443") && !emptied("https://key.example"), "{masked}");
    assert_eq!(masked.matches(&pem).count(), 2, "{masked}");
    let mut case = Case::default().by_rule(".kube/config", &text);
    case.findings.found[0].may_grant = false;
    let planned = case.plan();
    assert!(planned.authorities.is_empty() && planned.masked("/h/.kube/config").matches(&pem).count() == 3);
}

#[test]
fn what_names_do_not_tell_is_hidden_where_it_looks_random() {
    let text = "users:\n- name: ann\n  user:\n    exec:\n      command: aws\n      args: [eks, --password, correct-horse-9]\n      \
                env:\n      - name: AWS_PROFILE\n        value: work\n      - name: AWS_SECRET_ACCESS_KEY\n        value: \
                wJalrXUtnFEMI/K7MDENG/bPxRfiCY\n";
    let planned = Case::default().by_rule(".kube/config", text).plan();
    let masked = planned.masked("/h/.kube/config");
    assert!(!masked.contains("wJalr") && !masked.contains("correct-horse"), "{masked}");
    assert!(masked.contains("value: work\n") && masked.contains("args: [eks, --password, placeholder_"), "{masked}");
    let text = "[own]\ntype = azureblob\nsas_url = https://x.blob.example/c?sv=1&sig=abc\nregion = eu-west-1\n";
    let masked =
        Case::default().by_rule(".config/rclone/rclone.conf", text).plan().masked("/h/.config/rclone/rclone.conf");
    assert!(!masked.contains("sig=abc") && masked.contains("region = eu-west-1\n"), "{masked}");
}

#[test]
fn a_file_that_a_run_could_have_written_names_no_host() {
    let text = "machine git.example login ann password s3cret-pass-word\n";
    let alone = Case::default().by_rule(".netrc", text).plan();
    assert_eq!(told(&alone), ["netrc.git.example.password -> git.example"]);
    let change: [fn(&mut Found); 3] = [
        |found| found.may_grant = false,
        |found| found.aliases = vec!["/p/copy".into()],
        |found| found.realm = Realm::Project,
    ];
    for (index, change) in change.into_iter().enumerate() {
        let mut case = Case::default().by_rule(".netrc", text);
        let found = &mut case.findings.found[0];
        change(found);
        found.may_grant &= found.realm == Realm::Home;
        assert_eq!(told(&case.plan()), ["netrc.password -> "], "{index}");
    }
}

#[test]
fn two_hosts_of_one_value_are_both_told_and_two_answers_are_none() {
    let text = "machine a.example login ann password s3cret-pass-word\nmachine b.example login ann password s3cret-pass-word\n";
    let planned = Case::default().by_rule(".netrc", text).plan();
    assert_eq!(told(&planned), ["netrc.a.example.password -> a.example,b.example"]);
    let text = "[own]\nrepository = https://a.example/\nrepository = https://b.example/\npassword = s3cret-pass-word\n";
    assert_eq!(told(&Case::default().by_rule(".pypirc", text).plan()), ["pypirc.password -> "]);
}

#[test]
fn a_coding_that_stays_elsewhere_hides_the_file() {
    let pair = encode("ann:s3cret-pass-word");
    let text = format!("note={pair}\n//npm.example/:_auth={pair}\n");
    let planned = Case::default().by_rule(".npmrc", &text).plan();
    assert_eq!(planned.masked("/h/.npmrc"), "(empty)");
    let mask = &planned.plan.masks[0];
    assert_eq!(mask.hidden_because.as_deref(), Some("the masked file would not read as the original does"));
}

#[test]
fn settings_of_cargo_and_git_hide_what_they_set() {
    check(vec![
        (
            ".cargo/config.toml",
            "[http]\nproxy = \"ann:Zq4horse-battery@proxy.example:3128\"\n[env]\nX_SECRET = { value = \"Zq1horse-battery\", force = \
             true }\nY_SECRET.value = \"Zq2horse-battery\"\nCOLOUR = { value = \"red\", relative = true }\n[env.W_TOKEN]\n\
             value = \"Zq3horse-battery\"\n"
                .into(),
            "[http]\nproxy = \"ann:<proxy>@proxy.example:3128\"\n[env]\nX_SECRET = { value = \"<X_SECRET>\", force = true }\n\
             Y_SECRET.value = \"<Y_SECRET>\"\nCOLOUR = { value = \"red\", relative = true }\n[env.W_TOKEN]\nvalue = \
             \"<W_TOKEN>\"\n"
                .into(),
            &["W_TOKEN -> ", "X_SECRET -> ", "Y_SECRET -> ", "proxy -> "],
        ),
        (
            ".gitconfig",
            "[http]\n\tproxy = ann:Zq4horse-battery@proxy.example:3128\n[http \"https://h/\"]\n\tproxy = proxy.example:80\n[url \
             \"git@github.com:\"]\n\tinsteadOf = gh:\n"
                .into(),
            "[http]\n\tproxy = ann:<proxy>@proxy.example:3128\n[http \"https://h/\"]\n\tproxy = proxy.example:80\n[url \
             \"git@github.com:\"]\n\tinsteadOf = gh:\n"
                .into(),
            &["proxy -> "],
        ),
        (
            ".npmrc",
            "https-proxy=ann:Zq4horse-battery@proxy.example:3128\nregistry=https://npm.example/\n".into(),
            "https-proxy=ann:<https-proxy>@proxy.example:3128\nregistry=https://npm.example/\n".into(),
            &["https-proxy -> "],
        ),
    ]);
}

#[test]
fn what_gives_programs_their_variables_hides_secrets() {
    let is_hidden = |path: &str, text: &str| {
        let masked = Case::default().by_rule(path, text).plan().masked(&format!("/h/{path}"));
        let (before, after) = text.split_once("Zq4horse-battery").unwrap();
        assert!(masked.starts_with(before) && masked.ends_with(after), "{path}: {masked}");
        assert!(masked.len() > before.len() + after.len() && !masked.contains("Zq4horse-battery"), "{path}: {masked}");
    };
    for (path, text) in [
        (".config/systemd/user/*.service", "[Service]\nEnvironment=A_TOKEN=Zq4horse-battery\nExecStart=/bin/x\n"),
        (".config/systemd/user/*.service", "[Service]\nEnvironment=\"A=b\" \"A_TOKEN=Zq4horse-battery\"\nRestart=no\n"),
        (".config/systemd/user/*.service", "[Service]\nExecStart=/bin/x --token=Zq4horse-battery --port=1\n"),
        (".config/systemd/user/*.d/*.conf", "[Service]\nEnvironment='A_TOKEN=Zq4horse-battery'\n"),
        (".config/direnv/direnvrc", "export A_TOKEN=Zq4horse-battery\nuse_x() { :; }\n"),
        (".tmux.conf", "set -g mouse on\nset-environment -g A_TOKEN Zq4horse-battery\n"),
        (".config/tmux/tmux.conf", "setenv -g A_TOKEN \"Zq4horse-battery\"\nset -g status off\n"),
        (".screenrc", "setenv A_TOKEN Zq4horse-battery\nstartup_message off\n"),
        (".config/argocd/config", "users:\n- name: a\n  auth-token: Zq4horse-battery\n"),
        (".ansible/galaxy_token", "---\ntoken: Zq4horse-battery\n"),
        (".config/nix/nix.conf", "cores = 2\naccess-tokens = Zq4horse-battery\n"),
        (".streamlit/secrets.toml", "[a]\nb = \"Zq4horse-battery\"\n"),
        (".hgrc", "[auth]\nx.prefix = https://h\nx.password = Zq4horse-battery\n"),
        (".kube/*.yaml", "users:\n- name: a\n  user:\n    token: Zq4horse-battery\n"),
        (".copilot/*.json", "{\"mcp\": {\"env\": {\"A_TOKEN\": \"Zq4horse-battery\"}}}"),
    ] {
        // Quotes that a syntax writes anew.
        if path == ".streamlit/secrets.toml" {
            let masked = Case::default().by_rule(path, text).plan().named(&format!("/h/{path}"));
            assert_eq!(masked, text.replace("Zq4horse-battery", "<streamlit.b>"));
        } else {
            is_hidden(path, text);
        }
    }
    let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----\n";
    for path in [".minikube/*.key", ".minikube/profiles/*/client.key"] {
        assert_eq!(Case::default().by_rule(path, key).plan().masked(&format!("/h/{path}")), "(empty)", "{path}");
    }
    for path in [".docker/contexts/tls", ".config/flyctl/config.yml", ".fly/config.yml", ".config/curlrc", ".muttrc"] {
        let entry = file_rules().home.iter().find(|entry| entry.path == path);
        assert!(entry.is_some_and(|entry| entry.action == Action::Hide), "{path}");
    }
}
