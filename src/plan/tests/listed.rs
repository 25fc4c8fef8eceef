//! Settings of tools: what stays of them, and whose host a file names.

use super::credentials::told;
use super::*;
use crate::policy::{Action, file_rules};

#[test]
fn settings_name_the_host_of_their_token() {
    for (path, text, expected) in [
        (
            ".okta/okta.yaml",
            "okta:\n  client:\n    orgUrl: https://own.okta.example\n    token: s3cret-token-text\n",
            "okta.own.okta.example.token -> own.okta.example",
        ),
        (
            ".ansible.cfg",
            "[galaxy_server.own]\nurl=https://galaxy.example/\ntoken=s3cret-token-text\n",
            "ansible.galaxy.example.token -> galaxy.example",
        ),
        (".vagrant.d/data/vagrant_login_token", "s3cret-token-text", "vagrant.token -> "),
    ] {
        let planned = Case::default().by_rule(path, text).plan();
        assert_eq!(told(&planned), [expected], "{path}");
        assert!(!planned.masked(&format!("/h/{path}")).contains("s3cret-token-text"), "{path}");
    }
}

/// A default beside the variable's name is a value.
#[test]
fn templates_of_variables_stay_and_their_defaults_do_not() {
    let entry = file_rules().project.iter().find(|entry| entry.pattern.matches(b"config/secrets.yml")).unwrap();
    let Action::Render(render) = &entry.action else { panic!("hidden") };
    for (value, stays) in [
        ("<%= ENV[\"OWN_KEY\"] %>", true),
        ("<%= ENV.fetch('OWN_KEY') %>", true),
        ("<%= ENV['OWN_KEY'] || 's3cret-token-text' %>", false),
        ("<%= ENV.fetch('OWN_KEY', 's3cret-token-text') %>", false),
        ("s3cret-token-text", false),
    ] {
        let text = format!("production:\n  secret_key_base: {value}\n");
        let masked = Case::default().found("/p/s", Some(render.clone()), bytes(&text)).plan().masked("/p/s");
        assert_eq!(masked == "(not masked)", stays, "{value}: {masked}");
        assert!(!masked.contains("s3cret-token-text"), "{value}: {masked}");
    }
}

/// What a project's file says besides, and what refers to a secret that stands elsewhere, stays.
#[test]
fn settings_of_projects_keep_what_is_no_secret() {
    for (path, text) in [
        ("config/secrets.yml", "production:\n  secret_key_base: <%= ENV[\"SECRET_KEY_BASE\"] %>\n  host: localhost\n"),
        ("gradle.properties", "org.gradle.jvmargs=-Xmx2g -XX:MaxMetaspaceSize=512m\nandroid.useAndroidX=true\n"),
        ("key.properties", "keyAlias=upload\nstoreFile=/home/ann/upload-keystore.jks\n"),
        ("local.properties", "sdk.dir=/home/ann/Android/Sdk\nflutter.versionCode=12\n"),
        ("ansible.cfg", "[defaults]\nask_pass = True\nprivate_key_file = ~/.ssh/id\nvault_password_file = ~/.vault\n"),
        ("poetry.toml", "[virtualenvs]\nin-project = true\n[keyring]\nenabled = false\n"),
        (
            "sftp-config.json",
            "{\"host\": \"h.example\", \"ssh_key_file\": \"~/.ssh/id\", \"save_before_upload\": true}",
        ),
        (
            ".ftpconfig",
            "{\"host\": \"h.example\", \"privatekey\": \"\", \"promptForPass\": false, \"keepalive\": 10000}",
        ),
        (
            ".mvn/settings.xml",
            "<settings><servers><server><password>${env.PASS}</password></server></servers></settings>",
        ),
        ("http-client.private.env.json", "{\"dev\": {\"host\": \"https://api.example\", \"user\": \"ann\"}}"),
    ] {
        let is_for = |entry: &&policy::ProjectEntry| entry.pattern.matches(path.as_bytes());
        let entry = file_rules().project.iter().find(is_for).unwrap_or_else(|| panic!("{path} has no rule"));
        let Action::Render(render) = &entry.action else { panic!("{path} is hidden") };
        let planned = Case::default().found(&format!("/p/{path}"), Some(render.clone()), bytes(text)).plan();
        assert_eq!(planned.masked(&format!("/p/{path}")), "(not masked)", "{:?}", told(&planned));
    }
}
