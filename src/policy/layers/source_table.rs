//! `source` of a secret: where its value comes from.

use std::time::Duration;

use serde::Serialize;

use super::error::PolicyError;
use super::file::{EVERYWHERE, choice};
use super::hashicorp_table::{self, Hashicorp};
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
    /// A field of a secret in HashiCorp Vault or `OpenBao`.
    Hashicorp(Box<Hashicorp>),
}

impl SecretSource {
    /// The variables of the user's environment that it is opened with.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        let (needed, own) = match self {
            Self::Command { environment, .. } => (environment.as_slice(), None),
            Self::Hashicorp(at) => (&[][..], at.login.variable()),
            Self::Store(_) | Self::Env { .. } | Self::Dotenv { .. } => (&[][..], None),
        };
        needed.iter().map(String::as_str).chain(own)
    }
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

/// How long a value is used before it is fetched again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cache {
    /// To the end of the run.
    Run,
    /// This long; not at all where it is zero.
    For(Duration),
}

pub(super) const STORES: &[(&str, StoreKind)] = &[("keychain", StoreKind::Keychain), ("file", StoreKind::File)];
const SOURCE: &[&str] = &[
    "command",
    "dotenv",
    "env",
    "environment",
    "key",
    "hashicorp",
    "path",
    "mount",
    "version",
    "namespace",
    "ca",
    "token",
    "role",
    "secret_id",
];

/// `"keychain"`, `"file"`, `"env"`, `{ env = "VAR" }`, `{ dotenv = "~/x.env", key = "K" }`,
/// `{ command = ["op", "read", "…"], environment = ["OP_SERVICE_ACCOUNT_TOKEN"] }` or
/// `{ hashicorp = "https://vault.example:8200", path = "secret/team/service", key = "token" }`.
pub(super) fn source(item: &Item<'_>) -> Result<At<SecretSource>, PolicyError> {
    let place = item.place();
    if !item.is_table() {
        const WORDS: &[(&str, Option<StoreKind>)] =
            &[("keychain", Some(StoreKind::Keychain)), ("file", Some(StoreKind::File)), ("env", None)];
        return Ok(
            choice(item, WORDS)?.map(|word| word.map_or(SecretSource::Env { variable: None }, SecretSource::Store))
        );
    }
    let items = item.table()?.items(SOURCE, EVERYWHERE)?;
    if items.iter().any(|(name, _)| *name == "hashicorp") {
        if let Some((_, other)) = items.iter().find(|(name, _)| !hashicorp_table::KEYS.contains(name)) {
            return Err(other.wrong("has no place beside `hashicorp`"));
        }
        return Ok(At { value: SecretSource::Hashicorp(Box::new(hashicorp_table::read(item, &items)?)), place });
    }
    let (mut env, mut dotenv, mut argv, mut key, mut environment) = (None, None, None, None, None);
    for (name, item) in items {
        match name {
            "env" => env = Some(variable(&item)?),
            "dotenv" => dotenv = Some(path(&item)?),
            "key" => key = Some(item.text()?.value),
            "environment" => environment = Some(super::file::variables(&item)?),
            "command" => argv = Some(item.texts()?.into_iter().map(|word| word.value).collect::<Vec<_>>()),
            _ => return Err(item.wrong("belongs to `hashicorp`")),
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
                "is to name one of `env`, `dotenv` (with `key` or without), `command` (with `environment` or without) and \
                 `hashicorp`",
            ));
        }
    };
    Ok(At { value, place })
}

/// `"run"`, or a number of seconds, minutes or hours: `"0s"`, `"5m"`, `"1h"`.
pub(super) fn cache(item: &Item<'_>) -> Result<At<Cache>, PolicyError> {
    let text = item.text()?;
    if text.value == "run" {
        return Ok(text.map(|_| Cache::Run));
    }
    let seconds = [("s", 1), ("m", 60), ("h", 3600)].into_iter().find_map(|(unit, seconds)| {
        let number = text.value.strip_suffix(unit)?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse::<u32>().ok().filter(|_| is_number).map(|number| u64::from(number) * seconds)
    });
    match seconds {
        Some(seconds) => Ok(text.map(|_| Cache::For(Duration::from_secs(seconds)))),
        None => Err(item.wrong("is neither `run` nor a time such as `0s`, `30s`, `5m` or `1h`")),
    }
}

fn variable(item: &Item<'_>) -> Result<String, PolicyError> {
    let name = item.text()?.value;
    if super::file::is_variable(&name) { Ok(name) } else { Err(item.wrong(super::file::NOT_A_VARIABLE)) }
}

pub(super) fn path(item: &Item<'_>) -> Result<String, PolicyError> {
    let path = item.text()?.value;
    if path.starts_with('/') || path.starts_with("~/") {
        Ok(path)
    } else {
        Err(item.wrong("is a path that starts neither with `/` nor with `~/`"))
    }
}
