//! Files of tools that take a key among their settings: each shows a placeholder, and its tool still reads it.

use super::{Tool, drive, python};
use crate::support::place::{self, users};
use crate::support::{Run, fresh_key, requirement};

/// A file, from the home on or under `project/` or `above/`; what stands in it, with `{KEY}` for a value; the module of
/// Python that reads its format.
const SETTINGS: &[(&str, &str, &str)] = &[
    (".cargo/config.toml", "[registries.own]\nindex = \"sparse+https://r.example/\"\ntoken = \"{KEY}\"\n", "tomllib"),
    ("project/.cargo/config.toml", "[env]\nOWN_TOKEN = \"{KEY}\"\n[build]\njobs = 2\n", "tomllib"),
    ("above/.cargo/config.toml", "[registry]\ntoken = \"{KEY}\"\n", "tomllib"),
    ("above/.yarnrc.yml", "npmAuthToken: \"{KEY}\"\n", ""),
    (".yarnrc", "registry \"https://npm.example/\"\n\"//npm.example/:_authToken\" \"{KEY}\"\n", ""),
    (".config/mise/config.toml", "[env]\nOWN_TOKEN = \"{KEY}\"\n", "tomllib"),
    (".irbrc", "require 'irb/completion'\nENV['OWN_TOKEN'] = '{KEY}'\n", ""),
    (".pryrc", "OWN_TOKEN = \"{KEY}\"\n", ""),
    (".Renviron", "OWN_PAT={KEY}\n", ""),
    (".config/Code/User/settings.json", "{\"editor.tabSize\": 2, \"own.apiKey\": \"{KEY}\"}\n", "json"),
    (".config/Code/User/profiles/a1/settings.json", "{\"own.token\": \"{KEY}\"}\n", "json"),
    (
        ".config/Code/User/mcp.json",
        "{\"servers\": {\"own\": {\"command\": \"x\", \"env\": {\"OWN_TOKEN\": \"{KEY}\"}}}}\n",
        "json",
    ),
    (
        ".config/zed/settings.json",
        "{\"context_servers\": {\"own\": {\"env\": {\"OWN_API_KEY\": \"{KEY}\"}}}}\n",
        "json",
    ),
    (".continue/config.json", "{\"models\": [{\"title\": \"own\", \"apiKey\": \"{KEY}\"}]}\n", "json"),
    (".continue/config.yaml", "models:\n  - name: own\n    apiKey: {KEY}\n", ""),
    ("project/.vscode/settings.json", "{\"own.password\": \"{KEY}\"}\n", "json"),
    (
        ".m2/settings.xml",
        "<settings><!-- <server><password>{KEY}</password></server> --><servers/></settings>\n",
        "xml.dom.minidom",
    ),
    (".pgpass", "#old.example:5432:*:ann:{KEY}\ndb.example:5432:*:ann:short\n", ""),
];

#[test]
fn settings_of_tools_hold_placeholders_and_still_parse() {
    for user in users() {
        let mut run = Run::new().user(*user);
        let root = run.world().root().to_owned();
        let mut shown = Vec::new();
        for (file, text, module) in SETTINGS {
            let key = fresh_key("");
            let text = text.replace("{KEY}", &key);
            run = run.declare(file, &key);
            let path = match file.split_once('/') {
                Some(("project", below)) => {
                    run = run.project_file(below, &text);
                    root.join("project").join(below)
                }
                Some(("above", below)) => {
                    let path = root.join(below);
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(&path, &text).unwrap();
                    path
                }
                _ => {
                    run = run.home_file(file, &text);
                    root.join("home").join(file)
                }
            };
            shown.push((path, module));
        }
        let reads = |module: &str| match module {
            "" => String::new(),
            "xml.dom.minidom" => {
                format!(" && {} -c 'import {module}; {module}.parse(\"/dev/stdin\")' < $file", python())
            }
            _ => format!(" && {} -c 'import sys, {module}; {module}.loads(sys.stdin.read())' < $file", python()),
        };
        let lines: Vec<String> = shown
            .iter()
            .map(|(path, module)| {
                let path = path.display();
                format!("file='{path}'; echo \"= {path}\"; cat \"$file\" || exit 9; true{} || exit 8\n", reads(module))
            })
            .collect();
        let config = root.join("home/.config");
        let script = format!("export XDG_CONFIG_HOME={}\n{}", config.display(), lines.concat());
        let output = run.shell(&script).run().succeeded().stdout();
        for ((path, _), (file, text, _)) in shown.iter().zip(SETTINGS) {
            let (_, rest) = output.split_once(&format!("= {}\n", path.display())).unwrap();
            let part = rest.split("\n= ").next().unwrap();
            let begin = text.split("{KEY}").next().unwrap();
            assert!(part.starts_with(begin) && part.len() > text.len(), "{file}: {part}");
        }
    }
}

#[test]
fn cargo_reads_a_token_in_its_settings() {
    let cargo = std::env::var_os("CARGO").map(std::path::PathBuf::from);
    let found = cargo.filter(|cargo| cargo.exists()).map(|cargo| place::published(&cargo));
    if !requirement::met("clients", found.is_none().then_some("CARGO names no program")) {
        return;
    }
    drive(&Tool {
        program: "",
        file: ".cargo/config.toml",
        text: "[registry]\ntoken = \"{KEY}\"\n",
        host: "crates.io",
        others: &["index.crates.io"],
        prefix: "cio",
        script: format!("cd /tmp && {} owner --list serde", found.unwrap().display()),
        says: "somebody",
    });
}
