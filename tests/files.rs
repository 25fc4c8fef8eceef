//! Rendered credential files in the hands of their own tools, as root and as an ordinary user: each reads its file in a run,
//! which holds placeholders alone, and authenticates with it at a server that accepts the real value alone.

mod clusters;
mod followed;
mod hostile;
mod listed;
mod told;
mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::finished::Finished;
use crate::support::place::{self, clients, users};
use crate::support::upstream::{Seen, carries};
use crate::support::{Run, Upstream, fresh_key, requirement};

/// A tool, its file, and what must come of it.
struct Tool<'a> {
    /// Its program; empty for one that is always there.
    program: &'a str,
    /// From the home on.
    file: &'a str,
    /// What stands in it, `{KEY}` standing for the real value.
    text: &'a str,
    /// Who accepts the real value.
    host: &'a str,
    /// Hosts that it asks besides.
    others: &'a [&'a str],
    prefix: &'a str,
    script: String,
    says: &'a str,
}

fn is_installed(program: &str) -> bool {
    let missing = !program.is_empty() && !Path::new(program).exists();
    let reason = format!("{program}: not installed; tests/run does it");
    requirement::met("clients", missing.then_some(reason.as_str()))
}

fn python() -> String {
    clients().join("python/bin/python").to_str().unwrap().to_owned()
}

/// Drives the tool as every user; the file is shown first, so that a real value in it would be found.
fn drive(tool: &Tool<'_>) -> Vec<Finished> {
    if !is_installed(tool.program) {
        return Vec::new();
    }
    let once = |user| {
        let key = fresh_key(tool.prefix);
        let hosts = [tool.host].into_iter().chain(tool.others.iter().copied());
        // A URL holds its password with percent signs, which its readers decode.
        let real = key.replace("%40", "@");
        let upstream = Upstream::start(hosts).accepting(tool.host, &real);
        upstream.repository("owner/name.git", &[("README", "from upstream\n")]);
        let text = tool.text.replace("{KEY}", &key).replace("{ENCODED}", &encode(&key)).replace("{PAIR}", &pair(&key));
        // The folders of the home are the tools' own, wherever the tests have put the program's.
        let run = Run::new().user(user).declare("key", &key).declare("real", &real).upstream(&upstream);
        let config = run.world().home().join(".config");
        let run = run.home_file(tool.file, text).config_file("config.toml", "inspect = \"all\"\n");
        let script = format!("export XDG_CONFIG_HOME={}\ncat ~/{}\n{}", config.display(), tool.file, tool.script);
        let finished = run.shell(&script).run();
        let context =
            format!("{user:?}: {}\nstdout:\n{}\nstderr:\n{}", tool.file, finished.stdout(), finished.stderr());
        assert_eq!(finished.code(), 0, "{context}\nupstream: {:#?}", upstream.seen());
        assert!(finished.stdout().contains(tool.says), "{context}");
        let authenticated = |seen: &Seen| seen.authority.starts_with(tool.host) && carries(&seen.headers, &real);
        assert!(upstream.seen().iter().any(authenticated), "{context}\nupstream: {:#?}", upstream.seen());
        finished
    };
    users().iter().copied().map(once).collect()
}

fn encode(key: &str) -> String {
    BASE64_STANDARD.encode(key)
}

fn pair(key: &str) -> String {
    BASE64_STANDARD.encode(format!("ann:{key}"))
}

#[test]
fn gh_reads_its_hosts() {
    drive(&Tool {
        program: "/usr/bin/gh",
        file: ".config/gh/hosts.yml",
        text: "github.com:\n    user: ann\n    oauth_token: {KEY}\n    git_protocol: https\n",
        host: "api.github.com",
        others: &[],
        prefix: "gho_",
        script: "gh api user --jq .login".into(),
        says: "somebody",
    });
}

#[test]
fn npm_reads_its_settings() {
    let whoami = "npm whoami --no-update-notifier";
    // It knows who a user is whose name stands in the file.
    let ping = "npm ping --no-update-notifier 2>&1";
    for (text, host, command, says) in [
        ("//registry.npmjs.org/:_authToken={KEY}\n", "registry.npmjs.org", whoami, "somebody"),
        ("registry=https://npm.example/\n//npm.example/:_authToken=\"{KEY}\"\n", "npm.example", whoami, "somebody"),
        ("registry=https://npm.example/\n//npm.example/:_auth={PAIR}\n", "npm.example", ping, "PONG"),
        (
            "registry=https://npm.example/\n//npm.example/:username=ann\n//npm.example/:_password={ENCODED}\n",
            "npm.example",
            ping,
            "PONG",
        ),
    ] {
        drive(&Tool {
            program: "/usr/bin/npm",
            file: ".npmrc",
            text,
            host,
            others: &[],
            prefix: "",
            script: command.into(),
            says,
        });
    }
}

#[test]
fn cargo_reads_its_credentials() {
    let cargo = std::env::var_os("CARGO").map(PathBuf::from);
    let found = cargo.filter(|cargo| cargo.exists()).map(|cargo| place::published(&cargo));
    if !requirement::met("clients", found.is_none().then_some("CARGO names no program")) {
        return;
    }
    let cargo = found.unwrap();
    drive(&Tool {
        program: "",
        file: ".cargo/credentials.toml",
        text: "[registry]\ntoken = \"{KEY}\"\n",
        host: "crates.io",
        others: &["index.crates.io"],
        prefix: "cio",
        script: format!("cd /tmp && {} owner --list serde", cargo.display()),
        says: "somebody",
    });
}

#[test]
fn twine_reads_its_indexes() {
    let wheel = "import zipfile\n\
                 archive = zipfile.ZipFile('own-1.0-py3-none-any.whl', 'w')\n\
                 archive.writestr('own-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: own\\nVersion: 1.0\\n')\n\
                 archive.writestr('own-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
                 archive.writestr('own-1.0.dist-info/RECORD', '')\n\
                 archive.close()\n";
    let script = |repository: &str| {
        format!(
            "set -e\n{0} -c \"{wheel}\"\n{0} -m twine --no-color upload --non-interactive --disable-progress-bar -r {repository} \
             own-1.0-py3-none-any.whl\necho uploaded",
            python()
        )
    };
    let program = clients().join("python/bin/twine");
    for (text, repository, host, prefix) in [
        ("[pypi]\nusername = __token__\npassword = {KEY}\n", "pypi", "upload.pypi.org", "pypi-"),
        (
            "[distutils]\nindex-servers =\n    own\n\n[own]\nrepository = https://pypi.example/legacy/\nusername = ann\n\
             password = {KEY}\n",
            "own",
            "pypi.example",
            "",
        ),
    ] {
        drive(&Tool {
            program: program.to_str().unwrap(),
            file: ".pypirc",
            text,
            host,
            others: &[],
            prefix,
            script: script(repository),
            says: "uploaded",
        });
    }
}

#[test]
fn pip_reads_the_userinfo_of_its_index() {
    drive(&Tool {
        program: &python(),
        file: ".config/pip/pip.conf",
        text: "[global]\nindex-url = https://ann:{KEY}@pip.example/simple\n",
        host: "pip.example",
        others: &[],
        prefix: "p%40",
        script: format!("{} -m pip --disable-pip-version-check --retries 0 download --no-deps own; echo $?", python()),
        says: "\n1\n",
    });
}

#[test]
fn hugging_face_reads_its_token() {
    let program = clients().join("python/bin/hf");
    let ask = "from huggingface_hub import whoami; print(whoami()['name'])";
    drive(&Tool {
        program: program.to_str().unwrap(),
        file: ".cache/huggingface/token",
        text: "{KEY}",
        host: "huggingface.co",
        others: &[],
        prefix: "hf_",
        script: format!("{} -c \"{ask}\"", python()),
        says: "somebody",
    });
}

const CLUSTER: &str = "apiVersion: v1\nkind: Config\ncurrent-context: own\nclusters:\n- name: own\n  cluster:\n    server: \
                       https://kube.example\ncontexts:\n- name: own\n  context:\n    cluster: own\n    user: ann\nusers:\n- name: \
                       ann\n  user:\n    token: {KEY}\n- name: bob\n  user:\n    client-certificate-data: LS0tLS0=\n    \
                       client-key-data: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1IY0NBUUVFSUEKLS0tLS1FTkQgUFJJVkFURSBLRVktLS0tLQo=\n";

#[test]
fn kubectl_reads_its_clusters() {
    let program =
        ["/usr/bin/kubectl", "/usr/local/bin/kubectl"].into_iter().find(|program| Path::new(program).exists());
    drive(&Tool {
        program: program.unwrap_or("/usr/bin/kubectl"),
        file: ".kube/config",
        text: CLUSTER,
        host: "kube.example",
        others: &[],
        prefix: "",
        script: "kubectl get --raw /version".into(),
        says: "v9.9.9",
    });
}

#[test]
fn the_python_client_of_kubernetes_reads_them_too() {
    let program = clients().join("python/lib");
    let ask = "from kubernetes import client, config; config.load_kube_config(); \
               print(client.VersionApi().get_code().git_version)";
    drive(&Tool {
        program: program.to_str().unwrap(),
        file: ".kube/config",
        text: CLUSTER,
        host: "kube.example",
        others: &[],
        prefix: "",
        script: format!("{} -c \"{ask}\"", python()),
        says: "v9.9.9",
    });
}

#[test]
fn skopeo_reads_the_logins_of_docker() {
    drive(&Tool {
        program: "/usr/bin/skopeo",
        file: ".docker/config.json",
        text: "{\"auths\": {\"registry.example\": {\"auth\": \"{PAIR}\"}}, \"HttpHeaders\": {\"X-Own\": \"kept\"}}\n",
        host: "registry.example",
        others: &[],
        prefix: "",
        script: "skopeo login --get-login registry.example && skopeo inspect --raw docker://registry.example/app:1"
            .into(),
        says: "ann\n{\"authenticated\":true}",
    });
}

/// Clones, commits and pushes.
const PUSH: &str = "set -e
git clone --quiet https://git.example/owner/name.git work && cd work
git config user.name Somebody && git config user.email somebody@example.com
echo more >> README && git commit --quiet --all --message second && git push --quiet origin main && echo pushed";

#[test]
fn git_reads_its_store_and_netrc_and_headers() {
    let store = "git config --global credential.helper store";
    for (file, text, before, prefix) in [
        (".git-credentials", "https://ann:{KEY}@git.example\n", store, ""),
        (".git-credentials", "https://ann:{KEY}@git.example\n", store, "p%40"),
        (".netrc", "machine git.example\n  login ann\n  password {KEY}\n", "true", ""),
        (
            ".gitconfig",
            "[user]\n\temail = ann@example.com\n[http \"https://git.example/\"]\n\textraHeader = Authorization: Basic {PAIR}\n",
            "git config user.email",
            "",
        ),
    ] {
        let finished = drive(&Tool {
            program: "",
            file,
            text,
            host: "git.example",
            others: &[],
            prefix,
            script: format!("{before}\n{PUSH}"),
            says: "pushed",
        });
        assert!(file != ".gitconfig" || finished.iter().all(|run| run.stdout().contains("\nann@example.com\n")));
    }
}

/// What CI's checkout leaves behind in the repository itself, and a token in the URL of a remote. A project names no host:
/// the token's form does.
#[test]
fn git_reads_the_repositorys_own_configuration() {
    for user in users() {
        let token = fresh_key("ghs_") + "0123456789ab";
        let upstream = Upstream::start(["github.com"]).accepting("github.com", &token);
        let repository = upstream.repository("owner/name.git", &[("README", "from upstream\n")]);
        let header = BASE64_STANDARD.encode(format!("x-access-token:{token}"));
        let config = format!(
            "[core]\n\trepositoryformatversion = 0\n[remote \"origin\"]\n\turl = https://github.com/owner/name.git\n\tfetch = \
             +refs/heads/*:refs/remotes/origin/*\n[remote \"other\"]\n\turl = https://x:{token}@github.com/owner/name.git\n[http \
             \"https://github.com/\"]\n\textraheader = AUTHORIZATION: basic {header}\n"
        );
        let run =
            Run::new().user(*user).declare("token", &token).upstream(&upstream).project_file(".git/config", config);
        let script = "set -e\ncat .git/config\ngit fetch --quiet origin\ngit push --quiet origin origin/main:refs/heads/second\n\
                      git -c http.https://github.com/.extraheader= push --quiet other origin/main:refs/heads/third\necho pushed";
        let finished = run.shell(script).run().succeeded();
        assert!(finished.stdout().ends_with("pushed\n"), "{}", finished.stdout());
        let branches =
            Command::new("git").arg("--git-dir").arg(repository).args(["branch", "--format=%(refname:short)"]).output();
        assert_eq!(String::from_utf8_lossy(&branches.unwrap().stdout), "main\nsecond\nthird\n");
    }
}

/// Until requests are signed here, the values of AWS are hidden: the file parses, and nothing is swapped.
#[test]
fn aws_reads_hidden_values() {
    let ask = "import configparser, os; file = configparser.RawConfigParser(); \
               file.read(os.path.expanduser('~/.aws/credentials')); section = file['default']; \
               print(section['region'], section['aws_secret_access_key'].startswith('placeholder_'), len(section['aws_access_key_id']) > 15)";
    for user in users() {
        let key = fresh_key("");
        let run = Run::new().user(*user).declare("key", &key).home_file(
            ".aws/credentials",
            format!("[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {key}\nregion = eu-west-1\n"),
        );
        let finished = run.args(["python3", "-c", ask]).run().succeeded();
        assert_eq!(finished.stdout(), "eu-west-1 True True\n");
    }
}
