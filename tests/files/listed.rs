//! Files that are listed for what they may hold: each shows a placeholder among what it says besides, or nothing at all.

use std::fs;

use crate::support::place::users;
use crate::support::{Run, fresh_key};

/// A file that is rendered, from the home on or under `project/`, and what stands in it, with `{KEY}` for a value.
const RENDERED: &[(&str, &str)] = &[
    (".microsoft/usersecrets/a-b/secrets.json", "{\"ConnectionStrings:Main\": \"{KEY}\"}\n"),
    (".okta/okta.yaml", "okta:\n  client:\n    orgUrl: https://own.okta.example\n    token: {KEY}\n"),
    (".cf/config.json", "{\"Target\": \"https://api.cf.example\", \"RefreshToken\": \"{KEY}\"}\n"),
    (".twilio-cli/config.json", "{\"projects\": {\"own\": {\"accountSid\": \"own\", \"apiSecret\": \"{KEY}\"}}}\n"),
    (".serverlessrc", "{\"users\": {\"ann\": {\"dashboard\": {\"accessKeys\": {\"own\": \"{KEY}\"}}}}}\n"),
    (".julia/servers/pkg.example/auth.toml", "expires_in = 86400\naccess_token = \"{KEY}\"\n"),
    (".lein/profiles.clj", "{:user {:plugins [[lein-ancient \"0.6.15\"]]\n        :password \"{KEY}\"}}\n"),
    (".sbt/.credentials", "realm=Own\nhost=r.example\nuser=ann\npassword={KEY}\n"),
    (".ivy2/.credentials", "realm=Own\nhost=r.example\nuser=ann\npassword={KEY}\n"),
    (
        ".ansible.cfg",
        "[defaults]\nask_pass = True\nvault_password_file = ~/.vault\n[galaxy_server.own]\nurl = \
         https://galaxy.example/\ntoken = {KEY}\n",
    ),
    (".vagrant.d/data/vagrant_login_token", "{KEY}"),
    (
        ".config/pgcli/config",
        "[main]\nprompt = '\\u@\\h:\\d> '\n[alias_dsn]\nown = postgresql://ann:{KEY}@db.example/x\n",
    ),
    (".myclirc", "[main]\nsmart_completion = True\n[alias_dsn]\nown = mysql://ann:{KEY}@db.example/x\n"),
    (".config/usql/config.yaml", "connections:\n  own: postgres://ann:{KEY}@db.example/x\n"),
    (".gemrc", ":sources:\n- https://rubygems.example/\n:rubygems_api_key: {KEY}\n"),
    (".config/pypoetry/config.toml", "[repositories.own]\nurl = \"https://ann:{KEY}@pypi.example/simple/\"\n"),
    (
        ".gradle/init.gradle",
        "allprojects { repositories { maven { credentials {\n  username = \"ann\"\n  password = \"{KEY}\"\n}}}}\n",
    ),
    (".gradle/init.d/two.gradle", "repositories { maven { credentials {\n  password '{KEY}'\n}}}\n"),
    (".gradle/init.gradle.kts", "settingsEvaluated {\n  val ownPassword = \"{KEY}\"\n}\n"),
    (".gradle/init.d/own.gradle", "ext.ownPassword = '{KEY}'\n"),
    (".gradle/init.d/own.gradle.kts", "extra[\"ownPassword\"] = \"{KEY}\"\n"),
    (".claude.json.backup", "{\"numStartups\": 1, \"primaryApiKey\": \"{KEY}\"}\n"),
    ("project/config/secrets.yml", "development:\n  secret_key_base: {KEY}\n  host: localhost\n"),
    ("project/a/.secrets", "OWN_TOKEN={KEY}\n"),
    ("project/poetry.toml", "[http-basic.own]\nusername = \"ann\"\npassword = \"{KEY}\"\n"),
    (
        "project/.hg/hgrc",
        "[paths]\ndefault = https://hg.example/x\n[auth]\nown.prefix = hg.example\nown.password = {KEY}\n",
    ),
    (
        "project/.mvn/settings.xml",
        "<settings><servers><server><id>own</id><password>{KEY}</password></server></servers></settings>\n",
    ),
    ("project/ansible.cfg", "[galaxy_server.own]\nurl = https://galaxy.example/\ntoken = {KEY}\n"),
    ("project/gradle.properties", "org.gradle.jvmargs=-Xmx2g\nownPassword={KEY}\n"),
    ("project/android/key.properties", "keyAlias=upload\nstoreFile=/keys/upload\nstorePassword={KEY}\n"),
    ("project/local.properties", "sdk.dir=/opt/android-sdk\nMAPS_API_KEY={KEY}\n"),
    ("project/http-client.private.env.json", "{\"dev\": {\"name\": \"own\", \"token\": \"{KEY}\"}}\n"),
    ("project/.vscode/sftp.json", "{\"host\": \"files.example\", \"username\": \"ann\", \"password\": \"{KEY}\"}\n"),
    ("project/.ftpconfig", "{\"protocol\": \"sftp\", \"user\": \"ann\", \"pass\": \"{KEY}\"}\n"),
    ("project/sftp-config.json", "{\n  // The server.\n  \"host\": \"files.example\",\n  \"password\": \"{KEY}\"\n}\n"),
];

/// Files that are hidden whole, by themselves or with the directory that they lie in.
const HIDDEN: &[&str] = &[
    ".local/share/python_keyring/keyring_pass.cfg",
    ".tsh/keys/teleport.example/ann",
    ".tsh/keys/teleport.example/ann-app/own/app.key",
    ".lein/credentials.clj",
    ".lein/credentials.clj.gpg",
    ".sbt/1.0/credentials.sbt",
    ".sbt/1.0/plugins/credentials.sbt",
    ".vnc/passwd",
    ".config/tigervnc/passwd",
    ".config/JetBrains/Idea2026.1/c.kdbx",
    ".config/JetBrains/Idea2026.1/c.pwd",
    ".local/share/JetBrains/Idea2026.1/c.kdbx",
    ".local/share/JetBrains/Idea2026.1/c.pwd",
    ".config/pgcli/history",
    ".mycli-history",
    ".usqlpass",
    ".dbshell",
    ".config/conda/.condarc",
    ".config/conda/condarc",
    ".conda/.condarc",
    ".conda/condarc",
    ".config/Code/User/History/1a/x.txt",
    ".config/Cursor/User/History/1a/x.txt",
    ".config/VSCodium/User/History/1a/x.txt",
    ".config/Windsurf/User/History/1a/x.txt",
    ".vscode-server/data/User/History/1a/x.txt",
    ".config/Code/Backups/1a/x",
    ".config/Cursor/Backups/1a/x",
    ".config/VSCodium/Backups/1a/x",
    ".config/Windsurf/Backups/1a/x",
    ".config/Code/User/workspaceStorage/1a/state.vscdb",
    ".config/Code/User/workspaceStorage/1a/state.vscdb.backup",
    ".config/Cursor/User/workspaceStorage/1a/state.vscdb",
    ".config/VSCodium/User/workspaceStorage/1a/state.vscdb",
    ".config/Windsurf/User/workspaceStorage/1a/state.vscdb",
    ".config/VSCodium/User/globalStorage/state.vscdb",
    ".config/Windsurf/User/globalStorage/state.vscdb",
    ".local/share/Trash/files/old.env",
    ".aws/cli/history/history.db",
    ".ipython/profile_default/history.sqlite",
    ".local/share/powershell/PSReadLine/ConsoleHost_history.txt",
    ".config/nushell/history.txt",
    ".config/nushell/history.sqlite3",
    ".config/nushell/history.sqlite3-wal",
    ".local/share/mcfly/history.db",
    ".local/state/nvim/shada/main.shada",
    ".local/state/nvim/swap/x.swp",
];

#[test]
fn what_is_listed_shows_placeholders_or_nothing() {
    for user in users() {
        let mut run = Run::new().user(*user);
        let root = run.world().root().to_owned();
        let path = |file: &str| match file.strip_prefix("project/") {
            Some(_) => root.join(file),
            None => root.join("home").join(file),
        };
        let rendered = RENDERED.iter().map(|(file, text)| (*file, *text));
        let files: Vec<(&str, &str)> = rendered.chain(HIDDEN.iter().map(|file| (*file, "secret {KEY}\n"))).collect();
        for (file, text) in &files {
            let key = fresh_key("");
            run = run.declare(file, &key);
            let text = text.replace("{KEY}", &key);
            run = match file.strip_prefix("project/") {
                Some(below) => run.project_file(below, text),
                None => run.home_file(file, text),
            };
        }
        let show = |(file, _): &(&str, &str)| {
            let path = path(file).display().to_string();
            format!("echo '= {path}'; cat '{path}' 2>/dev/null\n")
        };
        let script: String = files.iter().map(show).collect();
        let output = run.shell(&format!("{script}true")).run().succeeded().stdout();
        let mut wrong = Vec::new();
        for (file, text) in &files {
            let (_, rest) = output.split_once(&format!("= {}\n", path(file).display())).unwrap();
            let shown = rest.split("= /").next().unwrap();
            let (begin, end) = text.split_once("{KEY}").unwrap();
            let holds = |end: &str| shown.starts_with(begin) && shown.trim_end().ends_with(end);
            let is_hidden = HIDDEN.contains(file);
            let is_right = if is_hidden { shown.is_empty() } else { holds(end.trim_end()) && shown.len() > text.len() };
            if !is_right {
                wrong.push(format!("{file}: {shown}"));
            }
        }
        assert!(wrong.is_empty(), "{user:?}\n{}", wrong.join("\n"));
    }
}

/// Hidden is not closed: an editor keeps its state there as long as the run lasts.
#[test]
fn a_hidden_directory_takes_what_a_program_keeps_there() {
    for user in users() {
        let key = fresh_key("");
        let run = Run::new().user(*user).declare("key", &key).home_file(".local/state/nvim/swap/x.swp", &key);
        let kept = run.world().home().join(".local/state/nvim/swap");
        let script = "cd ~/.local/state/nvim/swap && ls && echo own > y.swp && cat y.swp";
        let finished = run.shell(script).run().succeeded();
        assert_eq!(finished.stdout(), "own\n");
        assert!(!kept.join("y.swp").exists() && fs::read_to_string(kept.join("x.swp")).unwrap() == key);
    }
}
