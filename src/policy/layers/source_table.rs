//! `source` of a secret: where its value comes from.

use serde::Serialize;

use super::error::PolicyError;
use super::file::{EVERYWHERE, choice};
use super::reader::{At, Item};

/// Where policy says that a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// A store of this program, which keeps it under workspace and name.
    Store(StoreKind),
    /// A variable of the user's environment.
    Env {
        /// The variable; that of the secret's own name where none is named.
        variable: Option<String>,
    },
    /// A key of a dotenv file.
    Dotenv {
        /// The file: absolute or below `~`.
        path: String,
        /// The key; that of the secret's own name where none is named.
        key: Option<String>,
    },
    /// What a program prints.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Variables of the user's environment that it needs.
        environment: Vec<String>,
    },
}

/// The stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// The platform's keychain.
    Keychain,
    /// The encrypted file.
    File,
}

impl StoreKind {
    /// How policy files spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keychain => "keychain",
            Self::File => "file",
        }
    }
}

pub(super) const STORES: &[(&str, StoreKind)] = &[("keychain", StoreKind::Keychain), ("file", StoreKind::File)];
const SOURCE: &[&str] = &["command", "dotenv", "env", "environment", "key"];

/// `"keychain"`, `"file"`, `"env"`, `{ env = "VAR" }`, `{ dotenv = "~/x.env", key = "K" }` or
/// `{ command = ["op", "read", "…"], environment = ["OP_SERVICE_ACCOUNT_TOKEN"] }`.
pub(super) fn source(item: &Item<'_>) -> Result<At<SecretSource>, PolicyError> {
    let place = item.place();
    if !item.is_table() {
        const WORDS: &[(&str, Option<StoreKind>)] =
            &[("keychain", Some(StoreKind::Keychain)), ("file", Some(StoreKind::File)), ("env", None)];
        return Ok(
            choice(item, WORDS)?.map(|word| word.map_or(SecretSource::Env { variable: None }, SecretSource::Store))
        );
    }
    let (mut env, mut dotenv, mut argv, mut key, mut environment) = (None, None, None, None, None);
    for (name, item) in item.table()?.items(SOURCE, EVERYWHERE)? {
        match name {
            "env" => env = Some(variable(&item)?),
            "dotenv" => dotenv = Some(path(&item)?),
            "key" => key = Some(item.text()?.value),
            "environment" => environment = Some(super::file::variables(&item)?),
            _ => argv = Some(item.texts()?.into_iter().map(|word| word.value).collect::<Vec<_>>()),
        }
    }
    let environment: Option<Vec<String>> = environment.map(super::merge::values);
    let value = match (env, dotenv, argv, key, environment) {
        (Some(variable), None, None, None, None) => SecretSource::Env { variable: Some(variable) },
        (None, Some(path), None, key, None) => SecretSource::Dotenv { path, key },
        (None, None, Some(argv), None, environment) => {
            SecretSource::Command { argv, environment: environment.unwrap_or_default() }
        }
        _ => {
            return Err(item.wrong(
                "is to name one of `env`, `dotenv` (with `key` or without) and `command` (with `environment` or without)",
            ));
        }
    };
    Ok(At { value, place })
}

fn variable(item: &Item<'_>) -> Result<String, PolicyError> {
    let name = item.text()?.value;
    if super::file::is_variable(&name) { Ok(name) } else { Err(item.wrong(super::file::NOT_A_VARIABLE)) }
}

fn path(item: &Item<'_>) -> Result<String, PolicyError> {
    let path = item.text()?.value;
    if path.starts_with('/') || path.starts_with("~/") {
        Ok(path)
    } else {
        Err(item.wrong("is a path that starts neither with `/` nor with `~/`"))
    }
}
