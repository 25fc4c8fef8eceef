//! Files that are named elsewhere: by git's configuration, by shells' start-up files, by variables. Each holds a key of its
//! own, which the leak check at the end of each run looks for in all that the command shows.

use super::{PUSH, pair};
use crate::support::place::users;
use crate::support::{Run, Upstream, fresh_key};

/// Files of the home with `{KEY}` for a value, and the variable that names one, if it takes one.
const SHELLS: &[(&str, &str, Option<&str>)] = &[
    (".bashrc", ". ~/.tokens\n[ -f ~/.more ] && source \"$HOME/.more\"\nexport OWN_TOKEN={KEY}\n", None),
    (".tokens", "export FIRST_TOKEN={KEY}\n. ~/own/deeper.sh\n", None),
    (".more", "alias api='curl -u ann:{KEY} https://api.example'\n", None),
    ("own/deeper.sh", "export SECOND_TOKEN='{KEY}'\n", None),
    ("own/environment", "THIRD_TOKEN={KEY}; export THIRD_TOKEN\n", Some("BASH_ENV")),
    ("own/sh", "export FOURTH_TOKEN={KEY}\n", Some("ENV")),
    (".bashrc.d/10-work", "db() { mysql -uroot -p{KEY} app; }\n", None),
    (".zshrc.d/keys.zsh", "sshpass -p {KEY} ssh host\n", None),
    (".profile.d/keys.sh", "export FIFTH_TOKEN={KEY}\n", None),
    (".config/environment.d/50-keys.conf", "SIXTH_TOKEN={KEY}\n", None),
    (".config/fish/conf.d/keys.fish", "set -gx SEVENTH_TOKEN {KEY}\n", None),
    (".config/fish/fish_variables", "# VERSION: 3.0\nSETUVAR --export EIGHTH_TOKEN:{KEY}\n", None),
    ("own/token", "{KEY}\n", None),
    (".zshrc", "export OWN_API_KEY=\"$(cat ~/own/token)\" # {KEY}\n", None),
    (".pam_environment", "NINTH_TOKEN DEFAULT={KEY}\nTENTH_TOKEN DEFAULT=a OVERRIDE=\"{KEY}\"\n", None),
];

#[test]
fn what_shells_read_holds_placeholders_and_still_runs() {
    for user in users() {
        let mut run = Run::new().user(*user);
        let home = run.world().home();
        for (file, text, variable) in SHELLS {
            let key = fresh_key("");
            run = run.declare(file, &key).home_file(file, text.replace("{KEY}", &key));
            if let Some(variable) = variable {
                run = run.variable(variable, home.join(file));
            }
        }
        let files: Vec<&str> = SHELLS.iter().map(|(file, ..)| *file).collect();
        let script = format!(
            "cd; export XDG_CONFIG_HOME=$HOME/.config; for file in {}; do echo \"= $file\"; cat \"$file\" || exit 9; done\n\
             bash --norc -c '. ~/.bashrc; . ~/.bashrc.d/10-work; . ~/.profile.d/keys.sh; shopt -s expand_aliases; alias api; \
             declare -f db; echo \"$OWN_TOKEN $FIRST_TOKEN $SECOND_TOKEN $THIRD_TOKEN $FIFTH_TOKEN\"'",
            files.join(" ")
        );
        let shown = run.shell(&script).run().succeeded().stdout();
        for (file, text, _) in SHELLS {
            let (_, rest) = shown.split_once(&format!("= {file}\n")).unwrap();
            let part = rest.split("= ").next().unwrap();
            // The rest of the file is the same, so it is rendered and not hidden whole.
            let begin = text.split("{KEY}").next().unwrap();
            assert!(part.starts_with(begin) && part.len() > text.len(), "{file}: {part}");
        }
        let last = shown.lines().last().unwrap();
        let values: Vec<&str> = last.split(' ').collect();
        assert_eq!(values.len(), 5, "{last}");
        assert!(values.iter().all(|value| value.len() > 15), "{last}");
    }
}

/// Git pushes with what stands in an included file, in one that a variable names, and in a store of another place.
#[test]
fn git_reads_what_its_configuration_names() {
    let header = "[http \"https://git.example/\"]\n\textraHeader = Authorization: Basic {PAIR}\n";
    let store = "https://ann:{KEY}@git.example\n";
    let cases: &[(&str, &str, &str, &str)] = &[
        ("own/work", header, "[include]\n\tpath = ~/own/work\n", ""),
        ("own/work", header, "[includeIf \"gitdir:/**\"]\n\tpath = own/work\n", ""),
        ("own/global", header, "", "GIT_CONFIG_GLOBAL"),
        ("own/system", header, "", "GIT_CONFIG_SYSTEM"),
        (".config/git/config", header, "", "XDG_CONFIG_HOME"),
        ("own/store", store, "[credential]\n\thelper = store --file ~/own/store\n", ""),
        (".git-credentials", "https://{KEY}:@git.example\n", "[credential]\n\thelper = store\n", ""),
        (".git-credentials", "https://{KEY}:x-oauth-basic@git.example\n", "[credential]\n\thelper = store\n", ""),
    ];
    for (file, text, config, variable) in cases {
        for user in users() {
            // A name of a user has to look like a key to be one.
            let key = fresh_key("0123456789");
            let upstream = Upstream::start(["git.example"]).accepting("git.example", &key);
            upstream.repository("owner/name.git", &[("README", "from upstream\n")]);
            let text = text.replace("{KEY}", &key).replace("{PAIR}", &pair(&key));
            let run = Run::new().user(*user).declare("key", &key).upstream(&upstream).home_file(file, text);
            let home = run.world().home();
            let run = if config.is_empty() { run } else { run.home_file(".gitconfig", config) };
            let run = match *variable {
                "" => run,
                "XDG_CONFIG_HOME" => run.variable(variable, home.join(".config")),
                _ => run.variable(variable, home.join(file)),
            };
            let run = run.config_file("config.toml", "inspect = \"all\"\n");
            let script = format!("cat ~/{file}\n{PUSH}");
            let finished = run.shell(&script).run();
            let context = format!("{file} {variable} {user:?}:\n{}{}", finished.stdout(), finished.stderr());
            assert_eq!(finished.code(), 0, "{context}");
            assert!(finished.stdout().ends_with("pushed\n"), "{context}");
        }
    }
}
